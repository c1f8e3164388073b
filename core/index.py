"""Nearest codes of queries: exact scores, and the same result for any batch, shard and process.

An index proposes: it names, for every query, at least all codes (of those it looks at) whose float32 score lies within
a margin of the k-th best. `top_codes` then scores those few again in float64, adding up in the order of the
dimensions, rounds to six decimals (METHODS 5) and ranks by that, ties to the smaller code. Float32 sums differ in the
last digits with the shape of a matrix product; the margin is wider than any such difference. So, given the same
vectors, the result is the same byte for byte for any batch and shard (DECISIONS, vectors).

Which index looks: a matrix product in tiles while that is the quickest, on a GPU FAISS, and above EXACT_SCORES scores
an inverted file (IVF) that FAISS has trained. The IVF looks only into the lists next to a query; how many lists is
chosen so that a sample of the real queries finds its best codes as often as asked, and what was reached is reported.
Code vectors may be memory-mapped. faiss is imported inside functions only. Contains no Django.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.encoding import FloatArray

IntArray = NDArray[np.int64]
DoubleArray = NDArray[np.float64]
DECIMALS = 6
BATCH = 1024  # queries between two reports of progress
IVF_BATCH = 16_384  # an inverted file reads every list once per batch
QUERY_TILE, CODE_TILE = 512, 8192  # 16 MiB of float32 scores
EXTRA = 16  # neighbours asked of FAISS beyond k before it is asked for more
MAX_FAISS_K = 2048  # limit of the GPU index
PAIRS_AT_ONCE = 20_000
EXACT_SCORES = 3 * 10**10  # queries x codes up to which every score is computed: some minutes on two cores
LEAST_IVF_CODES = 100_000  # fewer are never worth the training
RECALL = 0.99
RECALL_SAMPLE = 1000  # queries on which the recall is measured
TRAINING_ROWS_PER_LIST = 64
TRAINING_ROUNDS = 8
Progress = Callable[[int, int], None]


class VectorIndex(Protocol):
    """Proposes codes. `near_top` gives (query, code) positions, at least all within `margin` of the k-th best score."""

    batch: int  # queries at a time that suit it

    @property
    def name(self) -> str: ...

    def near_top(self, queries: FloatArray, k: int, margin: float) -> tuple[IntArray, IntArray]: ...


@dataclass(frozen=True, slots=True)
class TopCodes:
    """The k best codes of every query: `codes` and `scores` are (n queries, k), best first."""

    codes: IntArray
    scores: DoubleArray


@dataclass(frozen=True, slots=True)
class Recall:
    """What an inverted file finds of the true k best codes of `sample` real queries, looking into `probes` lists."""

    k: int
    wanted: float
    reached: float
    sample: int
    lists: int
    probes: int


class _Pool:
    """Collects, tile by tile, every score within the margin of a query's k-th best."""

    def __init__(self, n: int, k: int, margin: float) -> None:
        self.k, self.margin = k, np.float32(margin)
        self.floor = np.full(n, -np.inf, dtype=np.float32)  # k-th best score so far
        self.best = np.full((n, k), -np.inf, dtype=np.float32)
        self.parts: list[tuple[IntArray, IntArray, FloatArray]] = []

    def offer(self, scores: FloatArray, rows: IntArray, columns: IntArray) -> None:
        """Scores (r, c) of the queries `rows` (each once) with the codes `columns`."""
        peaks = scores.max(axis=1)
        hot = np.flatnonzero(peaks >= self.floor[rows] - self.margin)
        if not len(hot):
            return
        if len(hot) < len(rows):
            scores, rows, peaks = scores[hot], rows[hot], peaks[hot]
        if self.k == 1:
            self.floor[rows] = np.maximum(self.floor[rows], peaks)
        else:
            both = np.concatenate([self.best[rows], scores], axis=1)
            self.best[rows] = np.partition(both, both.shape[1] - self.k, axis=1)[:, -self.k :]
            self.floor[rows] = self.best[rows].min(axis=1)
        row, column = np.nonzero(scores >= (self.floor[rows] - self.margin)[:, None])
        self.parts.append((rows[row], columns[column], scores[row, column]))

    def result(self) -> tuple[IntArray, IntArray, FloatArray]:
        """(query, code, float32 score) of everything within the margin, in no particular order."""
        if not self.parts:
            empty = np.empty(0, dtype=np.int64)
            return empty, empty, np.empty(0, dtype=np.float32)
        rows, columns, scores = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        near = scores >= self.floor[rows] - self.margin
        return rows[near], columns[near], scores[near]


