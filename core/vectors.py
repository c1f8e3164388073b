"""Stored vectors: the truth about a text under an encoder, computed once.

A vector is keyed by the hash of the exact text, the encoder's fingerprint, the text view, the maximal length and the
number type (DECISIONS, vectors). The last four name a folder below QUARRY_HOME/vectors, the first a row in it:

    vectors/<fingerprint>/<view>-<max length>-float32/
        meta.json                       dimension and the rest of the key in words
        000001.npy  000001.keys         (n, dim) float32 rows and their n hashes of 16 bytes
        lock                            held while a shard is added

Shards are only ever added, never changed. Rows are written first and the file of keys is renamed into place last, so
a killed writer leaves at most a file that nobody reads. Two processes may write at once: the lock orders them, and
the second drops what the first has just stored. Contains no Django.
"""

import contextlib
import fcntl
import itertools
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.encoding import Encoder, FloatArray
from core.errors import QuarryError
from core.text import content_hash

CHUNK = 128  # texts of the first chunk: what a kill or cancel may cost
MAX_CHUNK = 4096  # a fast encoder gets larger chunks, so that a million texts do not make thousands of files
CHUNK_S = 2.0
WINDOW = 16_384  # texts of a stream that are held at a time
IN_MEMORY_BYTES = 2**28  # a larger matrix of vectors is memory-mapped
UNIT_TOLERANCE = 1e-3
Progress = Callable[[int, int], None]
Keys = NDArray[np.bytes_]


class BadVectorsError(QuarryError):
    """An encoder gave something other than finite unit rows; nothing of it is stored."""

    code, status = "bad_vectors", 400
    template = "The encoder {encoder} gave unusable vectors: {problem}."


class StoreError(QuarryError):
    """Files of the store do not fit together."""

    code, status = "vector_store", 409
    template = "The vector store in {folder} cannot be used: {problem}. Remove that folder; it will be computed again."


def text_hash(text: str) -> bytes:
    """Key of an exact text, 16 bytes. Unlike query_hash it tells cases apart, as encoders may."""
    return bytes.fromhex(content_hash(text, person=b"vector"))


