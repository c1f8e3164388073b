"""Keeping an item's slots in step with its votes: extra slots for open questions, none beyond the maximum.

`target` slots are wanted, numbered 0 .. target - 1: those with a vote that counts, those that somebody holds, and free
ones up to what the votes ask for. Every other slot (after an undo, a correction, a lowered overlap, a vote set aside)
is numbered behind them and closed, not deleted: it may carry a vote that no longer counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, models
from django.db.models import QuerySet

from annotation.consensus import Tally, is_contested, needs_more_votes
from annotation.models import COUNTED, Batch, Intent, Item, Purpose, Slot, SlotState, Vote
from annotation.services.tallies import mark_item
from core.prepared import Param, Prepared, PreparedUpdate

SET_ASIDE_AFTER = 2


def wanted_slots(votes: Sequence[Vote], *, overlap: int, max_extra: int) -> int:
    """How many slots an item with these (not retracted) votes should have.

    Each vote that could not judge asks for one in its place; when every slot is filled and the keep-rule still leaves
    the item open, one more at a time. Never above overlap + max_extra.
    """
    limit = overlap + max_extra
    base = min(overlap + sum(could_not_judge(vote) for vote in votes), limit)
    done = len(votes)
    if base <= done < limit and needs_more_votes(votes, remaining=limit - done):
        return done + 1
    return max(base, done)


def wanted_intent_slots(votes: Sequence[Vote], *, overlap: int, max_extra: int) -> int:
    """How many slots an intent-only item should have: one more for each vote that could not judge, and one more at a
    time while yes and no are even. Never above overlap + max_extra.
    """
    limit = overlap + max_extra
    tally = Tally.of(votes)
    base = min(overlap + tally.n_unclear, limit)
    done = len(votes)
    is_even = tally.n_yes == tally.n_no
    return done + 1 if base <= done < limit and is_even else max(base, done)


_WANTED = {Purpose.LIVE: wanted_slots, Purpose.INTENT_ONLY: wanted_intent_slots}


def could_not_judge(vote: Vote) -> bool:
    """Whether the vote says that the query or the code could not be judged."""
    return vote.intent == Intent.UNCLEAR or vote.code_unclear


_counted_votes = Prepared(lambda item: Vote.objects.filter(COUNTED, item=item))
_keep = PreparedUpdate(
    lambda pk: Item.objects.filter(pk=pk),
    {
        "target": Param("target"),
        "n_extra": Param("n_extra"),
        "is_set_aside": Param("is_set_aside", models.BooleanField()),
        "is_contested": Param("is_contested", models.BooleanField()),
    },
)
_slots_of_item = Prepared(lambda item: Slot.objects.filter(item=item).order_by("number"))


def settle(item: Item) -> None:
    """Opens or closes slots of a live or intent-only item as its votes ask; two cannot-judge votes set it aside.

    Call inside the write transaction that changed a vote, the batch, or let go of a slot that is not open.
    """
    wanted_for = _WANTED.get(Purpose(item.purpose))
    if wanted_for is None:
        return
    before = (item.target, item.n_extra, item.is_set_aside, item.is_contested)
    votes = _counted_votes.all(item=item.pk)
    batch = item.batch
    item.is_set_aside = sum(could_not_judge(vote) for vote in votes) >= SET_ASIDE_AFTER
    if item.is_set_aside:
        wanted = max(len(votes), batch.overlap)
    else:
        wanted = wanted_for(votes, overlap=batch.overlap, max_extra=batch.max_extra_votes)
    item.target = _arrange(item, {vote.slot_id for vote in votes}, wanted)
    item.n_extra = max(0, item.target - batch.overlap)
    is_full = item.purpose == Purpose.LIVE and len(votes) >= item.target
    item.is_contested = is_full and is_contested(votes, overlap=batch.overlap)
    if before != (item.target, item.n_extra, item.is_set_aside, item.is_contested):
        _keep(
            pk=item.pk,
            target=item.target,
            n_extra=item.n_extra,
            is_set_aside=item.is_set_aside,
            is_contested=item.is_contested,
        )
        if item.is_set_aside != before[2]:
            mark_item(item.project_id, item.pk)  # as the signal of a saved item does


def locked(items: Iterable[int]) -> QuerySet[Item]:
    """The items with these ids, in the order of their ids, each locked until the write transaction ends."""
    return Item.objects.filter(pk__in=set(items)).select_related("batch").order_by("pk").select_for_update(of=("self",))


def settle_all(items: Iterable[int]) -> None:
    """Settles the items with these ids. Call in a write transaction."""
    for item in locked(items):
        settle(item)


def is_open_for_claims(batch: Batch) -> bool:
    """Whether the batch hands out pairs now."""
    return not (batch.is_paused or batch.is_closed)


# --- slots ----------------------------------------------------------------------------------------------------------
MOVING = 30_000  # numbers that no slot keeps: an item's numbers are unique while they are exchanged


@dataclass(frozen=True, slots=True)
class Layout:
    """What the slots of an item should be: number and openness of each one, and the numbers that lack a slot."""

    target: int
    changes: list[tuple[Slot, int, bool]]
    missing: list[int]
    is_open: bool


def lay_out(slots: Sequence[Slot], counted: set[int], wanted: int, *, is_open: bool) -> Layout:
    """Which slots to keep, of an item that wants `wanted` of them.

    slots: all of the item, by number. counted: ids of those whose vote counts. Votes and leases always keep theirs, so
    the target may be more than wanted; a lease beyond it may still be filled, but is not open: let go, it is closed.
    """
    leased = [slot for slot in slots if slot.state == SlotState.LEASED]
    busy = [slot for slot in slots if slot.state == SlotState.LEASED or slot.pk in counted]
    target = max(wanted, len(busy))
    free = [slot for slot in slots if slot.state == SlotState.FREE]
    kept = busy + free[: target - len(busy)]
    surplus = set(leased[max(0, len(leased) - (target - wanted)) :]) if target > wanted else set()
    open_ones = {slot for slot in kept if slot.state != SlotState.DONE and slot not in surplus} if is_open else set()
    numbers = _numbers(slots, kept, target)
    changes = [
        (slot, numbers[slot], slot in open_ones)
        for slot in slots
        if numbers[slot] != slot.number or (slot.state != SlotState.DONE and slot.is_open != (slot in open_ones))
    ]
    return Layout(target, changes, sorted(set(range(target)) - set(numbers.values())), is_open)


def _numbers(slots: Sequence[Slot], kept: Sequence[Slot], target: int) -> dict[Slot, int]:
    """Kept slots get numbers below the target, the others numbers from it on; who fits already keeps theirs."""
    wanted = set(kept)
    numbers = {slot: slot.number for slot in slots if (slot.number < target) == (slot in wanted)}
    taken = set(numbers.values())
    low = iter([number for number in range(target) if number not in taken])
    high = iter([number for number in range(target, target + 2 * len(slots) + 1) if number not in taken])
    for slot in slots:
        if slot not in numbers:
            numbers[slot] = next(low if slot in wanted else high)
    return numbers


def _arrange(item: Item, counted: set[int], wanted: int) -> int:
    """Brings the item's slots into the layout that `wanted` asks for; returns the target that it comes to."""
    is_open = not item.is_set_aside  # whether the batch hands out pairs, the claim asks the batch
    layout = lay_out(_slots(item), counted, wanted, is_open=is_open)
    if not layout.changes and not layout.missing:
        return layout.target
    if connection.features.has_select_for_update:  # nobody claims a free slot while it moves
        list(item.slots.filter(state=SlotState.FREE).select_for_update().values_list("pk"))
        layout = lay_out(_slots(item), counted, wanted, is_open=is_open)
    moved = [slot for slot, number, _ in layout.changes if slot.number != number]
    for place, slot in enumerate(moved):
        Slot.objects.filter(pk=slot.pk).update(number=MOVING + place)
    for slot, number, opens in layout.changes:
        is_done = slot.state == SlotState.DONE
        Slot.objects.filter(pk=slot.pk).update(number=number, is_open=slot.is_open if is_done else opens)
    Slot.objects.bulk_create(_new_slot(item, number, is_open=layout.is_open) for number in layout.missing)
    return layout.target


def _slots(item: Item) -> list[Slot]:
    return _slots_of_item.all(item=item.pk)


def _new_slot(item: Item, number: int, *, is_open: bool) -> Slot:
    return Slot(
        item=item,
        number=number,
        project_id=item.project_id,
        batch_id=item.batch_id,
        pair_id=item.pair_id,
        priority=item.priority,
        is_open=is_open,
    )
