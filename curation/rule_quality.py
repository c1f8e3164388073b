"""How good a rule set is, measured on labelled queries (CoSQA, appendix A; METHODS 6.5). Needs no database.

The paper reports F1 67.65 and accuracy 82.40 on 250 queries without saying which class is positive. The filter's act
is to reject, so our primary F1 takes *no intent* as positive; the F1 of the other class always stands beside it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.text import normalise_query
from curation.intent import RuleProfile
from curation.reading import BadRow, EmptyLogError, LogFileError, read_table

PAPER_F1, PAPER_ACCURACY, PAPER_QUERIES = 67.65, 82.40, 250
MAX_LABELLED_ROWS = 100_000
_LABELS = {"1": True, "0": False, "1.0": True, "0.0": False, "true": True, "false": False, "yes": True, "no": False}


@dataclass(frozen=True)
class LabelledQuery:
    """A query and what people said of it; of a sample also its stratum and its id."""

    query: str
    has_intent: bool
    stratum: str = ""
    key: int = 0


@dataclass(frozen=True)
class Outcome:
    """A labelled query and whether it was rejected: by the rules in `hits`, or by whatever else is measured."""

    labelled: LabelledQuery
    is_rejected: bool
    hits: tuple[str, ...] = ()

    @property
    def cell(self) -> str:
        """Which cell of the confusion it counts in: tp, fp, fn or tn, with no intent as positive."""
        if self.is_rejected:
            return "fp" if self.labelled.has_intent else "tp"
        return "tn" if self.labelled.has_intent else "fn"


@dataclass(frozen=True)
class Confusion:
    """Counts with *no intent* as positive: tp, fp rejected rightly and wrongly; tn, fn kept rightly and wrongly."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def accuracy(self) -> float:
        return (self.tp + self.tn) / self.n if self.n else 0.0

    @property
    def f1_no_intent(self) -> float:
        """F1 with no intent as positive: the primary figure. 0 where neither side has a positive."""
        return _f1(self.tp, self.fp + self.fn)

    @property
    def f1_intent(self) -> float:
        """F1 with intent as positive."""
        return _f1(self.tn, self.fp + self.fn)

    @property
    def f1_macro(self) -> float:
        return (self.f1_no_intent + self.f1_intent) / 2


def _f1(hits: int, errors: int) -> float:
    return 2 * hits / (2 * hits + errors) if hits or errors else 0.0


@dataclass
class RuleScore:
    """One rule on the labelled queries. `only` counts good queries that no other rule would have rejected, `only_bad`
    those without intent; without the rule, F1 (no intent as positive) would be `f1_without`."""

    rule: str
    category: str
    hits: int = 0
    cost: int = 0
    only: int = 0
    only_bad: int = 0
    f1_without: float = 0.0

    @property
    def precision(self) -> float:
        """Share of the rule's hits that have no intent."""
        return (self.hits - self.cost) / self.hits if self.hits else 0.0


