"""Addresses of the pages."""

from django.urls import URLPattern, path

from annotation.views import (
    batches,
    curves,
    guideline,
    intent,
    items,
    judge,
    plans,
    pools,
    preferences,
    quality,
    releases,
)

app_name = "annotation"
urlpatterns: list[URLPattern] = [
    path("p/<slug:slug>/judge/", judge.judge, name="judge"),
    path("p/<slug:slug>/judge/keys/", preferences.preferences, name="preferences"),
    path("p/<slug:slug>/judge/history/", judge.history, name="history"),
    path("p/<slug:slug>/judge/history/<int:pk>/", judge.own_vote, name="own-vote"),
    path("p/<slug:slug>/guideline/", guideline.guideline, name="guideline"),
    path("p/<slug:slug>/guideline/edit/", guideline.edit_guideline, name="guideline-edit"),
    path("p/<slug:slug>/batches/", batches.batches, name="batches"),
    path("p/<slug:slug>/batches/plan/", plans.plan, name="plan"),
    path("p/<slug:slug>/batches/plan/estimate/", plans.plan_estimate, name="plan-estimate"),
    path("p/<slug:slug>/candidates/<int:pk>/judged/", curves.score_curve, name="score-curve"),
    path("p/<slug:slug>/pools/", pools.pools, name="pools"),
    path("p/<slug:slug>/pools/<int:pk>/", pools.pool, name="pool"),
    path("p/<slug:slug>/pools/<int:pk>/qrels/", pools.pool_qrels, name="pool-qrels"),
    path("p/<slug:slug>/batches/<int:pk>/", batches.batch, name="batch"),
    path("p/<slug:slug>/batches/<int:pk>/change/", batches.change_batch, name="batch-change"),
    path("p/<slug:slug>/items/<int:pk>/", items.item, name="item"),
    path("p/<slug:slug>/agreement/", quality.agreement, name="agreement"),
    path("p/<slug:slug>/agreement/pairs/", quality.disagreements, name="disagreements"),
    path("p/<slug:slug>/intent/", intent.intent, name="intent"),
    path("p/<slug:slug>/intent/sample/", intent.sample_wizard, name="intent-wizard"),
    path("p/<slug:slug>/intent/samples/<int:pk>/", intent.sample, name="intent-sample"),
    path("p/<slug:slug>/intent/samples/<int:pk>/queries/", intent.sample_queries, name="intent-queries"),
    path("p/<slug:slug>/intent/samples/<int:pk>/keywords/", intent.keywords, name="intent-keywords"),
    path("p/<slug:slug>/intent/opinion/", intent.second_opinion, name="intent-opinion"),
    path("p/<slug:slug>/intent/opinion/queries/", intent.opinions, name="intent-opinions"),
    path("p/<slug:slug>/releases/", releases.releases, name="releases"),
    path("p/<slug:slug>/releases/<str:name>/", releases.release, name="release"),
    path("p/<slug:slug>/releases/<str:name>/change/", releases.change_release, name="release-change"),
    path("p/<slug:slug>/releases/<str:name>/files/<int:pk>/", releases.release_file, name="release-file"),
]
