"""The curator's dashboard, read from counted work: no figure here walks over votes."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Max, Sum
from django.utils import timezone

from annotation.agreement import Coincidences
from annotation.consensus import Tally
from annotation.forecast import Forecast, forecast
from annotation.models import BatchPlan, BoardState, ExpiredLeases, Slot, SlotState, Vote, WorkDay, WorkHour
from annotation.selectors.tallies import counted_groups
from annotation.tallies import Kind
from annotation.work import bins_of, quantile
from core.models import Project, User

ONLINE = timedelta(minutes=5)
EXPIRED_WITHIN = timedelta(days=7)
DAYS_SHOWN = 90
ASSUMED_EXTRA = 0.25
LEAST_ALPHA_UNITS = 5
SUMMED = ("n_votes", "n_wanted", "n_retracted", "n_set_aside", "n_corrected", "active_s")


# --- a day ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Day:
    """The work of one day as the table shows it; shares are None where nothing was judged."""

    day: date
    votes: int
    wanted: int  # of them, on items that batches ask for
    people: int
    median_s: float | None
    p90_s: float | None
    active_s: float
    intent_share: float | None
    answer_share: float | None
    unjudged_share: float | None
    retracted: int
    corrected: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "day": self.day,
            "votes": self.votes,
            "people": self.people,
            "median_s": _rounded(self.median_s, 2),
            "p90_s": _rounded(self.p90_s, 2),
            "active_s": round(self.active_s, 1),
            "intent_share": _rounded(self.intent_share),
            "answer_share": _rounded(self.answer_share),
            "unjudged_share": _rounded(self.unjudged_share),
            "retracted": self.retracted,
            "corrected": self.corrected,
        }


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def share(part: int, whole: int) -> float | None:
    """A share, None of nothing."""
    return part / whole if whole else None


def days_of(project: Project) -> list[Day]:
    """Days with work, oldest first."""
    return [_day(row, bins_of(row.times)) for row in WorkDay.objects.filter(project=project).order_by("day")]


def _day(row: WorkDay, bins: Mapping[int, int]) -> Day:
    return Day(
        day=row.day,
        votes=row.n_votes,
        wanted=row.n_wanted,
        people=row.n_people,
        median_s=quantile(bins, 0.5),
        p90_s=quantile(bins, 0.9),
        active_s=row.active_s,
        intent_share=share(row.n_yes, row.n_yes + row.n_no),
        answer_share=share(row.n_one, row.n_one + row.n_zero),
        unjudged_share=share(row.n_unclear + row.n_code_unclear, row.n_live),
        retracted=row.n_retracted,
        corrected=row.n_corrected,
    )


# --- agreement by week ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class WeekAlpha:
    """Alpha over the pairs whose newest vote was given in the week; None where undefined or of too few pairs."""

    monday: date
    intent: float | None
    answer: float | None
    pairs: int


def alpha_by_week(project: Project) -> list[WeekAlpha]:
    """Alpha of each week from the kept counts, oldest first; pilots are left out."""
    return _weeks(counted_groups(project, Kind.WEEK))


def _weeks(groups: Mapping[Any, Counter[Tally]]) -> list[WeekAlpha]:
    return [_week(str(week), groups[week]) for week in sorted(groups)]


def _week(week: str, tallies: Counter[Tally]) -> WeekAlpha:
    return WeekAlpha(date.fromisoformat(week), *_alphas(tallies), tallies.total())


def _alphas(tallies: Mapping[Tally, int]) -> tuple[float | None, float | None]:
    """(intent, answer) alpha, before any filter."""
    return (
        _alpha(((tally.n_no, tally.n_yes), n) for tally, n in tallies.items()),
        _alpha(((tally.n_zero, tally.n_one), n) for tally, n in tallies.items()),
    )


def _alpha(patterns: Iterable[tuple[tuple[int, int], int]]) -> float | None:
    sums = Coincidences()
    for counts, n in patterns:
        sums.add(counts, n)
    value = sums.alpha if sums.units >= LEAST_ALPHA_UNITS else None
    return None if value is None else float(value)


# --- now --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Online:
    """A person at work: holds a pair, or voted within the last five minutes."""

    name: str
    username: str
    holds: int
    last_vote: datetime | None
    votes_today: int


@dataclass(frozen=True, slots=True)
class Live:
    """The queue at this moment."""

    leases: int
    run_out: int  # leases past their end that nobody has needed yet
    people: list[Online]

    def signature(self) -> str:
        """Changes when anything shown of this changes."""
        people = [(one.username, one.holds, one.votes_today) for one in self.people]
        return f"{self.leases}.{self.run_out}.{people}"


def live_of(project: Project) -> Live:
    """Leases and people, read from the leases there are and the votes of the last minutes."""
    now = timezone.now()
    leased = list(
        Slot.objects.filter(project=project, state=SlotState.LEASED).values_list("person_id", "lane", "expires_at")
    )
    good = [(person, lane) for person, lane, expires in leased if expires is not None and expires > now]
    recent = Vote.objects.filter(project=project, created_at__gt=now - ONLINE, rater_kind__in=["human", "simulated"])
    last = dict(recent.order_by().values_list("person_id").annotate(Max("created_at")))
    at_work = {person for person, _ in good if person} | set(last)
    return Live(len(good), len(leased) - len(good), _people(project, at_work, good, last, now))


def _people(
    project: Project,
    at_work: set[int],
    good: Sequence[tuple[int | None, int | None]],
    last: dict[int, datetime],
    now: datetime,
) -> list[Online]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = WorkHour.objects.filter(project=project, hour__gte=midnight, person__in=at_work).order_by()
    votes = dict(today.values_list("person_id").annotate(Sum("n_votes")))
    people = User.objects.in_bulk(at_work)
    found = [
        Online(
            name=people[pk].get_full_name() or people[pk].username,
            username=people[pk].username,
            holds=sum(person == pk for person, _ in good),
            last_vote=last.get(pk),
            votes_today=votes.get(pk, 0),
        )
        for pk in at_work
    ]
    return sorted(found, key=lambda one: (-one.votes_today, one.username))


# --- the whole --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Board:
    """What the dashboard shows."""

    state: BoardState
    live: Live
    days: list[Day]
    weeks: list[WeekAlpha]
    totals: dict[str, Any]
    batches: list[dict[str, Any]]
    health: dict[str, int]
    forecast: Forecast
    progress: list[dict[str, Any]]  # series of the chart: counted, planned, expected
    alpha: tuple[float | None, float | None]
    n_expired: int  # leases that ran out within the last seven days and were freed

    @property
    def n_online(self) -> int:
        return len(self.live.people)


def state_of(project: Project) -> BoardState | None:
    """How far the project is counted; None before the first look."""
    return BoardState.objects.filter(project=project).first()


def etag_of(state: BoardState | None, live: Live, *, days: int | None) -> str:
    """Changes whenever the dashboard would; the date is in it because the forecast moves with it."""
    version = (state.version, state.share_done) if state else None
    text = f"{version}.{live.signature()}.{days}.{timezone.now():%Y-%m-%d}"
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def board_of(project: Project, state: BoardState, live: Live, *, days: int | None = DAYS_SHOWN) -> Board:
    """Everything on the dashboard; `days` is how many calendar days the charts show (None: all)."""
    counters = state.counters or {"batches": [], "health": {}}
    rows = [(row, bins_of(row.times)) for row in WorkDay.objects.filter(project=project).order_by("day")]
    all_days = [_day(row, bins) for row, bins in rows]
    since = timezone.now().date() - timedelta(days=days) if days else date.min
    by_week = counted_groups(project, Kind.WEEK)
    expected = _forecast(all_days, counters["batches"])
    return Board(
        state=state,
        live=live,
        days=[day for day in all_days if day.day > since],
        weeks=[week for week in _weeks(by_week) if week.monday + timedelta(days=6) > since],
        totals=_totals(rows, counters["batches"]),
        batches=counters["batches"],
        health=counters["health"],
        forecast=expected,
        progress=_progress(project, all_days, counters["batches"], expected),
        alpha=_alphas(sum(by_week.values(), Counter[Tally]())),
        n_expired=_expired(project),
    )


def _expired(project: Project) -> int:
    since = timezone.now().date() - EXPIRED_WITHIN
    found = ExpiredLeases.objects.filter(project=project, day__gt=since).aggregate(n=Sum("n"))
    return found["n"] or 0


def _totals(rows: list[tuple[WorkDay, Counter[int]]], batches: list[dict[str, Any]]) -> dict[str, Any]:
    times: Counter[int] = Counter()
    for _, bins in rows:
        times.update(bins)
    wanted = [batch for batch in batches if batch["state"] != "closed"]
    return {
        **{name: sum(getattr(row, name) for row, _ in rows) for name in SUMMED},
        "median_s": quantile(times, 0.5),
        "p90_s": quantile(times, 0.9),
        "n_items": sum(batch["n_items"] for batch in batches),
        "n_finished": sum(batch["n_finished"] for batch in batches),
        "n_aside": sum(batch["n_aside"] for batch in batches),
        "left": sum(batch["left"] for batch in wanted),
    }


def _forecast(days: list[Day], batches: list[dict[str, Any]]) -> Forecast:
    """Votes still wanted of batches that are not closed, extra votes to come included, at the pace of full days."""
    left = sum(batch["left"] + _extra_to_come(batch) for batch in batches if batch["state"] != "closed")
    return forecast(round(left), _per_day(days), timezone.now().date())


def _extra_to_come(batch: dict[str, Any]) -> float:
    """Extra votes that unfinished items will ask for, as often as finished ones of the batch did."""
    extra = ASSUMED_EXTRA if batch["extra"] is None else batch["extra"]
    unfinished = batch["n_items"] - batch["n_finished"] - batch["n_aside"]
    return max(0, unfinished) * min(extra, batch["max_extra"])


def _per_day(days: list[Day]) -> list[int]:
    """Wanted votes of every full day since the first vote, days off included; today is not over and is left out."""
    if not days:
        return []
    votes = {day.day: day.wanted for day in days}
    today = timezone.now().date()
    n_days = (today - days[0].day).days
    return [votes.get(days[0].day + timedelta(days=step), 0) for step in range(max(0, n_days))]


def _progress(
    project: Project, days: list[Day], batches: list[dict[str, Any]], expected: Forecast
) -> list[dict[str, Any]]:
    """Votes given so far by day, what the plans of batches asked for by day, and the way to the forecast."""
    given: list[tuple[int, float]] = []
    total = 0
    for day in days:
        total += day.wanted
        given.append((day.day.toordinal(), total))
    series: list[dict[str, Any]] = [{"name": "votes given", "points": given}]
    planned = _planned(project, {batch["id"] for batch in batches})
    if planned:
        series.append({"name": "planned", "points": planned})
    if expected.finish is not None and given:
        start = (timezone.now().date().toordinal(), total)
        series.append({"name": "expected", "points": [start, (expected.finish.toordinal(), total + expected.left)]})
    return series


def _planned(project: Project, batch_ids: set[int]) -> list[tuple[int, float]]:
    """Votes that the plans of the batches want by each day: every plan spreads its votes evenly over its days."""
    plans = BatchPlan.objects.filter(batch__project=project, batch__in=batch_ids).select_related("batch")
    spans = [
        (plan.created_at.date().toordinal(), max(1, int(plan.estimate.get("days") or 1)), plan.estimate.get("votes", 0))
        for plan in plans
    ]
    corners = sorted({start for start, _, _ in spans} | {start + length for start, length, _ in spans})
    return [(at, round(sum(_due(at, *span) for span in spans), 1)) for at in corners]


def _due(at: int, start: int, length: int, votes: float) -> float:
    return votes * min(max(at - start, 0), length) / length
