"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from core import api_jobs, api_projects

urlpatterns: list[URLPattern] = [
    path("projects/", api_projects.ProjectsApi.as_view(), name="api_projects"),
    path("projects/<slug:slug>/", api_projects.ProjectApi.as_view(), name="api_project"),
    path("jobs/", api_jobs.JobsApi.as_view(), name="api_jobs"),
    path("jobs/<int:pk>/", api_jobs.JobApi.as_view(), name="api_job"),
    path("jobs/<int:pk>/cancel/", api_jobs.JobCancelApi.as_view(), name="api_job_cancel"),
    path("jobs/<int:pk>/retry/", api_jobs.JobRetryApi.as_view(), name="api_job_retry"),
    path("projects/<slug:slug>/jobs/", api_jobs.ProjectJobsApi.as_view(), name="api_project_jobs"),
]
