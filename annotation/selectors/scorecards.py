"""Scorecards: what each annotator did, how fast, and how well, as the curator sees it and as the person does."""

import hashlib
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from django.core.cache import cache
from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from annotation.agreement import Alpha, Coincidences
from annotation.ceiling import Accuracy, against_others
from annotation.models import (
    COUNTED,
    Annotator,
    BoardState,
    Comment,
    LateSubmission,
    Purpose,
    Skip,
    Standing,
    Vote,
    WorkDay,
    WorkHour,
)
from annotation.quality import RaterPattern, RaterSummary, by_rater
from annotation.selectors.people import annotation_settings
from annotation.selectors.tallies import counted_raters
from annotation.speed import Speed, speed_of
from annotation.work import COUNTS, IDLE_LIMIT_S, Times
from core.models import Project, User
from curation.score_curve import wilson

Result = TypeVar("Result")

LEAST_GOLD = 10  # of the own page: fewer would tell which pair was gold
LEAST_PEERS = 3  # fewer would show one person's figures to another
LEAST_COMPARED = 30
UNUSUAL_DIFFERENCE = 0.1
LOW_ALPHA = 0.2
MIN_SHARED = 20
KEPT_S = 600
CARD_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """A person's share of yes on a step with its 95 % interval, and what the others said of the same pairs."""

    n: int
    share: float | None
    low: float
    high: float
    others: float | None

    @property
    def is_unusual(self) -> bool:
        """Whether the person says yes far more or less often than the others do on the same pairs."""
        if self.share is None or self.others is None or self.n < LEAST_COMPARED:
            return False
        return not self.low <= self.others <= self.high and abs(self.share - self.others) > UNUSUAL_DIFFERENCE

    def to_dict(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "share": _rounded(self.share),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "others": _rounded(self.others),
            "is_unusual": self.is_unusual,
        }


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


@dataclass(frozen=True, slots=True)
class SelfAgreement:
    """Pairs judged twice by the same person: how many alike, and alpha of the two (intent and answer as one label)."""

    alike: int
    n: int
    alpha: float | None

    @property
    def share(self) -> float | None:
        return self.alike / self.n if self.n else None

    def to_dict(self) -> dict[str, Any]:
        return {"alike": self.alike, "n": self.n, "alpha": _rounded(self.alpha)}


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All figures of one person in one project."""

    person: User
    standing: str
    sums: dict[str, Any]
    days: int
    first: date | None
    last: date | None
    times: Times
    speed: Speed
    gold: Accuracy
    gold_unclear: int
    gold_bar: float
    agreement: RaterSummary | None
    consensus_intent: Accuracy
    consensus_answer: Accuracy
    intent_rate: Rate
    answer_rate: Rate
    skips: int
    late: int
    flags: int
    comments: int
    self_agreement: SelfAgreement
    peers: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # name -> lowest, median, highest

    @property
    def name(self) -> str:
        person = self.person
        return person.get_full_name() or person.username

    @property
    def kind(self) -> str:
        return "simulated" if self.person.is_simulated else "human"

    @property
    def n_votes(self) -> int:
        return int(self.sums["n_votes"])

    @property
    def active_s(self) -> float:
        return float(self.sums["active_s"])

    @property
    def unjudged_share(self) -> float | None:
        n = self.sums["n_live"]
        return (self.sums["n_unclear"] + self.sums["n_code_unclear"]) / n if n else None

    @property
    def alpha_intent(self) -> Alpha | None:
        return self.agreement.intent if self.agreement else None

    @property
    def alpha_answer(self) -> Alpha | None:
        return self.agreement.answer if self.agreement else None

    @property
    def alphas(self) -> list[Alpha | None]:
        return [self.alpha_intent, self.alpha_answer]

    @property
    def findings(self) -> list[str]:
        """Keys of what a curator should look at; see FINDINGS."""
        found = []
        if self.speed.is_suspicious:
            found.append("fast")
        if self.gold.n >= LEAST_GOLD and self.gold.high is not None and self.gold.high < self.gold_bar:
            found.append("gold")
        alpha = self.alpha_answer
        if alpha is not None and alpha.units >= MIN_SHARED and alpha.value is not None and alpha.value < LOW_ALPHA:
            found.append("agreement")
        if self.intent_rate.is_unusual or self.answer_rate.is_unusual:
            found.append("rates")
        return found

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON, for the API and the commands."""
        return {
            "person": self.person.username,
            "name": self.name,
            "kind": self.kind,
            "standing": self.standing,
            "votes": self.n_votes,
            "active_s": round(self.active_s, 1),
            "days": self.days,
            "first": self.first,
            "last": self.last,
            "median_s": _rounded(self.times.median, 2),
            "p90_s": _rounded(self.times.p90, 2),
            "speed": self.speed.to_dict(),
            "gold": {**self.gold.to_dict(), "unclear": self.gold_unclear, "bar": self.gold_bar},
            "alpha_intent": self.alpha_intent.to_dict() if self.alpha_intent else None,
            "alpha_answer": self.alpha_answer.to_dict() if self.alpha_answer else None,
            "consensus_intent": self.consensus_intent.to_dict(),
            "consensus_answer": self.consensus_answer.to_dict(),
            "intent_rate": self.intent_rate.to_dict(),
            "answer_rate": self.answer_rate.to_dict(),
            "cannot_judge_share": _rounded(self.unjudged_share),
            "retracted": self.sums["n_retracted"],
            "corrected": self.sums["n_corrected"],
            "set_aside": self.sums["n_set_aside"],
            "untimed": self.sums["n_untimed"],
            "skips": self.skips,
            "late": self.late,
            "flags": self.flags,
            "comments": self.comments,
            "self_agreement": self.self_agreement.to_dict(),
            "findings": self.findings,
        }


