"""Leases: which person has which slot, exactly.

A slot is claimed by one SQL statement on either database. Two lanes per person: lane 0 is the pair on screen, lane 1
the one fetched ahead. An expired lease stays good until somebody needs its slot; freeing is pull-based (the claim
that finds nothing frees what has run out and looks again) with a sweep beside it.

Batches are looked into in the order of their priority. In each, the claim looks at the front of the queue, then from
the person's own place on; only when that yields nothing anywhere does it look at everything that is free.
"""

import statistics
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.core.cache import cache
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.models import OWN_SLOTS, Batch, Item, Purpose, Slot, SlotState, Vote
from annotation.selectors.limits import has_room
from annotation.services import gate, gold, repeats
from annotation.services.expiries import note_expired
from annotation.services.items import is_open_for_claims, settle_all
from core.db import retry_when_busy, write_transaction
from core.models import Project, User
from core.prepared import Param, Prepared, PreparedUpdate

Result = TypeVar("Result")

ON_SCREEN, PREFETCHED = 0, 1
MEDIAN_OF_VOTES = 200
MEDIAN_KEPT_S = 60
LEASE_PER_MEDIAN = 3
DEFAULT_LEASE_S = Batch._meta.get_field("min_lease_s").get_default()
CLAIM_ATTEMPTS = 4
SWEEP_AFTER = timedelta(minutes=10)
FREE = {
    "state": SlotState.FREE,
    "person": None,
    "token": None,
    "lane": None,
    "leased_at": None,
    "expires_at": None,
}

# Nothing twice to the same person, and what privacy holds back by now to nobody. The plus keeps the planner on the
# pair's few slots, away from the person's many.
_FREE_SLOT = """
    SELECT s.id FROM annotation_slot s
    WHERE {where} AND s.state = 0 AND s.is_open
      AND NOT EXISTS (SELECT 1 FROM annotation_slot t WHERE t.item_id = s.item_id AND t.person_id = %(person)s)
      AND NOT EXISTS (SELECT 1 FROM annotation_slot t WHERE t.pair_id = s.pair_id AND +t.person_id = %(person)s)
      AND NOT EXISTS (SELECT 1 FROM annotation_skip k WHERE k.item_id = s.item_id AND k.person_id = %(person)s)
      AND NOT EXISTS (SELECT 1 FROM annotation_item i JOIN curation_query q ON q.id = i.query_id
                      WHERE i.id = s.item_id AND q.quarantine_reason <> '')
      AND NOT EXISTS (SELECT 1 FROM curation_pair p JOIN curation_code c ON c.id = p.code_id
                      WHERE p.id = s.pair_id AND c.quarantine_reason <> '')
    ORDER BY s.priority, s.id LIMIT 1 {lock}
"""
_EVERYWHERE = "s.batch_id = %(batch{n})s"
_FROM_PLACE_ON = "s.batch_id = %(batch{n})s AND s.priority = %(priority{n})s AND s.id > %(after{n})s"
_IN_FRONT = (
    "s.id IN (SELECT f.id FROM annotation_slot f WHERE f.batch_id = %(batch{n})s AND f.state = 0 AND f.is_open"
    " ORDER BY f.priority, f.id LIMIT 20)"
)
_CLAIM = """
    UPDATE annotation_slot
    SET state = 1, person_id = %(person)s, lane = %(lane)s, token = %(token)s,
        leased_at = %(now)s, expires_at = %(expires)s
    WHERE id = COALESCE({candidates}, NULL) AND state = 0
    RETURNING id, batch_id, priority
"""
LOOKS_AT_ONCE = 24
PLACE_STEP = 40  # slots that a person moves on before their place is written again

