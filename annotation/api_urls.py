"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from annotation.api import batches, board, intent, judge, plans, pools, preferences, quality, releases

urlpatterns: list[URLPattern] = [
    path("judge-preferences/", preferences.JudgePreferencesApi.as_view(), name="api-judge-preferences"),
    path("projects/<slug:slug>/leases/", judge.LeasesApi.as_view(), name="api-claim"),
    path("projects/<slug:slug>/leases/heartbeat/", judge.HeartbeatApi.as_view(), name="api-heartbeat"),
    path("projects/<slug:slug>/guideline/seen/", judge.GuidelineSeenApi.as_view(), name="api-guideline-seen"),
    path("projects/<slug:slug>/votes/", judge.VotesApi.as_view(), name="api-votes"),
    path("projects/<slug:slug>/votes/<int:pk>/", judge.VoteApi.as_view(), name="api-vote"),
    path("projects/<slug:slug>/undo/", judge.UndoApi.as_view(), name="api-undo"),
    path("projects/<slug:slug>/skip/", judge.SkipApi.as_view(), name="api-skip"),
    path("projects/<slug:slug>/comments/", judge.CommentsApi.as_view(), name="api-comments"),
    path("projects/<slug:slug>/batches/", batches.BatchesApi.as_view(), name="api-batches"),
    path("projects/<slug:slug>/batches/plan/", plans.PlanBatchApi.as_view(), name="api-plan-batch"),
    path("projects/<slug:slug>/batches/plan/preview/", plans.PlanPreviewApi.as_view(), name="api-plan-preview"),
    path("projects/<slug:slug>/batches/<int:pk>/plan/", plans.BatchPlanApi.as_view(), name="api-batch-plan"),
    path("projects/<slug:slug>/batches/<int:pk>/gold/", plans.GoldResultsApi.as_view(), name="api-gold-results"),
    path("projects/<slug:slug>/pools/", pools.PoolsApi.as_view(), name="api-pools"),
    path("projects/<slug:slug>/pools/<int:pk>/", pools.PoolApi.as_view(), name="api-pool"),
    path("projects/<slug:slug>/pools/<int:pk>/qrels/", pools.QrelsApi.as_view(), name="api-qrels"),
    path("projects/<slug:slug>/batches/<int:pk>/", batches.BatchActApi.as_view(), name="api-batch"),
    path("projects/<slug:slug>/dashboard/", board.DashboardApi.as_view(), name="api-dashboard"),
    path("projects/<slug:slug>/scorecard/", board.OwnScorecardApi.as_view(), name="api-own-scorecard"),
    path("projects/<slug:slug>/scorecards/", board.ScorecardsApi.as_view(), name="api-scorecards"),
    path("projects/<slug:slug>/scorecards/<str:username>/", board.ScorecardApi.as_view(), name="api-scorecard"),
    path("projects/<slug:slug>/pay/", board.PayApi.as_view(), name="api-pay"),
    path("projects/<slug:slug>/ceiling/", board.CeilingApi.as_view(), name="api-ceiling"),
    path("projects/<slug:slug>/agreement/", quality.AgreementApi.as_view(), name="api-agreement"),
    path("projects/<slug:slug>/intent-samples/", intent.IntentSamplesApi.as_view(), name="api-intent-samples"),
    path("projects/<slug:slug>/intent-samples/plan/", intent.IntentSamplePlanApi.as_view(), name="api-intent-plan"),
    path("projects/<slug:slug>/intent-samples/<int:pk>/", intent.IntentSampleApi.as_view(), name="api-intent-sample"),
    path(
        "projects/<slug:slug>/intent-samples/<int:pk>/queries/",
        intent.IntentSampleQueriesApi.as_view(),
        name="api-intent-queries",
    ),
    path(
        "projects/<slug:slug>/intent-samples/<int:pk>/keywords/",
        intent.IntentKeywordsApi.as_view(),
        name="api-intent-keywords",
    ),
    path(
        "projects/<slug:slug>/intent-classifiers/", intent.IntentClassifiersApi.as_view(), name="api-intent-classifiers"
    ),
    path(
        "projects/<slug:slug>/intent-classifiers/<int:pk>/score/",
        intent.ScoreIntentApi.as_view(),
        name="api-score-intent",
    ),
    path("projects/<slug:slug>/intent-opinions/", intent.IntentOpinionsApi.as_view(), name="api-intent-opinions"),
    path("projects/<slug:slug>/votes/import/", releases.ImportVotesApi.as_view(), name="api-import-votes"),
    path("projects/<slug:slug>/releases/", releases.ReleasesApi.as_view(), name="api-releases"),
    path("projects/<slug:slug>/releases/<str:name>/", releases.ReleaseApi.as_view(), name="api-release"),
    path(
        "projects/<slug:slug>/releases/<str:name>/files/<int:pk>/",
        releases.ReleaseFileApi.as_view(),
        name="api-release-file",
    ),
    path(
        "projects/<slug:slug>/releases/<str:name>/exports/",
        releases.ReleaseExportsApi.as_view(),
        name="api-release-exports",
    ),
]
