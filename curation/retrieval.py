"""The best codes of every query by words, by vectors, or by both. Knows no database and no Django.

dense        cosine of the vectors, -1 to 1 (core.index)
bm25         BM25 in Lucene's form over the words of the code (modeling.ml.bm25), 0 and up; a code that shares no word
             with the query is no match
hybrid_sum   w * cosine (0 where negative) + (1 - w) * BM25 / its bound for the query: 0 to 1, the same for any pool
hybrid_rank  reciprocal-rank fusion: the sum of 1 / (60 + rank) in both lists, scaled so that first in both is 1

A hybrid looks at the `pool` best codes of each of the two. All scores are rounded to six decimals; equal scores go to
the smaller code. So a result depends on the texts, the stored vectors and the settings alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.encoding import FloatArray
from core.index import TopCodes, exact_scores
from curation.assignment import Match
from modeling.ml.bm25 import Bm25Index, best_documents, tokens_of

RETRIEVERS = {
    "dense": "Vectors: the cosine of an encoder",
    "bm25": "Words: BM25, no encoder",
    "hybrid_sum": "Both: weighted sum of the normalised scores",
    "hybrid_rank": "Both: reciprocal-rank fusion",
}
HYBRIDS = ("hybrid_sum", "hybrid_rank")
SCORE_NAMES = {
    "dense": "cosine",
    "bm25": "BM25 score",
    "hybrid_sum": "fused score",
    "hybrid_rank": "fused rank score",
    "clicked": "share of the query's clicks",
}
POOL = 100  # codes of each list that a hybrid looks at
RANK_OFFSET = 60  # Cormack, Clarke and Buettcher 2009
DECIMALS = 6
NONE = -1  # no code in this place
Progress = Callable[[int, int], None]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best codes of every query: (n queries, depth), best first; NONE where a query has no more."""

    codes: IntArray
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, top: TopCodes) -> "Ranked":
        return cls(top.codes, top.scores)

    def best(self) -> NDArray[np.float64]:
        """Best score of every query that has one."""
        if not self.codes.shape[1]:
            return np.empty(0)
        return self.scores[self.codes[:, 0] != NONE, 0]

    def matches(self) -> Iterator[Match]:
        """Everything that was found, by query and rank."""
        for query in range(len(self.codes)):
            for rank, (code, score) in enumerate(
                zip(self.codes[query].tolist(), self.scores[query].tolist(), strict=True), 1
            ):
                if code != NONE:
                    yield Match(query, code, score, rank)

    def n_unmatched(self) -> int:
        """Queries without any code."""
        return len(self.codes) - len(self.best())


def search_words(index: Bm25Index, queries: Sequence[str], *, depth: int, progress: Progress | None = None) -> Ranked:
    """The `depth` best codes of every query by BM25."""
    found = _empty(len(queries), min(depth, index.size))
    for row, query in enumerate(queries):
        totals = index.totals(tokens_of(query))
        best = best_documents(totals, depth)
        found.codes[row, : len(best)] = best
        found.scores[row, : len(best)] = totals[best]
        _report(progress, row, len(queries))
    return found


def fuse(
    index: Bm25Index,
    queries: Sequence[str],
    query_rows: FloatArray,
    code_rows: FloatArray,
    dense: TopCodes,
    *,
    retriever: str,
    depth: int,
    pool: int = POOL,
    weight: float = 0.5,
    progress: Progress | None = None,
) -> Ranked:
    """The `depth` best codes of every query by both; `dense` holds at least the `pool` best by vectors."""
    found = _empty(len(queries), min(depth, index.size))
    for row, query in enumerate(queries):
        tokens = tokens_of(query)
        totals = index.totals(tokens)
        by_words = best_documents(totals, pool)
        by_vectors = dense.codes[row, :pool]
        codes = np.union1d(by_vectors, by_words)
        if retriever == "hybrid_rank":
            scores = _reciprocal(codes, by_vectors) + _reciprocal(codes, by_words)
            scores = scores * (RANK_OFFSET + 1) / 2
        else:
            cosines = exact_scores(query_rows, code_rows, np.full(len(codes), row), codes)
            words = totals[codes] / (index.bound(tokens) or 1.0)
            scores = weight * np.maximum(cosines, 0.0) + (1 - weight) * words
        scores = np.round(scores, DECIMALS)
        order = np.lexsort((codes, -scores))[:depth]
        found.codes[row, : len(order)] = codes[order]
        found.scores[row, : len(order)] = scores[order]
        _report(progress, row, len(queries))
    return found


def _reciprocal(codes: IntArray, ranking: IntArray) -> NDArray[np.float64]:
    """1 / (60 + rank) of every one of `codes` (ascending) in a ranking (best first); 0 for what is not in it."""
    parts = np.zeros(len(codes))
    parts[np.searchsorted(codes, ranking)] = 1.0 / (RANK_OFFSET + 1 + np.arange(len(ranking)))
    return parts


def _empty(n: int, depth: int) -> Ranked:
    return Ranked(np.full((n, depth), NONE, dtype=np.int64), np.zeros((n, depth)))


def _report(progress: Progress | None, row: int, total: int) -> None:
    if progress and (row % 256 == 255 or row + 1 == total):
        progress(row + 1, total)
