"""Krippendorff's alpha for nominal data, its parts and its meaning. No Django.

A unit (a pair) is a tuple of counts, one per value: (2, 1) is two votes for the first value and one for the second.
Units that look alike weigh alike, so a set of units is a Counter of such patterns: a million votes
are a dozen patterns. Sums are exact fractions; floats appear only at the edge. Formulas: METHODS 7.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Pattern = tuple[int, ...]
Patterns = Mapping[Pattern, int]

UNANIMOUS = "every vote has the same value, so there is no disagreement to expect by chance"
NOTHING_TO_PAIR = "no pair has two votes that can be compared"
RESAMPLES = 1000
PAPER_ALPHA = 0.63  # CoSQA's agreement, after its filter


@dataclass(frozen=True, slots=True)
class Alpha:
    """Alpha of a set of units. `value` is None where it is undefined, and `reason` then says why."""

    value: float | None
    n: int  # votes in units with at least two
    units: int  # units with at least two votes
    reason: str = ""
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The numbers, rounded to six decimals; `undefined` in place of a value that does not exist."""
        facts: dict[str, Any] = {"alpha": _rounded(self.value), "n": self.n, "units": self.units}
        if self.value is None:
            facts["undefined"] = self.reason
        if self.low is not None:
            facts["interval"] = [_rounded(self.low), _rounded(self.high)]
        return facts


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


@dataclass(slots=True)
class Coincidences:
    """The sufficient statistic of alpha. Units can be added and taken out again, so alpha follows a vote in O(1)."""

    totals: Counter[int] = field(default_factory=Counter)  # n_c: votes per value, in units with at least two votes
    unlike: Counter[int] = field(default_factory=Counter)  # m -> ordered pairs of raters of one unit who differ
    units: int = 0

    @classmethod
    def of(cls, patterns: Patterns) -> "Coincidences":
        sums = cls()
        for counts, times in patterns.items():
            sums.add(counts, times)
        return sums

    def add(self, counts: Sequence[int], times: int = 1) -> None:
        """Adds `times` units that look like this; a negative number takes them out."""
        m = sum(counts)
        if m < 2:
            return
        for value, count in enumerate(counts):
            self.totals[value] += count * times
        self.unlike[m] += unlike_pairs(counts) * times
        self.units += times

    @property
    def n(self) -> int:
        return sum(self.totals.values())

    @property
    def observed(self) -> Fraction:
        """D_o: the share of unlike coincidences."""
        return sum((Fraction(pairs, m - 1) for m, pairs in self.unlike.items()), Fraction(0)) / (self.n or 1)

    @property
    def expected(self) -> Fraction:
        """D_e: what chance would give, with the small-sample correction n - 1."""
        n = self.n
        like = sum(count * (count - 1) for count in self.totals.values())
        return 1 - Fraction(like, n * (n - 1)) if n > 1 else Fraction(0)

    @property
    def alpha(self) -> Fraction | None:
        """1 - D_o / D_e; None where nothing can be paired or every value is the same."""
        expected = self.expected
        return 1 - self.observed / expected if self.units and expected else None


def unlike_pairs(counts: Sequence[int]) -> int:
    """Ordered pairs of different raters of one unit who gave different values."""
    m = sum(counts)
    return m * (m - 1) - sum(count * (count - 1) for count in counts)


def patterns_of(units: Iterable[Iterable[Hashable]]) -> Counter[Pattern]:
    """Counts units given as their values (None is a missing value); values get positions in order of appearance."""
    positions: dict[Hashable, int] = {}
    known = [[positions.setdefault(value, len(positions)) for value in unit if value is not None] for unit in units]
    seen = [Counter(unit) for unit in known]
    return Counter(tuple(counts[position] for position in range(len(positions))) for counts in seen)


def alpha(patterns: Patterns, *, resamples: int = 0, seed: int = 0) -> Alpha:
    """Alpha of a set of units, exact up to the last division; `resamples` > 0 adds its 95 % bootstrap interval."""
    sums = Coincidences.of(patterns)
    if not sums.units:
        return Alpha(None, 0, 0, NOTHING_TO_PAIR)
    value = sums.alpha
    if value is None:
        return Alpha(None, sums.n, sums.units, UNANIMOUS)
    low, high = bootstrap_interval(patterns, resamples=resamples, seed=seed) if resamples else (None, None)
    return Alpha(float(value), sums.n, sums.units, "", low, high)


def library_alpha(patterns: Patterns) -> float:
    """Nominal alpha by the `krippendorff` package, which refuses (ValueError) where alpha is undefined.

    The oracle of the tests: it wants a row for every unit, so its cost grows with the votes.
    """
    import krippendorff
    import numpy as np

    paired = [(counts, times) for counts, times in patterns.items() if sum(counts) > 1]
    value_counts = np.repeat([counts for counts, _ in paired], [times for _, times in paired], axis=0)
    return float(krippendorff.alpha(value_counts=value_counts, level_of_measurement="nominal"))


def alpha_u(counts: Sequence[int], expected: Fraction) -> Fraction | None:
    """A unit's part in alpha: 1 - d_u / D_e, with D_e of the whole unfiltered set (METHODS 7, reading 1).

    sum(m_u * alpha_u) / n over all units is alpha. None for a unit of fewer than two votes, or where D_e is 0.
    """
    m = sum(counts)
    if m < 2 or not expected:
        return None
    return 1 - Fraction(unlike_pairs(counts), m * (m - 1)) / expected


