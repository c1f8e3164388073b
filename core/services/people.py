"""A person's account as others see to it: ended sessions, deactivation, links for a new password."""

import logging
from collections.abc import Sequence

from django.contrib.auth.tokens import default_token_generator
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from core.audit import record
from core.db import DatabaseBusyError, retry_when_busy, write_transaction
from core.errors import ConflictError, NotAllowedError
from core.models import Membership, Role, User

SEEN_STEP_S = 600
PRESENCE_WAIT_S = 0.5

logger = logging.getLogger(__name__)


@retry_when_busy()
def end_sessions(*, person: User) -> None:
    """Logs the person out everywhere; the caller keeps this browser's session, where it should stay."""
    with write_transaction():
        User.objects.filter(pk=person.pk).update(session_epoch=F("session_epoch") + 1)
    person.refresh_from_db(fields=["session_epoch"])


@retry_when_busy()
def set_active(*, person: User, is_active: bool, user: User, reason: str = "") -> None:
    """Deactivates an account (sessions end, held pairs go back to the queue, votes stay) or opens it again.

    For administrators. Raises NotAllowedError for others, ConflictError for one's own account and for placeholders.
    """
    if not user.is_superuser:
        raise NotAllowedError(needed="administrator", project="(all)")
    if person.pk == user.pk or person.is_placeholder:
        problem = "Nobody can deactivate their own account." if person.pk == user.pk else "Nobody can log in with it."
        raise ConflictError(problem=problem)
    with write_transaction():
        locked = User.objects.select_for_update().get(pk=person.pk)
        before, locked.is_active = locked.is_active, is_active
        locked.session_epoch += 1
        locked.save(update_fields=["is_active", "session_epoch"])  # the signal hands held pairs back
        record(
            "core.set_active",
            actor=user,
            person=locked,
            subject=locked,
            before={"is_active": before},
            after={"is_active": is_active},
            reason=reason,
        )
    person.is_active = is_active


def may_reset_password(user: User, person: User) -> bool:
    """Whether `user` may make a link with which `person` chooses a new password (`resettable_people`)."""
    return person.pk in resettable_people(user, [person])


def resettable_people(user: User, people: Sequence[User]) -> set[int]:
    """Ids of those for whom `user` may make a link for a new password.

    Administrators: everybody who can log in. A curator: people who hold no role outside the curator's own projects, and
    no administrators. Otherwise a curator of one project could take over the account of another project's curator.
    """
    usable = {person.pk for person in people if person.is_active and not person.is_placeholder}
    if user.is_superuser:
        return usable
    usable -= {person.pk for person in people if person.is_staff or person.is_superuser}
    curated = Membership.objects.filter(user=user, role=Role.CURATOR).values("project_id")
    held = Membership.objects.filter(user__in=usable)
    elsewhere = held.exclude(project__in=curated).values_list("user_id", flat=True)
    return set(held.values_list("user_id", flat=True)) - set(elsewhere)


def make_password_link(*, person: User, user: User) -> str:
    """The path of a page where the person chooses a new password: one use, one day. Kept nowhere.

    Raises NotAllowedError when `user` may not do this for `person` (`may_reset_password`).
    """
    if not may_reset_password(user, person):
        raise NotAllowedError(needed="administrator", project="(accounts)")
    record("core.make_password_link", actor=user, person=person, subject=person)
    return password_link(person)


def password_link(person: User) -> str:
    """The path itself; its token dies with the next login or change of the password."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("core:new_password", args=[uid, default_token_generator.make_token(person)])


def note_presence(person: User) -> None:
    """Keeps when the person was last here, to ten minutes: at most one write in that time."""
    now = timezone.now()
    if person.last_seen_at is not None and (now - person.last_seen_at).total_seconds() <= SEEN_STEP_S:
        return
    try:
        with write_transaction(timeout_s=PRESENCE_WAIT_S):
            User.objects.filter(pk=person.pk).update(last_seen_at=now)
    except DatabaseBusyError:  # somebody else's write matters more; the next request notes it
        logger.info("presence was not noted, the database was busy")
