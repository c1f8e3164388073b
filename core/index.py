"""Nearest codes of queries, exact and the same for any batch.

An index proposes: it names, for every query, at least all codes whose float32 score lies within a margin of the k-th
best. `top_codes` then scores those few again in float64, adding up in the order of the dimensions, rounds to six
decimals (METHODS 5) and ranks by that, ties to the smaller code. Float32 sums differ in the last digits with the
shape of a matrix product; the margin is wider than any such difference. So, given the same vectors, the result is the
same byte for byte for any index, batch and shard (DECISIONS, vectors).

FAISS does the proposing where it is installed (on the GPU when there is one), a plain matrix product otherwise. faiss
is imported inside functions only. Contains no Django.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.encoding import FloatArray

IntArray = NDArray[np.int64]
DoubleArray = NDArray[np.float64]
DECIMALS = 6
BATCH = 1024
EXTRA = 16  # neighbours asked of FAISS beyond k before it is asked for more
MAX_FAISS_K = 2048  # limit of the GPU index
PAIRS_AT_ONCE = 50_000
BLOCK_SCORES = 2**25  # 128 MiB of float32
Progress = Callable[[int, int], None]


class VectorIndex(Protocol):
    """Proposes codes. `near_top` gives (query, code) positions, at least all within `margin` of the k-th best score."""

    name: str

    def near_top(self, queries: FloatArray, k: int, margin: float) -> tuple[IntArray, IntArray]: ...


@dataclass(frozen=True, slots=True)
class TopCodes:
    """The k best codes of every query: `codes` and `scores` are (n queries, k), best first."""

    codes: IntArray
    scores: DoubleArray


class MatrixIndex:
    """Proposes by a matrix product over blocks of queries, at most BLOCK_SCORES scores at a time."""

    name = "matrix product"

    def __init__(self, codes: FloatArray) -> None:
        self.codes = codes

    def near_top(self, queries: FloatArray, k: int, margin: float) -> tuple[IntArray, IntArray]:
        rows, columns = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        step = max(1, BLOCK_SCORES // len(self.codes))
        for start in range(0, len(queries), step):
            scores = queries[start : start + step] @ self.codes.T  # (block, codes)
            place = scores.shape[1] - k
            kth = scores.max(axis=1) if k == 1 else np.partition(scores, place, axis=1)[:, place]
            found = np.nonzero(scores >= (kth - np.float32(margin))[:, None])
            rows.append(found[0] + start)
            columns.append(found[1])
        return np.concatenate(rows), np.concatenate(columns)


class FaissIndex:
    """Proposes by an exact FAISS index (inner product), on the GPU when there is one."""

    def __init__(self, codes: FloatArray, *, gpu: bool | None = None) -> None:
        faiss = _faiss()
        self.codes = codes
        self.on_gpu = has_gpu() if gpu is None else gpu
        self.name = "FAISS on the GPU" if self.on_gpu else "FAISS"
        index: Any = faiss.IndexFlatIP(codes.shape[1])
        if self.on_gpu:
            self._resources = faiss.StandardGpuResources()  # must live as long as the index
            index = faiss.index_cpu_to_gpu(self._resources, 0, index)
        index.add(np.ascontiguousarray(codes))
        self._index = index

    def near_top(self, queries: FloatArray, k: int, margin: float) -> tuple[IntArray, IntArray]:
        queries = np.ascontiguousarray(queries)
        wanted = min(k + EXTRA, len(self.codes), MAX_FAISS_K)
        scores, codes = self._index.search(queries, wanted)  # (queries, wanted), best first
        near = scores >= (scores[:, k - 1] - np.float32(margin))[:, None]
        crowded = np.flatnonzero(near[:, -1]) if wanted < len(self.codes) else np.empty(0, dtype=np.int64)
        near[crowded] = False  # more codes than asked for stand within the margin: those rows are searched in full
        rows, places = np.nonzero(near)
        full_rows, full_codes = MatrixIndex(self.codes).near_top(queries[crowded], k, 2 * margin)
        return np.concatenate([rows, crowded[full_rows]]), np.concatenate([codes[rows, places], full_codes])


def has_gpu() -> bool:
    """Whether the FAISS that is installed can use a GPU that is there."""
    faiss = _faiss()
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


def _faiss() -> Any:
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # it reports each instruction set that it tries
    import faiss

    return faiss


def make_index(codes: FloatArray, *, backend: str = "auto") -> VectorIndex:
    """`faiss`, `matrix`, or `auto`: FAISS where it is installed."""
    if backend == "matrix":
        return MatrixIndex(codes)
    try:
        return FaissIndex(codes)
    except ModuleNotFoundError:
        if backend == "faiss":
            raise
        return MatrixIndex(codes)


def top_codes(
    queries: FloatArray,
    codes: FloatArray,
    *,
    k: int = 1,
    index: VectorIndex | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> TopCodes:
    """The k best codes of every query by exact score; k is cut to the number of codes. Both hold unit rows (n, dim)."""
    k = min(k, len(codes))
    if k == 0:
        return TopCodes(np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0)))
    index = index or make_index(codes)
    margin = safe_margin(codes.shape[1])
    found_codes = np.empty((len(queries), k), dtype=np.int64)
    found_scores = np.empty((len(queries), k), dtype=np.float64)
    for start in range(0, len(queries), batch):
        part = queries[start : start + batch]
        rows, columns = index.near_top(part, k, margin)
        scores = exact_scores(part, codes, rows, columns)
        chosen = _best_of_each_row(rows, columns, scores, k)
        found_codes[start : start + batch] = columns[chosen].reshape(-1, k)
        found_scores[start : start + batch] = scores[chosen].reshape(-1, k)
        if progress:
            progress(min(start + batch, len(queries)), len(queries))
    return TopCodes(found_codes, found_scores)


def exact_scores(queries: FloatArray, codes: FloatArray, rows: IntArray, columns: IntArray) -> DoubleArray:
    """(n,) dot products of the named pairs: float64, summed dimension by dimension, rounded to six decimals."""
    scores = np.empty(len(rows), dtype=np.float64)
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        here = slice(start, start + PAIRS_AT_ONCE)
        products = (queries[rows[here]].astype(np.float64) * codes[columns[here]]).T  # (dim, pairs)
        total = np.zeros(products.shape[1], dtype=np.float64)
        for line in products:
            total += line
        scores[here] = np.round(total, DECIMALS)
    return scores


def safe_margin(dim: int) -> float:
    """More than two float32 evaluations of a cosine can differ: twice the bound dim * 2^-23, plus the rounding."""
    return 2 * dim * 2.0**-23 + 2 * 10.0**-DECIMALS


def _best_of_each_row(rows: IntArray, columns: IntArray, scores: DoubleArray, k: int) -> IntArray:
    """Positions of the k best entries of every row, rows in order; ties to the smaller column."""
    order = np.lexsort((columns, -scores, rows))
    starts = np.flatnonzero(np.r_[True, np.diff(rows[order]) > 0])
    return order[(starts[:, None] + np.arange(k)[None, :]).ravel()]
