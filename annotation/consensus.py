"""From the votes on a pair to its label, and from the label to kept or removed. No Django.

Intent goes by the majority of valid votes, then the answer by the majority among the votes with intent yes, if there
are at least two. A majority of "no intent" takes the pair out; it is never label 0. Shares are compared as integers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

MIN_ANSWERS = 2  # one person's answer is no consensus
BALANCED_DISAGREEMENT = Fraction(1, 2)  # D_e of evenly split labels: the most lenient one a binary alpha_u can meet


class Judgement(Protocol):
    """What is counted of a vote; the Vote model fits."""

    @property
    def intent(self) -> str:
        """yes, no or unclear."""
        ...

    @property
    def answer(self) -> int | None:
        """1, 0, or None where step 2 does not apply or the code could not be judged."""
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted votes. `n_yes` includes the votes that could not judge the code."""

    n_yes: int = 0
    n_no: int = 0
    n_unclear: int = 0
    n_one: int = 0
    n_zero: int = 0

    @classmethod
    def of(cls, votes: "Iterable[Judgement] | Tally") -> "Tally":
        """Counts votes; a Tally comes back as it is."""
        if isinstance(votes, Tally):
            return votes
        counted = [(vote.intent, vote.answer) for vote in votes]
        intents = [intent for intent, _ in counted]
        answers = [answer for intent, answer in counted if intent == "yes"]
        return cls(
            n_yes=intents.count("yes"),
            n_no=intents.count("no"),
            n_unclear=intents.count("unclear"),
            n_one=answers.count(1),
            n_zero=answers.count(0),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.n_yes + other.n_yes,
            self.n_no + other.n_no,
            self.n_unclear + other.n_unclear,
            self.n_one + other.n_one,
            self.n_zero + other.n_zero,
        )

    @property
    def n_answers(self) -> int:
        return self.n_one + self.n_zero

    @property
    def n_valid(self) -> int:
        """Votes that say something of the pair: "no intent", or an answer. Cannot-judge is missing data."""
        return self.n_no + self.n_answers

    @property
    def n_cannot_judge(self) -> int:
        return self.n_unclear + self.n_yes - self.n_answers

    @property
    def pattern(self) -> str:
        """The answers as people write them, larger side first: 2-1."""
        return f"{max(self.n_one, self.n_zero)}-{min(self.n_one, self.n_zero)}"


class Outcome(StrEnum):
    LABELLED = "labelled"
    NO_INTENT = "no_intent"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the votes on an item say: a label carried by `votes_for` of `votes_of` answers, or why there is none."""

    outcome: Outcome
    label: int | None = None
    votes_for: int = 0
    votes_of: int = 0

    @property
    def share(self) -> Fraction | None:
        return Fraction(self.votes_for, self.votes_of) if self.votes_of else None


def verdict(votes: Iterable[Judgement] | Tally, *, query: Tally | None = None) -> Verdict:
    """The consensus of an item.

    query: all votes on all pairs of the query, whose pooled intent then decides instead of the item's own.
    """
    tally = Tally.of(votes)
    pool = query or tally
    if pool.n_no > pool.n_yes:
        return Verdict(Outcome.NO_INTENT)
    if pool.n_no == pool.n_yes or tally.n_answers < MIN_ANSWERS or tally.n_one == tally.n_zero:
        return Verdict(Outcome.UNRESOLVED)
    votes_for = max(tally.n_one, tally.n_zero)
    return Verdict(Outcome.LABELLED, int(tally.n_one > tally.n_zero), votes_for, tally.n_answers)


class Keep(StrEnum):
    """Names of the keep rules, as the commands and forms spell them."""

    MAJORITY = "majority"
    ALPHA_U = "alpha-u"
    UNANIMOUS = "unanimous"


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Which labelled pairs a release keeps.

    majority   at least `min_votes` valid votes, and the label carried by at least `min_share` of the answers
               (any majority at all with 1/2); the default keeps 3-0 and 4-1, asks for more at 2-1, drops 3-2
    alpha-u    at least `min_votes`, and the pair's alpha_u at least `min_alpha_u` (METHODS 7, reading 1)
    unanimous  at least `min_votes`, and every valid vote the same
    """

    keep: Keep = Keep.MAJORITY
    min_votes: int = 3
    min_share: Fraction = Fraction(3, 4)
    min_alpha_u: Fraction = Fraction(0)

    def to_dict(self) -> dict[str, str | int]:
        """The rule as JSON; fractions as text, so nothing is rounded. Only the numbers that this rule reads."""
        facts: dict[str, str | int] = {"keep": str(self.keep), "min_votes": self.min_votes}
        if self.keep == Keep.MAJORITY:
            facts["min_share"] = str(self.min_share)
        if self.keep == Keep.ALPHA_U:
            facts["min_alpha_u"] = str(self.min_alpha_u)
        return facts


DEFAULT_RULE = KeepRule()


