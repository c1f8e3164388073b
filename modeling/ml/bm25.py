"""BM25 over code, the baseline without a model. No heavy import.

Lucene's form: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), tf = f / (f + k1 (1 - b + b dl / avgdl)), k1 = 1.2, b = 0.75.
Tokens: runs of ASCII letters and runs of digits of the text, split further where a small letter meets a capital
(`readText` -> read text) and at underscores, then lower-cased; a final s is dropped, so that `lists` meets `list`. No
stop words. A word counts once per query.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log

import numpy as np

from core.encoding import FloatArray

TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def tokens_of(text: str) -> list[str]:
    """The lower-cased word parts of a text, without plural s."""
    words = [token.lower() for token in TOKEN.findall(text)]
    return [word[:-1] if len(word) > 1 and word.endswith("s") else word for word in words]


class Bm25Index:
    """An inverted index of tokenised documents."""

    def __init__(self, documents: Sequence[Sequence[str]], *, k1: float = 1.2, b: float = 0.75) -> None:
        self.size = len(documents)
        lengths = np.array([len(document) for document in documents], dtype=np.float64)
        mean_length = lengths.mean() if lengths.sum() else 1.0
        norms = k1 * (1 - b + b * lengths / mean_length)  # (N,)
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, document in enumerate(documents):
            for token, count in Counter(document).items():
                postings[token].append((place, count))
        self._weights = {token: self._weigh(entries, norms) for token, entries in postings.items()}

    def _weigh(self, entries: list[tuple[int, int]], norms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(places, idf * tf) of one token."""
        places = np.array([place for place, _ in entries])
        counts = np.array([count for _, count in entries], dtype=np.float64)
        idf = log(1 + (self.size - len(entries) + 0.5) / (len(entries) + 0.5))
        return places, idf * counts / (counts + norms[places])

    def scores(self, query: Sequence[str]) -> FloatArray:
        """(N,) score of every document."""
        totals = np.zeros(self.size, dtype=np.float64)
        for token in sorted(set(query) & self._weights.keys()):  # sorted: the same rounding in every process
            places, weights = self._weights[token]
            totals[places] += weights
        return totals.astype(np.float32)
