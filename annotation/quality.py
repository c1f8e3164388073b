"""Agreement of a project and what each keep rule would leave, from counted vote patterns. No Django.

A million votes come down to some hundred patterns, so every figure here costs milliseconds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from annotation.agreement import RESAMPLES, Alpha, Coincidences, Pattern, against_rest, alpha, alpha_u
from annotation.consensus import Decision, Keep, KeepRule, Tally, decide

SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class ItemPattern:
    """`n` items of a batch whose votes look the same: their own tally, and the pooled intent of their query."""

    batch_id: int
    tally: Tally
    query: Tally
    is_set_aside: bool
    n: int


@dataclass(frozen=True, slots=True)
class RaterPattern:
    """`n` votes of a person that look the same, each with the tally of all votes on its item (the own one included)."""

    person_id: int
    intent: str
    answer: int | None
    tally: Tally
    n: int


def intent_patterns(rows: Iterable[ItemPattern]) -> Counter[Pattern]:
    """(no, yes) counts of intent votes."""
    patterns: Counter[Pattern] = Counter()
    for row in rows:
        patterns[row.tally.n_no, row.tally.n_yes] += row.n
    return patterns


def answer_patterns(rows: Iterable[ItemPattern]) -> Counter[Pattern]:
    """(zero, one) counts of answers."""
    patterns: Counter[Pattern] = Counter()
    for row in rows:
        patterns[row.tally.n_zero, row.tally.n_one] += row.n
    return patterns


def expected_disagreement(rows: Iterable[ItemPattern]) -> Fraction:
    """D_e of the answers before any filter, which alpha_u is measured against."""
    return Coincidences.of(answer_patterns(rows)).expected


@dataclass(frozen=True, slots=True)
class KeepSummary:
    """What a keep rule leaves: pairs by label, pairs removed by reason, and alpha of the kept answers (selected)."""

    rule: KeepRule
    ones: int
    zeros: int
    removed: dict[str, int]
    alpha: Alpha

    @property
    def kept(self) -> int:
        return self.ones + self.zeros

    @property
    def share_of_ones(self) -> float:
        return self.ones / self.kept if self.kept else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule.to_dict(),
            "kept": self.kept,
            "ones": self.ones,
            "zeros": self.zeros,
            "removed": self.removed,
            "answer_kept": self.alpha.to_dict(),
        }


def decide_item(row: ItemPattern, rule: KeepRule, expected: Fraction) -> tuple[Decision, str]:
    """The decision on an item, and the reason of a removal ("" when it is kept)."""
    decision = decide(row.tally, rule, query=row.query, expected_disagreement=expected)
    if row.is_set_aside:
        return decision, SET_ASIDE
    return decision, decision.removal or ""


def keep_summary(rows: Sequence[ItemPattern], rule: KeepRule, *, resamples: int = 0) -> KeepSummary:
    """Applies a keep rule to all items."""
    expected = expected_disagreement(rows)
    removed: Counter[str] = Counter()
    labels: Counter[int | None] = Counter()
    kept: list[ItemPattern] = []
    for row in rows:
        decision, reason = decide_item(row, rule, expected)
        if reason:
            removed[str(reason)] += row.n
        else:
            labels[decision.label] += row.n
            kept.append(row)
    measured = alpha(answer_patterns(kept), resamples=resamples)
    return KeepSummary(rule, labels[1], labels[0], dict(sorted(removed.items())), measured)


def rule_table(min_votes: int = 3) -> list[KeepRule]:
    """The rules that the agreement page compares."""
    return [
        KeepRule(Keep.MAJORITY, min_votes, Fraction(1, 2)),
        KeepRule(Keep.MAJORITY, min_votes, Fraction(2, 3)),
        KeepRule(Keep.MAJORITY, min_votes, Fraction(3, 4)),
        KeepRule(Keep.ALPHA_U, min_votes, min_alpha_u=Fraction(0)),
        KeepRule(Keep.UNANIMOUS, min_votes),
    ]


@dataclass(frozen=True, slots=True)
class VotePattern:
    """What a rule makes of a way of voting: its share and alpha_u (None where D_e is 0), and whether it is kept."""

    pattern: str  # "2-1"
    share: float
    alpha_u: float | None
    is_kept: bool


def patterns_under(rule: KeepRule, expected: Fraction, *, max_votes: int = 5) -> list[VotePattern]:
    """Every way in which 2 to `max_votes` answers (and no other votes) reach a majority, under a rule."""
    made = []
    for m in range(2, max_votes + 1):
        for minority in range((m + 1) // 2):
            tally = Tally(n_yes=m, n_one=m - minority, n_zero=minority)
            worth = alpha_u((minority, m - minority), expected)
            kept = decide(tally, rule, expected_disagreement=expected).is_kept
            share = (m - minority) / m
            made.append(VotePattern(tally.pattern, share, None if worth is None else float(worth), kept))
    return made


@dataclass(frozen=True, slots=True)
class Headline:
    """Agreement before filtering."""

    intent: Alpha
    answer: Alpha

    def to_dict(self) -> dict[str, Any]:
        return {"intent": self.intent.to_dict(), "answer": self.answer.to_dict()}


def headline(rows: Sequence[ItemPattern], *, resamples: int = RESAMPLES) -> Headline:
    """Alpha of intent and of answer over all votes, with bootstrap intervals."""
    return Headline(
        alpha(intent_patterns(rows), resamples=resamples), alpha(answer_patterns(rows), resamples=resamples)
    )


def by_batch(rows: Iterable[ItemPattern]) -> dict[int, Headline]:
    """Agreement of each batch, without intervals."""
    groups: dict[int, list[ItemPattern]] = {}
    for row in rows:
        groups.setdefault(row.batch_id, []).append(row)
    return {batch_id: headline(group, resamples=0) for batch_id, group in groups.items()}


@dataclass(frozen=True, slots=True)
class RaterSummary:
    """A person's votes beside everybody else's on the same pairs."""

    person_id: int
    n_votes: int
    n_cannot_judge: int
    intent_share: float | None  # of their valid intent votes, those with intent
    answer_share: float | None  # of their answers, those that say 1
    intent: Alpha
    answer: Alpha

    def to_dict(self) -> dict[str, Any]:
        return {
            "votes": self.n_votes,
            "cannot_judge": self.n_cannot_judge,
            "intent_share": None if self.intent_share is None else round(self.intent_share, 4),
            "answer_share": None if self.answer_share is None else round(self.answer_share, 4),
            "intent": self.intent.to_dict(),
            "answer": self.answer.to_dict(),
        }


def by_rater(rows: Iterable[RaterPattern]) -> list[RaterSummary]:
    """Each person against the rest, most votes first."""
    groups: dict[int, list[RaterPattern]] = {}
    for row in rows:
        groups.setdefault(row.person_id, []).append(row)
    made = [_rater_summary(person_id, group) for person_id, group in groups.items()]
    return sorted(made, key=lambda rater: (-rater.n_votes, rater.person_id))


def _rater_summary(person_id: int, rows: list[RaterPattern]) -> RaterSummary:
    intents = [(int(row.intent == "yes"), row) for row in rows if row.intent != "unclear"]
    answers = [(row.answer, row) for row in rows if row.answer is not None]
    return RaterSummary(
        person_id=person_id,
        n_votes=sum(row.n for row in rows),
        n_cannot_judge=sum(row.n for row in rows if row.intent == "unclear" or _is_code_unclear(row)),
        intent_share=_share_of_ones(intents),
        answer_share=_share_of_ones(answers),
        intent=against_rest(
            (value, _without(value, (row.tally.n_no, row.tally.n_yes)), row.n) for value, row in intents
        ),
        answer=against_rest(
            (value, _without(value, (row.tally.n_zero, row.tally.n_one)), row.n) for value, row in answers
        ),
    )


def _is_code_unclear(row: RaterPattern) -> bool:
    return row.intent == "yes" and row.answer is None


def _share_of_ones(values: list[tuple[int, RaterPattern]]) -> float | None:
    total = sum(row.n for _, row in values)
    return sum(row.n for value, row in values if value) / total if total else None


def _without(value: int, counts: Pattern) -> Pattern:
    return tuple(count - (position == value) for position, count in enumerate(counts))
