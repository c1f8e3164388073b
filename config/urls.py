"""All addresses. Each app brings its pages (`urls.py`) and its API (`api_urls.py`)."""

from allauth.account import views as allauth_views
from allauth.socialaccount import views as social_views
from django.contrib import admin
from django.urls import include, path

from core.views.account import LoginView, LogoutView, admin_login

# allauth leads to these by its own names; everything else of its `account` (sign-up, addresses, passwords) stays shut.
ACCOUNT = [
    path("login/", LoginView.as_view(), name="account_login"),
    path("logout/", LogoutView.as_view(), name="account_logout"),
    path("account/confirm/", allauth_views.reauthenticate, name="account_reauthenticate"),
    path("login/inactive/", allauth_views.account_inactive, name="account_inactive"),
    path("account/two-factor/", include("allauth.mfa.urls")),
    path("account/single-sign-on/", social_views.connections, name="socialaccount_connections"),
    path("login/error/", social_views.login_error, name="socialaccount_login_error"),
    path("login/cancelled/", social_views.login_cancelled, name="socialaccount_login_cancelled"),
    path("login/with/", include("allauth.socialaccount.providers.openid_connect.urls")),
]

urlpatterns = [
    path("api/v1/", include("annotation.api_urls")),  # first: addresses are tried in order, and votes are most requests
    path("", include("core.urls")),
    path("", include("curation.urls")),
    path("", include("annotation.urls")),
    path("", include("modeling.urls")),
    path("api/v1/", include("core.api_urls")),
    path("api/v1/", include("curation.api_urls")),
    path("api/v1/", include("modeling.api_urls")),
    path("", include(ACCOUNT)),
    path("admin/login/", admin_login),
    path("admin/", admin.site.urls),
]
