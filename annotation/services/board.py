"""Counting work behind the votes: touched hours are counted anew, so that a correction or an undo is never missed.

Nobody who votes waits for this. The worker's duty (or, where no worker runs, the page itself) goes along the time of
the votes, hour by hour; what changed in hours long past (a correction, a vote taken back or set aside) names its hours.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from annotation.models import BoardState, SetAside, Vote, VoteRevision, WorkDay, WorkHour
from annotation.selectors.board_counters import count_batches, count_health
from annotation.work import COUNTS, CountedVote, Sums, total_of
from core.db import retry_when_busy, write_transaction
from core.models import Project

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SETTLE = timedelta(seconds=120)  # a transaction that began earlier than this has ended
TURN = timedelta(seconds=60)  # how long a counter that died keeps others out
WATCHED = timedelta(minutes=10)
REVISIONS_AT_ONCE = 5000
LEAST_PAUSE_S = 15.0
PAUSE_PER_COST = 100  # counters cost at most one per cent of a core
SUM_FIELDS = (*COUNTS, "active_s", "times")

_VOTES = """
    SELECT vote.person_id, vote.intent, vote.answer, vote.code_unclear,
           vote.retracted_at IS NOT NULL, vote.set_aside_at IS NOT NULL,
           EXISTS (SELECT 1 FROM annotation_voterevision revision
                   WHERE revision.vote_id = vote.id AND revision.act = 'correction'),
           item.purpose IN ('live', 'intent_only'), item.purpose = 'live', vote.seconds, code.n_lines
    FROM annotation_vote vote
    JOIN annotation_item item ON item.id = vote.item_id
    LEFT JOIN curation_pair pair ON pair.id = item.pair_id
    LEFT JOIN curation_code code ON code.id = pair.code_id
    WHERE vote.project_id = %s AND vote.created_at >= %s AND vote.created_at < %s AND vote.rater_kind <> 'imported'
"""


@dataclass(frozen=True, slots=True)
class Caught:
    """What a turn did: whether everything is counted now, and how many hours were counted anew."""

    is_complete: bool
    hours: int


def catch_up(*, project: Project, budget_s: float = 2.0, with_counters: bool = True) -> Caught:
    """Counts what has changed since the last turn, for about `budget_s` seconds.

    Nothing happens while somebody else counts the same project. A turn that dies half-way is done again by the next.
    """
    state = _take_turn(project)
    if state is None:
        return Caught(False, 0)
    try:
        caught = _count_touched(project, state, time.monotonic() + budget_s)
        if with_counters:
            _count_slowly(project, state)
        return caught
    finally:
        BoardState.objects.filter(pk=state.pk).update(busy_until=None)


def rebuild(*, project: Project) -> Caught:
    """Forgets everything counted and counts it again: for votes whose times were changed by other means."""
    state = _take_turn(project)
    if state is None:
        return Caught(False, 0)
    try:
        _forget(project)
        state.refresh_from_db()
        caught = _count_touched(project, state, float("inf"))
        _count_slowly(project, state)
        return caught
    finally:
        BoardState.objects.filter(pk=state.pk).update(busy_until=None)


@retry_when_busy()
def _forget(project: Project) -> None:
    with write_transaction():
        WorkHour.objects.filter(project=project).delete()
        WorkDay.objects.filter(project=project).delete()
        BoardState.objects.filter(project=project).update(
            counted_to=None, revision_mark=0, looked_for_set_asides_at=None, counters_at=None, version=F("version") + 1
        )


@retry_when_busy()
def _take_turn(project: Project) -> BoardState | None:
    """The project's state, held for this turn; None while somebody else holds it."""
    now = timezone.now()
    with write_transaction():
        state, _ = BoardState.objects.get_or_create(project=project)
        free = BoardState.objects.filter(Q(busy_until=None) | Q(busy_until__lt=now), pk=state.pk)
        taken = free.update(busy_until=now + TURN)
    if not taken:
        return None
    state.refresh_from_db()
    return state


def note_watched(project: Project) -> None:
    """Somebody looks at the dashboard: the worker keeps it fresh for a while. Writes at most once a minute."""
    now = timezone.now()
    state = BoardState.objects.filter(project=project).first()
    if state is not None and (state.watched_at is None or now - state.watched_at > timedelta(minutes=1)):
        _note_watched(state.pk, now)


