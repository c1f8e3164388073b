"""A search cut into shards: pure functions over files of vectors, in this process or in several.

The work list is ranges of queries. A shard is searched by a function of its own arguments (paths, ranges, numbers), so
any process that reads the files can do it; the parts are put together in the order of the queries. The result is that
of one search over everything, byte for byte, for any number of shards and workers. Contains no Django.
"""

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoding import FloatArray
from core.index import FaissIndex, IvfIndex, MatrixIndex, TopCodes, VectorIndex, top_codes

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Shard:
    """The queries `start` to `stop` of a file of vectors, to be searched in the codes of another."""

    queries: str
    codes: str
    start: int
    stop: int
    k: int
    batch: int
    centroids: str = ""  # an IVF's centroids; empty: a matrix product
    lists: str = ""  # the list of every code
    probes: int = 0


def shard_ranges(n: int, shards: int) -> list[tuple[int, int]]:
    """At most `shards` ranges (start, stop) of nearly equal length that cover 0..n, none empty."""
    borders = [n * number // max(1, shards) for number in range(max(1, shards) + 1)]
    return [(start, stop) for start, stop in itertools.pairwise(borders) if stop > start]


def search_shard(shard: Shard) -> TopCodes:
    """Searches one shard. Reads nothing but its files."""
    queries = np.load(shard.queries, mmap_mode="r", allow_pickle=False)[shard.start : shard.stop]
    codes = np.load(shard.codes, mmap_mode="r", allow_pickle=False)
    index: VectorIndex = MatrixIndex(codes)
    if shard.centroids:
        centroids, lists = (np.load(path, allow_pickle=False) for path in (shard.centroids, shard.lists))
        index = IvfIndex(codes, centroids, probes=shard.probes, list_of=lists)
    return top_codes(queries, codes, k=shard.k, index=index, batch=shard.batch)


def search_in_shards(
    queries: FloatArray,
    codes: FloatArray,
    *,
    k: int,
    index: VectorIndex,
    shards: int = 1,
    workers: int = 1,
    batch: int = 0,
    folder: Path,
    progress: Progress | None = None,
) -> TopCodes:
    """The k best codes of every query, cut into `shards`, by `workers` processes (1: this one).

    folder  where vectors are written that other processes read; the caller removes it.
    """
    ranges = shard_ranges(len(queries), shards)
    if workers > 1 and len(ranges) > 1 and not isinstance(index, FaissIndex):  # a GPU's index stays where it is
        parts = _in_processes(_work_list(queries, codes, k, index, ranges, batch, folder), workers)
    else:
        parts = (
            top_codes(
                queries[start:stop],
                codes,
                k=k,
                index=index,
                batch=batch,
                progress=_shifted(progress, start, len(queries)),
            )
            for start, stop in ranges
        )
    found = []
    for (_, stop), part in zip(ranges, parts, strict=True):
        found.append(part)
        if progress:
            progress(stop, len(queries))
    if not found:
        return top_codes(queries, codes, k=k, index=index)
    return TopCodes(np.concatenate([part.codes for part in found]), np.concatenate([part.scores for part in found]))


def _shifted(progress: Progress | None, start: int, total: int) -> Progress | None:
    """Progress within a shard as progress over all queries."""
    return (lambda done, _: progress(start + done, total)) if progress else None


def _work_list(
    queries: FloatArray,
    codes: FloatArray,
    k: int,
    index: VectorIndex,
    ranges: list[tuple[int, int]],
    batch: int,
    folder: Path,
) -> list[Shard]:
    query_file, code_file = _as_file(queries, folder / "queries.npy"), _as_file(codes, folder / "codes.npy")
    centroids, lists, probes = "", "", 0
    if isinstance(index, IvfIndex):
        centroids, probes = _as_file(index.centroids, folder / "centroids.npy"), index.probes
        lists = _as_file(index.list_of, folder / "lists.npy")
    return [Shard(query_file, code_file, start, stop, k, batch, centroids, lists, probes) for start, stop in ranges]


def _as_file(rows: NDArray[Any], path: Path) -> str:
    """Where the rows stand on the disk; written there if they only stand in memory."""
    if isinstance(rows, np.memmap) and rows.filename and rows.base is not None and rows.offset:
        whole = np.load(rows.filename, mmap_mode="r", allow_pickle=False)
        if whole.shape == rows.shape:
            return str(rows.filename)
    np.save(path, rows, allow_pickle=False)
    return str(path)


def _in_processes(work: list[Shard], workers: int) -> Iterator[TopCodes]:
    """The shards' results in order. A process leaves the CPU's other cores to the others."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    before = {name: os.environ.get(name) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, threads))
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from pool.map(search_shard, work)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
