"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from annotation.api import queue

urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/leases/", queue.LeasesApi.as_view(), name="api-claim"),
    path("projects/<slug:slug>/leases/heartbeat/", queue.HeartbeatApi.as_view(), name="api-heartbeat"),
    path("projects/<slug:slug>/votes/", queue.VotesApi.as_view(), name="api-votes"),
    path("projects/<slug:slug>/votes/<int:pk>/", queue.VoteApi.as_view(), name="api-vote"),
    path("projects/<slug:slug>/undo/", queue.UndoApi.as_view(), name="api-undo"),
    path("projects/<slug:slug>/skip/", queue.SkipApi.as_view(), name="api-skip"),
    path("projects/<slug:slug>/comments/", queue.CommentsApi.as_view(), name="api-comments"),
    path("projects/<slug:slug>/batches/", queue.BatchesApi.as_view(), name="api-batches"),
    path("projects/<slug:slug>/batches/<int:pk>/", queue.BatchActApi.as_view(), name="api-batch"),
]
