"""What judging costs: from money to pairs, or from pairs to money, hours and days. Exact fractions, no Django."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from core.errors import BadInputError

MAX_PAIRS = 1_000_000
MAX_GOLD_SHARE = Fraction(1, 2)
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Terms:
    """What the curator says of the work. Money is in the project's own currency; shares lie between 0 and 1."""

    overlap: int  # votes per pair
    max_extra: int  # extra votes per pair at most
    extra: Fraction  # extra votes expected per pair, on average
    seconds: Fraction  # per vote
    wage: Fraction  # per hour
    people: int
    hours: Fraction  # of judging, per person and day
    gold_share: Fraction = Fraction(0)  # of the votes
    budget: Fraction | None = None
    pairs: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the terms lead to. `votes` are expected ones, gold and extra votes included."""

    pairs: int
    votes: Fraction
    cost: Fraction
    person_hours: Fraction
    days: int
    cost_per_pair: Fraction
    limited_by: str  # "budget", "pairs", or "" where both fit
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON; money to the cent, hours to a tenth."""
        return {
            "pairs": self.pairs,
            "votes": math.ceil(self.votes),
            "cost": round(float(self.cost), 2),
            "person_hours": round(float(self.person_hours), 1),
            "days": self.days,
            "cost_per_pair": round(float(self.cost_per_pair), 4),
            "limited_by": self.limited_by,
            "warnings": list(self.warnings),
        }


def estimate(terms: Terms) -> Estimate:
    """Pairs, votes, money, hours and days. Raises BadInputError that says what to change."""
    _check(terms)
    votes_per_pair = (terms.overlap + terms.extra) / (1 - terms.gold_share)
    hours_per_pair = votes_per_pair * terms.seconds / SECONDS_PER_HOUR
    cost_per_pair = hours_per_pair * terms.wage
    pairs, limited_by = _pairs(terms, cost_per_pair)
    person_hours = pairs * hours_per_pair
    return Estimate(
        pairs=pairs,
        votes=pairs * votes_per_pair,
        cost=pairs * cost_per_pair,
        person_hours=person_hours,
        days=math.ceil(person_hours / (terms.people * terms.hours)),
        cost_per_pair=cost_per_pair,
        limited_by=limited_by,
        warnings=_warnings(terms),
    )


def _pairs(terms: Terms, cost_per_pair: Fraction) -> tuple[int, str]:
    if terms.budget is None:
        return terms.pairs or 0, "pairs"
    if not cost_per_pair:
        if terms.pairs is None:
            _refuse("wage", "With a wage of 0 a budget sets no limit: give the number of pairs, or a wage above 0.")
        return terms.pairs or 0, "pairs"
    affordable = min(int(terms.budget / cost_per_pair), MAX_PAIRS)
    if not affordable:
        _refuse(
            "budget",
            f"The budget of {float(terms.budget):,.2f} does not pay for one pair, which costs "
            f"{float(cost_per_pair):,.2f}. Raise the budget, or lower the votes per pair, the seconds or the wage.",
        )
    if terms.pairs is None or terms.pairs > affordable:
        return affordable, "budget"
    return terms.pairs, "pairs" if terms.pairs < affordable else ""


def _check(terms: Terms) -> None:
    if terms.budget is None and terms.pairs is None:
        _refuse("budget", "Give a budget, a number of pairs, or both.")
    if terms.budget is not None and terms.budget <= 0:
        _refuse("budget", "The budget is more than 0.")
    if terms.pairs is not None and not 1 <= terms.pairs <= MAX_PAIRS:
        _refuse("pairs", f"The pairs are a number from 1 to {MAX_PAIRS:,}.")
    if not 0 < terms.seconds <= SECONDS_PER_HOUR:
        _refuse("seconds", "The seconds per vote are more than 0 and at most 3,600.")
    if terms.wage < 0:
        _refuse("wage", "The wage cannot be below 0; volunteers work for 0.")
    if not 0 < terms.hours <= 24:
        _refuse("hours", "The hours a day are more than 0 and at most 24.")
    if not 0 <= terms.extra <= terms.max_extra:
        _refuse("extra", f"The expected extra votes lie between 0 and the extra votes at most, {terms.max_extra}.")
    if not 0 <= terms.gold_share <= MAX_GOLD_SHARE:
        _refuse("gold_share", "The share of gold is at most one half: live pairs are what is paid for.")
    if terms.people < terms.overlap:
        _refuse(
            "people",
            f"{terms.overlap} votes per pair come from different people, so at least {terms.overlap} annotators are "
            f"needed, not {terms.people}. Add people or lower the votes per pair.",
        )


def _warnings(terms: Terms) -> tuple[str, ...]:
    needed = terms.overlap + terms.max_extra
    if terms.people >= needed:
        return ()
    return (
        f"A disputed pair may ask for up to {needed} votes by different people, and there are {terms.people}: some "
        "disputed pairs will stay open.",
    )


def _refuse(field: str, problem: str) -> None:
    raise BadInputError(problem=problem, field=field)
