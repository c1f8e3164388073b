"""Addresses of the API, below /api/v1/."""

from django.urls import URLPattern, path

from core import api_account, api_jobs, api_members, api_projects

urlpatterns: list[URLPattern] = [
    path("projects/", api_projects.ProjectsApi.as_view(), name="api_projects"),
    path("projects/<slug:slug>/", api_projects.ProjectApi.as_view(), name="api_project"),
    path("account/", api_account.OwnAccountApi.as_view(), name="api_account"),
    path("account/consent/", api_account.ConsentApi.as_view(), name="api_consent"),
    path("projects/<slug:slug>/members/", api_members.MembersApi.as_view(), name="api_members"),
    path("projects/<slug:slug>/members/<str:username>/", api_members.MemberApi.as_view(), name="api_member"),
    path("projects/<slug:slug>/invitations/", api_members.InvitationsApi.as_view(), name="api_invitations"),
    path(
        "projects/<slug:slug>/invitations/<int:pk>/revoke/",
        api_members.RevokeInvitationApi.as_view(),
        name="api_revoke_invitation",
    ),
    path("jobs/", api_jobs.JobsApi.as_view(), name="api_jobs"),
    path("jobs/<int:pk>/", api_jobs.JobApi.as_view(), name="api_job"),
    path("jobs/<int:pk>/cancel/", api_jobs.JobCancelApi.as_view(), name="api_job_cancel"),
    path("jobs/<int:pk>/retry/", api_jobs.JobRetryApi.as_view(), name="api_job_retry"),
    path("projects/<slug:slug>/jobs/", api_jobs.ProjectJobsApi.as_view(), name="api_project_jobs"),
]
