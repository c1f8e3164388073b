"""Vectors are computed once, survive a kill, and are shared between processes."""

import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from core.encoding import HashingEncoder
from core.vectors import BadVectorsError, StoreError, VectorStore, encode_missing, encode_stream, text_hash


class CountingEncoder(HashingEncoder):
    """Remembers what it was asked, and may break at the n-th call."""

    def __init__(self, break_at: int = 10**9) -> None:
        super().__init__(dim=16)
        self.asked: list[str] = []
        self.calls = 0
        self.break_at = break_at

    def encode(self, texts, *, progress=None):
        self.calls += 1
        if self.calls == self.break_at:
            raise RuntimeError("killed")
        self.asked += texts
        return super().encode(texts, progress=progress)


def store_in(folder, encoder, **options):
    return VectorStore.of(folder, encoder, **options)


TEXTS = [f"sort list number {n}" for n in range(20)]


def test_vectors_come_back_in_the_order_of_the_texts(tmp_path):
    encoder = CountingEncoder()
    rows = encode_missing(store_in(tmp_path, encoder), encoder, TEXTS, chunk=6)
    np.testing.assert_array_equal(rows, HashingEncoder(dim=16).encode(TEXTS))


def test_a_second_run_encodes_only_what_is_new(tmp_path):
    encoder = CountingEncoder()
    encode_missing(store_in(tmp_path, encoder), encoder, TEXTS)
    again = CountingEncoder()
    rows = encode_missing(store_in(tmp_path, again), again, [*TEXTS, "something new", *TEXTS[:3]])
    assert again.asked == ["something new"]
    assert rows.shape == (24, 16)


def test_a_stream_of_texts_says_what_came_from_the_cache(tmp_path):
    encoder = CountingEncoder()
    encode_missing(store_in(tmp_path, encoder), encoder, TEXTS[:12])
    again = CountingEncoder()
    store = store_in(tmp_path, again)
    encoded = encode_stream(store, again, iter(TEXTS), len(TEXTS), window=3)
    assert (encoded.n_cached, encoded.n_encoded) == (12, 8)
    assert sorted(again.asked) == sorted(TEXTS[12:])
    np.testing.assert_array_equal(store.get(encoded.hashes), HashingEncoder(dim=16).encode(TEXTS))


def test_a_fast_encoder_gets_larger_chunks_and_few_files(tmp_path):
    encoder = CountingEncoder()
    store = store_in(tmp_path, encoder)
    texts = [f"text {n}" for n in range(3000)]
    rows = encode_missing(store, encoder, texts)
    assert len(list(store.folder.glob("*.npy"))) == 5  # 128, 256, 512, 1024, 1080
    np.testing.assert_array_equal(rows, HashingEncoder(dim=16).encode(texts))


def test_a_large_matrix_is_memory_mapped_and_holds_the_same_rows(tmp_path):
    encoder = HashingEncoder(dim=16)
    store = store_in(tmp_path, encoder)
    encoded = encode_stream(store, encoder, TEXTS, len(TEXTS))
    small = store.matrix(encoded.hashes, tmp_path / "rows.npy")
    assert not isinstance(small, np.memmap)
    large = store.matrix(encoded.hashes, tmp_path / "rows.npy", in_memory_bytes=100)
    assert isinstance(large, np.memmap)
    np.testing.assert_array_equal(large, small)


def test_a_repeated_text_is_encoded_once(tmp_path):
    encoder = CountingEncoder()
    encode_missing(store_in(tmp_path, encoder), encoder, ["a", "b", "a"])
    assert sorted(encoder.asked) == ["a", "b"]


def test_a_killed_run_keeps_its_finished_chunks(tmp_path):
    broken = CountingEncoder(break_at=3)
    with pytest.raises(RuntimeError, match="killed"):
        encode_missing(store_in(tmp_path, broken), broken, TEXTS, chunk=4)
    again = CountingEncoder()
    encode_missing(store_in(tmp_path, again), again, TEXTS, chunk=4)
    assert len(broken.asked) == 8
    assert len(again.asked) == 12


def test_a_stop_asked_for_by_progress_loses_nothing(tmp_path):
    encoder = CountingEncoder()

    def stop(done, total):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_missing(store_in(tmp_path, encoder), encoder, TEXTS, stop, chunk=4)
    assert len(store_in(tmp_path, encoder)) >= 4


def test_a_half_written_shard_is_ignored(tmp_path):
    encoder = CountingEncoder()
    store = store_in(tmp_path, encoder)
    encode_missing(store, encoder, TEXTS[:5])
    (store.folder / "000002.npy").write_bytes(b"half")
    (store.folder / "tmp-gone.npy").write_bytes(b"half")
    rows = encode_missing(store_in(tmp_path, encoder), encoder, TEXTS)
    np.testing.assert_array_equal(rows, HashingEncoder(dim=16).encode(TEXTS))


