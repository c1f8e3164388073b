"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from curation.api import candidates, code, logs, pair_imports, privacy, queries, rule_sets, rules

urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/logs/", logs.LogsApi.as_view(), name="api_logs"),
    path("projects/<slug:slug>/logs/<int:pk>/", logs.LogApi.as_view(), name="api_log"),
    path("projects/<slug:slug>/logs/<int:pk>/undo/", logs.UndoImportApi.as_view(), name="api_undo_import"),
    path("projects/<slug:slug>/logs/preview/", logs.PreviewLogApi.as_view(), name="api_preview_log"),
    path("projects/<slug:slug>/logs/uploads/<int:pk>/", logs.LogUploadApi.as_view(), name="api_log_upload"),
    path("projects/<slug:slug>/queries/", queries.QueriesApi.as_view(), name="api_queries"),
    path("projects/<slug:slug>/queries/bulk/", queries.BulkQueriesApi.as_view(), name="api_bulk_queries"),
    path("projects/<slug:slug>/queries/export/", queries.ExportQueriesApi.as_view(), name="api_export_queries"),
    path("projects/<slug:slug>/saved-filters/", queries.SavedFiltersApi.as_view(), name="api_saved_filters"),
    path("projects/<slug:slug>/saved-filters/<int:pk>/", queries.SavedFilterApi.as_view(), name="api_saved_filter"),
    path("projects/<slug:slug>/quarantine/", privacy.QuarantineApi.as_view(), name="api_quarantine"),
    path("projects/<slug:slug>/k-anonymity/", privacy.KAnonymityApi.as_view(), name="api_k_anonymity"),
    path("projects/<slug:slug>/scan-privacy/", privacy.ScanPrivacyApi.as_view(), name="api_scan_privacy"),
    path("projects/<slug:slug>/privacy-decisions/", privacy.PrivacyDecisionsApi.as_view(), name="api_decisions"),
    path("projects/<slug:slug>/quarantine/<slug:kind>/", privacy.QuarantinedTextsApi.as_view(), name="api_quarantined"),
    path(
        "projects/<slug:slug>/quarantine/<slug:kind>/hold/",
        privacy.QuarantineTextsApi.as_view(),
        name="api_quarantine_texts",
    ),
    path(
        "projects/<slug:slug>/quarantine/<slug:kind>/release/",
        privacy.ReleaseTextsApi.as_view(),
        name="api_release_texts",
    ),
    path(
        "projects/<slug:slug>/quarantine/<slug:kind>/<int:pk>/reveal/",
        privacy.RevealTextApi.as_view(),
        name="api_reveal_text",
    ),
    path("projects/<slug:slug>/rule-sets/", rules.RuleSetsApi.as_view(), name="api_rule_sets"),
    path("projects/<slug:slug>/rule-sets/<int:pk>/", rule_sets.RuleSetApi.as_view(), name="api_rule_set"),
    path("projects/<slug:slug>/rule-sets/<int:pk>/edit-rule/", rule_sets.EditRuleApi.as_view(), name="api_edit_rule"),
    path(
        "projects/<slug:slug>/rule-sets/<int:pk>/preview-rule/",
        rule_sets.PreviewRuleApi.as_view(),
        name="api_preview_rule",
    ),
    path("projects/<slug:slug>/draft-rule-set/", rule_sets.DraftRuleSetApi.as_view(), name="api_draft_rule_set"),
    path("projects/<slug:slug>/import-rule-set/", rule_sets.ImportRuleSetApi.as_view(), name="api_import_rule_set"),
    path("projects/<slug:slug>/diff-rule-sets/", rule_sets.DiffRuleSetsApi.as_view(), name="api_diff_rule_sets"),
    path("projects/<slug:slug>/adopt-rule-set/", rule_sets.AdoptRuleSetApi.as_view(), name="api_adopt_rule_set"),
    path("projects/<slug:slug>/adoptions/", rule_sets.AdoptionsApi.as_view(), name="api_adoptions"),
    path("projects/<slug:slug>/apply-rules/", rules.ApplyRulesApi.as_view(), name="api_apply_rules"),
    path("projects/<slug:slug>/evaluate-rules/", rules.EvaluateRulesApi.as_view(), name="api_evaluate_rules"),
    path("projects/<slug:slug>/code-sources/", code.CodeSourcesApi.as_view(), name="api_code_sources"),
    path("projects/<slug:slug>/code-sources/<int:pk>/", code.CodeSourceApi.as_view(), name="api_code_source"),
    path("projects/<slug:slug>/codes/", code.CodesApi.as_view(), name="api_codes"),
    path("projects/<slug:slug>/codes/<int:pk>/", code.CodeApi.as_view(), name="api_code"),
    path("projects/<slug:slug>/code-settings/", code.CodeSettingsApi.as_view(), name="api_code_settings"),
    path(
        "projects/<slug:slug>/find-near-duplicates/",
        code.FindNearDuplicatesApi.as_view(),
        name="api_find_near_duplicates",
    ),
    path("projects/<slug:slug>/candidate-runs/", candidates.CandidateRunsApi.as_view(), name="api_candidate_runs"),
    path("projects/<slug:slug>/candidate-runs/compare/", candidates.CompareRunsApi.as_view(), name="api_compare_runs"),
    path(
        "projects/<slug:slug>/candidate-runs/<int:pk>/matches/",
        candidates.BestMatchesApi.as_view(),
        name="api_candidate_run_matches",
    ),
    path("projects/<slug:slug>/candidate-previews/", candidates.PreviewsApi.as_view(), name="api_candidate_previews"),
    path(
        "projects/<slug:slug>/candidate-previews/<int:pk>/",
        candidates.PreviewApi.as_view(),
        name="api_candidate_preview",
    ),
    path(
        "projects/<slug:slug>/evaluate-encoders/",
        candidates.EvaluateEncodersApi.as_view(),
        name="api_evaluate_encoders",
    ),
    path(
        "projects/<slug:slug>/candidate-runs/<int:pk>/",
        candidates.CandidateRunApi.as_view(),
        name="api_candidate_run",
    ),
    path("projects/<slug:slug>/pairs/import/", pair_imports.ImportPairsApi.as_view(), name="api_import_pairs"),
    path(
        "projects/<slug:slug>/pairs/import/preview/",
        pair_imports.PreviewPairsApi.as_view(),
        name="api_preview_import_pairs",
    ),
    path("projects/<slug:slug>/pairs/", candidates.PairsApi.as_view(), name="api_pairs"),
]
