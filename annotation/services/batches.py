"""Batches: opening pairs for annotation, pausing, closing."""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import QuerySet

from annotation.models import Batch, Item, Purpose, Slot, SlotState
from annotation.services import leases
from core.audit import record
from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.models import Project, User
from curation.models import Pair

OPEN_PAIRS_AT_ONCE = 500
SLOTS_OF_ITEMS_AT_ONCE = 200
MAX_OVERLAP = 9
LOOK_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Opening:
    """A pair to open, and why a plan chose it."""

    pair: int  # ids
    query: int
    stratum: str = ""
    purpose: str = Purpose.LIVE


def open_batch(
    *,
    project: Project,
    pairs: "QuerySet[Pair] | Iterable[Pair]",
    name: str = "",
    overlap: int | None = None,
    max_extra: int | None = None,
    user: User | None = None,
    is_pilot: bool = False,
    limit: int | None = None,
    **limits: Any,
) -> Batch:
    """Opens pairs for annotation, in the order given: an item and `overlap` slots each, in short commits.

    Pairs that already have a live item, or whose query or code is quarantined, are left out; `limit` counts the rest.
    `overlap` and `max_extra` default to the project's; an empty name becomes "Batch N". `user` is who asked; `limits`
    are further columns of the batch (see `new_batch`).
    Raises BadInputError when nothing is left to open or a number is out of range, ConflictError for a name in use.
    """
    overlap = project.overlap if overlap is None else overlap
    max_extra = project.max_extra_votes if max_extra is None else max_extra
    check_numbers(overlap, max_extra, limit)
    wanted = openable(project, _ids(pairs), limit)
    first = next(wanted, None)
    if first is None:
        raise BadInputError(
            problem="There is no pair left to open: every proposed pair is in a batch already, or none is proposed yet."
        )
    batch = new_batch(project, name, overlap, max_extra, is_pilot, **limits)
    open_pairs(batch, itertools.chain([first], wanted))
    return batch


def open_pairs(batch: Batch, pairs: Iterable[tuple[int, int]], on_chunk: Callable[[int], None] | None = None) -> int:
    """Opens (pair id, query id) in a batch, in the order given, in short commits; each commit is whole by itself."""
    return run_in_chunks(pairs, lambda chunk: _open_chunk(batch, chunk), max_rows=OPEN_PAIRS_AT_ONCE, on_chunk=on_chunk)


def check_numbers(overlap: int, max_extra: int, limit: int | None = None) -> None:
    """Raises BadInputError for a number that is out of range."""
    if not 1 <= overlap <= MAX_OVERLAP:
        raise BadInputError(problem=f"The overlap is a number from 1 to {MAX_OVERLAP}, not {overlap}.")
    if not 0 <= max_extra <= MAX_OVERLAP:
        raise BadInputError(problem=f"The extra votes are a number from 0 to {MAX_OVERLAP}, not {max_extra}.")
    if limit is not None and limit < 1:
        raise BadInputError(problem=f"A batch needs at least one pair, not {limit}.")


def _ids(pairs: "QuerySet[Pair] | Iterable[Pair]") -> list[int]:
    """Ids only, read before anything is written: a cursor must not run over rows that change under it."""
    if isinstance(pairs, QuerySet):
        return list(pairs.values_list("pk", flat=True))
    return [pair.pk for pair in pairs]


def openable(project: Project, ids: list[int], limit: int | None) -> Iterator[tuple[int, int]]:
    """(pair id, query id) of the pairs that may be opened, in the given order, at most `limit`."""
    left = len(ids) if limit is None else limit
    for start in range(0, len(ids), LOOK_AT_ONCE):
        chunk = ids[start : start + LOOK_AT_ONCE]
        queries = dict(_may_be_opened(project).filter(pk__in=chunk).values_list("pk", "query_id"))
        for pair_id in chunk:
            if left > 0 and pair_id in queries:
                left -= 1
                yield pair_id, queries.pop(pair_id)
        if left <= 0:
            return