# Batches with something free, as far as they are for this person, and the person's place in each.
_QUEUES = """
    SELECT b.id, b.max_votes_per_person, b.max_votes_per_day, c.priority, c.slot
    FROM annotation_batch b
    LEFT JOIN annotation_queueplace c ON c.batch_id = b.id AND c.person_id = %(person)s
    WHERE b.project_id = %(project)s AND NOT b.is_paused AND NOT b.is_closed
      AND b.kind IN ('live', 'intent_only')
      AND EXISTS (SELECT 1 FROM annotation_slot s WHERE s.batch_id = b.id AND s.state = 0 AND s.is_open)
      AND (NOT b.is_invited_only OR EXISTS (SELECT 1 FROM annotation_batchmember m
                                            WHERE m.batch_id = b.id AND m.person_id = %(person)s))
    ORDER BY b.priority, b.id
"""
_KEEP_PLACE = """
    INSERT INTO annotation_queueplace (batch_id, person_id, priority, slot)
    VALUES (%(batch)s, %(person)s, %(priority)s, %(slot)s)
    ON CONFLICT (batch_id, person_id) DO UPDATE SET priority = excluded.priority, slot = excluded.slot
"""
_OTHERS_AT_WORK = """
    SELECT COUNT(*) FROM annotation_slot
    WHERE project_id = %(project)s AND state = 1 AND lane = 0 AND person_id <> %(person)s
"""
_FREE_FOR_ALL = """
    SELECT COUNT(*) FROM (SELECT 1 FROM annotation_slot s
                          WHERE s.batch_id IN ({batches}) AND s.state = 0 AND s.is_open LIMIT ({others}) + 1) free
"""
_RUNS_LOW = "SELECT ({others}) >= ({free})"


class Queue(NamedTuple):
    """A batch that has free slots, the limits it sets to one person, and the person's place in it if they have one."""

    batch: int
    per_person: int | None
    per_day: int | None
    priority: int | None
    slot: int | None

    @property
    def place(self) -> tuple[int, int] | None:
        return None if self.priority is None or self.slot is None else (self.priority, self.slot)


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
    """Runs `act` in a write transaction, again when the same person claims elsewhere at the same moment.

    Who already writes on SQLite is the only writer: there is nothing to fall back behind, so no savepoint is made.
    """
    if connection.vendor == "sqlite" and connection.in_atomic_block:
        return act()
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
        held[ON_SCREEN] = held.pop(PREFETCHED)  # _hold writes its new lane
    lanes = (ON_SCREEN, PREFETCHED) if ahead else (ON_SCREEN,)
    filled = [_hold(project, person, lane, held) for lane in lanes]
    return [slot for slot in filled if slot is not None]


def _held_by_lane(project: Project, person: User) -> dict[int | None, Slot]:
    return {slot.lane: slot for slot in _slots_held.all(project=project.pk, person=person.pk)}


def _hold(project: Project, person: User, lane: int, held: dict[int | None, Slot]) -> Slot | None:
    slot = held.get(lane)
    if slot is not None:
        if _may_stay(slot):
            return _extend(slot) if slot.lane == lane else _move_up(slot)
        let_go(slot)
    here = gate.gate(project, person)
    if here.state != gate.GateState.OPEN:
        return gate.take_turn_for(project, person, lane)
    slot_id = _claim(project, person, lane)
    if slot_id is None and free_expired_leases(project=project):
        slot_id = _claim(project, person, lane)
    if slot_id is None:
        return None
    slot = _gold_or(_with_lease_length(slot_id), person)
    return repeats.swap_for_repeat(slot, person, share=here.repeat_share)


def _may_stay(slot: Slot) -> bool:
    """Whether the person may keep what they hold. Slots made for one person are never open; their batch decides."""
    is_wanted = slot.is_open or slot.item.purpose in OWN_SLOTS
    return is_wanted and is_open_for_claims(slot.batch) and not slot.item.is_held_back


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


# Columns that neither the page nor the claim looks at; whoever does asks for them then.
_UNSEEN = (
    *("batch__name", "batch__created_at", "item__created_at", "item__query__created_at", "item__pair__created_at"),
    *("item__pair__code__body", "item__pair__code__comments", "item__pair__code__created_at"),
)
_slots_held = Prepared(
    lambda project, person: (
        slots_to_show().filter(project=project, person=person, state=SlotState.LEASED).defer(*_UNSEEN)
    )
)
_slot_to_show = Prepared(lambda pk: slots_to_show().filter(pk=pk).defer(*_UNSEEN))


def _leased_under(pk: Param, token: Param) -> QuerySet[Slot]:
    return Slot.objects.filter(pk=pk, token=token)


_EXPIRY = {"expires_at": Param("expires_at", models.DateTimeField())}
_set_expiry = PreparedUpdate(_leased_under, _EXPIRY, token=models.UUIDField())
_set_on_screen = PreparedUpdate(_leased_under, {"lane": ON_SCREEN, **_EXPIRY}, token=models.UUIDField())


