"""What judgements of intent alone say: of people, of the rules, and of the whole log."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from annotation.agreement import RESAMPLES, Alpha, Pattern, alpha
from annotation.intent_keywords import Keyword, suggest_keywords
from annotation.intent_samples import EVEN_CHANCE, band_names
from annotation.models import (
    COUNTED,
    NO_INTENT_REASONS,
    IntentClassifier,
    IntentSample,
    IntentScore,
    Item,
    Purpose,
    Reason,
    Vote,
)
from curation.intent import RuleProfile
from curation.models import RuleSet, Verdict
from curation.rule_intervals import Estimate, LogEstimates, log_estimates, paired_difference, sample_intervals
from curation.rule_quality import (
    PAPER_ACCURACY,
    PAPER_F1,
    PAPER_QUERIES,
    LabelledQuery,
    Outcome,
    RuleQuality,
    measure_rules,
)
from curation.selectors import profile_of

CELLS = {
    "tp": "no intent, rejected",
    "fp": "intent, rejected",
    "fn": "no intent, accepted",
    "tn": "intent, accepted",
}
STATES = {
    "labelled": "with a majority",
    "open": "still wanting votes",
    "undecided": "as many yes as no",
    "aside": "set aside: two people could not judge",
}


@dataclass(frozen=True)
class JudgedQuery:
    """A query of a sample with what people have said so far."""

    pk: int  # of the SampledQuery
    query_id: int
    item_id: int
    text: str
    n_seen: int
    stratum: str
    probability: float
    n_yes: int
    n_no: int
    n_unclear: int
    is_finished: bool
    is_set_aside: bool
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def state(self) -> str:
        """A key of STATES."""
        if self.is_set_aside:
            return "aside"
        if not self.is_finished:
            return "open"
        return "undecided" if self.n_yes == self.n_no else "labelled"

    @property
    def has_intent(self) -> bool | None:
        """The majority's label; None while votes are open, on a tie, or when it could not be judged."""
        return self.n_yes > self.n_no if self.state == "labelled" else None

    @property
    def given_reasons(self) -> list[tuple[str, int]]:
        """(category in words, votes), most given first."""
        return [(str(Reason(reason).label), n) for reason, n in self.reasons.most_common()]

    @property
    def labelled(self) -> LabelledQuery:
        """For measuring; only of a query with a label."""
        return LabelledQuery(self.text, bool(self.has_intent), self.stratum, self.query_id)


def judged_queries(sample: IntentSample) -> list[JudgedQuery]:
    """The queries of a sample that may be shown, in the order of their ids."""
    standing = Q(item__votes__retracted_at=None, item__votes__set_aside_at=None)
    rows = (
        sample.queries.filter(query__quarantine_reason="")
        .annotate(
            n_yes=Count("item__votes", filter=standing & Q(item__votes__intent="yes")),
            n_no=Count("item__votes", filter=standing & Q(item__votes__intent="no")),
            n_unclear=Count("item__votes", filter=standing & Q(item__votes__intent="unclear")),
        )
        .select_related("query", "item")
        .order_by("pk")
    )
    reasons = _reasons(sample)
    return [
        JudgedQuery(
            pk=row.pk,
            query_id=row.query_id,
            item_id=row.item_id,
            text=row.query.text,
            n_seen=row.query.n_seen,
            stratum=row.stratum,
            probability=row.probability,
            n_yes=row.n_yes,
            n_no=row.n_no,
            n_unclear=row.n_unclear,
            is_finished=row.item.done >= row.item.target,
            is_set_aside=row.item.is_set_aside,
            reasons=reasons.get(row.item_id, Counter()),
        )
        for row in rows
    ]


def _reasons(sample: IntentSample) -> dict[int, Counter[str]]:
    """Item id -> how many people gave which category."""
    votes = Vote.objects.filter(COUNTED, item__sampled__sample=sample, intent="no").exclude(reason="")
    found: dict[int, Counter[str]] = {}
    for item_id, reason, n in votes.values_list("item_id", "reason").annotate(n=Count("id")):
        found.setdefault(item_id, Counter())[reason] += n
    return found


def labelled_queries(judged: Iterable[JudgedQuery]) -> list[LabelledQuery]:
    """Those with a majority."""
    return [query.labelled for query in judged if query.has_intent is not None]


# --- people --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Progress:
    """How far the judging is. labelled + open + undecided + aside = queries."""

    queries: int
    states: dict[str, int]
    votes: int
    wanted: int

    @property
    def labelled(self) -> int:
        return self.states["labelled"]

    @property
    def is_done(self) -> bool:
        return not self.states["open"]

    def as_data(self) -> dict[str, Any]:
        return {"queries": self.queries, **self.states, "votes": self.votes, "votes_wanted": self.wanted}


