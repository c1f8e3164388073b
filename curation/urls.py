"""Addresses of the pages."""

from django.urls import URLPattern, path

from curation.views import candidates, code, logs, rules

app_name = "curation"
urlpatterns: list[URLPattern] = [
    path("p/<slug:slug>/logs/", logs.logs, name="logs"),
    path("p/<slug:slug>/logs/<int:pk>/", logs.log, name="log"),
    path("p/<slug:slug>/queries/", rules.queries, name="queries"),
    path("p/<slug:slug>/queries/<int:pk>/", rules.query, name="query"),
    path("p/<slug:slug>/rules/", rules.rules, name="rules"),
    path("p/<slug:slug>/code/", code.sources, name="code"),
    path("p/<slug:slug>/code/functions/", code.functions, name="functions"),
    path("p/<slug:slug>/code/<int:pk>/", code.function, name="function"),
    path("p/<slug:slug>/candidates/", candidates.runs, name="candidates"),
    path("p/<slug:slug>/candidates/<int:pk>/", candidates.run_detail, name="candidate_run"),
    path("p/<slug:slug>/candidates/<int:pk>/matches/", candidates.run_matches, name="candidate_matches"),
]
