"""Addresses of the pages."""

from django.urls import URLPattern, path

from curation.views import (
    candidate_comparisons,
    candidate_encoders,
    candidate_previews,
    candidates,
    code,
    log_uploads,
    log_uploads,
    logs,
    rule_sets,
    rules,
)

app_name = "curation"
urlpatterns: list[URLPattern] = [
    path("p/<slug:slug>/logs/", logs.logs, name="logs"),
    path("p/<slug:slug>/logs/<int:pk>/", logs.log, name="log"),
    path("p/<slug:slug>/logs/uploads/<int:pk>/", log_uploads.log_upload, name="log_upload"),
    path("p/<slug:slug>/logs/uploads/<int:pk>/", log_uploads.log_upload, name="log_upload"),
    path("p/<slug:slug>/queries/", rules.queries, name="queries"),
    path("p/<slug:slug>/queries/<int:pk>/", rules.query, name="query"),
    path("p/<slug:slug>/rules/", rules.rules, name="rules"),
    path("p/<slug:slug>/rules/sets/", rule_sets.versions, name="rule_sets"),
    path("p/<slug:slug>/rules/sets/diff/", rule_sets.diff, name="rule_set_diff"),
    path("p/<slug:slug>/rules/sets/<int:pk>/draft/", rule_sets.draft, name="rule_set_draft"),
    path("p/<slug:slug>/rules/sets/<int:pk>/edit/", rule_sets.edit, name="rule_set_edit"),
    path("p/<slug:slug>/rules/sets/<int:pk>/text/", rule_sets.text, name="rule_set_text"),
    path("p/<slug:slug>/rules/sets/<int:pk>/preview/", rule_sets.preview, name="rule_set_preview"),
    path("p/<slug:slug>/rules/sets/<int:pk>/adopt/", rule_sets.adopt, name="rule_set_adopt"),
    path("p/<slug:slug>/rules/sets/<int:pk>/export/", rule_sets.export, name="rule_set_export"),
    path("p/<slug:slug>/rules/adoptions/<int:pk>/", rule_sets.adoption, name="adoption"),
    path("p/<slug:slug>/rules/adoptions/<int:pk>/queries/", rule_sets.adoption_queries, name="adoption_queries"),
    path("p/<slug:slug>/code/", code.sources, name="code"),
    path("p/<slug:slug>/code/functions/", code.functions, name="functions"),
    path("p/<slug:slug>/code/sources/<int:pk>/", code.source, name="code_source"),
    path("p/<slug:slug>/code/left-out/", code.left_out, name="code_left_out"),
    path("p/<slug:slug>/code/<int:pk>/", code.function, name="function"),
    path("p/<slug:slug>/candidates/", candidates.runs, name="candidates"),
    path("p/<slug:slug>/candidates/<int:pk>/", candidates.run_detail, name="candidate_run"),
    path("p/<slug:slug>/candidates/<int:pk>/matches/", candidates.run_matches, name="candidate_matches"),
    path("p/<slug:slug>/candidates/<int:pk>/codes/", candidates.run_codes, name="candidate_codes"),
    path("p/<slug:slug>/candidates/<int:pk>/not-searched/", candidates.run_not_searched, name="candidate_not_searched"),
    path("p/<slug:slug>/candidates/preview/<int:pk>/", candidate_previews.preview, name="candidate_preview"),
    path("p/<slug:slug>/candidates/compare/", candidate_comparisons.compare, name="compare_runs"),
    path("p/<slug:slug>/candidates/compare/pairs/", candidate_comparisons.compared_pairs, name="compared_pairs"),
    path("p/<slug:slug>/candidates/encoders/", candidate_encoders.encoders, name="candidate_encoders"),
]