def progress_of_sample(sample: IntentSample, judged: list[JudgedQuery]) -> Progress:
    """Votes and queries, done and wanted."""
    states = Counter(query.state for query in judged)
    items = sample.queries.filter(query__quarantine_reason="").values_list("item__target", flat=True)
    return Progress(
        queries=len(judged),
        states={state: states[state] for state in STATES},
        votes=sum(query.n_yes + query.n_no + query.n_unclear for query in judged),
        wanted=sum(items),
    )


def intent_alpha(judged: Iterable[JudgedQuery], *, resamples: int = RESAMPLES) -> Alpha:
    """Agreement on intent alone, of all votes; "cannot judge" is missing data."""
    patterns: Counter[Pattern] = Counter((query.n_no, query.n_yes) for query in judged)
    return alpha(patterns, resamples=resamples)


@dataclass(frozen=True)
class Category:
    """A category people gave for "no intent": how many votes, how many queries whose majority says no intent, and
    how many of these the rules accept."""

    key: str
    label: str
    votes: int
    queries: int
    missed: int


def categories_of(judged: Iterable[JudgedQuery], outcomes: Iterable[Outcome]) -> list[Category]:
    """The categories, most given first; a query with two categories counts in both."""
    accepted = {one.labelled.key for one in outcomes if one.cell == "fn"}
    votes: Counter[str] = Counter()
    queries: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for query in judged:
        votes += query.reasons
        if query.has_intent is False:
            queries.update(query.reasons.keys())
            missed.update(query.reasons.keys() if query.query_id in accepted else ())
    labels = {reason.value: str(Reason(reason).label) for reason in NO_INTENT_REASONS}
    found = [Category(key, labels[key], votes[key], queries[key], missed[key]) for key in labels]
    return sorted(found, key=lambda one: (-one.votes, one.label))


# --- rules ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measured:
    """One rule set on the judged queries of one sample."""

    rule_set: RuleSet
    quality: RuleQuality
    intervals: dict[str, Estimate]
    log: LogEstimates

    def as_data(self) -> dict[str, Any]:
        return {
            "rule_set": str(self.rule_set),
            "rule_set_id": self.rule_set.pk,
            **self.quality.as_data(),
            "intervals": {name: estimate.as_data() for name, estimate in self.intervals.items()},
            "log": self.log.as_data(),
        }


def sizes_of(sample: IntentSample) -> dict[str, int]:
    """Queries of the log per stratum."""
    return {stratum["key"]: stratum["size"] for stratum in sample.strata}


def measure(sample: IntentSample, judged: list[JudgedQuery], rule_set: RuleSet) -> Measured:
    """The rule set on the queries that have a majority."""
    profile: RuleProfile = profile_of(rule_set)
    quality = measure_rules(profile, labelled_queries(judged), language=sample.project.language)
    return Measured(
        rule_set=rule_set,
        quality=quality,
        intervals=sample_intervals(quality.outcomes),
        log=log_estimates(quality.outcomes, sizes_of(sample)),
    )


