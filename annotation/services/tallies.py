"""Keeping the counts of agreement in step with the votes: a mark in the vote's transaction, the counting later.

Whatever changes which votes count, or where they count, leaves a mark on the item in its own transaction. `catch_up`
takes marks away and counts their items anew, in short transactions; doing so twice changes nothing. So the
counts are exact for every vote whose mark is gone, whatever order transactions end in.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from annotation.consensus import Tally, answer_disagreement
from annotation.models import COUNTED, AgreementCount, AgreementState, Item, ItemTally, Purpose, TallyMark, Vote
from annotation.tallies import (
    SEVERAL_VERSIONS,
    Bag,
    CountedVote,
    ItemState,
    Key,
    Kind,
    band_of,
    change_of,
    key_text,
    keys_of,
    read_key,
    tally_of,
    value_of,
)
from core.db import DatabaseBusyError, retry_when_busy, run_in_chunks, write_transaction
from core.jobs import RunningJob, create_job
from core.models import Job, JobState, Project, User
from curation.models import Candidate

RECOUNT_AGREEMENT = "annotation.recount_agreement"
ITEMS_AT_ONCE = 100  # items of one transaction: some 50 ms
MARKS_OF_AN_ITEM = 4  # marks looked at for each of them
PAGE_BUDGET_S = 0.4  # a page counts for so long before it shows what there is
READ_AT_ONCE = 2000
_ATTEMPTS = 5

_UPSERT = """
    INSERT INTO annotation_agreementcount (project_id, kind, key, n) VALUES (%s, %s, %s, %s)
    ON CONFLICT (project_id, kind, key) DO UPDATE SET n = annotation_agreementcount.n + excluded.n
"""
_DROP_ZERO = "DELETE FROM annotation_agreementcount WHERE project_id = %s AND kind = %s AND key = %s AND n = 0"


# --- marks --------------------------------------------------------------------------------------------------------
def mark_item(project_id: int, item_id: int) -> None:
    """Says that the votes of an item have changed. Call it in the transaction of the change."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO annotation_tallymark (project_id, item_id) VALUES (%s, %s)", [project_id, item_id])


def mark_items(project_id: int, item_ids: Iterable[int]) -> None:
    """The same for many items: for writers that save no vote by itself (`update`, `bulk_create`)."""
    TallyMark.objects.bulk_create(
        (TallyMark(project_id=project_id, item_id=item_id) for item_id in item_ids), batch_size=500
    )


def mark_texts(project_id: int, *, queries: Collection[int] = (), codes: Collection[int] = ()) -> None:
    """Marks the items of queries and codes that privacy holds back or releases."""
    touched = Q(query__in=queries) if queries else Q(pair__code__in=codes)
    mark_items(
        project_id, Item.objects.filter(touched, project=project_id, purpose=Purpose.LIVE).values_list("pk", flat=True)
    )


def mark_batch(project_id: int, batch_id: int) -> None:
    """Marks the counted items of a batch, whose votes start or cease to count."""
    mark_items(project_id, ItemTally.objects.filter(batch=batch_id).values_list("item_id", flat=True))


# --- counting -----------------------------------------------------------------------------------------------------
def catch_up(project: Project, *, budget_s: float = PAGE_BUDGET_S) -> bool:
    """Counts what was marked for at most about `budget_s` seconds; whether nothing is left to count.

    A database that is busy with other writes is no error here: the figures then lack the newest votes.
    """
    until = time.perf_counter() + budget_s
    try:
        while count_marked(project.pk):
            if time.perf_counter() > until:
                return not _has_marks(project.pk)
    except DatabaseBusyError:
        return not _has_marks(project.pk)
    return True


def catch_up_all(*, budget_s: float = 2.0) -> int:
    """Counts what was marked in any project, for at most about `budget_s` seconds; returns how many marks went."""
    until, done = time.perf_counter() + budget_s, 0
    for project_id in TallyMark.objects.values_list("project_id", flat=True).distinct():
        while time.perf_counter() < until and (n := count_marked(project_id)):
            done += n
    return done


def _has_marks(project_id: int) -> bool:
    return TallyMark.objects.filter(project=project_id).exists()


def count_marked(project_id: int, *, at_once: int = ITEMS_AT_ONCE) -> int:
    """Counts the items (at most `at_once`) of the oldest marks anew, in one short transaction; returns how many marks
    went.
    """
    return _count_marked(project_id, at_once) if _has_marks(project_id) else 0


@retry_when_busy()
def _count_marked(project_id: int, at_once: int) -> int:
    with write_transaction():
        _hold(project_id)
        marks = _oldest_marks(project_id, at_once)
        TallyMark.objects.filter(pk__in=[pk for pk, _ in marks]).delete()
        _count({item_id for _, item_id in marks}, project_id)
    return len(marks)


