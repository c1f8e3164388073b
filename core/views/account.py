"""Log in, log out, password, own account."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_http_methods

from core import throttle
from core.forms import AccountForm, ThrottledLogin
from core.models import Membership


class LoginView(auth_views.LoginView):
    """Log in; a name that failed too often gets status 429 and has to wait."""

    template_name = "core/login.html"
    form_class = ThrottledLogin
    redirect_authenticated_user = True

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        if getattr(form, "is_throttled", False):
            response.status_code = 429
            response["Retry-After"] = str(throttle.PER_NAME.window_s)
        return response

    def get_default_redirect_url(self) -> str:
        user: Any = self.request.user
        if user.is_authenticated and user.must_change_password:
            return reverse("core:password")
        return super().get_default_redirect_url()

    def get_redirect_url(self) -> str:  # type: ignore[override]
        user: Any = self.request.user
        if user.is_authenticated and user.must_change_password:
            return ""
        return super().get_redirect_url()


class LogoutView(auth_views.LogoutView):
    """Log out (POST only)."""


class PasswordView(auth_views.PasswordChangeView):
    """A new password; the old one is asked for."""

    template_name = "core/password.html"
    success_url = reverse_lazy("core:account")

    def form_valid(self, form: Any) -> HttpResponse:
        form.user.must_change_password = False
        messages.success(self.request, "The password is changed. Other browsers are logged out.")
        return super().form_valid(form)


@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Own name and address, and the roles held."""
    form = AccountForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("core:account")
    memberships = Membership.objects.filter(user=request.user.pk).select_related("project").order_by("project__slug")
    return render(request, "core/account.html", {"form": form, "memberships": memberships})
