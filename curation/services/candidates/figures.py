"""Figures of a run: histogram of the best scores, how often codes were used, and what to warn about. No database."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.assignment import Assignment

BIN = 0.025  # width of a bar of a histogram of cosines; 0.5 is an edge
BARS = 40  # of a histogram of scores without a bound
HIGH_SHARE, LOW_SHARE = 0.95, 0.05


def histogram_of(best: NDArray[np.float64]) -> dict[str, list[float]]:
    """Best scores in bars: of width BIN up to 1, the last bar including 1; beyond 1 (BM25) at most BARS bars."""
    if not len(best):
        return {}
    if best.max() > 1 + 1e-3:
        return _wide_histogram(best)
    low = min(int(np.floor(best.min() / BIN + 1e-9)), round(0.9 / BIN))
    edges = [round(step * BIN, 3) for step in range(low, round(1 / BIN) + 1)]
    counts, _ = np.histogram(np.minimum(best, 1.0), bins=np.array(edges) - 1e-9)
    counts[-1] += len(best) - int(counts.sum())
    return {"edges": edges, "counts": counts.tolist()}


def _wide_histogram(best: NDArray[np.float64]) -> dict[str, list[float]]:
    width = next(step for step in (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 1000) if best.max() / step <= BARS)
    edges = [round(step * width, 3) for step in range(int(best.max() / width) + 2)]
    counts, _ = np.histogram(best, bins=np.array(edges))
    return {"edges": edges, "counts": counts.tolist()}


def code_frequency(assignment: Assignment) -> dict[str, int]:
    """How often a code was used -> number of codes used that often (keys are text: JSON)."""
    uses = Counter(match.code for match in assignment.kept)
    return {str(n): codes for n, codes in sorted(Counter(uses.values()).items())}


def warnings_about(best: NDArray[np.float64], threshold: float, retriever: str = "dense") -> list[str]:
    """A threshold belongs to an encoder (DECISIONS, vectors): says when it lets nearly all or nearly none pass."""
    if not len(best):
        return []
    share = float((best >= threshold).mean())
    scores = "cosines" if retriever == "dense" else "scores"
    if share > HIGH_SHARE and retriever == "dense":
        return [
            f"{100 * share:.1f} % of the best {scores} reach the threshold {threshold:g}: it separates next to nothing "
            "with this encoder. Choose a higher one from the histogram."
        ]
    if share < LOW_SHARE:
        return [
            f"Only {100 * share:.1f} % of the best {scores} reach the threshold {threshold:g}: nearly all queries are "
            "dropped. Choose a lower one from the histogram, or check that the code covers what people ask."
        ]
    return []


def warnings_of_search(facts: Mapping[str, Any]) -> list[str]:
    """What the search itself says: a recall that was not reached, clicks that led nowhere."""
    found = []
    recall = facts.get("recall")
    if recall and recall["reached"] < recall["wanted"]:
        found.append(
            f"The index finds {100 * recall['reached']:.1f} % of the best codes of a sample, "
            f"not {100 * recall['wanted']:.1f} %."
        )
    clicks, used = facts.get("clicks"), facts.get("clicks_used")
    if clicks == 0:
        found.append("No accepted query has a clicked address. Import a log with a column of clicked URLs.")
    elif clicks and not used:
        found.append("No clicked address leads to a code of this project; `clicks elsewhere` says where they lead.")
    return found
