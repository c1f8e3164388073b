"""BM25 over code, the baseline without a model. No heavy import.

Lucene's form: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), tf = f / (f + k1 (1 - b + b dl / avgdl)), k1 = 1.2, b = 0.75.
Tokens: runs of ASCII letters and runs of digits of the text, split further where a small letter meets a capital
(`readText` -> read text) and at underscores, then lower-cased; a final s is dropped, so that `lists` meets `list`. No
stop words. A word counts once per query.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from core.encoding import FloatArray

TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
DECIMALS = 6


def tokens_of(text: str) -> list[str]:
    """The lower-cased word parts of a text, without plural s."""
    words = [token.lower() for token in TOKEN.findall(text)]
    return [word[:-1] if len(word) > 1 and word.endswith("s") else word for word in words]


class Bm25Index:
    """An inverted index of tokenised documents: for every token the places and weights (idf * tf) of its documents."""

    def __init__(self, documents: Iterable[Sequence[str]], *, k1: float = 1.2, b: float = 0.75) -> None:
        self._ids: dict[str, int] = {}
        tokens, places, counts, lengths = array("I"), array("I"), array("I"), array("I")
        for place, document in enumerate(documents):
            lengths.append(len(document))
            for token, count in Counter(document).items():
                tokens.append(self._ids.setdefault(token, len(self._ids)))
                places.append(place)
                counts.append(count)
        self.size = len(lengths)
        self._post(_numbers(tokens), _numbers(places), _numbers(counts), _numbers(lengths), k1, b)

    def _post(
        self,
        tokens: NDArray[np.uintc],
        places: NDArray[np.uintc],
        counts: NDArray[np.uintc],
        lengths: NDArray[np.uintc],
        k1: float,
        b: float,
    ) -> None:
        mean_length = lengths.mean() if lengths.sum() else 1.0
        norms = k1 * (1 - b + b * lengths / mean_length)  # (N,)
        order = np.argsort(tokens, kind="stable")
        frequency = np.bincount(tokens, minlength=len(self._ids))  # documents with the token
        self._starts = np.concatenate([[0], np.cumsum(frequency)])
        self._idf = np.array([self._idf_of(int(n)) for n in frequency])
        self._places = places[order].astype(np.int64)
        self._weights = self._idf[tokens[order]] * counts[order] / (counts[order] + norms[self._places])

    def _idf_of(self, n: int) -> float:
        return log(1 + (self.size - n + 0.5) / (n + 0.5))

    def totals(self, query: Sequence[str]) -> NDArray[np.float64]:
        """(N,) score of every document, rounded to six decimals: the same in every process."""
        totals = np.zeros(self.size, dtype=np.float64)
        for token in sorted(set(query) & self._ids.keys()):  # sorted: the same rounding everywhere
            here = slice(*self._starts[self._ids[token] : self._ids[token] + 2])
            totals[self._places[here]] += self._weights[here]
        return np.round(totals, DECIMALS)

    def scores(self, query: Sequence[str]) -> FloatArray:
        """(N,) score of every document."""
        return self.totals(query).astype(np.float32)

    def bound(self, query: Sequence[str]) -> float:
        """What no document can reach: the idf of all the query's words, also of those that stand in none."""
        ids = (self._ids.get(token) for token in sorted(set(query)))
        return float(sum(self._idf_of(0) if number is None else self._idf[number] for number in ids))


def _numbers(column: "array[int]") -> NDArray[np.uintc]:
    return np.frombuffer(column, dtype=np.uintc)


def best_documents(totals: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Places of the at most k best documents with a score above 0, best first; the earlier one among equals."""
    found = np.flatnonzero(totals > 0)
    if len(found) > k:
        border = np.partition(totals[found], len(found) - k)[len(found) - k]
        found = found[totals[found] >= border]
    order = np.lexsort((found, -totals[found]))[:k]
    return found[order]