@retry_when_busy()
def _note_watched(state_id: int, now: datetime) -> None:
    with write_transaction():
        BoardState.objects.filter(pk=state_id).update(watched_at=now)


def keep_boards_fresh() -> int:
    """Counts on for every project whose dashboard is looked at; returns how many. The worker's duty."""
    watched = BoardState.objects.filter(watched_at__gt=timezone.now() - WATCHED).select_related("project")
    projects = [state.project for state in watched]
    for project in projects:
        catch_up(project=project)
    return len(projects)


# --- hours ------------------------------------------------------------------------------------------------------------
def _count_touched(project: Project, state: BoardState, deadline: float) -> Caught:
    """Along the time of the votes first, then what changed in hours that were counted before."""
    began = timezone.now()
    n_hours = 0
    for day, hours in _new_days(project, state):
        n_hours += _recount(project, day, hours)
        reached = min(datetime.combine(day, datetime.min.time(), UTC) + DAY, began)
        state.counted_to = reached
        _save(state, counted_to=reached)
        if time.monotonic() > deadline and reached < began:
            _save(state, share_done=_share_done(project, reached))
            return Caught(False, n_hours)
    _save(state, counted_to=began)
    old, marks = _old_hours(project, state, began)
    for day, hours in _by_day(old).items():
        n_hours += _recount(project, day, hours)
    _save(state, **marks, counted_at=began, share_done=1.0)
    return Caught(True, n_hours)


def _save(state: BoardState, **fields: Any) -> None:
    """Writes the fields and holds the turn on."""
    BoardState.objects.filter(pk=state.pk).update(busy_until=timezone.now() + TURN, **fields)


def _new_days(project: Project, state: BoardState) -> Iterator[tuple[date, set[datetime]]]:
    """Days with the hours in which votes were given since the mark, each found by one look into the index."""
    hours: set[datetime] = set()
    day: date | None = None
    since = _floor(state.counted_to - SETTLE) if state.counted_to else None
    while (hour := _next_hour(project, since)) is not None:
        if day is not None and hour.date() != day:
            yield day, hours
            hours = set()
        day = hour.date()
        hours.add(hour)
        since = hour + HOUR
    if day is not None:
        yield day, hours


def _next_hour(project: Project, since: datetime | None) -> datetime | None:
    votes = Vote.objects.filter(project=project)
    if since is not None:
        votes = votes.filter(created_at__gte=since)
    first = votes.order_by("created_at").values_list("created_at", flat=True).first()
    return None if first is None else _floor(first)


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _share_done(project: Project, reached: datetime) -> float:
    votes = Vote.objects.filter(project=project)
    total = votes.count()
    return votes.filter(created_at__lt=reached).count() / total if total else 1.0


def _old_hours(project: Project, state: BoardState, began: datetime) -> tuple[set[datetime], dict[str, Any]]:
    """Hours of votes that were corrected, taken back or set aside since the last turn, and the new marks."""
    hours, mark = set(), state.revision_mark
    while chunk := _revisions(project, mark):
        hours |= {_floor(given) for _, _, given in chunk}
        mark = chunk[-1][0]
        settled = [pk for pk, made, _ in chunk if made < began - SETTLE]
        state.revision_mark = max([state.revision_mark, *settled])
    hours |= _hours_of_set_asides(project, state.looked_for_set_asides_at)
    return hours, {"revision_mark": state.revision_mark, "looked_for_set_asides_at": began}


def _revisions(project: Project, mark: int) -> list[tuple[int, datetime, datetime]]:
    """(id, made at, vote given at) of the next revisions after a mark."""
    found = VoteRevision.objects.filter(vote__project=project, pk__gt=mark).order_by("pk")
    return list(found.values_list("pk", "created_at", "vote__created_at")[:REVISIONS_AT_ONCE])