@dataclass
class RuleQuality:
    """The measured quality of a rule set, with examples of both kinds of error."""

    confusion: Confusion
    rules: list[RuleScore]
    outcomes: list[Outcome] = field(default_factory=list)
    wrongly_rejected: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    wrongly_kept: list[str] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; shares from 0 to 1."""
        found = self.confusion
        return {
            "n": found.n,
            "accuracy": found.accuracy,
            "f1_no_intent": found.f1_no_intent,
            "f1_intent": found.f1_intent,
            "f1_macro": found.f1_macro,
            "primary": "f1_no_intent",
            "confusion": {"tp": found.tp, "fp": found.fp, "fn": found.fn, "tn": found.tn, "positive": "no intent"},
            "rules": [
                {"rule": score.rule, "category": score.category, "hits": score.hits, "cost": score.cost,
                 "only": score.only, "only_bad": score.only_bad, "precision": score.precision,
                 "f1_without": score.f1_without, "f1_change": score.f1_without - found.f1_no_intent}
                for score in self.rules
            ],
            "wrongly_rejected": [{"query": query, "rules": list(hits)} for query, hits in self.wrongly_rejected],
            "wrongly_kept": self.wrongly_kept,
            "paper": {"accuracy": PAPER_ACCURACY / 100, "f1": PAPER_F1 / 100, "n": PAPER_QUERIES},
        }  # fmt: skip


def measure_rules(
    profile: RuleProfile, queries: Iterable[LabelledQuery], *, language: str = "python", examples: int = 20
) -> RuleQuality:
    """Judges every labelled query and counts; at most `examples` errors of each kind are kept."""
    outcomes = judge_labelled(profile, queries, language=language)
    quality = RuleQuality(confusion_of(outcomes), [], outcomes)
    scores: dict[str, RuleScore] = {}
    for outcome in outcomes:
        _count_hits(outcome, scores, profile)
        labelled = outcome.labelled
        if outcome.cell == "fp" and len(quality.wrongly_rejected) < examples:
            quality.wrongly_rejected.append((labelled.query, outcome.hits))
        elif outcome.cell == "fn" and len(quality.wrongly_kept) < examples:
            quality.wrongly_kept.append(labelled.query)
    for score in scores.values():
        score.f1_without = _without(quality.confusion, score).f1_no_intent
    quality.rules = sorted(scores.values(), key=lambda score: (-score.hits, score.rule))
    return quality


def judge_labelled(
    profile: RuleProfile, queries: Iterable[LabelledQuery], *, language: str = "python"
) -> list[Outcome]:
    """What the rules say of every labelled query."""
    verdicts = ((labelled, profile.judge(labelled.query, language=language)) for labelled in queries)
    return [Outcome(labelled, not verdict.has_intent, verdict.hits) for labelled, verdict in verdicts]


def confusion_of(outcomes: Iterable[Outcome]) -> Confusion:
    """The four counts."""
    cells = Counter(outcome.cell for outcome in outcomes)
    return Confusion(tp=cells["tp"], fp=cells["fp"], fn=cells["fn"], tn=cells["tn"])


def _count_hits(outcome: Outcome, scores: dict[str, RuleScore], profile: RuleProfile) -> None:
    is_good, is_alone = outcome.labelled.has_intent, len(outcome.hits) == 1
    for rule in outcome.hits:
        score = scores.setdefault(rule, RuleScore(rule, profile.category_of(rule)))
        score.hits += 1
        score.cost += is_good
        score.only += is_good and is_alone
        score.only_bad += is_alone and not is_good


def _without(found: Confusion, score: RuleScore) -> Confusion:
    """The confusion if the rule were not there: what it alone rejects is kept."""
    return Confusion(
        tp=found.tp - score.only_bad, fp=found.fp - score.only, fn=found.fn + score.only_bad, tn=found.tn + score.only
    )


def read_labelled(path: Path, *, name: str = "") -> list[LabelledQuery]:
    """Labelled queries of a CSV or JSON Lines file with the columns query and label (1 = has intent).

    Raises LogFileError that names the first line that cannot be used: a measurement leaves nothing out.
    """
    name, rows = name or path.name, []
    for record in read_table(path, ["query", "label"], name=name):
        if isinstance(record, BadRow):
            raise LogFileError(name=name, problem=f"line {record.line}: {record.reason}.")
        query, label = record.values
        has_intent = _LABELS.get(str(label).strip().lower())
        if has_intent is None or not isinstance(query, str) or not query.strip():
            raise LogFileError(
                name=name, problem=f"line {record.line} needs a query and a label 1 or 0 (1 = has intent)."
            )
        rows.append(LabelledQuery(normalise_query(query), has_intent))
        if len(rows) > MAX_LABELLED_ROWS:
            raise LogFileError(name=name, problem=f"more than {MAX_LABELLED_ROWS:,} rows; a sample is enough.")
    if not rows:
        raise EmptyLogError(name=name)
    return rows