def bootstrap_interval(
    patterns: Patterns, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Percentile interval of alpha when units are drawn anew; (None, None) with fewer than two units.

    Patterns are sorted before drawing, so the interval depends on the data and the seed only.
    """
    import numpy as np

    rows = sorted((counts, times) for counts, times in patterns.items() if sum(counts) > 1)
    n_units = sum(times for _, times in rows)
    if n_units < 2:
        return None, None
    counts = np.array([row for row, _ in rows], dtype=float)  # (patterns, values)
    m = counts.sum(axis=1)
    unlike = np.array([unlike_pairs(row) for row, _ in rows]) / (m - 1)
    shares = np.array([times for _, times in rows]) / n_units
    drawn = np.random.default_rng(seed).multinomial(n_units, shares, size=resamples)  # (resamples, patterns)
    return _quantiles(drawn @ counts, drawn @ unlike, level=level)


def percent_agreement(patterns: Patterns) -> float | None:
    """The mean over units of the share of like pairs of votes; None where no unit has two votes."""
    units = sum(times for counts, times in patterns.items() if sum(counts) > 1)
    like = sum((_like_share(counts) * times for counts, times in patterns.items() if sum(counts) > 1), Fraction(0))
    return float(like / units) if units else None


def gwet_ac1(patterns: Patterns) -> float | None:
    """Gwet's first-order agreement coefficient (Gwet 2008), which does not fall when one value is rare.

    Percent agreement p_a comes from units with two votes; the shares pi_k of the values from all units with a vote,
    each unit weighing once; p_e = sum pi_k (1 - pi_k) / (q - 1) for q possible values (the length of the patterns).
    None where no unit has two votes.
    """
    agreed = percent_agreement(patterns)
    if agreed is None:
        return None
    width = len(next(iter(patterns)))
    judged = sum(times for counts, times in patterns.items() if any(counts))
    shares = [Fraction(0)] * width
    for counts, times in patterns.items():
        m = sum(counts)
        for value, count in enumerate(counts):
            if count:
                shares[value] += Fraction(count * times, m)
    chance = float(sum(share / judged * (1 - share / judged) for share in shares)) / max(width - 1, 1)
    return (agreed - chance) / (1 - chance)


def _like_share(counts: Sequence[int]) -> Fraction:
    m = sum(counts)
    return 1 - Fraction(unlike_pairs(counts), m * (m - 1))


def against_rest(rows: Iterable[tuple[int, Pattern, int]], *, resamples: int = 0, seed: int = 0) -> Alpha:
    """Alpha of one person against everybody else on the units both judged.

    rows: (the person's value, the counts of the *others* in that unit, how many such units). A unit weighs once,
    however many others there are: its coincidences are the person's value with each other vote, at 1 / (m - 1).
    `resamples` > 0 adds the 95 % bootstrap interval over units.
    """
    rows = _put_together(rows)
    totals: Counter[int] = Counter()
    unlike = Fraction(0)
    units = 0
    for value, others, times in rows:
        m = sum(others)
        if not m:
            continue
        units += times
        totals[value] += times
        for other, count in enumerate(others):
            totals[other] += Fraction(count * times, m)  # type: ignore[assignment]
        unlike += Fraction(2 * times * (m - others[value]), m)
    if not units:
        return Alpha(None, 0, 0, NOTHING_TO_PAIR)
    n = 2 * units
    expected = 1 - sum(count * (count - 1) for count in totals.values()) / Fraction(n * (n - 1))
    if not unlike and sum(1 for count in totals.values() if count) < 2:
        return Alpha(None, n, units, UNANIMOUS)
    low, high = _interval_against_rest(rows, resamples, seed) if resamples else (None, None)
    return Alpha(float(1 - unlike / n / expected), n, units, "", low, high)


def _put_together(rows: Iterable[tuple[int, Pattern, int]]) -> list[tuple[int, Pattern, int]]:
    """The same rows with like ones counted as one, in an order that depends on nothing else."""
    counted: Counter[tuple[int, Pattern]] = Counter()
    for value, others, times in rows:
        counted[value, others] += times
    return [(value, others, times) for (value, others), times in sorted(counted.items())]


def _interval_against_rest(
    rows: list[tuple[int, Pattern, int]], resamples: int, seed: int
) -> tuple[float | None, float | None]:
    import numpy as np

    met = [(value, np.array(others, dtype=float), times) for value, others, times in rows if sum(others)]
    times = np.array([row[2] for row in met])
    n_units = int(times.sum())
    if n_units < 2:
        return None, None
    width = max(max(row[0] + 1, len(row[1])) for row in met)
    counts = np.zeros((len(met), width))  # (rows, values): what a unit adds to n_c
    unlike = np.zeros(len(met))
    for place, (value, others, _) in enumerate(met):
        counts[place, : len(others)] += others / others.sum()
        counts[place, value] += 1
        unlike[place] = 2 * (1 - others[value] / others.sum())
    drawn = np.random.default_rng(seed).multinomial(n_units, times / n_units, size=resamples)
    return _quantiles(drawn @ counts, drawn @ unlike, level=0.95)


def _quantiles(totals: Any, unlike: Any, *, level: float) -> tuple[float | None, float | None]:
    """Percentiles of alpha over draws. totals: (draws, values) n_c; unlike: (draws,) unlike coincidences."""
    import numpy as np

    n = totals.sum(axis=1)
    expected = 1 - (totals * (totals - 1)).sum(axis=1) / (n * (n - 1))
    defined = expected > 0
    alphas = 1 - unlike[defined] / n[defined] / expected[defined]
    if not alphas.size:
        return None, None
    low, high = np.quantile(alphas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
