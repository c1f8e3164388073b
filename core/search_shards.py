"""A search cut into shards: a pure stage over files of vectors (core/shards.py runs it, in this process or any other).

A shard is a range of queries. Its function reads vectors from the work's folder and writes codes and scores; the parts
are put together in the order of the queries. The result is that of one search over everything, byte for byte, for any
number of shards and processes. Imports no Django.
"""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoding import FloatArray
from core.index import IvfIndex, MatrixIndex, TopCodes, VectorIndex, top_codes
from core.shard_worker import ShardTask

SEARCH_SHARD = "core.search_shards:search_shard"
QUERIES, CODES, CENTROIDS, LISTS = "queries.npy", "codes.npy", "centroids.npy", "lists.npy"


def shard_ranges(n: int, shards: int) -> list[tuple[int, int]]:
    """At most `shards` ranges (start, stop) of nearly equal length that cover 0..n, none empty."""
    borders = [n * number // max(1, shards) for number in range(max(1, shards) + 1)]
    return [(start, stop) for start, stop in itertools.pairwise(borders) if stop > start]


def shard_inputs(n: int, shards: int) -> list[tuple[int, bytes]]:
    """(number, data) of every shard: its range as JSON."""
    return [(number, json.dumps(place).encode()) for number, place in enumerate(shard_ranges(n, shards))]


def write_search(
    folder: Path, queries: FloatArray, codes: FloatArray, index: VectorIndex, *, k: int, batch: int
) -> dict[str, Any]:
    """Puts what every shard reads into the folder, and returns the parameters of the stage."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / QUERIES, queries)
    _save(folder / CODES, codes)
    if isinstance(index, IvfIndex):
        _save(folder / CENTROIDS, index.centroids)
        _save(folder / LISTS, index.list_of)
    return {"k": k, "batch": batch, "probes": index.probes if isinstance(index, IvfIndex) else 0}


def _save(path: Path, rows: NDArray[Any]) -> None:
    if not (isinstance(rows, np.memmap) and rows.filename and Path(rows.filename) == path.resolve()):
        np.save(path, rows, allow_pickle=False)


def search_shard(task: ShardTask) -> dict[str, Any]:
    """Searches one range of queries; its output is an array (2, queries, k): codes, then scores, as float64."""
    start, stop = json.loads(task.data)
    queries = np.load(task.folder / QUERIES, mmap_mode="r", allow_pickle=False)[start:stop]
    codes = np.load(task.folder / CODES, mmap_mode="r", allow_pickle=False)
    index: VectorIndex = MatrixIndex(codes)
    if task.params["probes"]:
        centroids, lists = (np.load(task.folder / name, allow_pickle=False) for name in (CENTROIDS, LISTS))
        index = IvfIndex(codes, centroids, probes=task.params["probes"], list_of=lists)
    found = top_codes(queries, codes, k=task.params["k"], index=index, batch=task.params["batch"])
    with task.output.open("wb") as file:  # a code's number is exact in float64 up to 2^53
        np.save(file, np.stack([found.codes.astype(np.float64), found.scores]), allow_pickle=False)
    return {"queries": stop - start}


def join_shards(paths: Iterable[Path]) -> TopCodes:
    """The shards' outputs, in order, as one result."""
    parts = [np.load(path, allow_pickle=False) for path in paths]
    codes, scores = np.concatenate(parts, axis=1)
    return TopCodes(codes.astype(np.int64), scores)