def _hours_of_set_asides(project: Project, looked_at: datetime | None) -> set[datetime]:
    """Every hour of people whose votes were set aside, or count again, since the last look."""
    acts = SetAside.objects.filter(project=project)
    if looked_at is not None:
        since = looked_at - SETTLE
        recent = Q(created_at__gt=since) | Q(taken_back_at__gt=since) | Q(job__finished_at__gt=since)
        acts = acts.filter(recent | Q(job__state__in=["queued", "running"]))
    people = set(acts.values_list("person_id", flat=True))
    if not people:
        return set()
    return set(WorkHour.objects.filter(project=project, person__in=people).values_list("hour", flat=True))


def _by_day(hours: Iterable[datetime]) -> dict[date, set[datetime]]:
    days: dict[date, set[datetime]] = defaultdict(set)
    for hour in hours:
        days[hour.date()].add(hour)
    return dict(sorted(days.items()))


def _recount(project: Project, day: date, hours: set[datetime]) -> int:
    """Counts hours of a day from the votes; writes only what came out different. Returns the hours looked at.

    The counting is outside the transaction: what a vote adds meanwhile lies within the settling time, and is counted
    again by the next turn.
    """
    fresh = [row for hour in sorted(hours) for row in _count_hour(project, hour)]
    known = {(row.hour, row.person_id): row for row in WorkHour.objects.filter(project=project, hour__in=hours)}
    if not _differs(fresh, known):
        return len(hours)
    _replace(project, day, hours, fresh)
    return len(hours)


def _differs(fresh: list[WorkHour], known: dict[tuple[datetime, int], WorkHour]) -> bool:
    if len(fresh) != len(known):
        return True
    pairs = ((row, known.get((row.hour, row.person_id))) for row in fresh)
    return any(
        old is None or any(getattr(row, name) != getattr(old, name) for name in SUM_FIELDS) for row, old in pairs
    )


@retry_when_busy()
def _replace(project: Project, day: date, hours: set[datetime], fresh: list[WorkHour]) -> None:
    start = datetime.combine(day, datetime.min.time(), UTC)
    with write_transaction():
        WorkHour.objects.filter(project=project, hour__in=hours).delete()
        WorkHour.objects.bulk_create(fresh)
        rows = WorkHour.objects.filter(project=project, hour__gte=start, hour__lt=start + DAY)
        listed = list(rows.values("person_id", *SUM_FIELDS))
        n_people = len({row["person_id"] for row in listed if row["n_votes"]})
        WorkDay.objects.update_or_create(project=project, day=day, defaults={**total_of(listed), "n_people": n_people})
        BoardState.objects.filter(project=project).update(version=F("version") + 1)


def _count_hour(project: Project, hour: datetime) -> list[WorkHour]:
    """A row for every person with a vote in this hour, unsaved."""
    people: dict[int, Sums] = defaultdict(Sums)
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_VOTES, [project.pk, adapt(hour), adapt(hour + HOUR)])
        while rows := cursor.fetchmany(2000):
            for person, intent, answer, unclear, retracted, aside, corrected, wanted, live, seconds, lines in rows:
                people[person].add(
                    CountedVote(
                        intent=intent,
                        answer=answer,
                        code_unclear=bool(unclear),
                        is_retracted=bool(retracted),
                        is_set_aside=bool(aside),
                        is_corrected=bool(corrected),
                        is_wanted=bool(wanted),
                        is_live=bool(live),
                        seconds=seconds,
                        n_lines=lines,
                    )
                )
    return [
        WorkHour(project=project, person_id=person, hour=hour, **people[person].to_dict()) for person in sorted(people)
    ]


# --- counters ---------------------------------------------------------------------------------------------------------
def _count_slowly(project: Project, state: BoardState) -> None:
    """Counts batches and the health of the queue, the less often the dearer that is."""
    now = timezone.now()
    pause = timedelta(seconds=max(LEAST_PAUSE_S, PAUSE_PER_COST * state.counters_cost_s))
    if state.counters_at is not None and now - state.counters_at < pause:
        return
    started = time.perf_counter()
    counters = {"batches": count_batches(project), "health": count_health(project)}
    fields: dict[str, Any] = {"counters_at": now, "counters_cost_s": time.perf_counter() - started}
    if counters != state.counters:
        fields |= {"counters": counters, "version": F("version") + 1}
    _save(state, **fields)