def _oldest_marks(project_id: int, n_items: int) -> list[tuple[int, int]]:
    """(id, item) of the oldest marks, of about `n_items` items; the votes of an item often came together."""
    rows = TallyMark.objects.filter(project=project_id).order_by("id").values_list("pk", "item_id")
    marks: list[tuple[int, int]] = []
    items: set[int] = set()
    for pk, item_id in rows[: MARKS_OF_AN_ITEM * n_items]:
        items.add(item_id)
        if len(items) > n_items:
            break
        marks.append((pk, item_id))
    return marks


def _hold(project_id: int) -> None:
    """Waits until nobody else counts this project."""
    AgreementState.objects.get_or_create(project_id=project_id)
    AgreementState.objects.select_for_update().get(project=project_id)


def _count(item_ids: Collection[int], project_id: int) -> None:
    """Counts these items, and those that share a query with them, whose intent is pooled."""
    queries = Item.objects.filter(pk__in=item_ids).values("query")
    ids = list(
        Item.objects.filter(query__in=queries, project=project_id, purpose=Purpose.LIVE).values_list("pk", flat=True)
    )
    kept = dict(ItemTally.objects.filter(item__in=ids).values_list("item_id", "state"))
    new = read_states(ids)
    changed = {pk: state for pk, state in new.items() if state.to_text() != kept.get(pk)}
    gone = kept.keys() - new.keys()
    if not changed and not gone:
        return
    touched = gone | (kept.keys() & changed.keys())
    _add(project_id, change_of((ItemState.from_text(kept[pk]) for pk in sorted(touched)), changed.values()))
    ItemTally.objects.filter(item__in=gone).delete()
    _keep(project_id, changed)
    AgreementState.objects.filter(project=project_id).update(version=F("version") + 1, counted_at=timezone.now())


def _add(project_id: int, change: dict[tuple[Kind, Key], int]) -> None:
    rows = [(project_id, str(kind), key_text(key), n) for (kind, key), n in change.items()]
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT, rows)
        cursor.executemany(_DROP_ZERO, [row[:3] for row in rows if row[3] < 0])


def _keep(project_id: int, states: dict[int, ItemState]) -> None:
    rows = [_row(project_id, item_id, state) for item_id, state in states.items()]
    columns = [field.name for field in ItemTally._meta.concrete_fields if field.name not in {"id", "item", "project"}]
    ItemTally.objects.bulk_create(
        rows, batch_size=50, update_conflicts=True, unique_fields=["item"], update_fields=columns
    )


def _row(project_id: int, item_id: int, state: ItemState) -> ItemTally:
    tally = state.tally
    return ItemTally(
        item_id=item_id,
        project_id=project_id,
        batch_id=state.batch_id,
        is_pilot=state.is_pilot,
        n_yes=tally.n_yes,
        n_no=tally.n_no,
        n_unclear=tally.n_unclear,
        n_one=tally.n_one,
        n_zero=tally.n_zero,
        pool_yes=state.pool[0],
        pool_no=state.pool[1],
        answer_disagreement=float(answer_disagreement(tally)) if tally.n_answers > 1 else None,
        intent_disagreement=_intent_disagreement(tally),
        state=state.to_text(),
    )


def _intent_disagreement(tally: Tally) -> float | None:
    m = tally.n_yes + tally.n_no
    return 2 * tally.n_yes * tally.n_no / (m * (m - 1)) if m > 1 else None


# --- reading states from votes ------------------------------------------------------------------------------------
def read_states(item_ids: Collection[int]) -> dict[int, ItemState]:
    """Item id -> state, from the votes themselves; items without a counted vote, or held back by privacy, have none.

    item_ids: live items, whole queries at a time (the intent is pooled over a query's pairs).
    """
    items = list(
        Item.objects.filter(pk__in=item_ids, query__quarantine_reason="", pair__code__quarantine_reason="").values_list(
            "pk", "query_id", "pair_id", "batch_id", "batch__is_pilot", "is_set_aside", "stratum"
        )
    )
    votes, newest, versions = _read_votes([item[0] for item in items])
    pools: dict[tuple[int, bool], Tally] = defaultdict(Tally)
    for pk, query_id, _, _, is_pilot, *_ in items:
        pools[query_id, is_pilot] += sum((tally_of(vote.value) for vote in votes[pk]), Tally())
    bands = _bands([pair_id for pk, _, pair_id, *_ in items if votes[pk]])
    return {
        pk: ItemState(
            batch_id=batch_id,
            is_pilot=is_pilot,
            is_set_aside=is_set_aside,
            week=monday_of(newest[pk]),
            guideline=_version(versions[pk]),
            band=bands.get(pair_id),
            stratum=stratum,
            pool=(pools[query_id, is_pilot].n_yes, pools[query_id, is_pilot].n_no),
            votes=tuple(votes[pk]),
        )
        for pk, query_id, pair_id, batch_id, is_pilot, is_set_aside, stratum in items
        if votes[pk]
    }


