"""Addresses of the pages."""

from django.urls import URLPattern

app_name = "modeling"
urlpatterns: list[URLPattern] = []
