"""Who may do what: the one place that decides (pages, API and commands ask here)."""

from typing import Any, cast

from django.db import models
from django.http import Http404
from django.utils.translation import gettext

from core.errors import NotAllowedError
from core.models import Job, Membership, Project, Role, User
from core.prepared import Prepared

_held = Prepared(
    lambda person, slug: Membership.objects.filter(user=person, project__slug=slug).select_related("project"),
    slug=models.CharField(),
)


def project_for(user: Any, slug: str, *roles: Role) -> Project:
    """The project named `slug` as seen by this person.

    Someone who is no member gets Http404, as if it did not exist; a member without any of `roles` (curators and
    administrators have them all; no roles given: any member) gets NotAllowedError.
    """
    if user.is_superuser:
        return _project_of_administrator(slug)
    held = _held.all(person=user.pk, slug=slug) if user.is_authenticated else []
    if not held:
        raise Http404(f"There is no project {slug}.")
    project = held[0].project
    if roles and not {row.role for row in held} & {Role.CURATOR, *roles}:
        raise NotAllowedError(needed=gettext(" or ").join(role.in_sentence for role in roles), project=project.slug)
    return project


def _project_of_administrator(slug: str) -> Project:
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise Http404(f"There is no project {slug}.")
    return project


def roles_in(user: Any, project: Project) -> set[Role]:
    """The roles this person holds in the project; an administrator holds all."""
    if user.is_superuser:
        return set(Role)
    held = Membership.objects.filter(project=project, user=user).values_list("role", flat=True)
    return {Role(role) for role in held}


def may_create_projects(user: Any) -> bool:
    """Administrators, and everybody who is a curator somewhere."""
    return bool(
        user.is_authenticated and (user.is_staff or Membership.objects.filter(user=user, role=Role.CURATOR).exists())
    )


def may_manage_job(user: Any, job: Job) -> bool:
    """Cancel and retry: curators of the job's project, and whoever started it."""
    if user.is_superuser or job.created_by_id == user.pk:
        return True
    return job.project is not None and Role.CURATOR in roles_in(user, job.project)


def person_of(request: Any) -> User:
    """Who asks. Call after `project_for`, which turns strangers away."""
    return cast(User, request.user)