class MatrixIndex:
    """Proposes by a matrix product over tiles of queries and codes."""

    name = "matrix product"
    batch = BATCH

    def __init__(self, codes: FloatArray) -> None:
        self.codes = codes

    def near_top(self, queries: FloatArray, k: int, margin: float) -> tuple[IntArray, IntArray]:
        rows, columns, _ = self.pool(queries, k, margin).result()
        return rows, columns

    def pool(self, queries: FloatArray, k: int, margin: float) -> _Pool:
        """Everything within the margin, with its scores."""
        pool = _Pool(len(queries), k, margin)
        _offer_all(pool, queries, np.arange(len(queries)), self.codes, np.arange(len(self.codes)))
        return pool


def _offer_all(pool: _Pool, queries: FloatArray, rows: IntArray, codes: FloatArray, columns: IntArray) -> None:
    """Scores `queries` (numbered `rows`) with `codes` (numbered `columns`), a tile at a time."""
    for first in range(0, len(codes), CODE_TILE):
        tile = np.asarray(codes[first : first + CODE_TILE]).T
        for start in range(0, len(queries), QUERY_TILE):
            here = slice(start, start + QUERY_TILE)
            pool.offer(queries[here] @ tile, rows[here], columns[first : first + CODE_TILE])


class FaissIndex:
    """Proposes by an exact FAISS index (inner product), on the GPU when there is one."""

    batch = BATCH

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


class IvfIndex:
    """Proposes from the lists of an inverted file that lie next to a query.

    FAISS trains the centroids and scans the lists. A query's lists are chosen by exact scores, so they too are the same
    for any batch; within them the scan is exact up to the margin.
    """

    batch = IVF_BATCH

    def __init__(
        self, codes: FloatArray, centroids: FloatArray, *, probes: int = 1, list_of: IntArray | None = None
    ) -> None:
        self.codes, self.centroids, self.probes = codes, centroids, min(probes, len(centroids))
        self.recall: Recall | None = None
        self.list_of = _lists_of(codes, centroids) if list_of is None else list_of  # the list of every code
        self._scanner = _scanner(codes, centroids, self.list_of)

    @property
    def name(self) -> str:
        return f"IVF, {self.probes:,} of {len(self.centroids):,} lists"

    def near_top(self, queries: FloatArray, k: int, margin: float) -> tuple[IntArray, IntArray]:
        queries = np.ascontiguousarray(queries)
        lists = top_set(queries, self.centroids, self.probes)[1].reshape(len(queries), -1)
        wanted = min(k + EXTRA, len(self.codes))
        self._scanner.nprobe = lists.shape[1]
        scores, codes = self._scanner.search_preassigned(
            queries, wanted, lists, np.zeros(lists.shape, dtype=np.float32)
        )  # (queries, wanted), best first; code -1 where the lists hold no more
        near = (codes >= 0) & (scores >= (scores[:, k - 1] - np.float32(margin))[:, None])
        # Too little in their lists, or more within the margin than were asked for: those rows are searched in full.
        full = np.flatnonzero((codes[:, k - 1] < 0) | (near[:, -1] & (wanted < len(self.codes))))
        near[full] = False
        rows, places = np.nonzero(near)
        full_rows, full_codes = MatrixIndex(self.codes).near_top(queries[full], k, 2 * margin)
        return np.r_[rows, full[full_rows]], np.r_[codes[rows, places], full_codes]

    def tune(self, queries: FloatArray, *, k: int = 1, recall: float = RECALL) -> Recall:
        """Sets the fewest lists with which these queries find the share `recall` of their true k best codes.

        Within its lists the search is exact, so a code is found if and only if its list is among those looked into.
        """
        k = min(k, len(self.codes))
        true = top_codes(queries, self.codes, k=k, index=MatrixIndex(self.codes)).codes  # (queries, k)
        ranks = _list_ranks(queries, self.centroids)  # (queries, lists): 0 is the nearest
        needed = np.sort(np.take_along_axis(ranks, self.list_of[true], axis=1).ravel()) + 1
        self.probes = int(needed[max(0, int(np.ceil(recall * len(needed))) - 1)])
        reached = float((needed <= self.probes).mean())
        self.recall = Recall(k, recall, reached, len(queries), len(self.centroids), self.probes)
        return self.recall


