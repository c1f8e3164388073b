"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from curation.api import candidates, code

urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/code-sources/", code.CodeSourcesApi.as_view(), name="api_code_sources"),
    path("projects/<slug:slug>/codes/", code.CodesApi.as_view(), name="api_codes"),
    path("projects/<slug:slug>/candidate-runs/", candidates.CandidateRunsApi.as_view(), name="api_candidate_runs"),
    path(
        "projects/<slug:slug>/candidate-runs/<int:pk>/",
        candidates.CandidateRunApi.as_view(),
        name="api_candidate_run",
    ),
    path("projects/<slug:slug>/pairs/", candidates.PairsApi.as_view(), name="api_pairs"),
]