FINDINGS = {
    "fast": "Far more votes among the fastest than chance allows",
    "gold": "Gold below the bar, with certainty",
    "agreement": "Hardly more agreement with the others than chance gives",
    "rates": "Says yes far more or less often than others on the same pairs",
}


# --- reading ----------------------------------------------------------------------------------------------------------
def scorecards(project: Project) -> list[Scorecard]:
    """A card of everybody who has voted here, most votes first."""
    patterns = _patterns(project)
    return sorted(_cards(project, None, patterns, resamples=0), key=lambda card: (-card.n_votes, card.person.username))


def scorecard(project: Project, person: User, *, is_own: bool = False) -> Scorecard:
    """One person's card, empty before their first vote, with its peers' figures where there are enough peers.

    is_own: as the person sees it. Gold then counts only up to the end of last week, and from ten judged ones on, so
    that no figure tells which pair was gold.
    """
    patterns = _patterns(project)
    gold_before = _monday(timezone.now()) if is_own else None
    (card,) = _cards(project, [person], patterns, resamples=CARD_RESAMPLES, gold_before=gold_before)
    card.peers.update(_peers(project, person, patterns))
    return card


def _patterns(project: Project) -> dict[int, list[RaterPattern]]:
    found: dict[int, list[RaterPattern]] = defaultdict(list)
    for row in counted_raters(project):
        found[row.person_id].append(row)
    return dict(found)


def _monday(now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday())


