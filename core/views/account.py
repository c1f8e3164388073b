"""Log in, log out, password, own account."""

from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import throttle
from core.access import person_of
from core.account_forms import AccountForm, ResetForm
from core.errors import NotAllowedError
from core.forms import ThrottledLogin
from core.models import Membership
from core.services.consent import decision_of
from core.services.people import end_sessions
from core.sso import sso_name


class LoginView(auth_views.LoginView):
    """Log in; a name that failed too often gets status 429 and has to wait. A second factor is asked for next."""

    template_name = "core/login.html"
    form_class = ThrottledLogin
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        target = reverse("core:password") if user.must_change_password else self.get_success_url()
        login = Login(user=user, redirect_url=target)
        return perform_password_login(self.request, {"username": user.get_username()}, login)

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        if getattr(form, "is_throttled", False):
            response.status_code = 429
            response["Retry-After"] = str(throttle.PER_NAME.window_s)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(sso_name=sso_name(), sends_mail=settings.MAIL_IS_CONFIGURED, **kwargs)


@require_safe
def admin_login(request: HttpRequest) -> HttpResponse:
    """The administration has no door of its own: the login page is the one place with bounds and second factor."""
    if request.user.is_authenticated:
        raise NotAllowedError(needed="administrator", project="(administration)")
    query = urlencode({"next": request.GET.get("next", reverse("admin:index"))})
    return redirect(f"{reverse('core:login')}?{query}")


class LogoutView(auth_views.LogoutView):
    """Log out (POST only)."""


class PasswordView(auth_views.PasswordChangeView):
    """A new password; the old one is asked for."""

    template_name = "core/password.html"
    success_url = reverse_lazy("core:account")

    def form_valid(self, form: Any) -> HttpResponse:
        was_forced = form.user.must_change_password
        form.user.must_change_password = False
        messages.success(self.request, _("The password is changed. Other browsers are logged out."))
        response = super().form_valid(form)
        return redirect("core:home") if was_forced else response


class ForgottenView(auth_views.PasswordResetView):
    """Sends a link by mail where mail is configured; says whom to ask where it is not."""

    template_name = "core/forgotten.html"
    email_template_name = "core/mail/new_password.txt"
    subject_template_name = "core/mail/new_password_subject.txt"
    form_class = ResetForm
    success_url = reverse_lazy("core:forgotten_sent")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "POST" and not settings.MAIL_IS_CONFIGURED:
            return redirect("core:forgotten")
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "address": self.request.META.get("REMOTE_ADDR", "")}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(sends_mail=settings.MAIL_IS_CONFIGURED, **kwargs)


class ForgottenSentView(auth_views.PasswordResetDoneView):
    """The same answer for known and unknown addresses."""

    template_name = "core/forgotten_sent.html"


class NewPasswordView(auth_views.PasswordResetConfirmView):
    """The page behind a link for a new password. It logs nobody in: the login page asks for the second factor too."""

    template_name = "core/new_password.html"
    success_url = reverse_lazy("core:login")

    def form_valid(self, form: Any) -> HttpResponse:
        form.user.must_change_password = False
        messages.success(self.request, _("The password is changed. Log in with it."))
        return super().form_valid(form)


@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Own name and address, roles, security, consent."""
    person = person_of(request)
    form = AccountForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("core:account")
    memberships = Membership.objects.filter(user=person.pk).select_related("project").order_by("project__slug")
    context = {
        "form": form,
        "memberships": memberships,
        "consent": decision_of(person),
        "consents": person.consents.select_related("text")[:20],
        "sso_name": sso_name(),
    }
    return render(request, "core/account.html", context)


@login_required
@require_POST
def log_out_elsewhere(request: HttpRequest) -> HttpResponse:
    """Ends every other session of this person."""
    person = person_of(request)
    end_sessions(person=person)
    update_session_auth_hash(request, person)
    messages.success(request, _("All other browsers are logged out."))
    return redirect("core:account")
