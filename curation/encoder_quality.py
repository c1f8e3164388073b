"""How well encoders and BM25 part judged pairs: what a candidate encoder is chosen by. Worker code; no database.

Every encoder is measured as a candidate run uses it: by the cosine of its vectors. AUC is the chance that a pair
judged 1 outscores one judged 0, ties half. `accuracy` is cross-fitted: each of five parts that share no query and no
code is answered with the threshold that is best for the other four; `best_accuracy` uses the best threshold for the
very pairs it is counted on, so it flatters. MRR ranks, for every query with a pair judged 1, all distinct judged codes;
codes that were never judged with the query count as wrong, ties as lost.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoders import load_encoder
from core.encoding import Encoder
from core.index import DECIMALS
from core.vectors import VectorStore, encode_missing
from modeling.ml.bm25 import Bm25Index, tokens_of
from modeling.ml.data import Example

Progress = Callable[[int, int], None]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]
BM25 = "bm25"
QUERY_VIEW = "query"
QUERIES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class EncoderQuality:
    """Measures of one encoder; None where they are undefined (one label only, no pair judged 1)."""

    encoder: str
    fingerprint: str
    pairs: int
    ones: int
    auc: float | None
    accuracy: float | None
    best_accuracy: float | None
    best_threshold: float | None
    mrr: float | None
    queries: int
    codes: int
    seconds: float

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def evaluate_encoder(
    name: str, pairs: Sequence[Example], vectors: Path, *, view: str = "full", progress: Progress | None = None
) -> EncoderQuality:
    """Measures one encoder (a name, a folder, or `bm25`) on judged pairs. `vectors`: where vectors are kept.

    The pairs' codes are taken as they are: the caller applies the text view, which only names the place of the vectors.
    """
    started = time.perf_counter()
    queries, codes = _distinct(pairs)
    if name == BM25:
        scorer: Words | Cosines = Words(list(queries), list(codes))
    else:
        scorer = Cosines(load_encoder(name), list(queries), list(codes), vectors, view, progress)
    rows = np.array([queries[pair.query] for pair in pairs])
    columns = np.array([codes[pair.code] for pair in pairs])
    labels = np.array([pair.label == 1 for pair in pairs])
    scores, mrr = _scores_and_mrr(scorer, rows, columns, labels)
    return EncoderQuality(
        encoder=name,
        fingerprint=scorer.fingerprint,
        pairs=len(pairs),
        ones=int(labels.sum()),
        queries=len(set(rows[labels].tolist())),
        codes=len(codes),
        mrr=mrr,
        **_pair_measures(pairs, scores, labels),
        seconds=round(time.perf_counter() - started, 3),
    )


def _distinct(pairs: Sequence[Example]) -> tuple[dict[str, int], dict[str, int]]:
    queries: dict[str, int] = {}
    codes: dict[str, int] = {}
    for pair in pairs:
        queries.setdefault(pair.query, len(queries))
        codes.setdefault(pair.code, len(codes))
    return queries, codes


class Cosines:
    """Scores by the vectors of an encoder."""

    def __init__(
        self,
        encoder: Encoder,
        queries: list[str],
        codes: list[str],
        vectors: Path,
        view: str,
        progress: Progress | None,
    ) -> None:
        self.fingerprint = encoder.fingerprint
        self._queries = encode_missing(VectorStore.of(vectors, encoder, view=QUERY_VIEW), encoder, queries, progress)
        codes_store = VectorStore.of(vectors, encoder, view=view)
        self._codes = encode_missing(codes_store, encoder, codes, progress).astype(np.float64)

    def block(self, start: int, stop: int) -> Floats:
        """(queries, codes) cosines of a range of queries, to six decimals."""
        return np.round(self._queries[start:stop].astype(np.float64) @ self._codes.T, DECIMALS)


class Words:
    """Scores by BM25; document frequencies are those of the judged codes."""

    fingerprint = "bm25-lucene-1"

    def __init__(self, queries: list[str], codes: list[str]) -> None:
        self._queries = [tokens_of(query) for query in queries]
        self._index = Bm25Index(tokens_of(code) for code in codes)

    def block(self, start: int, stop: int) -> Floats:
        """(queries, codes) scores of a range of queries."""
        return np.stack([self._index.totals(query) for query in self._queries[start:stop]])


def _scores_and_mrr(
    scorer: Words | Cosines, rows: Places, columns: Places, labels: NDArray[np.bool_]
) -> tuple[Floats, float | None]:
    """The score of every pair, and the mean over queries of 1 / rank of their best code judged 1, block by block.

    Other codes judged 1 for the query do not push that one down.
    """
    scores, reciprocal = np.zeros(len(rows)), []
    for start in range(0, int(rows.max()) + 1, QUERIES_AT_ONCE):
        block = scorer.block(start, start + QUERIES_AT_ONCE)
        here = np.flatnonzero((rows >= start) & (rows < start + len(block)))
        scores[here] = block[rows[here] - start, columns[here]]
        for row in np.unique(rows[here[labels[here]]]):
            own = columns[here[labels[here] & (rows[here] == row)]]
            others = np.delete(block[row - start], own)
            reciprocal.append(1.0 / (1 + int((others >= block[row - start, own].max()).sum())))
    defined = reciprocal and len(set(columns.tolist())) > 1
    return scores, float(np.mean(reciprocal)) if defined else None


def _pair_measures(pairs: Sequence[Example], scores: Floats, labels: NDArray[np.bool_]) -> dict[str, float | None]:
    from modeling.ml.evaluation import auc, best_threshold, cross_fitted_accuracy

    if labels.all() or not labels.any():
        return {"auc": None, "accuracy": None, "best_accuracy": None, "best_threshold": None}
    border = best_threshold(scores, labels)
    return {
        "auc": auc(scores, labels),
        "accuracy": cross_fitted_accuracy(pairs, scores, labels),
        "best_accuracy": float(((scores > border) == labels).mean()),
        "best_threshold": border,
    }
