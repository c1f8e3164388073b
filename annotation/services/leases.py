"""Leases: which person has which slot, exactly.

A slot is claimed by one SQL statement on either database. Two lanes per person: lane 0 is the pair on screen, lane 1
the one fetched ahead. An expired lease stays good until somebody needs its slot; freeing is pull-based (the claim
that finds nothing frees what has run out and looks again) with a sweep beside it.
"""

import statistics
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.models import OWN_SLOTS, Batch, Purpose, Slot, SlotState, Vote
from annotation.services import gate, gold, repeats
from annotation.services.items import is_open_for_claims
from core.db import retry_when_busy, write_transaction
from core.models import Project, User

Result = TypeVar("Result")

ON_SCREEN, PREFETCHED = 0, 1
MEDIAN_OF_VOTES = 200
MEDIAN_KEPT_S = 60
LEASE_PER_MEDIAN = 3
DEFAULT_LEASE_S = Batch._meta.get_field("min_lease_s").get_default()
CLAIM_ATTEMPTS = 4
FREE = {
    "state": SlotState.FREE,
    "person": None,
    "token": None,
    "lane": None,
    "leased_at": None,
    "expires_at": None,
}

# The person's last vote marks how far down the queue they are: looking from there on keeps the claim short however
# many pairs they have judged. What is more urgent is looked at before it, all the rest after it. The plus keeps the
# planner on the pair's few slots, away from the person's many. What privacy holds back by now is shown to nobody.
_FREE_SLOT = """
    SELECT s.id FROM annotation_slot s
    WHERE s.project_id = %(project)s AND s.state = 0 AND s.is_open {range}
      AND NOT EXISTS (SELECT 1 FROM annotation_slot t WHERE t.item_id = s.item_id AND t.person_id = %(person)s)
      AND NOT EXISTS (SELECT 1 FROM annotation_slot t WHERE t.pair_id = s.pair_id AND +t.person_id = %(person)s)
      AND NOT EXISTS (SELECT 1 FROM annotation_skip k WHERE k.item_id = s.item_id AND k.person_id = %(person)s)
      AND NOT EXISTS (SELECT 1 FROM annotation_item i JOIN curation_query q ON q.id = i.query_id
                      WHERE i.id = s.item_id AND q.quarantine_reason <> '')
      AND NOT EXISTS (SELECT 1 FROM curation_pair p JOIN curation_code c ON c.id = p.code_id
                      WHERE p.id = s.pair_id AND c.quarantine_reason <> '')
    ORDER BY s.priority, s.id LIMIT 1 {lock}
"""
_CLAIM = """
    UPDATE annotation_slot
    SET state = 1, person_id = %(person)s, lane = %(lane)s, token = %(token)s,
        leased_at = %(now)s, expires_at = %(expires)s
    WHERE id = COALESCE({candidates}) AND state = 0
    RETURNING id
"""
_RANGES = ("AND s.priority < %(priority)s", "AND s.priority = %(priority)s AND s.id > %(after)s", "")


def claim_next(*, project: Project, person: User, lane: int = ON_SCREEN) -> Slot | None:
    """The slot leased to this person in this lane: the one already held, else the next free one, else None.

    None in lane 1 can also mean that free slots run low and nothing is handed out ahead of need.
    """
    return _in_turn(lambda: _hold(project, person, lane, _held_by_lane(project, person)))


def fill_lanes(*, project: Project, person: User, ahead: bool = True) -> list[Slot]:
    """What the person holds after both lanes are filled, the pair on screen first.

    A pair fetched ahead moves up when nothing is on screen. `ahead=False` fetches nothing ahead.
    """
    return _in_turn(lambda: _fill(project, person, ahead)) or []


def _in_turn(act: Callable[[], Result]) -> Result | None:
    """Runs `act` in a write transaction, again when the same person claims elsewhere at the same moment."""
    for _ in range(CLAIM_ATTEMPTS):
        try:
            return _once(act)
        except IntegrityError:
            continue
    return None