def _scanner(codes: FloatArray, centroids: FloatArray, list_of: IntArray) -> Any:
    """FAISS's inverted file over these lists; it holds a copy of the vectors."""
    faiss = _faiss()
    quantizer = faiss.IndexFlatIP(codes.shape[1])
    quantizer.add(np.ascontiguousarray(centroids))
    scanner = faiss.IndexIVFFlat(quantizer, codes.shape[1], len(centroids), faiss.METRIC_INNER_PRODUCT)
    for start in range(0, len(codes), IVF_BATCH):
        part = np.ascontiguousarray(codes[start : start + IVF_BATCH], dtype=np.float32)
        lists = np.ascontiguousarray(list_of[start : start + IVF_BATCH], dtype=np.int64)
        numbers = np.arange(start, start + len(part), dtype=np.int64)
        scanner.add_core(len(part), faiss.swig_ptr(part), faiss.swig_ptr(numbers), faiss.swig_ptr(lists))
    return scanner


def _lists_of(codes: FloatArray, centroids: FloatArray) -> IntArray:
    """The list of every code: its nearest centroid, the smaller one among equals."""
    found = np.empty(len(codes), dtype=np.int64)
    for start in range(0, len(codes), IVF_BATCH):
        part = np.asarray(codes[start : start + IVF_BATCH])
        found[start : start + IVF_BATCH] = top_set(part, centroids, 1)[1]
    return found


def _list_ranks(queries: FloatArray, centroids: FloatArray) -> IntArray:
    order = np.argsort(-(queries @ centroids.T), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None, :], axis=1)
    return ranks


def top_set(queries: FloatArray, codes: FloatArray, k: int) -> tuple[IntArray, IntArray]:
    """(query, code) of the k best codes of every query, rows in order; only those at the border are scored exactly."""
    k = min(k, len(codes))
    margin = safe_margin(codes.shape[1])
    pool = MatrixIndex(codes).pool(queries, k, margin)
    rows, columns, scores = pool.result()
    certain = scores > pool.floor[rows] + np.float32(margin)
    exact = np.full(len(rows), np.inf)
    exact[~certain] = exact_scores(queries, codes, rows[~certain], columns[~certain])
    chosen = _best_of_each_row(rows, columns, exact, k)
    return rows[chosen], columns[chosen]


def train_centroids(codes: FloatArray, *, lists: int = 0, seed: int = 0) -> FloatArray:
    """(lists, dim) unit rows: the centroids that FAISS's spherical k-means finds in a seeded sample of the codes.

    It runs in one thread, so that the same machine gives the same centroids whatever else it does.
    """
    faiss = _faiss()
    lists = lists or max(1, round(2 * len(codes) ** 0.5))
    chance = np.random.default_rng(seed)
    size = min(len(codes), lists * TRAINING_ROWS_PER_LIST)
    sample = np.ascontiguousarray(codes[np.sort(chance.choice(len(codes), size=size, replace=False))])
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        means = faiss.Kmeans(
            codes.shape[1],
            lists,
            niter=TRAINING_ROUNDS,
            seed=seed,
            spherical=True,
            min_points_per_centroid=1,
            max_points_per_centroid=TRAINING_ROWS_PER_LIST,
        )
        means.train(sample)
    finally:
        faiss.omp_set_num_threads(threads)
    centroids: FloatArray = np.ascontiguousarray(means.centroids, dtype=np.float32)
    return centroids


def has_gpu() -> bool:
    """Whether the FAISS that is installed can use a GPU that is there."""
    try:
        faiss = _faiss()
    except ModuleNotFoundError:
        return False
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


def _faiss() -> Any:
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # it reports each instruction set that it tries
    import faiss

    return faiss