def test_encoders_views_and_lengths_have_stores_of_their_own(tmp_path):
    one, other = HashingEncoder(dim=16), HashingEncoder(dim=32)
    folders = {
        store_in(tmp_path, one).folder,
        store_in(tmp_path, other).folder,
        store_in(tmp_path, one, view="no_doc").folder,
        VectorStore(tmp_path, fingerprint=one.fingerprint, dim=16, max_length=9).folder,
    }
    assert len(folders) == 4


def test_a_fingerprint_cannot_leave_the_folder(tmp_path):
    store = VectorStore(tmp_path / "vectors", fingerprint="../../etc/x", dim=4, max_length=1)
    assert store.folder.resolve().is_relative_to((tmp_path / "vectors").resolve())


def test_a_store_of_another_dimension_is_refused(tmp_path):
    VectorStore(tmp_path, fingerprint="x", dim=4, max_length=1)
    with pytest.raises(StoreError, match="another encoder"):
        VectorStore(tmp_path, fingerprint="x", dim=5, max_length=1)


def test_asking_for_what_is_not_there_names_how_many(tmp_path):
    store = store_in(tmp_path, HashingEncoder())
    assert store.get([]).shape == (0, 64)
    with pytest.raises(KeyError, match="2 of 2"):
        store.get([text_hash("a"), text_hash("b")])


@pytest.mark.parametrize("bad", ["nan", "long", "shape"])
def test_unusable_vectors_are_refused_and_not_stored(tmp_path, bad):
    class BadEncoder(HashingEncoder):
        name = "bad"

        def encode(self, texts, *, progress=None):
            rows = super().encode(texts)
            if bad == "nan":
                rows[0, 0] = np.nan
            return {"nan": rows, "long": 2 * rows, "shape": rows[:, :3]}[bad]

    encoder = BadEncoder()
    store = store_in(tmp_path, encoder)
    with pytest.raises(BadVectorsError, match="bad"):
        encode_missing(store, encoder, TEXTS)
    assert len(store_in(tmp_path, encoder)) == 0


def test_keys_tell_cases_and_spaces_apart():
    assert len({text_hash(text) for text in ("a b", "A b", "a  b", "a b ")}) == 4


def _fill(folder: str, start: int) -> None:
    encoder = HashingEncoder(dim=16)
    encode_missing(
        VectorStore.of(Path(folder), encoder), encoder, [f"text {n}" for n in range(start, start + 60)], chunk=5
    )


def test_two_processes_write_at_once_and_store_no_key_twice(tmp_path):
    context = multiprocessing.get_context("spawn")
    folder = tmp_path / "vectors"
    folder.mkdir()
    writers = [context.Process(target=_fill, args=(str(folder), start)) for start in (0, 20, 40)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    encoder = HashingEncoder(dim=16)
    store = VectorStore.of(folder, encoder)
    keys = b"".join(path.read_bytes() for path in store.folder.glob("*.keys"))
    assert len(keys) == 16 * len(store) == 16 * 100
    texts = [f"text {n}" for n in range(100)]
    np.testing.assert_array_equal(store.get([text_hash(text) for text in texts]), encoder.encode(texts))
    assert not list(store.folder.glob("tmp-*"))


class SlowEncoder(HashingEncoder):
    """Takes its time, so that a kill falls between two chunks."""

    def encode(self, texts, *, progress=None):
        time.sleep(0.2)
        return super().encode(texts, progress=progress)


def _fill_slowly(folder: str) -> None:
    encoder = SlowEncoder(dim=16)
    encode_missing(VectorStore.of(Path(folder), encoder), encoder, [f"text {n}" for n in range(500)], chunk=5)


def test_a_process_killed_in_the_middle_keeps_its_work(tmp_path):
    writer = multiprocessing.get_context("spawn").Process(target=_fill_slowly, args=(str(tmp_path),))
    writer.start()
    encoder = CountingEncoder()
    store = store_in(tmp_path, encoder)
    deadline = time.monotonic() + 60
    while len(store) < 10 and time.monotonic() < deadline:
        time.sleep(0.05)
        store.refresh()
    writer.kill()
    writer.join(10)
    store.refresh()
    kept = len(store)
    assert 10 <= kept < 500
    texts = [f"text {n}" for n in range(500)]
    rows = encode_missing(store, encoder, texts)
    assert len(encoder.asked) == 500 - kept
    np.testing.assert_array_equal(rows, HashingEncoder(dim=16).encode(texts))