@retry_when_busy()
def _once(act: Callable[[], Result]) -> Result:
    with write_transaction():
        return act()


def _fill(project: Project, person: User, ahead: bool) -> list[Slot]:
    held = _held_by_lane(project, person)
    if ON_SCREEN not in held and PREFETCHED in held:
        moved = held[ON_SCREEN] = held.pop(PREFETCHED)
        moved.lane = ON_SCREEN
        Slot.objects.filter(pk=moved.pk, token=moved.token).update(lane=ON_SCREEN)
    lanes = (ON_SCREEN, PREFETCHED) if ahead else (ON_SCREEN,)
    filled = [_hold(project, person, lane, held) for lane in lanes]
    return [slot for slot in filled if slot is not None]


def _held_by_lane(project: Project, person: User) -> dict[int | None, Slot]:
    return {slot.lane: slot for slot in _held(project, person)}


def _hold(project: Project, person: User, lane: int, held: dict[int | None, Slot]) -> Slot | None:
    slot = held.get(lane)
    if slot is not None:
        if _may_stay(slot):
            return _extend(slot)
        Slot.objects.filter(pk=slot.pk, token=slot.token).update(**FREE)
    here = gate.gate(project, person)
    if here.state != gate.GateState.OPEN:
        return gate.take_turn_for(project, person, lane)
    if lane == PREFETCHED and is_running_low(project, person):
        return None
    slot_id = _claim(project, person, lane)
    if slot_id is None and free_expired_leases(project=project):
        slot_id = _claim(project, person, lane)
    if slot_id is None:
        return None
    slot = _gold_or(_with_lease_length(slot_id), person)
    return repeats.swap_for_repeat(slot, person, share=here.repeat_share)


def _may_stay(slot: Slot) -> bool:
    """Whether the person may keep what they hold. Slots made for one person are never open; their batch decides."""
    is_open = slot.is_open or (slot.item.purpose in OWN_SLOTS and is_open_for_claims(slot.batch))
    return is_open and not slot.item.is_held_back


def _gold_or(slot: Slot, person: User) -> Slot:
    """The slot claimed just now, or one of a gold item in its stead where it is the person's turn to get one."""
    if not slot.batch.gold_share or slot.item.purpose == Purpose.GOLD:
        return slot
    item = gold.take_turn(slot.batch, person)
    return gold.swap_for_gold(slot, item, person) if item else slot


def _held(project: Project, person: User) -> QuerySet[Slot]:
    return slots_to_show().filter(project=project, person=person, state=SlotState.LEASED)


def slots_to_show() -> QuerySet[Slot]:
    """Slots with what the page shows of them, in one query."""
    return Slot.objects.select_related("batch", "item__query", "item__pair__code")


def _claim(project: Project, person: User, lane: int) -> int | None:
    """Runs the claim statement; returns the slot's id, or None when no free slot is for this person."""
    last = Slot.objects.filter(person=person, state=SlotState.DONE, project=project, is_open=True).order_by("-id")
    position = last.values_list("priority", "id").first()
    lock = "FOR UPDATE OF s SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    ranges = _RANGES if position else ("",)
    candidates = ", ".join(f"({_FREE_SLOT.format(range=range_, lock=lock)})" for range_ in ranges)
    if len(ranges) == 1:
        candidates += ", NULL"
    now = timezone.now()
    token = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM.format(candidates=candidates),
            {
                "project": project.pk,
                "person": person.pk,
                "lane": lane,
                "token": token.hex if connection.vendor == "sqlite" else token,
                "now": connection.ops.adapt_datetimefield_value(now),
                "expires": connection.ops.adapt_datetimefield_value(now + timedelta(seconds=DEFAULT_LEASE_S)),
                "priority": position[0] if position else 0,
                "after": position[1] if position else 0,
            },
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _with_lease_length(slot_id: int) -> Slot:
    slot = slots_to_show().get(pk=slot_id)
    seconds = lease_seconds(slot.batch)
    return slot if seconds == DEFAULT_LEASE_S else _extend(slot)


