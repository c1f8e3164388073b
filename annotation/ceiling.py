"""How well people meet the consensus of the others: for one person, and for all together the human ceiling. No Django.

A vote is compared with the majority of the *other* votes on the same pair, so that nobody is measured against
themselves. Where the others have no majority of at least two, nothing is compared.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from annotation.consensus import MIN_ANSWERS
from annotation.quality import ItemPattern, RaterPattern
from curation.score_curve import wilson

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Accuracy:
    """`right` of `n` comparisons, with a 95 % interval; `share` is None of nothing."""

    right: int
    n: int
    low: float | None = None
    high: float | None = None
    units: int = 0  # pairs that had something to compare

    @property
    def share(self) -> float | None:
        return self.right / self.n if self.n else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "accuracy": _rounded(self.share),
            "n": self.n,
            "pairs": self.units,
            "low": _rounded(self.low),
            "high": _rounded(self.high),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def compared(value: int, zeros: int, ones: int) -> bool | None:
    """Whether a vote (0 or 1, itself among the counts) is what most of the others say; None without their majority."""
    zeros, ones = zeros - (value == 0), ones - (value == 1)
    if zeros + ones < MIN_ANSWERS or zeros == ones:
        return None
    return (ones > zeros) == bool(value)


def rights_of(zeros: int, ones: int) -> tuple[int, int]:
    """(right, compared) over all votes of a pair with these counts."""
    results = [(compared(value, zeros, ones), times) for value, times in ((0, zeros), (1, ones)) if times]
    known = [(result, times) for result, times in results if result is not None]
    return sum(times for result, times in known if result), sum(times for _, times in known)


def human_ceiling(rows: Iterable[tuple[int, int, int]]) -> Accuracy:
    """Accuracy of all raters against the others, over pairs given as (zeros, ones, how many such pairs).

    Votes on one pair depend on each other, so the interval is that of a ratio over pairs (linearised), not of votes.
    """
    parts = [(*rights_of(zeros, ones), times) for zeros, ones, times in rows]
    parts = [part for part in parts if part[1]]
    right = sum(r * times for r, _, times in parts)
    n = sum(c * times for _, c, times in parts)
    units = sum(times for *_, times in parts)
    if not n or units < 2:
        return Accuracy(right, n, units=units)
    share = right / n
    residuals = sum(times * (r - share * c) ** 2 for r, c, times in parts)
    half = Z95 * math.sqrt(residuals * units / (units - 1)) / n
    return Accuracy(right, n, max(0.0, share - half), min(1.0, share + half), units)


def ceiling_of_items(rows: Iterable[ItemPattern]) -> Accuracy:
    """The human ceiling of the answers (code question answering)."""
    return human_ceiling((row.tally.n_zero, row.tally.n_one, row.n) for row in rows)


def against_others(rows: Iterable[RaterPattern], *, step: str = "answer") -> Accuracy:
    """One person's accuracy against the majority of the others, of `answer` or `intent`; Wilson's 95 % interval.

    A person votes once on a pair, so that these comparisons are one per pair.
    """
    right = n = 0
    for row in rows:
        value, zeros, ones = _step(row, step)
        result = compared(value, zeros, ones) if value is not None else None
        if result is not None:
            n += row.n
            right += row.n * result
    if not n:
        return Accuracy(0, 0)
    low, high = wilson(right, n)
    return Accuracy(right, n, low, high, n)


def _step(row: RaterPattern, step: str) -> tuple[int | None, int, int]:
    if step == "intent":
        value = None if row.intent == "unclear" else int(row.intent == "yes")
        return value, row.tally.n_no, row.tally.n_yes
    return row.answer, row.tally.n_zero, row.tally.n_one
