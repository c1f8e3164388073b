"""The searchable index of a code base: code ids beside memory-mapped vectors, and what scores a query against them.

A folder `indexes/<project>/<key>/` with ids.npy (n,) int64 ascending, vectors.npy (n, D) float32 and meta.json. It is built in
`tmp/` and renamed, so it is whole or absent; a rebuilt one gets a new name, so a reader never sees its vectors change.
Used by workers and the inference process only.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from core.encoding import Encoder, FloatArray, load_encoder
from core.errors import QuarryError

BLOCK_ROWS = 65_536  # codes scored at a time: bounds memory whatever the size of the code base


class DamagedIndexError(QuarryError):
    code, status = "damaged_index", 409
    template = "The search index {path} cannot be read ({problem}). Build it again."


class Matcher(Protocol):
    """Scores a query against code vectors of its own making."""

    max_length: int

    def query_vector(self, query: str) -> FloatArray:
        """(D,)"""
        ...

    def scores(self, query: FloatArray, codes: FloatArray) -> FloatArray:
        """(D,), (n, D) -> (n,); higher is better."""
        ...


class CosineMatcher:
    """Any encoder: unit vectors, so the product is the cosine."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.max_length = encoder.max_length

    def query_vector(self, query: str) -> FloatArray:
        """(D,) unit vector."""
        return self.encoder.encode([query])[0]

    def scores(self, query: FloatArray, codes: FloatArray) -> FloatArray:
        """Cosines."""
        return codes @ query


def load_matcher(checkpoint: str) -> Matcher:
    """The matcher of an encoder name or checkpoint folder."""
    return CosineMatcher(load_encoder(checkpoint))


@dataclass(frozen=True)
class LoadedIndex:
    """An index, memory-mapped."""

    ids: NDArray[np.int64]
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, matcher: Matcher, query: str, *, top: int) -> list[tuple[int, float]]:
        """The `top` best (code id, score), best first; equal scores in order of id."""
        vector = matcher.query_vector(query)
        scores = np.empty(len(self.ids), dtype=np.float32)
        for start in range(0, len(scores), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            scores[block] = matcher.scores(vector, self.vectors[block])
        return [(int(self.ids[place]), float(scores[place])) for place in best_places(scores, top)]


def best_places(scores: FloatArray, top: int) -> NDArray[np.int64]:
    """Places of the `top` highest scores, highest first, the earlier place first among equals."""
    top = min(top, len(scores))
    if top == 0:
        return np.empty(0, dtype=np.int64)
    bar = np.partition(scores, len(scores) - top)[len(scores) - top]
    candidates = np.flatnonzero(scores >= bar)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:top]


def load_index(path: str) -> LoadedIndex:
    """Opens the index in a folder below QUARRY_HOME; raises DamagedIndexError when it cannot."""
    folder = (Path(settings.QUARRY_HOME) / path).resolve()
    if not folder.is_relative_to(Path(settings.QUARRY_HOME) / "indexes"):
        raise DamagedIndexError(path=path, problem="it is not in the folder of indexes")
    try:
        ids = np.load(folder / "ids.npy", allow_pickle=False)
        vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DamagedIndexError(path=path, problem=str(error)) from error
    if vectors.ndim != 2 or len(ids) != len(vectors):
        raise DamagedIndexError(path=path, problem="ids and vectors do not belong together")
    return LoadedIndex(ids=ids, vectors=vectors)
