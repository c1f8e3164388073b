"""Who belongs to a project, and in which roles."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from core.audit import record
from core.errors import BadInputError, ConflictError
from core.models import Membership, Project, Role, User

PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # an alphabet without look-alikes


@dataclass(frozen=True)
class AddedMember:
    """The member, and the one-time password when an account was made for them (kept nowhere, shown once)."""

    user: User
    password: str = ""


def make_password() -> str:
    """A random password that can be read out: four groups of four letters, about 79 bits."""
    return "-".join("".join(secrets.choice(PASSWORD_LETTERS) for _ in range(4)) for _ in range(4))


@transaction.atomic
def add_member(*, project: Project, username: str, roles: Iterable[str], by: User | None = None) -> AddedMember:
    """Gives a person roles in a project; makes an account where nobody has that name. `by`: who does it.

    Raises BadInputError without a role or with a name that cannot be used, ConflictError for a placeholder.
    """
    wanted = {Role(role) for role in roles}
    if not wanted:
        raise BadInputError(problem="Choose at least one role.", field="roles")
    user = User.objects.filter(username=username).first()
    password = ""
    if user is None:
        user, password = create_person(username=username)
    elif user.is_placeholder:
        problem = f"{username} stands for a rater of imported votes and cannot become a member. Choose another name."
        raise ConflictError(problem=problem, field="username")
    before = _held(project, user)
    for role in wanted:
        Membership.objects.get_or_create(project=project, user=user, role=role)
    _record_roles(project, user, by, before)
    return AddedMember(user, password)


def members_of(project: Project) -> list[dict[str, Any]]:
    """Every member with the roles held, by name: dicts with `user`, `roles` and `since`."""
    people: dict[int, dict[str, Any]] = {}
    for membership in project.memberships.select_related("user").order_by("user__username", "role"):
        entry = people.setdefault(
            membership.user_id, {"user": membership.user, "roles": [], "since": membership.created_at}
        )
        entry["roles"].append(Role(membership.role))
        entry["since"] = min(entry["since"], membership.created_at)
    return list(people.values())


def _held(project: Project, user: User) -> list[str]:
    return sorted(Membership.objects.filter(project=project, user=user).values_list("role", flat=True))


def _record_roles(project: Project, user: User, by: User | None, before: list[str]) -> None:
    """Keeps a change of roles in the audit log; nothing where nothing changed."""
    after = _held(project, user)
    if after != before:
        record(
            "core.change_roles",
            project=project,
            actor=by,
            person=user,
            before={"roles": before},
            after={"roles": after},
        )


def create_person(*, username: str) -> tuple[User, str]:
    """An account with a random password that the first login replaces; then consent is asked for.

    Raises BadInputError for an unusable name.
    """
    password = make_password()
    user = User(username=username, must_change_password=True, must_consent=True)
    user.set_password(password)
    try:
        user.full_clean()
    except ValidationError as error:
        problem = next(iter(error.message_dict.values()))[0]
        raise BadInputError(problem=f"The name {username} cannot be used: {problem}", field="username") from error
    user.save()
    return user, password


@transaction.atomic
def set_roles(*, project: Project, user: User, roles: Iterable[str], by: User | None = None) -> set[Role]:
    """Replaces the roles of a member; none takes the person out. Votes stay. `by`: who does it.

    Raises ConflictError when the project would be left without a curator.
    """
    wanted = {Role(role) for role in roles}
    members = Membership.objects.select_for_update().filter(project=project)
    others = members.filter(role=Role.CURATOR).exclude(user=user)
    was_curator = members.filter(user=user, role=Role.CURATOR).exists()
    if was_curator and Role.CURATOR not in wanted and not others.exists():
        raise ConflictError(
            problem=f"{user.username} is the only curator of {project.slug}. Make somebody else curator first.",
            field="roles",
        )
    before = _held(project, user)
    members.filter(user=user).exclude(role__in=wanted).delete()
    for role in wanted:
        Membership.objects.get_or_create(project=project, user=user, role=role)
    _record_roles(project, user, by, before)
    return wanted
