"""The contract of encoders, and the cheap stand-in for tests. No heavy import.

`core.encoders.load_encoder(name)` is where the rest of the house gets one; the transformers encoder lives in
`modeling.ml.encoders`, is imported on first use, and never in the web process.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Progress = Callable[[int, int], None]


class Encoder(Protocol):
    """Turns texts into unit vectors. `fingerprint` changes whenever the vectors of a text could change."""

    name: str
    dim: int
    max_length: int
    fingerprint: str

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> FloatArray:
        """(len(texts), dim) float32 rows of length 1."""
        ...


class HashingEncoder:
    """Deterministic stand-in for tests (`hashing`): counts words and word parts in `dim` buckets, then normalises."""

    name = "hashing"

    def __init__(self, dim: int = 64) -> None:
        self.dim = dim
        self.max_length = 10**6
        self.fingerprint = f"hashing-{dim}-1"

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> FloatArray:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for index, text in enumerate(texts):
            for word in text.lower().replace("_", " ").split():
                digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
                rows[index, int.from_bytes(digest, "big") % self.dim] += 1.0
            rows[index, 0] += 1e-3  # an empty text still has a direction
            if progress:
                progress(index + 1, len(texts))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
