"""Addresses of the pages."""

from django.urls import URLPattern, path

from modeling.views import evaluations, runs, search

app_name = "modeling"
urlpatterns: list[URLPattern] = [
    path("p/<slug:slug>/runs/", runs.run_list, name="runs"),
    path("p/<slug:slug>/runs/new/", runs.run_new, name="run_new"),
    path("p/<slug:slug>/runs/<str:name>/", runs.run_detail, name="run"),
    path("p/<slug:slug>/runs/<str:name>/live/", runs.run_live, name="run_live"),
    path("p/<slug:slug>/runs/<str:name>/cancel/", runs.run_cancel, name="run_cancel"),
    path("p/<slug:slug>/runs/<str:name>/resume/", runs.run_resume, name="run_resume"),
    path("p/<slug:slug>/runs/<str:name>/use/", runs.run_use, name="run_use"),
    path("p/<slug:slug>/runs/<str:name>/checkpoint/", runs.run_checkpoint, name="run_checkpoint"),
    path("p/<slug:slug>/evaluations/", evaluations.evaluations, name="evaluations"),
    path("p/<slug:slug>/search/", search.search, name="search"),
    path("p/<slug:slug>/search/index/", search.index_build, name="index_build"),
]
