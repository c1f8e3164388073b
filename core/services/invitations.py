"""Invitations: links that make whoever follows them a member of one project, in given roles, so many times."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, NotFoundError, QuarryError
from core.models import Invitation, InvitationUse, Membership, Project, Role, User

MAX_USES = 1000
MAX_DAYS = 90
SESSION_KEY = "invitation"


class InvitationGoneError(QuarryError):
    """The link was used up, ran out, was revoked, or never existed."""

    code, status = "invitation_gone", 410
    template = _("This invitation no longer holds. Ask whoever sent it for a new one.")


@dataclass(frozen=True)
class MadeInvitation:
    """The invitation, and its secret: it is kept nowhere, so this is the only time to see it."""

    invitation: Invitation
    secret: str


def hash_of(secret: str) -> str:
    """What is stored of a secret; it is long and random, so a plain hash is enough."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@retry_when_busy()
def make_invitation(
    *,
    project: Project,
    roles: Iterable[str],
    max_uses: int = 1,
    days: int = 7,
    note: str = "",
    user: User | None = None,
) -> MadeInvitation:
    """Makes a link that `max_uses` people can use within `days` days. `user`: who makes it; None at the command line.

    Raises BadInputError without a role or outside the bounds.
    """
    wanted = sorted({Role(role).value for role in roles})
    if not wanted:
        raise BadInputError(problem="Choose at least one role.", field="roles")
    if not 1 <= max_uses <= MAX_USES:
        raise BadInputError(problem=f"An invitation can be used 1 to {MAX_USES} times.", field="max_uses")
    if not 1 <= days <= MAX_DAYS:
        raise BadInputError(problem=f"An invitation holds 1 to {MAX_DAYS} days.", field="days")
    secret = secrets.token_urlsafe(24)
    with write_transaction():
        invitation = Invitation.objects.create(
            project=project,
            roles=wanted,
            note=note.strip(),
            secret_hash=hash_of(secret),
            max_uses=max_uses,
            expires_at=timezone.now() + timedelta(days=days),
            created_by=user,
        )
        after = {"roles": wanted, "max_uses": max_uses, "days": days}
        record("core.make_invitation", project=project, actor=user, subject=invitation, after=after)
    return MadeInvitation(invitation, secret)


@retry_when_busy()
def revoke_invitation(*, invitation: Invitation, user: User) -> None:
    """Ends a link; whoever came in by it stays. Ending it twice changes nothing."""
    with write_transaction():
        ended = Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=timezone.now())
        if ended:
            record("core.revoke_invitation", project=invitation.project, actor=user, subject=invitation)


def invitation_by(secret: str) -> Invitation:
    """The invitation that this secret opens. Raises InvitationGoneError unless it can still be used."""
    found = Invitation.objects.select_related("project").filter(secret_hash=hash_of(secret)).first()
    if found is None or found.state != "open":
        raise InvitationGoneError
    return found


@retry_when_busy()
def accept_invitation(*, secret: str, user: User) -> Invitation:
    """Makes the person a member; whoever has all its roles already does not use it up.

    Raises InvitationGoneError when somebody else took the last use, or when this person came in by it before and was
    taken out since; NotFoundError for accounts that cannot log in.
    """
    if user.is_placeholder:
        raise NotFoundError(what="person", name=user.username)
    with write_transaction():
        invitation = invitation_by(secret)
        held = set(Membership.objects.filter(project=invitation.project, user=user).values_list("role", flat=True))
        if held >= set(invitation.roles):
            return invitation
        _take_one_use(invitation, user)
        for role in invitation.roles:
            Membership.objects.get_or_create(project=invitation.project, user=user, role=role)
        record(
            "core.accept_invitation",
            project=invitation.project,
            actor=user,
            person=user,
            subject=invitation,
            before={"roles": sorted(held)},
            after={"roles": sorted(held | set(invitation.roles))},
        )
    return invitation


@retry_when_busy()
def sign_up(*, secret: str, username: str, password: str) -> User:
    """Makes the account of a newcomer and lets them in, both or neither. They decide on consent next.

    The password was checked by the form. Raises BadInputError for a name that cannot be used (somebody took it just
    now), InvitationGoneError when the last use is gone.
    """
    with write_transaction():
        user = User(username=username, must_consent=True, language=get_language() or "")
        user.set_password(password)
        try:
            user.full_clean()
        except ValidationError as error:
            problem = next(iter(error.message_dict.values()))[0]
            raise BadInputError(problem=problem, field="username") from error
        user.save()
        accept_invitation(secret=secret, user=user)
    return user


def _take_one_use(invitation: Invitation, user: User) -> None:
    """Counts the use in one statement, so that two newcomers cannot both take the last one."""
    was_here = InvitationUse.objects.filter(invitation=invitation, person=user).exists()
    usable = Invitation.objects.filter(pk=invitation.pk, revoked_at=None, n_uses__lt=F("max_uses"))
    if was_here or not usable.update(n_uses=F("n_uses") + 1):
        raise InvitationGoneError
    InvitationUse.objects.create(invitation=invitation, person=user)


def remember_invitation(request: HttpRequest, secret: str) -> None:
    """Keeps the secret in the session: a single sign-on that begins on its page may then make an account."""
    request.session[SESSION_KEY] = secret


def is_session_invited(request: HttpRequest) -> bool:
    """Whether this browser came by an invitation that still holds."""
    try:
        invitation_by(str(request.session.get(SESSION_KEY, "")))
    except InvitationGoneError:
        return False
    return True
