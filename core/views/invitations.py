"""Invitations: the curator's list, and the page behind a link."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core.access import person_of, project_for
from core.account_forms import InvitationForm, SignUpForm
from core.errors import BadInputError, QuarryError
from core.menu import section_address
from core.models import Invitation, Role
from core.paging import keyset_page
from core.services.invitations import (
    accept_invitation,
    invitation_by,
    make_invitation,
    remember_invitation,
    revoke_invitation,
    sign_up,
)
from core.sso import sso_name
from core.views.projects import show_refusal

PAGE_SIZE = 50


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def invitations(request: HttpRequest, slug: str) -> HttpResponse:
    """Links that let people in: who used them, what still holds. A new one is shown once, on the answering page."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = InvitationForm(request.POST or None)
    link = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = make_invitation(project=project, user=person_of(request), **form.cleaned_data)
        except QuarryError as error:
            show_refusal(form, error)
        else:
            link = request.build_absolute_uri(reverse("core:invited", args=[made.secret]))
            form = InvitationForm()
    rows = project.invitations.select_related("created_by").prefetch_related("uses__person")
    context: dict[str, Any] = {
        "project": project,
        "section": "members",
        "form": form,
        "link": link,
        "page": keyset_page(rows, request, size=PAGE_SIZE),
    }
    return render(request, "core/invitations.html", context)


@login_required
@require_POST
def revoke(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Ends a link."""
    project = project_for(request.user, slug, Role.CURATOR)
    revoke_invitation(invitation=get_object_or_404(project.invitations, pk=pk), user=person_of(request))
    messages.success(request, "The invitation is revoked. Whoever came in by it stays a member.")
    return redirect("core:invitations", project.slug)


@never_cache
@require_http_methods(["GET", "POST"])
def invited(request: HttpRequest, secret: str) -> HttpResponse:
    """The page behind a link: join with the account one has, or make one. It leads on to consent and to the work."""
    invitation = invitation_by(secret)
    if request.method == "GET":
        remember_invitation(request, secret)
    if request.user.is_authenticated:
        if request.method == "POST":
            accept_invitation(secret=secret, user=person_of(request))
            return redirect(first_page(invitation))
        return render(request, "core/invited.html", {"invitation": invitation})
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            user = sign_up(secret=secret, username=given["username"], password=given["password1"])
        except BadInputError as error:
            show_refusal(form, error)
        else:
            login(request, user)
            messages.success(request, _("Your account is made."))
            return redirect(first_page(invitation))
    context = {"invitation": invitation, "form": form, "sso_name": sso_name()}
    return render(request, "core/invited.html", context)


def first_page(invitation: Invitation) -> str:
    """Where a newcomer begins: annotators at the judge page, others at the project."""
    project = invitation.project
    judge = section_address("annotation:judge", project) if Role.ANNOTATOR in invitation.roles else ""
    return judge or reverse("core:project", args=[project.slug])