def let_go(slot: Slot) -> bool:
    """Frees a slot that its person holds; whether it was still theirs. Call in a write transaction."""
    is_theirs = Slot.objects.filter(pk=slot.pk, token=slot.token, state=SlotState.LEASED).update(**FREE) > 0
    if is_theirs and not slot.is_open:
        settle_all([slot.item_id])
    return is_theirs


# --- the claim ------------------------------------------------------------------------------------------------------
def _claim(project: Project, person: User, lane: int) -> int | None:
    """Runs the claim statement; returns the slot's id, or None when no free slot is for this person."""
    queues = within_limits(person, queues_for(project, person))
    if not queues or (lane == PREFETCHED and _is_running_low(project, person, queues)):
        return None
    looks = [(where, queue) for queue in queues for where in _near(queue)]
    looks += [(_EVERYWHERE, queue) for queue in queues if queue.place is not None]
    for start in range(0, len(looks), LOOKS_AT_ONCE):
        if claimed := _look(looks[start : start + LOOKS_AT_ONCE], person, lane):
            slot_id, batch, priority = claimed
            _keep_place(next(queue for queue in queues if queue.batch == batch), person, (priority, slot_id))
            return slot_id
    return None


def queues_for(project: Project, person: User) -> list[Queue]:
    """The batches whose pairs this person may be handed now, most urgent first; their limits are not yet looked at."""
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES, {"project": project.pk, "person": person.pk})
        return [Queue(*row) for row in cursor.fetchall()]


def _near(queue: Queue) -> tuple[str, ...]:
    return (_EVERYWHERE,) if queue.place is None else (_IN_FRONT, _FROM_PLACE_ON)


def _look(looks: Sequence[tuple[str, Queue]], person: User, lane: int) -> tuple[int, int, int] | None:
    """Leases the first slot that one of the looks finds; (slot, batch, priority)."""
    lock = "FOR UPDATE OF s SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    now, token = timezone.now(), uuid.uuid4()
    given: dict[str, Any] = {
        "person": person.pk,
        "lane": lane,
        "token": token.hex if connection.vendor == "sqlite" else token,
        "now": connection.ops.adapt_datetimefield_value(now),
        "expires": connection.ops.adapt_datetimefield_value(now + timedelta(seconds=DEFAULT_LEASE_S)),
    }
    candidates = []
    for n, (where, queue) in enumerate(looks):
        candidates.append(f"({_FREE_SLOT.format(where=where.format(n=n), lock=lock)})")
        given |= {f"batch{n}": queue.batch, f"priority{n}": queue.priority, f"after{n}": queue.slot}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(candidates=", ".join(candidates)), given)
        row: tuple[int, int, int] | None = cursor.fetchone()
    return row


def _keep_place(queue: Queue, person: User, found: tuple[int, int]) -> None:
    """Writes down where the claim was found, when that is well ahead of the person's last place."""
    place = queue.place
    if place is not None and (found <= place or (found[0] == place[0] and found[1] - place[1] < PLACE_STEP)):
        return
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_PLACE, {"batch": queue.batch, "person": person.pk, "priority": found[0], "slot": found[1]})


def within_limits(person: User, queues: list[Queue]) -> list[Queue]:
    """Without the batches of which the person has had as much as one person may have (of all, or today).

    Votes and leases count together, so that the last place is not handed out twice; where there is a limit, the
    person's row is locked, so that two tabs cannot both get it. Call in a write transaction.
    """
    limited = [queue.batch for queue in queues if queue.per_person is not None or queue.per_day is not None]
    if not limited:
        return queues
    batches = Batch.objects.select_related("project").in_bulk(limited)
    gate.annotator_row(batches[limited[0]].project, person)
    full = {pk for pk, batch in batches.items() if not has_room(batch, person)}
    return [queue for queue in queues if queue.batch not in full]


def _with_lease_length(slot_id: int) -> Slot:
    slot = _slot_to_show.all(pk=slot_id)[0]
    seconds = lease_seconds(slot.batch)
    return slot if seconds == DEFAULT_LEASE_S else _extend(slot)


def _extend(slot: Slot) -> Slot:
    slot.expires_at = _expiry(slot)
    _set_expiry(pk=slot.pk, token=slot.token, expires_at=slot.expires_at)
    return slot