def _may_be_opened(project: Project) -> QuerySet[Pair]:
    live = Item.objects.filter(project=project, purpose=Purpose.LIVE).values("pair")
    return Pair.objects.filter(project=project, query__quarantine_reason="", code__quarantine_reason="").exclude(
        pk__in=live
    )


def new_batch(
    project: Project, name: str, overlap: int, max_extra: int, is_pilot: bool, *, gold_share: float = 0, **limits: Any
) -> Batch:
    """A batch without pairs; an empty name becomes "Batch N". Raises ConflictError for a name in use.

    limits: priority, is_invited_only, max_votes_per_person, max_votes_per_day, min_lease_s; None takes the default.
    """
    name = " ".join(name.split())[:100] or _next_name(project)
    try:
        with write_transaction():
            return Batch.objects.create(
                project=project,
                name=name,
                overlap=overlap,
                max_extra_votes=max_extra,
                is_pilot=is_pilot,
                gold_share=gold_share,
                **{name: value for name, value in limits.items() if value is not None},
            )
    except IntegrityError as error:
        raise ConflictError(problem=f"The project already has a batch called {name}; choose another name.") from error


def _next_name(project: Project) -> str:
    taken = set(project.batches.values_list("name", flat=True))
    return next(name for n in itertools.count(len(taken) + 1) if (name := f"Batch {n}") not in taken)


def _open_chunk(batch: Batch, pairs: list[tuple[int, int]]) -> None:
    ids = [pair for pair, _ in pairs]  # another curator may have opened some of them a moment ago
    taken = set(Item.objects.filter(pair__in=ids, purpose=Purpose.LIVE).values_list("pair", flat=True))
    items = Item.objects.bulk_create(
        Item(project_id=batch.project_id, batch=batch, pair_id=pair, query_id=query, target=batch.overlap)
        for pair, query in pairs
        if pair not in taken
    )
    if items:
        _make_slots(batch, items[0].pk, items[-1].pk)


def fill_batch(
    batch: Batch,
    live: Sequence[Opening],
    *,
    gold: Sequence[Opening] = (),
    seed: int = 0,
    on_chunk: Callable[[int], None] | None = None,
) -> list[Item]:
    """Opens pairs in a batch, in the order given; returns the gold items. Killed and called again, it does the rest.

    Pairs come up in the order of their slots, and gold has none before somebody gets it. The items are made in an
    order of chance, gold among them, so that an item's number, which annotators can see, says nothing.
    """
    openings = [*live, *gold]
    random.Random(seed).shuffle(openings)
    made = {(pair or 0, purpose): pk for pk, pair, purpose in batch.items.values_list("pk", "pair_id", "purpose")}
    missing = [opening for opening in openings if (opening.pair, opening.purpose) not in made]

    def make_items(chunk: list[Opening]) -> None:
        items = Item.objects.bulk_create([_item(batch, opening) for opening in _still_closed(chunk)])
        made.update({(item.pair_id or 0, item.purpose): item.pk for item in items})

    run_in_chunks(missing, make_items, max_rows=OPEN_PAIRS_AT_ONCE)
    ready = set(batch.slots.values_list("item_id", flat=True))
    in_order = [pk for opening in live if (pk := made.get((opening.pair, opening.purpose))) and pk not in ready]
    run_in_chunks(
        in_order,
        lambda chunk: _make_slots_in_order(batch, chunk),
        max_rows=SLOTS_OF_ITEMS_AT_ONCE,
        on_chunk=(lambda done: on_chunk(len(live) - len(in_order) + done)) if on_chunk else None,
    )
    planted = Item.objects.in_bulk([made[opening.pair, opening.purpose] for opening in gold])
    return [planted[made[opening.pair, opening.purpose]] for opening in gold]