def _read_votes(
    item_ids: list[int],
) -> tuple[dict[int, list[CountedVote]], dict[int, datetime], dict[int, set[int | None]]]:
    """By item: its counted votes in the order of the people's ids, the time of the newest, the guideline versions."""
    votes: dict[int, list[CountedVote]] = defaultdict(list)
    newest: dict[int, datetime] = {}
    versions: dict[int, set[int | None]] = defaultdict(set)
    rows = Vote.objects.filter(COUNTED, item__in=item_ids).order_by("item_id", "person_id")
    columns = ("item_id", "person_id", "intent", "answer", "reason", "guideline__version", "created_at")
    for item_id, person_id, intent, answer, reason, version, at in rows.values_list(*columns):
        votes[item_id].append(CountedVote(person_id, value_of(intent, answer), reason))
        newest[item_id] = max(at, newest.get(item_id, at))
        versions[item_id].add(version)
    return votes, newest, versions


def _bands(pair_ids: list[int]) -> dict[int, int | None]:
    """Pair -> band of the score in the run that proposed it first; later runs do not move a judged pair."""
    rows = Candidate.objects.filter(pair__in=pair_ids, score__isnull=False).order_by("-id")
    return {pair_id: band_of(score) for pair_id, score in rows.values_list("pair_id", "score")}


def _version(versions: set[int | None]) -> int | None:
    return next(iter(versions)) if len(versions) == 1 else SEVERAL_VERSIONS


def monday_of(at: datetime) -> str:
    """The Monday of the week of a time, in UTC, as 2026-11-16."""
    day = at.astimezone(UTC).date()
    return (day - timedelta(days=day.weekday())).isoformat()


# --- all anew -----------------------------------------------------------------------------------------------------
def start_recount_agreement(*, project: Project, user: User | None = None, inline: bool = False) -> Job:
    """Queues counting all votes anew; an unfinished recount is returned instead."""
    waiting = project.jobs.filter(kind=RECOUNT_AGREEMENT, state__in=[JobState.QUEUED, JobState.RUNNING]).first()
    if waiting is not None and not inline:
        return waiting
    return create_job(
        kind=RECOUNT_AGREEMENT,
        title="Count all votes anew",
        params={"project_id": project.pk},
        project=project,
        user=user,
        inline=inline,
    )


def recount_agreement(*, run: RunningJob, project: Project) -> dict[str, Any]:
    """Counts every item anew from its votes, then every count anew from the items; says how many were wrong.

    Votes go on meanwhile. Broken off and run again it ends in the same counts.
    """
    voted = Exists(Vote.objects.filter(item=OuterRef("pk")))
    counted = Exists(ItemTally.objects.filter(item=OuterRef("pk")))
    items = Item.objects.filter(Q(voted) | Q(counted), project=project, purpose=Purpose.LIVE)
    run.progress(0, 0, "marking")
    ids = list(items.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=READ_AT_ONCE))
    run_in_chunks(ids, lambda chunk: mark_items(project.pk, chunk), on_chunk=lambda _: run.check())
    done = 0
    while n := count_marked(project.pk):
        done += n
        run.progress(min(done, len(ids)), len(ids), f"{done:,} pairs")
    wrong = settle_counts(project)
    return {"pairs": len(ids), "wrong_counts": wrong}


def settle_counts(project: Project) -> int:
    """Makes the counts what the counted items add up to; returns how many keys had another count.

    The adding up holds no lock; when votes were counted meanwhile it starts again. Raises DatabaseBusyError when that
    happens every time.
    """
    for _ in range(_ATTEMPTS):
        version = _version_of(project.pk)
        bag = _bag_of_items(project.pk)
        with write_transaction():
            _hold(project.pk)
            if _version_of(project.pk) != version:
                continue
            stored = stored_bag(project.pk)
            wrong = {key: bag[key] - stored[key] for key in bag.keys() | stored.keys() if bag[key] != stored[key]}
            _add(project.pk, wrong)
        return len(wrong)
    raise DatabaseBusyError


def _version_of(project_id: int) -> int:
    return AgreementState.objects.filter(project=project_id).values_list("version", flat=True).first() or 0


def _bag_of_items(project_id: int) -> Bag:
    bag: Bag = Bag()
    states = ItemTally.objects.filter(project=project_id).values_list("state", flat=True)
    for text in states.iterator(chunk_size=READ_AT_ONCE):
        bag.update(keys_of(ItemState.from_text(text)))
    return bag


def stored_bag(project_id: int) -> Bag:
    """All counts of a project as they are stored."""
    rows = AgreementCount.objects.filter(project=project_id).values_list("kind", "key", "n")
    return Bag({(Kind(kind), read_key(key)): n for kind, key, n in rows.iterator(chunk_size=READ_AT_ONCE)})
