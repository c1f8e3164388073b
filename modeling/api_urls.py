"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from modeling.api import runs, search

PROJECT = "projects/<slug:slug>"
urlpatterns: list[URLPattern] = [
    path(f"{PROJECT}/training-runs/", runs.TrainingRunsApi.as_view()),
    path(f"{PROJECT}/training-runs/<str:name>/", runs.TrainingRunApi.as_view()),
    path(f"{PROJECT}/training-runs/<str:name>/curves/", runs.TrainingCurvesApi.as_view()),
    path(f"{PROJECT}/training-runs/<str:name>/cancel/", runs.TrainingCancelApi.as_view()),
    path(f"{PROJECT}/training-runs/<str:name>/resume/", runs.TrainingResumeApi.as_view()),
    path(f"{PROJECT}/evaluations/", runs.EvaluationsApi.as_view()),
    path(f"{PROJECT}/search/", search.SearchApi.as_view()),
    path(f"{PROJECT}/search/index/", search.SearchIndexApi.as_view()),
]
