"""Addresses of the shell and the jobs pages."""

from django.urls import URLPattern, path

from core.views import account, consent, health, invitations, jobs, projects, shell

app_name = "core"
urlpatterns: list[URLPattern] = [
    path("", shell.home, name="home"),
    path("theme/", shell.set_theme, name="set-theme"),
    path("language/", shell.set_language, name="set-language"),
    path("login/", account.LoginView.as_view(), name="login"),
    path("logout/", account.LogoutView.as_view(), name="logout"),
    path("account/", account.account, name="account"),
    path("account/password/", account.PasswordView.as_view(), name="password"),
    path("account/log-out-elsewhere/", account.log_out_elsewhere, name="log_out_elsewhere"),
    path("account/consent/", consent.consent, name="consent"),
    path("account/consent/withdraw/", consent.withdraw, name="withdraw_consent"),
    path("login/forgotten/", account.ForgottenView.as_view(), name="forgotten"),
    path("login/forgotten/sent/", account.ForgottenSentView.as_view(), name="forgotten_sent"),
    path("login/new-password/<uidb64>/<token>/", account.NewPasswordView.as_view(), name="new_password"),
    path("invited/<str:secret>/", invitations.invited, name="invited"),
    path("health/", health.health, name="health"),
    path("workers/notice/", jobs.worker_banner, name="worker_banner"),
    path("jobs/", jobs.all_jobs, name="all_jobs"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("jobs/<int:pk>/card/", jobs.job_card, name="job_card"),
    path("jobs/<int:pk>/cancel/", jobs.job_cancel, name="job_cancel"),
    path("jobs/<int:pk>/retry/", jobs.job_retry, name="job_retry"),
    path("p/<slug:slug>/jobs/", jobs.jobs, name="jobs"),
    path("projects/new/", projects.new_project, name="new_project"),
    path("p/<slug:slug>/", projects.project_overview, name="project"),
    path("p/<slug:slug>/settings/", projects.project_settings, name="project_settings"),
    path("p/<slug:slug>/invitations/", invitations.invitations, name="invitations"),
    path("p/<slug:slug>/invitations/<int:pk>/revoke/", invitations.revoke, name="revoke_invitation"),
    path("p/<slug:slug>/members/<str:username>/password-link/", projects.password_link, name="password_link"),
    path("p/<slug:slug>/members/", projects.members, name="members"),
    path("p/<slug:slug>/members/<str:username>/", projects.member, name="member"),
    path("p/<slug:slug>/members/<str:username>/remove/", projects.remove_member, name="remove_member"),
    path("api/schema/", shell.SchemaView.as_view(), name="api_schema"),
    path("api/docs/", shell.api_docs, name="api_docs"),
]
