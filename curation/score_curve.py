"""From judged pairs with a score to a curve and a threshold. Pure: no database, no Django.

The curve cuts the pairs, ordered by score, into bins of nearly equal size, never between equal scores, and gives in
each bin the share judged 1 with its 95 % interval (Wilson 1927). It shows what a threshold on the score would buy; it
is about the pairs that were judged, which are those that a candidate run had kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Z = 1.959963984540054  # 95 %, two-sided
BINS = 10
LEAST_IN_BIN = 10
LEAST_PAIRS = 20  # above a suggested threshold; fewer prove nothing
RULES = {
    "precision": "the lowest threshold from which on the lower bound of precision reaches the target",
    "f1": "the threshold with the highest F1 of label 1",
}


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs with a score from `low` to `high` (both included): how many, how many judged 1, and their share."""

    low: float
    high: float
    n: int
    ones: int
    share: float
    share_low: float
    share_high: float


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """Bins in the order of the scores, and the chance that a pair judged 1 outscores one judged 0 (None: undefined)."""

    bins: list[Bin]
    n: int
    ones: int
    auc: float | None

    def series(self) -> list[dict[str, Any]]:
        """The curve as lines for the chart component: at the middle of every bin the share and its interval."""
        lines = (("share judged 1", "share"), ("upper bound", "share_high"), ("lower bound", "share_low"))
        return [
            {"name": name, "points": [((one.low + one.high) / 2, getattr(one, column)) for one in self.bins]}
            for name, column in lines
        ]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A threshold with what it does to the judged pairs: precision with its interval, recall and F1 of label 1."""

    threshold: float
    rule: str
    target: float | None
    n_above: int
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    f1: float

    @property
    def text(self) -> str:
        """The rule in words."""
        return RULES[self.rule] + (f" of {self.target:g}" if self.target is not None else "")


def wilson(ones: int, n: int) -> tuple[float, float]:
    """95 % interval of a share; (0, 1) of nothing."""
    if n == 0:
        return 0.0, 1.0
    share, square = ones / n, Z * Z / n
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / n + square / (4 * n)) / (1 + square)
    return (0.0 if ones == 0 else middle - half), (1.0 if ones == n else middle + half)


def score_curve(scores: Sequence[float], labels: Sequence[int | bool], *, bins: int = BINS) -> ScoreCurve:
    """The curve of judged pairs; `scores` and `labels` (1 or 0) are of equal length. ValueError for others."""
    pairs = _pairs(scores, labels)
    size = max(LEAST_IN_BIN, math.ceil(len(pairs) / max(1, bins)))
    parts: list[list[tuple[float, int]]] = []
    for pair in pairs:
        if not parts or (len(parts[-1]) >= size and pair[0] != parts[-1][-1][0]):
            parts.append([])
        parts[-1].append(pair)
    if len(parts) > 1 and len(parts[-1]) < LEAST_IN_BIN:
        last = parts.pop()
        parts[-1] += last
    return ScoreCurve([_bin(part) for part in parts], len(pairs), sum(label for _, label in pairs), _auc(pairs))


def suggest_threshold(
    scores: Sequence[float],
    labels: Sequence[int | bool],
    *,
    rule: str = "precision",
    target: float = 0.5,
    least: int = LEAST_PAIRS,
) -> Suggestion | None:
    """A threshold (inclusive) by a stated rule, or None when no threshold with `least` pairs above it satisfies it.

    precision  the lowest score from which on at least `target` of the pairs are judged 1, by the lower bound of the
               95 % interval
    f1         the score with the highest F1; the lowest among equals
    """
    if rule not in RULES:
        raise ValueError(f"{rule!r} is no rule; use one of {', '.join(RULES)}")
    pairs = _pairs(scores, labels)
    total = sum(label for _, label in pairs)
    found = [
        one
        for one in _at_every_score(pairs, total, rule, target if rule == "precision" else None)
        if one.n_above >= least and (rule != "precision" or one.precision_low >= target)
    ]
    if not found or not total:
        return None
    return found[0] if rule == "precision" else max(found, key=lambda one: (one.f1, -one.threshold))


def _pairs(scores: Sequence[float], labels: Sequence[int | bool]) -> list[tuple[float, int]]:
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores and {len(labels)} labels do not belong together")
    if any(label not in (0, 1) for label in labels):
        raise ValueError("a label is neither 0 nor 1")
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("a score is not a number")
    return sorted((float(score), int(label)) for score, label in zip(scores, labels, strict=True))


def _bin(part: list[tuple[float, int]]) -> Bin:
    ones = sum(label for _, label in part)
    return Bin(part[0][0], part[-1][0], len(part), ones, ones / len(part), *wilson(ones, len(part)))


def _at_every_score(pairs: list[tuple[float, int]], total: int, rule: str, target: float | None) -> list[Suggestion]:
    """What every distinct score would do as a threshold, the lowest first."""
    found, n, ones = [], 0, 0
    for place in range(len(pairs) - 1, -1, -1):
        score, label = pairs[place]
        n, ones = n + 1, ones + label
        if place and pairs[place - 1][0] == score:
            continue
        recall, f1 = ones / max(total, 1), 2 * ones / max(n + total, 1)
        found.append(Suggestion(score, rule, target, n, ones / n, *wilson(ones, n), recall, f1))
    return found[::-1]


def _auc(pairs: list[tuple[float, int]]) -> float | None:
    """By ranks, ties half."""
    ones = sum(label for _, label in pairs)
    zeros = len(pairs) - ones
    if not ones or not zeros:
        return None
    won, below, place = 0.0, 0, 0
    while place < len(pairs):
        stop = place
        while stop < len(pairs) and pairs[stop][0] == pairs[place][0]:
            stop += 1
        here = sum(label for _, label in pairs[place:stop])
        losers = stop - place - here
        won += here * (below + losers / 2)
        below += losers
        place = stop
    return won / (ones * zeros)
