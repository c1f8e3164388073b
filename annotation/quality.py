"""Agreement of a project and what each keep rule would leave, from counted vote patterns. No Django.

A million votes come down to some hundred patterns, so every figure here costs milliseconds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from annotation.agreement import (
    RESAMPLES,
    Alpha,
    Coincidences,
    Pattern,
    Patterns,
    against_rest,
    alpha,
    alpha_u,
    gwet_ac1,
    percent_agreement,
)
from annotation.consensus import Decision, Keep, KeepRule, Removal, Tally, answer_disagreement, decide

SET_ASIDE = "set_aside"
GROUP_RESAMPLES = 400  # of the many small intervals, beside RESAMPLES for the headline


class Scheme(StrEnum):
    """What two votes are compared in."""

    INTENT = "intent"  # no, yes
    ANSWER = "answer"  # 0, 1: of those for whom step 2 applies
    COMBINED = "combined"  # no intent, 0, 1


def scheme_pattern(scheme: Scheme, tally: Tally) -> Pattern:
    """The counts of a tally that a scheme compares; "cannot judge" is missing in each."""
    if scheme == Scheme.INTENT:
        return tally.n_no, tally.n_yes
    if scheme == Scheme.ANSWER:
        return tally.n_zero, tally.n_one
    return tally.n_no, tally.n_zero, tally.n_one


def scheme_value(scheme: Scheme, intent: str, answer: int | None) -> int | None:
    """The place of a vote among a scheme's values; None where it is missing."""
    if scheme == Scheme.ANSWER:
        return answer
    if scheme == Scheme.INTENT:
        return {"no": 0, "yes": 1}.get(intent)
    return 0 if intent == "no" else None if answer is None else answer + 1


def scheme_patterns(scheme: Scheme, tallies: Mapping[Tally, int]) -> Counter[Pattern]:
    """Counted patterns of a scheme, from counted tallies."""
    patterns: Counter[Pattern] = Counter()
    for tally, n in tallies.items():
        patterns[scheme_pattern(scheme, tally)] += n
    return patterns


@dataclass(frozen=True, slots=True)
class Measure:
    """Agreement three ways. Percent and AC1 are None where no pair has two votes that can be compared."""

    alpha: Alpha
    percent: float | None
    ac1: float | None

    def to_dict(self) -> dict[str, Any]:
        rounded = {name: None if value is None else round(value, 6) for name, value in self._beside()}
        return {**self.alpha.to_dict(), **rounded}

    def _beside(self) -> list[tuple[str, float | None]]:
        return [("percent", self.percent), ("ac1", self.ac1)]


def measure(patterns: Patterns, *, resamples: int = 0) -> Measure:
    """Alpha, percent agreement and Gwet's AC1 of counted patterns."""
    return Measure(alpha(patterns, resamples=resamples), percent_agreement(patterns), gwet_ac1(patterns))


def measure_tallies(tallies: Mapping[Tally, int], *, resamples: int = GROUP_RESAMPLES) -> dict[Scheme, Measure]:
    """The three schemes of a set of items."""
    return {scheme: measure(scheme_patterns(scheme, tallies), resamples=resamples) for scheme in Scheme}


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


def scheme_expected(rows: Iterable[ItemPattern], scheme: Scheme) -> Fraction:
    """The same for any scheme."""
    patterns: Counter[Pattern] = Counter()
    for row in rows:
        patterns[scheme_pattern(scheme, row.tally)] += row.n
    return Coincidences.of(patterns).expected


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
    combined: Alpha

    def to_dict(self) -> dict[str, Any]:
        return {
            "votes": self.n_votes,
            "cannot_judge": self.n_cannot_judge,
            "intent_share": None if self.intent_share is None else round(self.intent_share, 4),
            "answer_share": None if self.answer_share is None else round(self.answer_share, 4),
            "intent": self.intent.to_dict(),
            "answer": self.answer.to_dict(),
            "combined": self.combined.to_dict(),
        }


def by_rater(rows: Iterable[RaterPattern], *, resamples: int = GROUP_RESAMPLES) -> list[RaterSummary]:
    """Each person against the rest, most votes first."""
    groups: dict[int, list[RaterPattern]] = {}
    for row in rows:
        groups.setdefault(row.person_id, []).append(row)
    made = [_rater_summary(person_id, group, resamples) for person_id, group in groups.items()]
    return sorted(made, key=lambda rater: (-rater.n_votes, rater.person_id))


def _rater_summary(person_id: int, rows: list[RaterPattern], resamples: int) -> RaterSummary:
    valued = {scheme: _valued(scheme, rows) for scheme in Scheme}
    against = {scheme: _against_rest(scheme, valued[scheme], resamples) for scheme in Scheme}
    return RaterSummary(
        person_id=person_id,
        n_votes=sum(row.n for row in rows),
        n_cannot_judge=sum(row.n for row in rows if row.intent == "unclear" or _is_code_unclear(row)),
        intent_share=_share_of_ones(valued[Scheme.INTENT]),
        answer_share=_share_of_ones(valued[Scheme.ANSWER]),
        intent=against[Scheme.INTENT],
        answer=against[Scheme.ANSWER],
        combined=against[Scheme.COMBINED],
    )