class Removal(StrEnum):
    """Why a pair is not kept."""

    TOO_FEW_VOTES = "too_few_votes"
    NO_INTENT = "no_intent"
    UNRESOLVED = "unresolved"
    BELOW_SHARE = "below_share"
    BELOW_ALPHA_U = "below_alpha_u"
    NOT_UNANIMOUS = "not_unanimous"


@dataclass(frozen=True, slots=True)
class Decision:
    """Kept with a label (`removal` None), or removed and why."""

    label: int | None
    removal: Removal | None

    @property
    def is_kept(self) -> bool:
        return self.removal is None


def decide(
    votes: Iterable[Judgement] | Tally,
    rule: KeepRule = DEFAULT_RULE,
    *,
    query: Tally | None = None,
    expected_disagreement: Fraction | None = None,
) -> Decision:
    """Whether the rule keeps an item, with its label.

    query: pooled votes of the query, see `verdict`.
    expected_disagreement: D_e of the whole unfiltered set; only the alpha-u rule reads it (None: balanced labels).
    """
    tally = Tally.of(votes)
    reached = verdict(tally, query=query)
    if tally.n_valid < rule.min_votes:
        return Decision(None, Removal.TOO_FEW_VOTES)
    if reached.outcome == Outcome.NO_INTENT:
        return Decision(None, Removal.NO_INTENT)
    if reached.outcome == Outcome.UNRESOLVED:
        return Decision(None, Removal.UNRESOLVED)
    removal = _removal(tally, reached, rule, expected_disagreement)
    return Decision(None if removal else reached.label, removal)


def _removal(tally: Tally, reached: Verdict, rule: KeepRule, expected: Fraction | None) -> Removal | None:
    if rule.keep == Keep.MAJORITY:
        enough = reached.votes_for * rule.min_share.denominator >= rule.min_share.numerator * reached.votes_of
        return None if enough else Removal.BELOW_SHARE
    if rule.keep == Keep.UNANIMOUS:
        return None if reached.votes_for == tally.n_valid else Removal.NOT_UNANIMOUS
    # alpha_u = 1 - d_u / D_e >= threshold, without the division: D_e is 0 where everybody agrees on everything.
    expected = BALANCED_DISAGREEMENT if expected is None else expected
    enough = answer_disagreement(tally) <= (1 - rule.min_alpha_u) * expected
    return None if enough else Removal.BELOW_ALPHA_U


def answer_disagreement(tally: Tally) -> Fraction:
    """d_u: the share of ordered pairs of different raters whose answers differ (METHODS 7); 0 with one answer."""
    m = tally.n_answers
    return Fraction(2 * tally.n_one * tally.n_zero, m * (m - 1)) if m >= MIN_ANSWERS else Fraction(0)


def needs_more_votes(
    votes: Iterable[Judgement] | Tally,
    rule: KeepRule = DEFAULT_RULE,
    *,
    query: Tally | None = None,
    remaining: int | None = None,
    expected_disagreement: Fraction | None = None,
) -> bool:
    """Whether a further vote is worth asking for: the rule leaves the item open and votes could still settle it.

    remaining: how many votes may still be opened; None leaves that to the caller. An item that even `remaining` like
    votes could not bring over the bar (2-2 with one to go, under 3/4) is not worth another one.
    """
    tally = Tally.of(votes)
    decision = decide(tally, rule, query=query, expected_disagreement=expected_disagreement)
    if decision.is_kept or decision.removal == Removal.NO_INTENT or remaining == 0:
        return False
    if remaining is None:
        return decision.removal != Removal.NOT_UNANIMOUS and not (rule.keep == Keep.UNANIMOUS and _is_split(tally))
    return any(
        _settles(tally, extra, rule, query, expected_disagreement)
        for size in range(1, remaining + 1)
        for extra in (Tally(n_yes=size, n_one=size), Tally(n_yes=size, n_zero=size), Tally(n_no=size))
    )


def is_contested(votes: Iterable[Judgement] | Tally, *, overlap: int, rule: KeepRule = DEFAULT_RULE) -> bool:
    """Whether an item with all its votes is one for an adjudicator: people differ, and the rule does not keep it.

    A batch with a smaller overlap than the rule asks for is not contested for that alone.
    """
    tally = Tally.of(votes)
    if not _is_split(tally):
        return False
    decision = decide(tally, replace(rule, min_votes=min(rule.min_votes, overlap)))
    return not (decision.is_kept or decision.removal == Removal.NO_INTENT)


def _is_split(tally: Tally) -> bool:
    return sum(count > 0 for count in (tally.n_no, tally.n_one, tally.n_zero)) > 1


def _settles(tally: Tally, extra: Tally, rule: KeepRule, query: Tally | None, expected: Fraction | None) -> bool:
    pool = query + extra if query is not None else None
    decision = decide(tally + extra, rule, query=pool, expected_disagreement=expected)
    return decision.is_kept or decision.removal == Removal.NO_INTENT
