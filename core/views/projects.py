"""Projects: overview, settings, members."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import may_create_projects, person_of, project_for, roles_in
from core.errors import NotAllowedError, QuarryError
from core.forms import MemberForm, ProjectForm, ProjectSettingsForm, RolesForm
from core.funnel import is_linear, segments_of
from core.menu import WATCHERS, section_address
from core.models import Membership, Project, Role, User
from core.overview import overview_of, personal_numbers
from core.services.members import add_member, members_of, set_roles
from core.services.people import make_password_link, resettable_people
from core.services.projects import create_project
from core.standings import standings_in


def show_refusal(form: BaseForm, error: QuarryError) -> None:
    """Puts a refusal on the form, beside the field it names."""
    field = error.fields.get("field")
    form.add_error(field if field in form.fields else None, str(error))


@login_required
@require_http_methods(["GET", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    """The form for a new project; its maker becomes its curator."""
    if not may_create_projects(request.user):
        raise NotAllowedError(needed="curator (of any project) or administrator", project="(new)")
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = create_project(**form.cleaned_data, user=request.user)  # type: ignore[arg-type]
        except QuarryError as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"The project {project} is made. You are its curator.")
            return redirect("core:project", project.slug)
    return render(request, "core/new_project.html", {"form": form})


@login_required
@require_safe
def project_overview(request: HttpRequest, slug: str) -> HttpResponse:
    """The funnel of the project, what to do next, what is running."""
    project = project_for(request.user, slug)
    held = roles_in(request.user, project)
    watches = bool(held & WATCHERS)
    overview = overview_of(project) if watches else None
    context = {
        "project": project,
        "section": "overview",
        "watches": watches,
        "curates": Role.CURATOR in held,
        "overview": overview,
        "segments": segments_of(overview.stages) if overview else [],
        "is_linear": is_linear(overview.stages) if overview else True,
        "personal": personal_numbers(project, request.user),
    }
    return render(request, "core/project.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def project_settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Overlap, extra votes, k-anonymity, encoder, language."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = ProjectSettingsForm(request.POST or None, instance=project)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "The settings are saved.")
        return redirect("core:project_settings", project.slug)
    shown = Project.objects.get(pk=project.pk)  # a refused form must not change the menu's title
    return render(request, "core/project_settings.html", {"project": shown, "section": "settings", "form": form})


def _shown_members(project: Project, viewer: Any) -> list[dict[str, Any]]:
    """The members with what the viewer may do for them: see the scorecard, make a password link."""
    people = members_of(project)
    resettable = resettable_people(viewer, [entry["user"] for entry in people])
    standings = standings_in(project)
    for entry in people:
        person = entry["user"]
        judges = Role.ANNOTATOR in entry["roles"] or person.pk in standings
        entry["work"] = section_address("annotation:scorecard-of", project, person.username) if judges else ""
        entry["standing"] = standings.get(person.pk, "")
        entry["quality"] = section_address("annotation:person", project, person.username)
        entry["may_reset"] = person.pk in resettable
    return people


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, slug: str) -> HttpResponse:
    """Who works here; adding somebody shows a new account's password once, on the answering page only."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = MemberForm(request.POST or None)
    added = None
    if request.method == "POST" and form.is_valid():
        try:
            added = add_member(project=project, by=person_of(request), **form.cleaned_data)
        except QuarryError as error:
            show_refusal(form, error)
        else:
            form = MemberForm()
    people = _shown_members(project, request.user)
    context = {
        "project": project,
        "section": "members",
        "form": form,
        "added": added,
        "members": people,
        "shows_standing": any(entry["work"] or entry["standing"] for entry in people),
    }
    return render(request, "core/members.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def member(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """The roles of one member."""
    project = project_for(request.user, slug, Role.CURATOR)
    person = get_object_or_404(User.objects.filter(memberships__project=project).distinct(), username=username)
    held = Membership.objects.filter(project=project, user=person).values_list("role", flat=True)
    form = RolesForm(request.POST or None, initial={"roles": list(held)})
    if request.method == "POST" and form.is_valid():
        try:
            kept = set_roles(project=project, user=person, roles=form.cleaned_data["roles"], by=person_of(request))
        except QuarryError as error:
            show_refusal(form, error)
        else:
            messages.success(
                request, f"The roles of {person} are saved." if kept else f"{person} is no longer a member."
            )
            return redirect("core:members", project.slug)
    return render(
        request, "core/member.html", {"project": project, "section": "members", "person": person, "form": form}
    )


@login_required
@never_cache
@require_POST
def password_link(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Makes a one-time link for a member who lost their password; shown on this answer only."""
    project = project_for(request.user, slug, Role.CURATOR)
    person = get_object_or_404(User.objects.filter(memberships__project=project).distinct(), username=username)
    link = request.build_absolute_uri(make_password_link(person=person, user=person_of(request)))
    context = {"project": project, "section": "members", "person": person, "link": link}
    return render(request, "core/password_link.html", context)


@login_required
@require_POST
def remove_member(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Takes a person out of the project; their votes stay."""
    project = project_for(request.user, slug, Role.CURATOR)
    person = get_object_or_404(User.objects.filter(memberships__project=project).distinct(), username=username)
    try:
        set_roles(project=project, user=person, roles=[], by=person_of(request))
    except QuarryError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, f"{person} is no longer a member. Their votes stay; adding {person} again undoes this."
        )
    return redirect("core:members", project.slug)
