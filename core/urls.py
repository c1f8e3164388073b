"""Addresses of the shell and the jobs pages."""

from django.urls import URLPattern

app_name = "core"
urlpatterns: list[URLPattern] = []