def make_index(
    codes: FloatArray,
    *,
    queries: FloatArray | None = None,
    k: int = 1,
    backend: str = "auto",
    recall: float = RECALL,
    centroids_file: Path | None = None,
) -> VectorIndex:
    """`faiss`, `matrix`, `ivf`, or `auto`: FAISS on a GPU, else by the number of scores a matrix product or an IVF.

    queries         those that will be searched; an IVF is tuned on RECALL_SAMPLE of them, evenly spaced
    centroids_file  where an IVF's trained centroids stand, or will, so that a later run searches the same lists
    """
    n_queries = 0 if queries is None else len(queries)
    if backend == "auto":
        backend = _best_backend(len(codes), n_queries)
    if backend == "matrix":
        return MatrixIndex(codes)
    if backend == "faiss":
        return FaissIndex(codes)
    index = IvfIndex(codes, _stored_centroids(codes, centroids_file))
    if queries is not None and n_queries:
        index.tune(queries[np.unique(np.linspace(0, n_queries - 1, RECALL_SAMPLE).astype(int))], k=k, recall=recall)
    return index


def _best_backend(n_codes: int, n_queries: int) -> str:
    if has_gpu():
        return "faiss"
    return "matrix" if n_codes < LEAST_IVF_CODES or n_codes * n_queries <= EXACT_SCORES else "ivf"


def _stored_centroids(codes: FloatArray, file: Path | None) -> FloatArray:
    if file is not None and file.exists():
        stored: FloatArray = np.load(file, allow_pickle=False)
        return stored
    centroids = train_centroids(codes)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npy")
        np.save(part, centroids, allow_pickle=False)
        part.replace(file)
    return centroids


def about(index: VectorIndex) -> dict[str, Any]:
    """Name and measured recall of an index, for the record of a run."""
    recall = index.recall if isinstance(index, IvfIndex) else None
    return {"index": index.name, "recall": asdict(recall) if recall else None}


def top_codes(
    queries: FloatArray,
    codes: FloatArray,
    *,
    k: int = 1,
    index: VectorIndex | None = None,
    batch: int = 0,
    progress: Progress | None = None,
) -> TopCodes:
    """The k best codes of every query by exact score; k is cut to the number of codes. Both hold unit rows (n, dim).

    batch  queries searched at a time; 0: what suits the index. It changes no result.
    """
    k = min(k, len(codes))
    if k == 0:
        return TopCodes(np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0)))
    index = index or make_index(codes, queries=queries, k=k)
    margin = safe_margin(codes.shape[1])
    batch = batch or index.batch
    found_codes = np.empty((len(queries), k), dtype=np.int64)
    found_scores = np.empty((len(queries), k), dtype=np.float64)
    for start in range(0, len(queries), batch):
        part = np.asarray(queries[start : start + batch])
        rows, columns = index.near_top(part, k, margin)
        scores = exact_scores(part, codes, rows, columns)
        chosen = _best_of_each_row(rows, columns, scores, k)
        found_codes[start : start + batch] = columns[chosen].reshape(-1, k)
        found_scores[start : start + batch] = scores[chosen].reshape(-1, k)
        if progress:
            progress(min(start + batch, len(queries)), len(queries))
    return TopCodes(found_codes, found_scores)


def merge_top(parts: Iterator[tuple[TopCodes, int]], k: int) -> TopCodes:
    """The k best of several parts of the codes; each part comes with the number of its first code.

    The order of the parts does not matter: the best score wins, the smaller code among equals.
    """
    shifted = [(part.codes + first, part.scores) for part, first in parts]
    codes = np.concatenate([codes for codes, _ in shifted], axis=1)
    scores = np.concatenate([scores for _, scores in shifted], axis=1)
    order = np.lexsort((codes, -scores), axis=1)[:, :k]
    return TopCodes(np.take_along_axis(codes, order, axis=1), np.take_along_axis(scores, order, axis=1))


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
    starts = np.flatnonzero(np.r_[True, np.diff(rows[order]) > 0]) if len(rows) else np.empty(0, dtype=np.int64)
    return order[(starts[:, None] + np.arange(k)[None, :]).ravel()]
