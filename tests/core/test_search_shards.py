"""One search, cut into any number of shards over any number of processes: the same bytes."""

import hashlib

import numpy as np
import pytest

from core.index import IvfIndex, MatrixIndex, train_centroids
from core.search_shards import search_in_shards, shard_ranges
from tests.core.test_index import crowded, oracle


def digest(found):
    return hashlib.sha256(found.codes.tobytes() + found.scores.tobytes()).hexdigest()


def indexes(codes):
    return {"matrix": MatrixIndex(codes), "ivf": IvfIndex(codes, train_centroids(codes, lists=12), probes=4)}


@pytest.mark.parametrize("kind", ["matrix", "ivf"])
@pytest.mark.parametrize(("shards", "workers", "batch"), [(64, 1, 0), (3, 1, 5), (64, 1, 1), (7, 2, 3)])
def test_shards_workers_and_batches_change_no_byte(kind, shards, workers, batch, tmp_path):
    queries, codes = crowded()
    index = indexes(codes)[kind]
    whole = search_in_shards(queries, codes, k=3, index=index, folder=tmp_path)
    parts = search_in_shards(
        queries, codes, k=3, index=index, shards=shards, workers=workers, batch=batch, folder=tmp_path
    )
    assert digest(parts) == digest(whole)
    if kind == "matrix":
        assert whole.codes.tolist() == oracle(queries, codes, 3)[0].tolist()


def test_memory_mapped_codes_are_searched_where_they_stand(tmp_path):
    queries, codes = crowded()
    np.save(tmp_path / "mapped.npy", codes)
    mapped = np.load(tmp_path / "mapped.npy", mmap_mode="r")
    (tmp_path / "work").mkdir()
    found = search_in_shards(
        queries, mapped, k=2, index=MatrixIndex(mapped), shards=4, workers=2, folder=tmp_path / "work"
    )
    assert digest(found) == digest(search_in_shards(queries, codes, k=2, index=MatrixIndex(codes), folder=tmp_path))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["queries.npy"]


def test_ranges_cover_everything_once():
    for n, shards in [(0, 3), (1, 64), (10, 3), (64, 64), (5, 0)]:
        ranges = shard_ranges(n, shards)
        assert [row for start, stop in ranges for row in range(start, stop)] == list(range(n))
        assert len(ranges) <= max(1, shards)


def test_progress_counts_all_queries_and_no_query_gives_nothing(tmp_path):
    queries, codes = crowded()
    seen = []
    search_in_shards(
        queries, codes, k=1, index=MatrixIndex(codes), shards=4, folder=tmp_path, progress=lambda *at: seen.append(at)
    )
    assert seen[-1] == (len(queries), len(queries))
    assert seen == sorted(seen)
    empty = search_in_shards(queries[:0], codes, k=2, index=MatrixIndex(codes), folder=tmp_path)
    assert empty.codes.shape == (0, 2)
