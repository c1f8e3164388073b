"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from curation.api import candidates, code, logs, rules

urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/logs/", logs.LogsApi.as_view(), name="api_logs"),
    path("projects/<slug:slug>/logs/<int:pk>/", logs.LogApi.as_view(), name="api_log"),
    path("projects/<slug:slug>/logs/preview/", logs.PreviewLogApi.as_view(), name="api_preview_log"),
    path("projects/<slug:slug>/logs/uploads/<int:pk>/", logs.LogUploadApi.as_view(), name="api_log_upload"),
    path("projects/<slug:slug>/queries/", rules.QueriesApi.as_view(), name="api_queries"),
    path("projects/<slug:slug>/rule-sets/", rules.RuleSetsApi.as_view(), name="api_rule_sets"),
    path("projects/<slug:slug>/apply-rules/", rules.ApplyRulesApi.as_view(), name="api_apply_rules"),
    path("projects/<slug:slug>/evaluate-rules/", rules.EvaluateRulesApi.as_view(), name="api_evaluate_rules"),
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