def _still_closed(openings: list[Opening]) -> list[Opening]:
    """Without the live ones that another curator has opened a moment ago."""
    ids = [opening.pair for opening in openings]
    taken = set(Item.objects.filter(pair__in=ids, purpose=Purpose.LIVE).values_list("pair", flat=True))
    return [opening for opening in openings if opening.purpose != Purpose.LIVE or opening.pair not in taken]


def _item(batch: Batch, opening: Opening) -> Item:
    return Item(
        project_id=batch.project_id,
        batch=batch,
        pair_id=opening.pair,
        query_id=opening.query,
        purpose=opening.purpose,
        stratum=opening.stratum,
        target=batch.overlap if opening.purpose == Purpose.LIVE else 0,
    )


def _make_slots_in_order(batch: Batch, items: list[int]) -> None:
    """Slots of these items, in this order: slots are handed out by their number."""
    numbers = " UNION ALL ".join(f"SELECT {number} AS number" for number in range(batch.overlap))
    places = ", ".join(f"({int(item)}, {place})" for place, item in enumerate(items))
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH place(item_id, at) AS (VALUES {places}) "
            "INSERT INTO annotation_slot (item_id, project_id, batch_id, pair_id, number, priority, is_open, state)"
            " SELECT i.id, i.project_id, i.batch_id, i.pair_id, n.number, i.priority, %s, 0"
            " FROM place JOIN annotation_item i ON i.id = place.item_id"
            f" CROSS JOIN ({numbers}) n ORDER BY place.at, n.number",
            [True],
        )


def _make_slots(batch: Batch, first: int, last: int) -> None:
    """The slots of the batch's items with ids first .. last, in one statement."""
    numbers = " UNION ALL ".join(f"SELECT {number} AS number" for number in range(batch.overlap))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO annotation_slot (item_id, project_id, batch_id, pair_id, number, priority, is_open, state)"
            " SELECT i.id, i.project_id, i.batch_id, i.pair_id, n.number, i.priority, %s, 0"
            f" FROM annotation_item i CROSS JOIN ({numbers}) n"
            " WHERE i.batch_id = %s AND i.id BETWEEN %s AND %s ORDER BY i.id, n.number",
            [True, batch.pk, first, last],
        )


# --- states ---------------------------------------------------------------------------------------------------------
@retry_when_busy()
def pause_batch(*, batch: Batch, user: User | None = None) -> Batch:
    """Hands out no more pairs of the batch; who has one on screen may finish it."""
    return _set_state(batch, user, is_paused=True)


@retry_when_busy()
def resume_batch(*, batch: Batch, user: User | None = None) -> Batch:
    """Hands out pairs of the batch again. Raises ConflictError for a closed batch."""
    if batch.is_closed:
        raise ConflictError(problem=f"The batch {batch.name} is closed; reopen it first.")
    return _set_state(batch, user, is_paused=False)


@retry_when_busy()
def close_batch(*, batch: Batch, user: User | None = None) -> Batch:
    """Ends the batch: its votes stand and can no longer change, pairs on screen go back, no new ones are handed out."""
    return _set_state(batch, user, is_closed=True)


@retry_when_busy()
def reopen_batch(*, batch: Batch, user: User | None = None) -> Batch:
    """Takes a close back."""
    return _set_state(batch, user, is_closed=False)


def _set_state(batch: Batch, user: User | None, **flags: bool) -> Batch:
    """Whether pairs are handed out stands in the batch alone, so a batch of any size is paused at once."""
    with write_transaction():
        before = {name: getattr(batch, name) for name in flags}
        for name, value in flags.items():
            setattr(batch, name, value)
        batch.save(update_fields=list(flags))
        if batch.is_closed:
            leases.free(Slot.objects.filter(batch=batch, state=SlotState.LEASED))
        if before != flags:
            record(
                "annotation.change_batch",
                project=batch.project,
                actor=user,
                subject=batch,
                before=before,
                after=flags,
            )
    return batch
