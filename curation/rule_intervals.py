"""How sure a measured figure is: bootstrap intervals over a stratified sample, and estimates for the whole log.

A sample is counted as confusion cells per stratum. Queries are drawn anew within their stratum, so every drawing has
the sample's own shape; a figure of the log weights each stratum by its size there over its judged queries. Sampling
without replacement from a small log is surer than these intervals say: they are on the safe side. No Django.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.rule_quality import Outcome

RESAMPLES = 1000
LEVEL = 0.95
CELLS = ("tp", "fp", "fn", "tn")
IN_SAMPLE = ("accuracy", "f1_no_intent", "f1_intent")
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; None where it does not exist (nothing to divide by)."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_data(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference of zero lies outside the interval."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class LogEstimates:
    """What the sample says of the whole log. Counts are queries; shares are from 0 to 1.

    `covered` is the share of the log in strata that have judged queries: the rest is not spoken of.
    """

    covered: float
    size: int
    figures: dict[str, Estimate]

    def as_data(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "covered": self.covered,
            **{name: estimate.as_data() for name, estimate in self.figures.items()},
        }


def sample_intervals(outcomes: Iterable[Outcome], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Estimate]:
    """Accuracy and the F1 of both classes on the judged queries themselves, with intervals."""
    _, counts = _by_stratum(outcomes)
    if not counts.size:
        return dict.fromkeys(IN_SAMPLE, Estimate(None))
    return _estimates(_sample_figures, counts, resamples, seed)


def log_estimates(
    outcomes: Iterable[Outcome], sizes: Mapping[str, int], *, resamples: int = RESAMPLES, seed: int = 0
) -> LogEstimates:
    """Figures of the whole log, every query weighted by one over its chance of being judged.

    sizes: queries of the log per stratum.
    """
    strata, counts = _by_stratum(outcomes)
    total = sum(sizes.values())
    here = np.array([sizes[stratum] for stratum in strata], dtype=float)
    covered = float(here.sum() / total) if total else 0.0
    if not counts.size:
        return LogEstimates(covered, total, {})
    return LogEstimates(covered, total, _estimates(lambda drawn: _log_figures(drawn, here), counts, resamples, seed))


def paired_difference(
    first: Sequence[Outcome], second: Sequence[Outcome], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """Second minus first on the same queries in the same order: both are counted in every drawing, so that what they
    have in common cancels out."""
    if [one.labelled for one in first] != [other.labelled for other in second]:
        raise ValueError("a paired comparison needs the same labelled queries in the same order")
    if not first:
        return dict.fromkeys(IN_SAMPLE, Estimate(None))
    strata = sorted({one.labelled.stratum for one in first})
    joint = np.zeros((len(strata), len(CELLS), len(CELLS)))
    for one, other in zip(first, second, strict=True):
        joint[strata.index(one.labelled.stratum), CELLS.index(one.cell), CELLS.index(other.cell)] += 1

    def difference(drawn: Counts) -> dict[str, Counts]:
        both = drawn.reshape(*drawn.shape[:-1], len(CELLS), len(CELLS))
        before, after = _sample_figures(both.sum(axis=-1)), _sample_figures(both.sum(axis=-2))
        return {name: after[name] - before[name] for name in IN_SAMPLE}

    return _estimates(difference, joint.reshape(len(strata), -1), resamples, seed)


def _by_stratum(outcomes: Iterable[Outcome]) -> tuple[list[str], Counts]:
    """(names of the strata, (strata, 4) counts of the cells)."""
    rows: dict[str, list[int]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.labelled.stratum, [0] * len(CELLS))[CELLS.index(outcome.cell)] += 1
    strata = sorted(rows)
    return strata, np.array([rows[stratum] for stratum in strata], dtype=float)


def _estimates(figures: Any, counts: Counts, resamples: int, seed: int) -> dict[str, Estimate]:
    """Every figure of `counts` (strata, cells) with the percentile interval over stratified drawings."""
    generator = np.random.default_rng(seed)
    drawn = np.stack(
        [generator.multinomial(int(row.sum()), row / row.sum(), size=resamples) for row in counts], axis=1
    ).astype(float)  # (resamples, strata, cells)
    found, spread = figures(counts), figures(drawn)
    return {name: _estimate(float(found[name]), np.asarray(spread[name])) for name in found}


def _estimate(value: float, spread: Counts) -> Estimate:
    known = spread[np.isfinite(spread)]
    if not np.isfinite(value):
        return Estimate(None)
    if not known.size:
        return Estimate(value)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def _sample_figures(counts: Counts) -> dict[str, Counts]:
    return _quality(counts.sum(axis=-2))


def _log_figures(counts: Counts, sizes: Counts) -> dict[str, Counts]:
    weights = sizes / counts.sum(axis=-1)  # (..., strata)
    cells = (counts * weights[..., None]).sum(axis=-2)  # (..., 4): estimated queries of the log
    tp, fp, fn, tn = (cells[..., place] for place in range(len(CELLS)))
    quality = {f"{name}_log": figure for name, figure in _quality(cells).items()}
    return {
        **quality,
        "accepted_without_intent": fn,
        "accepted_without_intent_share": _ratio(fn, fn + tn),
        "good_lost": fp,
        "good_lost_share": _ratio(fp, fp + tn),
        "no_intent_share": _ratio(tp + fn, tp + fp + fn + tn),
    }


def _quality(cells: Counts) -> dict[str, Counts]:
    tp, fp, fn, tn = (cells[..., place] for place in range(len(CELLS)))
    wrong = fp + fn
    return {
        "accuracy": _ratio(tp + tn, tp + tn + wrong),
        "f1_no_intent": _ratio(2 * tp, 2 * tp + wrong),
        "f1_intent": _ratio(2 * tn, 2 * tn + wrong),
    }


def _ratio(part: Counts, whole: Counts) -> Counts:
    """NaN where there is nothing to divide by."""
    whole = np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