def _cards(
    project: Project,
    people: Sequence[User] | None,
    patterns: dict[int, list[RaterPattern]],
    *,
    resamples: int,
    gold_before: datetime | None = None,
) -> list[Scorecard]:
    """Cards of these people, or of all who have worked here; each figure is read for everybody in one query."""
    ids = None if people is None else [person.pk for person in people]
    if people is None:
        work = _everybodys_work(project)
        people = list(User.objects.filter(pk__in=work))
    else:
        work = _work(WorkHour.objects.filter(project=project, person__in=people).order_by())
    everybody = Times.read(*WorkDay.objects.filter(project=project).values_list("times", flat=True))
    standings = dict(_of(Annotator.objects.filter(project=project), ids).values_list("person_id", "standing"))
    gold = gold_accuracy(project, ids, before=gold_before)
    counts = {name: _count(rows, ids) for name, rows in _rows_of(project).items()}
    repeats = self_agreement(project, ids)
    bar = annotation_settings(project).gold_bar
    made = []
    for person in people:
        own = work.get(person.pk) or _Work()
        rows = patterns.get(person.pk, [])
        summaries = by_rater(rows, resamples=resamples)
        right, unclear = gold.get(person.pk, (Accuracy(0, 0), 0))
        hidden = gold_before is not None and right.n < LEAST_GOLD
        made.append(
            Scorecard(
                person=person,
                standing=standings.get(person.pk, Standing.ACTIVE),
                sums=own.sums,
                days=len(own.days),
                first=min(own.days, default=None),
                last=max(own.days, default=None),
                times=own.times,
                speed=speed_of(own.times, everybody),
                gold=Accuracy(0, 0) if hidden else right,
                gold_unclear=0 if hidden else unclear,
                gold_bar=bar,
                agreement=summaries[0] if summaries else None,
                consensus_intent=against_others(rows, step="intent"),
                consensus_answer=against_others(rows),
                intent_rate=_intent_rate(rows),
                answer_rate=_answer_rate(rows),
                skips=counts["skips"].get(person.pk, 0),
                late=counts["late"].get(person.pk, 0),
                flags=counts["flags"].get(person.pk, 0),
                comments=counts["comments"].get(person.pk, 0),
                self_agreement=repeats.get(person.pk, SelfAgreement(0, 0, None)),
            )
        )
    return made


def _of(rows: QuerySet[Any], ids: Sequence[int] | None) -> QuerySet[Any]:
    return rows if ids is None else rows.filter(person__in=ids)


@dataclass(slots=True)
class _Work:
    """A person's counted work."""

    sums: dict[str, Any] = field(default_factory=lambda: {**dict.fromkeys(COUNTS, 0), "active_s": 0.0})
    times: Times = field(default_factory=Times)
    days: set[date] = field(default_factory=set)


def _work(hours: QuerySet[WorkHour]) -> dict[int, _Work]:
    """Person -> sums, times and days with votes, from the hours."""
    sums = {name: Sum(name) for name in (*COUNTS, "active_s")}
    found: dict[int, _Work] = {}
    for row in hours.values("person_id").annotate(**_renamed(sums)):
        facts: dict[str, Any] = {**row}
        found[row["person_id"]] = _Work({name: facts[f"sum_{name}"] for name in sums})
    stored: dict[int, list[dict[str, dict[str, int]]]] = defaultdict(list)
    for person_id, hour, n, times in hours.values_list("person_id", "hour", "n_votes", "times").iterator():
        stored[person_id].append(times)
        if n:
            found[person_id].days.add(hour.date())
    for person_id, times in stored.items():
        found[person_id].times = Times.read(*times)
    return found


def _renamed(sums: dict[str, Sum]) -> dict[str, Sum]:
    return {f"sum_{name}": expression for name, expression in sums.items()}


def _rows_of(project: Project) -> dict[str, QuerySet[Any]]:
    comments = Comment.objects.filter(item__project=project)
    return {
        "skips": Skip.objects.filter(item__project=project),
        "late": LateSubmission.objects.filter(item__project=project),
        "flags": comments.filter(is_flag=True),
        "comments": comments.filter(is_flag=False),
    }


def _count(rows: QuerySet[Any], ids: Sequence[int] | None) -> dict[int, int]:
    return dict(_of(rows, ids).order_by().values_list("person_id").annotate(Count("id")))


def gold_accuracy(
    project: Project, ids: Sequence[int] | None = None, *, before: datetime | None = None
) -> dict[int, tuple[Accuracy, int]]:
    """Person -> (right among the gold that they judged with Wilson's interval, gold that they could not judge)."""
    votes = _of(Vote.objects.filter(project=project, item__purpose=Purpose.GOLD, retracted_at__isnull=True), ids)
    if before is not None:
        votes = votes.filter(created_at__lt=before)
    unclear = Q(intent="unclear") | Q(code_unclear=True)
    same_answer = Q(answer=F("item__gold__answer")) | Q(answer__isnull=True, item__gold__answer__isnull=True)
    right = Q(intent=F("item__gold__intent")) & same_answer & ~unclear
    rows = (
        votes.order_by()
        .values_list("person_id")
        .annotate(n=Count("id"), unclear=Count("id", filter=unclear), right=Count("id", filter=right))
    )
    return {person: (_share(ones, n - unclear), unclear) for person, n, unclear, ones in rows}