def _move_up(slot: Slot) -> Slot:
    """Puts a pair fetched ahead on screen, its lease as long as a new one's."""
    slot.lane, slot.expires_at = ON_SCREEN, _expiry(slot)
    _set_on_screen(pk=slot.pk, token=slot.token, expires_at=slot.expires_at)
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


def _is_running_low(project: Project, person: User, queues: Sequence[Queue]) -> bool:
    """Whether fewer slots are free than other people are at work: then nobody gets a pair ahead of need."""
    batches = ", ".join(str(int(queue.batch)) for queue in queues)
    free = _FREE_FOR_ALL.format(batches=batches, others=_OTHERS_AT_WORK)
    with connection.cursor() as cursor:
        cursor.execute(
            _RUNS_LOW.format(others=_OTHERS_AT_WORK, free=free), {"project": project.pk, "person": person.pk}
        )
        return bool(cursor.fetchone()[0])


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


def free_expired_leases(*, project: Project | None = None, grace: timedelta = timedelta(0)) -> int:
    """Frees the slots of leases that ran out `grace` ago or earlier (of one project, or all); returns how many.

    Call in a write transaction.
    """
    expired = Slot.objects.filter(state=SlotState.LEASED, expires_at__lt=timezone.now() - grace)
    if project is not None:
        expired = expired.filter(project=project)
    run_out = Counter(expired.values_list("project_id", flat=True))
    if not run_out:
        return 0
    note_expired(run_out)
    return free(expired)


def free(leased: QuerySet[Slot]) -> int:
    """Frees leased slots; what was only open to its holder is closed for good. Call in a write transaction."""
    closed = list(leased.filter(is_open=False).values_list("item_id", flat=True))
    freed = leased.update(**FREE)
    if closed:
        settle_all(closed)
    return freed


@retry_when_busy()
def sweep_leases() -> int:
    """Frees what nobody has come back to; a regular duty. Returns how many slots.

    Until then a lease that ran out stays good: whoever needs its slot frees it in the claim.
    """
    past = timezone.now() - SWEEP_AFTER
    if not Slot.objects.filter(state=SlotState.LEASED, expires_at__lt=past).exists():
        return 0
    with write_transaction():
        return free_expired_leases(grace=SWEEP_AFTER)


@retry_when_busy()
def release_leases(
    *, person: User, project: Project | None = None, lane: int | None = None, batch: Batch | None = None
) -> int:
    """Hands back what the person holds (logout, deactivation, leaving a project or batch); returns how many slots."""
    chosen = Q(person=person, state=SlotState.LEASED)
    chosen &= Q(project=project) if project is not None else Q()
    chosen &= Q(lane=lane) if lane is not None else Q()
    chosen &= Q(batch=batch) if batch is not None else Q()
    with write_transaction():
        return free(Slot.objects.filter(chosen))


def move_down(*, project: Project, person: User) -> None:
    """Makes room on screen: the pair there becomes the one fetched ahead. Call in a transaction, with lane 1 empty."""
    shown = Slot.objects.filter(project=project, person=person, state=SlotState.LEASED, lane=ON_SCREEN)
    shown.update(lane=PREFETCHED)


def move_up(*, project: Project, person: User) -> None:
    """Takes `move_down` back."""
    ahead = Slot.objects.filter(project=project, person=person, state=SlotState.LEASED, lane=PREFETCHED)
    ahead.update(lane=ON_SCREEN)


def lease_free(item: Item, *, person: User, token: uuid.UUID) -> bool:
    """Puts a free slot of this item on the person's empty screen; whether there was one. Call in a transaction."""
    is_own = item.purpose in OWN_SLOTS
    now = timezone.now()
    times = {"leased_at": now, "expires_at": now + timedelta(seconds=lease_seconds(item.batch))}
    if is_own:
        gate.lease_own_slot(item, person=person, lane=ON_SCREEN, lease={"token": token, **times})
        return True
    free = item.slots.filter(state=SlotState.FREE, is_open=True).order_by("number")
    slot = free.select_for_update(skip_locked=True).first()
    if slot is None:
        return False
    leased = Slot.objects.filter(pk=slot.pk, state=SlotState.FREE, is_open=True)
    return leased.update(state=SlotState.LEASED, person=person, lane=ON_SCREEN, token=token, **times) > 0


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
