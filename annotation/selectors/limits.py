"""How much one person may judge of a batch: in all, and in a day."""

from datetime import UTC, datetime, timedelta

from django.db.models.functions import Coalesce
from django.utils import timezone

from annotation.models import Batch, Slot, SlotState, Vote
from core.models import User


def midnight() -> datetime:
    """When the day of the daily limits began (UTC)."""
    return timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def next_midnight() -> datetime:
    """When the daily limits begin anew (UTC)."""
    return midnight() + timedelta(days=1)


def has_room(batch: Batch, person: User, *, more: int = 1) -> bool:
    """Whether the limits of the batch leave this person room for so many more pairs."""
    room = room_left(batch, person)
    return room is None or room >= more


def room_left(batch: Batch, person: User) -> int | None:
    """How many more pairs the person may get of the batch now; None without a limit. Negative: more than it allows.

    Votes and leases count together: a pair that somebody holds is as good as judged.
    """
    rooms = [room for room in (_room_in_all(batch, person), room_today(batch, person)) if room is not None]
    return min(rooms, default=None)


def _room_in_all(batch: Batch, person: User) -> int | None:
    if batch.max_votes_per_person is None:
        return None
    mine = Slot.objects.filter(person=person, batch=batch, state__in=[SlotState.LEASED, SlotState.DONE])
    return batch.max_votes_per_person - mine.count()


def room_today(batch: Batch, person: User) -> int | None:
    """As `room_left`, of the daily limit alone."""
    if batch.max_votes_per_day is None:
        return None
    held = Slot.objects.filter(person=person, batch=batch, state=SlotState.LEASED).count()
    return batch.max_votes_per_day - held - votes_today(batch, person)


def votes_today(batch: Batch, person: User) -> int:
    """The person's votes on the batch since midnight UTC, those taken back left out. Looks only at today's votes."""
    since = midnight()
    votes = Vote.objects.filter(person=person, project=batch.project_id)
    before = votes.filter(created_at__lt=since).order_by("-id").values("id")[:1]
    today = votes.filter(id__gt=Coalesce(before, 0), created_at__gte=since)
    return today.filter(item__batch=batch, retracted_at__isnull=True).count()
