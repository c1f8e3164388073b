"""What a release says of itself in numbers: the paper's table 4 and more. No Django; one pass, no text kept.

Lengths and vocabularies are counted as CoSQA's own figures are: words between single spaces, so indentation counts.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from annotation.exporters import ReleasedPair
from annotation.splits import SPLITS


@dataclass(slots=True)
class TextStatistics:
    """Distinct texts with their words. Texts and words are held as hashes, 8 bytes each."""

    distinct: dict[bytes, int] = field(default_factory=dict)  # text -> uses
    vocabulary: set[bytes] = field(default_factory=set)
    n_words: int = 0

    def add(self, key: str, text: str) -> None:
        """Counts a use of a text; its words count once, at its first use."""
        digest = _digest(key)
        self.distinct[digest] = self.distinct.get(digest, 0) + 1
        if self.distinct[digest] == 1:
            words = text.split(" ")
            self.n_words += len(words)
            self.vocabulary.update(map(_digest, set(words)))

    def to_dict(self) -> dict[str, Any]:
        n = len(self.distinct)
        uses = Counter(self.distinct.values())
        return {
            "distinct": n,
            "average_words": round(self.n_words / n, 2) if n else 0,
            "vocabulary": len(self.vocabulary),
            "uses": [[times, uses[times]] for times in sorted(uses)],
        }


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


@dataclass(slots=True)
class ReleaseStatistics:
    """Accumulates the statistics of released pairs."""

    queries: TextStatistics = field(default_factory=TextStatistics)
    codes: TextStatistics = field(default_factory=TextStatistics)
    pairs: Counter[str] = field(default_factory=Counter)
    ones: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    patterns: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)

    def add(self, pair: ReleasedPair) -> None:
        self.queries.add(pair.query_hash, pair.query)
        self.codes.add(pair.code_hash, pair.code)
        self.pairs[pair.split] += 1
        self.ones[pair.split] += pair.label
        self.origins[pair.origin] += 1
        if pair.votes_of:
            self.patterns[f"{pair.votes_for}-{pair.votes_of - pair.votes_for}"] += 1
        for licence in {place.get("licence") or "not stated" for place in pair.provenance} or {"not stated"}:
            self.licences[licence] += 1

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON, in an order that depends on nothing but them."""
        total = sum(self.pairs.values())
        ones = sum(self.ones.values())
        return {
            "pairs": total,
            "ones": ones,
            "zeros": total - ones,
            "splits": {split: {"pairs": self.pairs[split], "ones": self.ones[split]} for split in SPLITS},
            "origins": dict(sorted(self.origins.items())),
            "answer_patterns": dict(sorted(self.patterns.items())),
            "licences": dict(sorted(self.licences.items())),
            "queries": self.queries.to_dict(),
            "codes": self.codes.to_dict(),
        }
