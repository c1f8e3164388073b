"""Keeping an item's slots in step with its votes: extra slots for open questions, none beyond the maximum.

`target` slots are wanted, numbered 0 .. target - 1. A slot that is no longer wanted (an undo, a correction) and that
nobody holds is closed, not deleted: it may carry a retracted vote.
"""

from collections.abc import Sequence

from annotation.consensus import Tally, needs_more_votes
from annotation.models import COUNTED, Batch, Intent, Item, Purpose, Slot, SlotState, Vote

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


def settle(item: Item) -> None:
    """Opens or closes slots of a live or intent-only item as its votes ask; two cannot-judge votes set it aside.

    Call inside the write transaction that changed a vote.
    """
    wanted_for = _WANTED.get(Purpose(item.purpose))
    if wanted_for is None:
        return
    votes = list(item.votes.filter(COUNTED))
    batch = item.batch
    is_set_aside = sum(could_not_judge(vote) for vote in votes) >= SET_ASIDE_AFTER
    if is_set_aside:
        wanted = max(len(votes), batch.overlap)
    else:
        wanted = wanted_for(votes, overlap=batch.overlap, max_extra=batch.max_extra_votes)
    _resize(item, wanted)
    if is_set_aside != item.is_set_aside:
        item.is_set_aside = is_set_aside
        is_open = is_open_for_claims(batch) and not is_set_aside
        item.slots.filter(state=SlotState.FREE, number__lt=item.target).update(is_open=is_open)
    item.save(update_fields=["target", "n_extra", "is_set_aside"])


def is_open_for_claims(batch: Batch) -> bool:
    """Whether the batch hands out pairs now."""
    return not (batch.is_paused or batch.is_closed)


def _resize(item: Item, wanted: int) -> None:
    while item.target < wanted:
        _open_slot(item, number=item.target)
        item.target += 1
    while item.target > wanted:
        last = item.slots.filter(number=item.target - 1, state=SlotState.FREE)
        if not last.update(is_open=False):
            break  # somebody is at it: their vote is welcome, it is within the maximum
        item.target -= 1
    item.n_extra = max(0, item.target - item.batch.overlap)


def _open_slot(item: Item, *, number: int) -> None:
    Slot.objects.update_or_create(
        item=item,
        number=number,
        defaults={"is_open": is_open_for_claims(item.batch)},
        create_defaults={
            "project_id": item.project_id,
            "batch_id": item.batch_id,
            "pair_id": item.pair_id,
            "priority": item.priority,
            "is_open": is_open_for_claims(item.batch),
        },
    )