def _extend(slot: Slot) -> Slot:
    slot.expires_at = _expiry(slot)
    Slot.objects.filter(pk=slot.pk, token=slot.token).update(expires_at=slot.expires_at)
    return slot


def _expiry(slot: Slot) -> datetime:
    return timezone.now() + timedelta(seconds=lease_seconds(slot.batch))


def lease_seconds(batch: Batch) -> float:
    """The batch's shortest lease, or three times the median time of recent votes where people need longer."""
    return max(batch.min_lease_s, LEASE_PER_MEDIAN * median_seconds(batch.project_id))


def median_seconds(project_id: int) -> float:
    """Median seconds on a pair over the project's latest votes, looked up at most once a minute; 0 without votes."""
    key = f"median-seconds-{project_id}"
    known = cache.get(key)
    if known is None:
        latest = Vote.objects.filter(project=project_id, retracted_at__isnull=True).order_by("-id")
        seconds = list(latest.values_list("seconds", flat=True)[:MEDIAN_OF_VOTES])
        known = statistics.median(seconds) if seconds else 0.0
        cache.set(key, known, MEDIAN_KEPT_S)
    return known


def is_running_low(project: Project, person: User) -> bool:
    """Whether fewer slots are free than other people are at work: then nobody gets a pair ahead of need."""
    others = Slot.objects.filter(project=project, state=SlotState.LEASED, lane=ON_SCREEN).exclude(person=person).count()
    free = Slot.objects.filter(project=project, state=SlotState.FREE, is_open=True)
    return not free.order_by("priority", "id").values_list("pk", flat=True)[others : others + 1].exists()


def open_leases(*, project: Project, person: User) -> list[Slot]:
    """What the person holds now and may see, the pair on screen first."""
    return [slot for slot in _held(project, person).order_by("lane") if not slot.item.is_held_back]


@retry_when_busy()
def renew(*, project: Project, person: User, tokens: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    """Heartbeat: extends the person's leases with these tokens; returns the tokens that are still good."""
    with write_transaction():
        mine = _held(project, person).filter(token__in=list(tokens))
        good = (slot for slot in mine if not slot.item.is_held_back)
        return [token for slot in good if (token := _extend(slot).token) is not None]


def free_expired_leases(*, project: Project | None = None) -> int:
    """Frees the slots of leases that have run out (of one project, or all); returns how many."""
    expired = Slot.objects.filter(state=SlotState.LEASED, expires_at__lt=timezone.now())
    if project is not None:
        expired = expired.filter(project=project)
    return expired.update(**FREE)


@retry_when_busy()
def release_leases(*, person: User, project: Project | None = None, lane: int | None = None) -> int:
    """Hands back what the person holds (logout, deactivation, leaving a project); returns how many slots."""
    chosen = Q(person=person, state=SlotState.LEASED)
    chosen &= Q(project=project) if project is not None else Q()
    chosen &= Q(lane=lane) if lane is not None else Q()
    with write_transaction():
        return Slot.objects.filter(chosen).update(**FREE)


def move_down(*, project: Project, person: User) -> None:
    """Makes room on screen: the pair there becomes the one fetched ahead. Call in a transaction, with lane 1 empty."""
    shown = Slot.objects.filter(project=project, person=person, state=SlotState.LEASED, lane=ON_SCREEN)
    shown.update(lane=PREFETCHED)


def lease_again(slot: Slot, *, person: User) -> None:
    """Puts a slot whose vote was taken back on the person's screen, under a new token."""
    now = timezone.now()
    Slot.objects.filter(pk=slot.pk, person=person, state=SlotState.DONE).update(
        state=SlotState.LEASED,
        lane=ON_SCREEN,
        token=uuid.uuid4(),
        leased_at=now,
        expires_at=now + timedelta(seconds=DEFAULT_LEASE_S),
    )


def release_on_commit(person: User) -> None:
    """Frees a person's slots once the change that shut them out is committed."""
    transaction.on_commit(lambda: release_leases(person=person))
