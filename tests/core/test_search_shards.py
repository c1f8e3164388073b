"""One search, cut into any number of shards over any number of processes: the same bytes."""

import hashlib

import numpy as np
import pytest

from core.index import IvfIndex, MatrixIndex, top_codes, train_centroids
from core.search_shards import SEARCH_SHARD, join_shards, shard_inputs, shard_ranges, write_search
from core.shards import LocalExecutor, ShardWork, Stage
from tests.core.test_index import crowded, oracle

pytestmark = pytest.mark.django_db(transaction=True)


def digest(found):
    return hashlib.sha256(found.codes.tobytes() + found.scores.tobytes()).hexdigest()


def indexes(codes):
    return {"matrix": MatrixIndex(codes), "ivf": IvfIndex(codes, train_centroids(codes, lists=12), probes=4)}


@pytest.mark.parametrize("kind", ["matrix", "ivf"])
@pytest.mark.parametrize(("shards", "processes", "batch"), [(64, 1, 0), (7, 2, 3)])
def test_shards_processes_and_batches_change_no_byte(kind, shards, processes, batch, tmp_path, settings):
    settings.QUARRY_HOME = tmp_path
    queries, codes = crowded()
    index = indexes(codes)[kind]
    whole = top_codes(queries, codes, k=3, index=index)
    work = ShardWork("search-test", "tmp/search-test", LocalExecutor(processes))
    params = write_search(work.path, queries, codes, index, k=3, batch=batch)
    done = work.run(Stage("search", SEARCH_SHARD, params), shard_inputs(len(queries), shards))
    assert digest(join_shards(shard.path for shard in done)) == digest(whole)
    if kind == "matrix":
        assert whole.codes.tolist() == oracle(queries, codes, 3)[0].tolist()


def test_memory_mapped_codes_that_stand_in_the_folder_are_not_written_again(tmp_path):
    queries, codes = crowded()
    np.save(tmp_path / "codes.npy", codes)
    written = (tmp_path / "codes.npy").stat().st_mtime_ns
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    write_search(tmp_path, queries, mapped, MatrixIndex(mapped), k=2, batch=0)
    assert (tmp_path / "codes.npy").stat().st_mtime_ns == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.npy", "queries.npy"]


def test_ranges_cover_everything_once():
    for n, shards in [(0, 3), (1, 64), (10, 3), (64, 64), (5, 0)]:
        ranges = shard_ranges(n, shards)
        assert [row for start, stop in ranges for row in range(start, stop)] == list(range(n))
        assert len(ranges) <= max(1, shards)