def _share(right: int, n: int) -> Accuracy:
    return Accuracy(right, n, *wilson(right, n), n) if n else Accuracy(0, 0)


def self_agreement(project: Project, ids: Sequence[int] | None = None) -> dict[int, SelfAgreement]:
    """Person -> agreement with themselves on the pairs that came a second time, unnoticed."""
    again = Vote.objects.filter(COUNTED, project=project, item__purpose=Purpose.REPEAT)
    repeats = {
        (person, pair): (intent, answer)
        for person, pair, intent, answer in _of(again, ids).values_list(
            "person_id", "item__pair_id", "intent", "answer"
        )
    }
    if not repeats:
        return {}
    before = Vote.objects.filter(
        COUNTED, project=project, item__purpose=Purpose.LIVE, item__pair__in={pair for _, pair in repeats}
    )
    judged: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for person, pair, *first in _of(before, ids).values_list("person_id", "item__pair_id", "intent", "answer"):
        second = repeats.get((person, pair))
        labels = (_label(*first), _label(*second)) if second else (None, None)
        if labels[0] and labels[1]:
            judged[person].append((labels[0], labels[1]))
    return {person: _with_oneself(rows) for person, rows in judged.items()}


LABELS = ("no", "0", "1")


def _label(intent: str, answer: int | None) -> str | None:
    """The vote as one of three labels; None where the person could not judge."""
    return "no" if intent == "no" else None if answer is None else str(answer)


def _with_oneself(rows: list[tuple[str, str]]) -> SelfAgreement:
    sums = Coincidences()
    for pair in rows:
        sums.add([pair.count(label) for label in LABELS])
    value = sums.alpha
    return SelfAgreement(sum(one == two for one, two in rows), len(rows), None if value is None else float(value))


# --- rates beside the others ------------------------------------------------------------------------------------------
def _intent_rate(rows: Iterable[RaterPattern]) -> Rate:
    return _rate(
        (int(row.intent == "yes"), row.tally.n_yes, row.tally.n_no, row.n) for row in rows if row.intent != "unclear"
    )


def _answer_rate(rows: Iterable[RaterPattern]) -> Rate:
    return _rate((row.answer, row.tally.n_one, row.tally.n_zero, row.n) for row in rows if row.answer is not None)


def _rate(rows: Iterable[tuple[int, int, int, int]]) -> Rate:
    """rows: (the person's value, votes for yes, votes for no, how many such pairs); only pairs that others judged."""
    n = ones = 0
    others = 0.0
    for value, yes, no, times in rows:
        rest_yes, rest_no = yes - value, no - (1 - value)
        if rest_yes + rest_no:
            n += times
            ones += value * times
            others += times * rest_yes / (rest_yes + rest_no)
    low, high = wilson(ones, n)
    return Rate(n, ones / n if n else None, low, high, others / n if n else None)


# --- peers ------------------------------------------------------------------------------------------------------------
def _peers(
    project: Project, person: User, patterns: dict[int, list[RaterPattern]]
) -> dict[str, tuple[float, float, float]]:
    """Lowest, median and highest of the other people's figures; nothing where they are too few to stay unknown."""
    figures = _kept(project, "figures", lambda: _figures(project, patterns))
    ranges = {}
    for name, by_person in figures.items():
        others = [value for pk, value in by_person.items() if pk != person.pk and value is not None]
        if len(others) >= LEAST_PEERS:
            ranges[name] = _range(others)
    return ranges