class VectorStore:
    """Vectors of one encoder and text view. Open one per job; it sees what others have added since on `refresh()`."""

    def __init__(self, root: Path, *, fingerprint: str, dim: int, max_length: int, view: str = "full") -> None:
        self.dim = dim
        self.folder = root / _safe(fingerprint) / f"{_safe(view)}-{max_length}-float32"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_meta({"fingerprint": fingerprint, "dim": dim, "max_length": max_length, "view": view})
        self._shards: list[FloatArray] = []
        self._keys: Keys = np.empty(0, dtype="S16")  # sorted
        self._places: NDArray[np.int64] = np.empty((0, 2), dtype=np.int64)  # (shard, row) of each key
        self.refresh()

    @classmethod
    def of(cls, root: Path, encoder: Encoder, *, view: str = "full") -> "VectorStore":
        """The store of an encoder below a folder."""
        return cls(root, fingerprint=encoder.fingerprint, dim=encoder.dim, max_length=encoder.max_length, view=view)

    def __len__(self) -> int:
        return len(self._keys)

    def _check_meta(self, meta: dict[str, object]) -> None:
        path = self.folder / "meta.json"
        meta = {**meta, "dtype": "float32"}
        if not path.exists():
            _write_atomically(path, json.dumps(meta, indent=1, sort_keys=True).encode())
        elif json.loads(path.read_bytes()) != meta:
            raise StoreError(folder=self.folder.name, problem="it was made for another encoder or dimension")

    def refresh(self) -> None:
        """Reads the keys of shards that were added since."""
        paths = sorted(self.folder.glob("[0-9]*.keys"))
        for path in paths[len(self._shards) :]:
            self._open_shard(path)

    def _open_shard(self, path: Path) -> None:
        keys = np.frombuffer(path.read_bytes(), dtype="S16")
        rows = np.load(path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
        if rows.shape != (len(keys), self.dim) or rows.dtype != np.float32:
            raise StoreError(folder=self.folder.name, problem=f"{path.stem} holds {rows.shape} for {len(keys)} keys")
        places = np.column_stack([np.full(len(keys), len(self._shards)), np.arange(len(keys))])
        self._shards.append(rows)
        order = np.argsort(keys, kind="stable")
        at = np.searchsorted(self._keys, keys[order])  # merged in: sorting everything again would be quadratic
        self._keys = np.insert(self._keys, at, keys[order])
        self._places = np.insert(self._places, at, places[order], axis=0)

    def _find(self, hashes: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(position in the sorted keys, whether it is there) of each hash."""
        wanted = np.frombuffer(b"".join(hashes), dtype="S16")
        if not len(self._keys):
            return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=np.bool_)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return at, self._keys[at] == wanted

    def missing(self, hashes: Sequence[bytes]) -> list[int]:
        """Positions in `hashes` that the store does not hold."""
        return [] if not hashes else np.flatnonzero(~self._find(hashes)[1]).tolist()

    def get(self, hashes: Sequence[bytes]) -> FloatArray:
        """(len(hashes), dim) float32 rows in the order asked. Raises KeyError when one is not stored."""
        rows = np.empty((len(hashes), self.dim), dtype=np.float32)
        if not hashes:
            return rows
        at, there = self._find(hashes)
        if not there.all():
            raise KeyError(f"{int((~there).sum())} of {len(hashes)} vectors are not stored")
        places = self._places[at]
        for shard in np.unique(places[:, 0]):
            here = np.flatnonzero(places[:, 0] == shard)
            rows[here] = self._shards[shard][places[here, 1]]
        return rows

    def matrix(self, hashes: Sequence[bytes], file: Path, *, in_memory_bytes: int = IN_MEMORY_BYTES) -> FloatArray:
        """Like `get`; a matrix of more than `in_memory_bytes` is written to `file` (.npy) and memory-mapped."""
        if len(hashes) * self.dim * 4 <= in_memory_bytes:
            return self.get(hashes)
        rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(len(hashes), self.dim))
        for start in range(0, len(hashes), WINDOW):
            rows[start : start + WINDOW] = self.get(hashes[start : start + WINDOW])
        rows.flush()
        del rows
        mapped: FloatArray = np.load(file, mmap_mode="r", allow_pickle=False)
        return mapped

    def add(self, hashes: Sequence[bytes], rows: FloatArray) -> int:
        """Stores the rows whose keys are new as one shard; how many that were."""
        with self._locked():
            self.refresh()
            first: dict[bytes, int] = {}
            for position in self.missing(hashes):
                first.setdefault(hashes[position], position)
            if first:
                self._write_shard(list(first), np.ascontiguousarray(rows[list(first.values())], dtype=np.float32))
                self.refresh()
        return len(first)

    def _write_shard(self, keys: list[bytes], rows: FloatArray) -> None:
        stem = f"{len(self._shards) + 1:06d}"
        temporary = self.folder / f"tmp-{uuid.uuid4().hex}.npy"
        with temporary.open("wb") as file:
            np.save(file, rows, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / f"{stem}.npy")
        _write_atomically(self.folder / f"{stem}.keys", b"".join(keys))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@dataclass(slots=True)
class Encoded:
    """What it took to have the vectors of some texts: their keys in order, and how many were stored already.

    `seconds` is the time spent in the encoder, so `n_encoded / seconds` is its speed.
    """

    hashes: list[bytes] = field(default_factory=list)
    n_encoded: int = 0
    seconds: float = 0.0

    @property
    def n_cached(self) -> int:
        """Texts whose vector was there before, or that repeat another text."""
        return len(self.hashes) - self.n_encoded


def encode_missing(
    store: VectorStore,
    encoder: Encoder,
    texts: Sequence[str],
    progress: Progress | None = None,
    *,
    chunk: int = 0,
) -> FloatArray:
    """(len(texts), dim) vectors of all texts; only those that the store lacks are encoded (see `encode_stream`)."""
    encoded = encode_stream(store, encoder, texts, len(texts), progress, chunk=chunk, window=max(len(texts), 1))
    return store.get(encoded.hashes)


def encode_stream(
    store: VectorStore,
    encoder: Encoder,
    texts: Iterable[str],
    total: int,
    progress: Progress | None = None,
    *,
    chunk: int = 0,
    window: int = WINDOW,
) -> Encoded:
    """Makes sure that the store has the vectors of all texts, holding `window` texts at a time.

    Each chunk is stored as soon as it is encoded, so a killed run keeps its work; `progress(done, total)` counts all
    texts and may raise to stop. Within a window long texts come first and texts of like length together: batches waste
    little padding. `chunk` 0: CHUNK texts, more where the encoder is fast.
    """
    encoded, source = Encoded(), iter(texts)
    store.refresh()
    while part := list(itertools.islice(source, window)):
        hashes = [text_hash(text) for text in part]
        _encode_window(store, encoder, part, hashes, encoded, total, progress, chunk)
        encoded.hashes += hashes
    if progress:
        progress(total, total)
    return encoded


def _encode_window(
    store: VectorStore,
    encoder: Encoder,
    texts: Sequence[str],
    hashes: Sequence[bytes],
    encoded: Encoded,
    total: int,
    progress: Progress | None,
    chunk: int,
) -> None:
    todo = sorted({hashes[position]: position for position in reversed(store.missing(hashes))}.values())
    todo.sort(key=lambda position: (-len(texts[position]), hashes[position]))
    known = len(encoded.hashes) + len(texts) - len(todo)
    start, size = 0, chunk or CHUNK
    while part := todo[start : start + size]:
        report = _shifted(progress, known + start, total)
        report(0, len(part))
        started = time.perf_counter()
        rows = encoder.encode([texts[position] for position in part], progress=report)
        spent = time.perf_counter() - started
        _check_rows(rows, len(part), store.dim, encoder.name)
        store.add([hashes[position] for position in part], rows)
        encoded.n_encoded += len(part)
        encoded.seconds += spent
        start += len(part)
        size = chunk or min(MAX_CHUNK, 2 * size if spent < CHUNK_S else size)


def _shifted(progress: Progress | None, before: int, total: int) -> Progress:
    """Progress within a chunk as progress over all texts."""
    return lambda done, _: progress(before + done, total) if progress else None


def _check_rows(rows: FloatArray, n: int, dim: int, encoder: str) -> None:
    if rows.shape != (n, dim):
        raise BadVectorsError(encoder=encoder, problem=f"shape {rows.shape} instead of {(n, dim)}")
    if not np.isfinite(rows).all():
        raise BadVectorsError(encoder=encoder, problem="not all numbers are finite")
    if np.abs(np.linalg.norm(rows, axis=1) - 1).max(initial=0) > UNIT_TOLERANCE:
        raise BadVectorsError(encoder=encoder, problem="the rows are not of length 1")


def _safe(text: str) -> str:
    """A name as one part of a path."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).strip(".") or "_"


def _write_atomically(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"tmp-{uuid.uuid4().hex}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