@dataclass(frozen=True)
class SampleReport:
    """Everything the page of a sample shows."""

    sample: IntentSample
    judged: list[JudgedQuery]
    progress: Progress
    alpha: Alpha
    measured: Measured
    categories: list[Category]
    strata: list[dict[str, Any]]
    against: Measured | None = None
    differences: Mapping[str, Estimate] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; shares from 0 to 1."""
        data = {
            "sample": self.sample.pk,
            "batch": self.sample.batch_id,
            "name": self.sample.batch.name,
            "progress": self.progress.as_data(),
            "agreement": self.alpha.to_dict(),
            "measured": self.measured.as_data(),
            "categories": [vars(category) for category in self.categories],
            "strata": self.strata,
            "paper": {"accuracy": PAPER_ACCURACY / 100, "f1": PAPER_F1 / 100, "n": PAPER_QUERIES},
        }
        if self.against is not None:
            data["against"] = self.against.as_data()
            data["differences"] = {name: estimate.as_data() for name, estimate in self.differences.items()}
        return data


def sample_report(sample: IntentSample, rule_set: RuleSet, *, against: RuleSet | None = None) -> SampleReport:
    """The measured quality of a rule set, and of another one on the same judgements beside it.

    The differences are `rule_set` minus `against`.
    """
    judged = judged_queries(sample)
    measured = measure(sample, judged, rule_set)
    other = measure(sample, judged, against) if against is not None else None
    return SampleReport(
        sample=sample,
        judged=judged,
        progress=progress_of_sample(sample, judged),
        alpha=intent_alpha(judged),
        measured=measured,
        categories=categories_of(judged, measured.quality.outcomes),
        strata=_strata(sample, judged),
        against=other,
        differences=paired_difference(other.quality.outcomes, measured.quality.outcomes) if other else {},
    )


def _strata(sample: IntentSample, judged: list[JudgedQuery]) -> list[dict[str, Any]]:
    """The strata with how many of their queries have a label, and which."""
    labels = Counter((query.stratum, query.has_intent) for query in judged)
    names = band_names(sample.plan.get("bands", []))
    return [
        {
            **stratum,
            "band_name": names[stratum["band"]],
            "probability": stratum["drawn"] / stratum["size"],
            "intent": labels[stratum["key"], True],
            "no_intent": labels[stratum["key"], False],
        }
        for stratum in sample.strata
    ]


def keywords_of(sample: IntentSample, rule_set: RuleSet) -> list[Keyword]:
    """Terms that the rule set does not cover and that mark judged queries without intent, with their cost."""
    outcomes = measure(sample, judged_queries(sample), rule_set).quality.outcomes
    judged = Counter(outcome.labelled.stratum for outcome in outcomes)
    sizes = sizes_of(sample)
    weights = {stratum: sizes[stratum] / n for stratum, n in judged.items()}
    return suggest_keywords(outcomes, profile_of(rule_set), language=sample.project.language, weights=weights)


# --- rows behind a number ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class RowFilter:
    """Which judged queries; empty fields ask nothing."""

    cell: str = ""
    state: str = ""
    rule: str = ""
    reason: str = ""
    stratum: str = ""

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> "RowFilter":
        """Reads the known filters; what is not known asks for nothing that exists."""
        return cls(**{name: str(params.get(name, ""))[:100] for name in cls.__dataclass_fields__})


def rows_behind(
    judged: Iterable[JudgedQuery], outcomes: Iterable[Outcome], wanted: RowFilter
) -> list[tuple[JudgedQuery, Outcome | None]]:
    """The judged queries under a filter, each with what the rules say of it (None without a label)."""
    by_query = {outcome.labelled.key: outcome for outcome in outcomes}
    pairs = ((query, by_query.get(query.query_id)) for query in judged)
    return [(query, outcome) for query, outcome in pairs if _fits(query, outcome, wanted)]


def _fits(query: JudgedQuery, outcome: Outcome | None, wanted: RowFilter) -> bool:
    return (
        (not wanted.state or query.state == wanted.state)
        and (not wanted.stratum or query.stratum == wanted.stratum)
        and (not wanted.reason or wanted.reason in query.reasons)
        and (not wanted.cell or (outcome is not None and outcome.cell == wanted.cell))
        and (not wanted.rule or (outcome is not None and wanted.rule in outcome.hits))
    )


# --- the second opinion --------------------------------------------------------------------------------------
SIDES = {
    "accepted": "rules accept, the second opinion doubts",
    "rejected": "rules reject, the second opinion likes",
}


def second_opinions(classifier: IntentClassifier, rule_set: RuleSet, side: str) -> QuerySet[IntentScore]:
    """Queries on which rules and classifier differ, to be sorted by `order_of(side)`: the widest difference first."""
    verdicts = Verdict.objects.filter(query=OuterRef("query"), rule_set=rule_set, has_intent=side == "accepted")
    doubtful = Q(chance__lt=EVEN_CHANCE) if side == "accepted" else Q(chance__gte=EVEN_CHANCE)
    scores = IntentScore.objects.filter(doubtful, Exists(verdicts), classifier=classifier, query__quarantine_reason="")
    return scores.select_related("query")


def order_of(side: str) -> str:
    """How the queries of a side are sorted."""
    return "chance" if side == "accepted" else "-chance"


def labels_of(query_ids: Iterable[int]) -> dict[int, bool | None]:
    """Query id -> what the majority of people who judged its intent alone say; None while that is open."""
    standing = Q(votes__retracted_at=None, votes__set_aside_at=None)
    items = (
        Item.objects.filter(query__in=list(query_ids), purpose=Purpose.INTENT_ONLY)
        .annotate(
            n_yes=Count("votes", filter=standing & Q(votes__intent="yes")),
            n_no=Count("votes", filter=standing & Q(votes__intent="no")),
        )
        .values_list("query_id", "n_yes", "n_no", "done", "target", "is_set_aside")
    )
    return {
        query: n_yes > n_no if done >= target and n_yes != n_no and not aside else None
        for query, n_yes, n_no, done, target, aside in items
    }