def _valued(scheme: Scheme, rows: list[RaterPattern]) -> list[tuple[int, RaterPattern]]:
    values = ((scheme_value(scheme, row.intent, row.answer), row) for row in rows)
    return [(value, row) for value, row in values if value is not None]


def _against_rest(scheme: Scheme, valued: list[tuple[int, RaterPattern]], resamples: int) -> Alpha:
    return against_rest(
        ((value, _without(value, scheme_pattern(scheme, row.tally)), row.n) for value, row in valued),
        resamples=resamples,
    )


def _is_code_unclear(row: RaterPattern) -> bool:
    return row.intent == "yes" and row.answer is None


def _share_of_ones(values: list[tuple[int, RaterPattern]]) -> float | None:
    total = sum(row.n for _, row in values)
    return sum(row.n for value, row in values if value) / total if total else None


def _without(value: int, counts: Pattern) -> Pattern:
    return tuple(count - (position == value) for position, count in enumerate(counts))


# --- pairs of people, pairs near the bar --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PeoplePattern:
    """`n` items that two people judged like this: (intent, answer) of the one and of the other."""

    one_id: int
    other_id: int
    one: tuple[str, int | None]
    other: tuple[str, int | None]
    n: int


def by_people(rows: Iterable[PeoplePattern], scheme: Scheme) -> dict[tuple[int, int], Measure]:
    """Agreement of every two people on the items that both judged, without intervals; the smaller id first."""
    groups: dict[tuple[int, int], Counter[Pattern]] = {}
    for row in rows:
        values = scheme_value(scheme, *row.one), scheme_value(scheme, *row.other)
        if None not in values:
            counts = tuple(values.count(value) for value in range(3 if scheme == Scheme.COMBINED else 2))
            groups.setdefault((row.one_id, row.other_id), Counter())[counts] += row.n
    return {people: measure(patterns) for people, patterns in groups.items()}


def distance_to_bar(row: ItemPattern, rule: KeepRule, expected: Fraction) -> Fraction | None:
    """How near an item came to the bar that decided it; 0 is on the bar.

    In shares of the answers (majority), of the valid votes (unanimous) or in disagreement (alpha-u). None for items
    that the bar does not decide: too few votes, no intent, fewer than two answers, set aside.
    """
    tally = row.tally
    decision = decide(tally, rule, query=row.query, expected_disagreement=expected)
    is_elsewhere = decision.removal in {Removal.TOO_FEW_VOTES, Removal.NO_INTENT} or row.is_set_aside
    if is_elsewhere or tally.n_answers < 2 or row.query.n_no == row.query.n_yes:
        return None
    votes_for = max(tally.n_one, tally.n_zero)
    if rule.keep == Keep.ALPHA_U:
        return abs((1 - rule.min_alpha_u) * expected - answer_disagreement(tally))
    if rule.keep == Keep.UNANIMOUS:
        return 1 - Fraction(votes_for, tally.n_valid)
    return abs(Fraction(votes_for, tally.n_answers) - rule.min_share)


def sweep(rows: Sequence[ItemPattern], rule: KeepRule) -> list[tuple[Fraction, KeepSummary]]:
    """What the rule leaves for each bar that the votes at hand can tell apart, lowest first; none for unanimity."""
    expected = expected_disagreement(rows)
    tallies = {row.tally for row in rows if row.tally.n_answers > 1}
    if rule.keep == Keep.MAJORITY:
        bars = {Fraction(max(tally.n_one, tally.n_zero), tally.n_answers) for tally in tallies}
        return [(bar, keep_summary(rows, replace(rule, min_share=bar))) for bar in sorted(bars)]
    if rule.keep == Keep.ALPHA_U and expected:
        bars = {1 - answer_disagreement(tally) / expected for tally in tallies}
        return [(bar, keep_summary(rows, replace(rule, min_alpha_u=bar))) for bar in sorted(bars)]
    return []


def confusions(rows: Iterable[ItemPattern]) -> dict[tuple[str, str], tuple[int, int]]:
    """(value, other value) -> (items on which both were voted, pairs of votes that differ so); most items first.

    Values: no intent, 0, 1, cannot judge.
    """
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        counts = {
            "no intent": row.tally.n_no,
            "0": row.tally.n_zero,
            "1": row.tally.n_one,
            "cannot judge": row.tally.n_cannot_judge,
        }
        names = list(counts)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                if counts[one] and counts[other]:
                    items, votes = found.get((one, other), (0, 0))
                    found[one, other] = items + row.n, votes + counts[one] * counts[other] * row.n
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))
