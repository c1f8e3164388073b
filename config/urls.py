"""All addresses. Each app brings its pages (`urls.py`) and its API (`api_urls.py`)."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("core.urls")),
    path("", include("curation.urls")),
    path("", include("annotation.urls")),
    path("", include("modeling.urls")),
    path("api/v1/", include("core.api_urls")),
    path("api/v1/", include("curation.api_urls")),
    path("api/v1/", include("annotation.api_urls")),
    path("api/v1/", include("modeling.api_urls")),
    path("admin/", admin.site.urls),
]
