"""Silent repeats: a person gets a pair again that they judged long ago, and how often they agree with themselves.

As with gold, a repeat comes in the stead of a live pair that was claimed just now, at places that nobody can foresee,
and has a slot per person. Its vote counts in nothing but self-agreement.
"""

import hmac
from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from annotation.models import COUNTED, Item, Purpose, Slot, SlotState, Vote
from annotation.selectors.people import annotation_settings
from annotation.services.gate import lease_own_slot
from core.models import User

PLACES = 2**64


def is_repeat_turn(secret: str, person: int, slot: int, share: float) -> bool:
    """Whether a repeat comes in the stead of this slot. Drawn with the project's secret: `share` of all slots are."""
    draw = hmac.digest(secret.encode(), f"repeat {person} {slot}".encode(), "sha256")
    return int.from_bytes(draw[:8], "big") < share * PLACES


def swap_for_repeat(slot: Slot, person: User, *, share: float) -> Slot:
    """The live slot claimed just now, or one of a repeat in its stead. Call in the claim's transaction."""
    if share <= 0 or slot.item.purpose != Purpose.LIVE:
        return slot
    if not is_repeat_turn(slot.batch.project.secret, person.pk, slot.pk, share):
        return slot
    earlier = _earlier_vote(slot, person)
    if earlier is None:
        return slot
    lease = {name: getattr(slot, name) for name in ("token", "leased_at", "expires_at")}
    Slot.objects.filter(pk=slot.pk, token=slot.token).update(
        state=SlotState.FREE, person=None, lane=None, token=None, leased_at=None, expires_at=None
    )
    return lease_own_slot(_repeat_item(earlier), person=person, lane=slot.lane or 0, lease=lease)


def _earlier_vote(slot: Slot, person: User) -> Vote | None:
    """The person's oldest counted vote that is old enough, whose pair was not repeated for them yet."""
    days = annotation_settings(slot.batch.project).repeat_after_days
    repeated = Slot.objects.filter(pair=OuterRef("item__pair"), person=person, item__purpose=Purpose.REPEAT)
    votes = Vote.objects.filter(
        COUNTED,
        project=slot.project_id,
        person=person,
        created_at__lt=timezone.now() - timedelta(days=days),
        item__purpose=Purpose.LIVE,
        item__batch__is_closed=False,
        item__batch__is_paused=False,
        item__query__quarantine_reason="",
        item__pair__code__quarantine_reason="",
    )
    return votes.filter(~Exists(repeated)).select_related("item").order_by("id").first()


def _repeat_item(vote: Vote) -> Item:
    """The item that repeats a pair, in the batch of the first judgement; one for everybody who gets it again."""
    known = Item.objects.filter(pair=vote.item.pair_id, purpose=Purpose.REPEAT).select_related("batch").first()
    if known is not None:
        return known
    return Item.objects.create(
        project_id=vote.project_id,
        batch_id=vote.item.batch_id,
        pair_id=vote.item.pair_id,
        query_id=vote.item.query_id,
        purpose=Purpose.REPEAT,
        priority=vote.item.priority,
        target=0,
    )