def _figures(project: Project, patterns: dict[int, list[RaterPattern]]) -> dict[str, dict[int, float | None]]:
    """Name of a figure -> person -> value, of everybody with a vote that counts."""
    work = {pk: one for pk, one in _everybodys_work(project).items() if one.sums["n_votes"]}
    return {
        "votes": {pk: float(one.sums["n_votes"]) for pk, one in work.items()},
        "median_s": {pk: one.times.median for pk, one in work.items()},
        "alpha_answer": {pk: by_rater(rows, resamples=0)[0].answer.value for pk, rows in patterns.items()},
        "consensus_answer": {pk: against_others(rows).share for pk, rows in patterns.items()},
    }


def _everybodys_work(project: Project) -> "dict[int, _Work]":
    return _kept(project, "work", lambda: _work(WorkHour.objects.filter(project=project).order_by()))


def _kept(project: Project, name: str, make: Callable[[], Result]) -> Result:
    """What `make` gives, kept until the counted work of the project changes; many hours take a while to add up."""
    version = BoardState.objects.filter(project=project).values_list("version", flat=True).first()
    if version is None:
        return make()
    identity = hashlib.sha256(project.secret.encode()).hexdigest()[:16]
    return cache.get_or_set(f"scorecards-{name}-{project.pk}-{identity}-{version}", make, KEPT_S)  # type: ignore[return-value]


def _range(values: list[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


# --- pay --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PayRow:
    """A person's work of one week, from Monday (UTC)."""

    monday: date
    person: User
    votes: int
    retracted: int
    set_aside: int
    untimed: int
    active_s: float

    @property
    def hours(self) -> float:
        return self.active_s / 3600

    def to_dict(self, rate: float | None = None) -> dict[str, Any]:
        facts = {
            "week": self.monday,
            "person": self.person.username,
            "name": self.person.get_full_name(),
            "votes": self.votes,
            "taken_back": self.retracted,
            "set_aside": self.set_aside,
            "untimed": self.untimed,
            "active_s": round(self.active_s, 1),
            "hours": round(self.hours, 2),
        }
        return facts if rate is None else {**facts, "amount": round(self.hours * rate, 2)}


HOW_TIME_IS_COUNTED = (
    "Active time is the time from showing a pair to its vote, as the page measures it: at most "
    f"{IDLE_LIMIT_S // 60} minutes for a vote and an hour for an hour. Votes that were taken back, corrected or set "
    "aside count with the time that was spent on them; reading the guideline, comments and passing over pairs do not."
)


def pay_rows(
    project: Project, *, first: date | None = None, last: date | None = None, person: User | None = None
) -> list[PayRow]:
    """Votes and active time by week and person, newest week first; `first` and `last` are days within the weeks."""
    hours = WorkHour.objects.filter(project=project).order_by()
    if person is not None:
        hours = hours.filter(person=person)
    if first is not None:
        hours = hours.filter(hour__gte=_midnight(_week_of(first)))
    if last is not None:
        hours = hours.filter(hour__lt=_midnight(_week_of(last) + timedelta(days=7)))
    weeks: dict[tuple[date, int], list[float]] = defaultdict(lambda: [0.0] * 5)
    columns = ("person_id", "hour", "n_votes", "n_retracted", "n_set_aside", "n_untimed", "active_s")
    for person_id, hour, *values in hours.values_list(*columns).iterator():
        row = weeks[_week_of(hour.date()), person_id]
        for place, value in enumerate(values):
            row[place] += value
    people = User.objects.in_bulk({person_id for _, person_id in weeks})
    rows = [
        PayRow(
            monday=monday,
            person=people[pk],
            votes=int(votes),
            retracted=int(retracted),
            set_aside=int(set_aside),
            untimed=int(untimed),
            active_s=round(active_s, 3),
        )
        for (monday, pk), (votes, retracted, set_aside, untimed, active_s) in weeks.items()
    ]
    return sorted(rows, key=lambda row: (-row.monday.toordinal(), row.person.username))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _week_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def weeks_with_work(project: Project) -> tuple[date, date] | None:
    """First and last day of work; None before any."""
    span = WorkDay.objects.filter(project=project).aggregate(first=Min("day"), last=Max("day"))
    return (span["first"], span["last"]) if span["first"] else None
