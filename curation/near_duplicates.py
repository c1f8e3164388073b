"""Almost the same code: MinHash proposes, exact Jaccard decides, and every dropped code names the one that is kept.

A code is the set of its runs of SHINGLE_TOKENS tokens, documentation and comments left out. MinHash with banding
(Broder 1997; Leskovec, Rajaraman, Ullman, ch. 3) finds pairs that may be alike; the plain Jaccard similarity of their
sets then decides. Grouping goes through the codes in the order given: a code joins the most similar kept code at or
above the threshold, else it is kept itself. So nobody is dropped for being like somebody who was dropped too, and the
result depends on the codes and their order alone. Pure; numpy is imported on first use.
"""

import itertools
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

SHINGLE_TOKENS = 5
BANDS, ROWS = 20, 4  # finds 99.98 % of the pairs at 0.8, 99.6 % at 0.7
DEFAULT_THRESHOLD = 0.8
MIN_TOKENS = 20  # below this two codes are alike by their shape alone
MAX_TOKENS = 4_000
MAX_COMPARED = 64  # kept codes of one bucket that a code is compared with
BATCH = 1_000
_SEED = 20_261_120

_PARTS = r"""
    (?P<string>\"{3}(?:[^"\\]++|\\.|"(?!""))*+\"{3}|'{3}(?:[^'\\]++|\\.|'(?!''))*+'{3}
        |"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+'|`(?:[^`\\]++|\\.)*+`)
    |(?P<number>\b\d[\w.]*)|(?P<word>\w+)|(?P<mark>[^\w\s])"""
_HASH_COMMENT = r"(?P<comment>\#[^\n]*)"
_SLASH_COMMENT = r"(?P<comment>//[^\n]*|/\*(?:[^*]++|\*(?!/))*+\*/)"
_BOTH_COMMENTS = r"(?P<comment>\#(?!\[)[^\n]*|//[^\n]*|/\*(?:[^*]++|\*(?!/))*+\*/)"
_FLAGS = re.VERBOSE | re.DOTALL
_HASH_LEXER = re.compile(f"{_HASH_COMMENT}|{_PARTS}", _FLAGS)
_SLASH_LEXER = re.compile(f"{_SLASH_COMMENT}|{_PARTS}", _FLAGS)
_BOTH_LEXER = re.compile(f"{_BOTH_COMMENTS}|{_PARTS}", _FLAGS)
_LEXERS = {"python": _HASH_LEXER, "ruby": _HASH_LEXER, "php": _BOTH_LEXER}


def tokens_of(code: str, language: str = "python") -> list[str]:
    """The tokens that count, in order: comments gone, a string as one. `code` stands without its documentation.

    Strings and numbers count as they are: a thin wrapper often differs from its neighbour in nothing else.
    """
    matches = _LEXERS.get(language, _SLASH_LEXER).finditer(code)
    return [match[0] for match in itertools.islice(matches, MAX_TOKENS) if match.lastgroup != "comment"]


def jaccard(one: set[Any], other: set[Any]) -> float:
    """Shared members as a share of all members; 1 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A code (by its place in the order) that is almost the same as a kept one."""

    dropped: int
    kept: int
    similarity: float


@dataclass
class NearDuplicateFinder:
    """Takes codes in order (`add`), then tells who is a near duplicate of whom (`groups`).

    Holds for each code 4 bytes a shingle and 8 bytes a band: about 120 MB for 200,000 functions.
    """

    threshold: float = DEFAULT_THRESHOLD
    n: int = 0
    _always_kept: set[int] = field(default_factory=set)
    _tokens: list[Any] = field(default_factory=list)
    _lengths: list[int] = field(default_factory=list)
    _shingles: list[Any] = field(default_factory=list)  # per batch: flat array, offsets
    _keys: list[Any] = field(default_factory=list)  # per batch: (n, BANDS)

    def add(self, code: str, language: str = "python", *, always_kept: bool = False) -> None:
        """The next code, documentation left out; others may be dropped for one that is always kept, never itself."""
        if always_kept:
            self._always_kept.add(self.n)
        tokens = tokens_of(code, language)
        self._tokens.extend(zlib.crc32(token.encode("utf-8", "surrogatepass")) for token in tokens)
        self._lengths.append(len(tokens))
        self.n += 1
        if len(self._lengths) >= BATCH:
            self._flush()

    def groups(self) -> Iterator[NearDuplicate]:
        """Every dropped code with the kept one it is like, in the order of the codes."""
        import numpy as np

        self._flush()
        if not self._keys:
            return
        buckets = _shared_buckets(np.concatenate(self._keys))
        kept_in: dict[int, list[int]] = {}
        for place in range(self.n):
            own = [int(bucket) for bucket in buckets[place] if bucket >= 0]
            best = None
            if place not in self._always_kept:
                best = self._most_similar(place, {kept for bucket in own for kept in kept_in.get(bucket, ())})
            if best is not None:
                yield best
                continue
            for bucket in own:
                members = kept_in.setdefault(bucket, [])
                if len(members) < MAX_COMPARED:
                    members.append(place)

    def similarity(self, one: int, other: int) -> float:
        """Exact Jaccard similarity of two codes by their places."""
        import numpy as np

        first, second = self._of(one), self._of(other)
        if not len(first) or not len(second):
            return 0.0
        shared = len(np.intersect1d(first, second, assume_unique=True))
        return shared / (len(first) + len(second) - shared)

    def _most_similar(self, place: int, candidates: Iterable[int]) -> NearDuplicate | None:
        size, best = len(self._of(place)), None
        for kept in sorted(candidates):
            other = len(self._of(kept))
            if min(size, other) < self.threshold * max(size, other):
                continue
            found = self.similarity(place, kept)
            if found >= self.threshold and (best is None or found > best.similarity):
                best = NearDuplicate(place, kept, found)
        return best

    def _of(self, place: int) -> Any:
        flat, offsets = self._shingles[place // BATCH]
        at = place % BATCH
        return flat[offsets[at] : offsets[at + 1]]

    def _flush(self) -> None:
        if self._lengths:
            flat, offsets = _shingles_of(self._tokens, self._lengths)
            self._shingles.append((flat, offsets))
            self._keys.append(_band_keys(flat, offsets))
            self._tokens, self._lengths = [], []


def _shingles_of(tokens: list[int], lengths: list[int]) -> tuple[Any, Any]:
    """(hashed shingles of all codes, sorted and unique within each; where each code's begin, one more at the end)."""
    import numpy as np

    hashes = np.array(tokens, dtype=np.uint64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rolled = np.zeros(max(len(hashes) - SHINGLE_TOKENS + 1, 0), dtype=np.uint64)
    for step in range(SHINGLE_TOKENS):
        rolled = rolled * np.uint64(1_000_003) + hashes[step : step + len(rolled)]
    rolled = _mixed(rolled).astype(np.uint32)
    pieces, sizes = [], [0]
    for start, length in zip(starts, lengths, strict=False):
        own = rolled[start : start + length - SHINGLE_TOKENS + 1] if length >= MIN_TOKENS else rolled[:0]
        pieces.append(np.unique(own))
        sizes.append(len(pieces[-1]))
    return np.concatenate(pieces) if pieces else rolled, np.cumsum(sizes)


def _mixed(values: Any) -> Any:
    """A 64-bit finaliser (splitmix64): every input bit reaches every output bit."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _band_keys(flat: Any, offsets: Any) -> Any:
    """(codes, BANDS) keys of 64 bits; codes with equal keys in a band are candidates. 0: a code without shingles."""
    import numpy as np

    n = len(offsets) - 1
    keys = np.zeros((n, BANDS), dtype=np.uint64)
    full = np.flatnonzero(np.diff(offsets))
    if not len(full):
        return keys
    wide, starts = flat.astype(np.uint64), offsets[:-1][full]
    factors = np.random.default_rng(_SEED).integers(1, 2**63, size=(BANDS, ROWS), dtype=np.int64).astype(np.uint64)
    for band in range(BANDS):
        key = np.full(len(full), band + 1, dtype=np.uint64)
        for row in range(ROWS):
            smallest = np.minimum.reduceat(_mixed(wide ^ factors[band, row]), starts)
            key = _mixed(key * np.uint64(31) + smallest)
        keys[full, band] = key | np.uint64(1)
    return keys


def _shared_buckets(keys: Any) -> Any:
    """(codes, BANDS) bucket numbers, unlike across bands; -1 where a code is alone in its bucket."""
    import numpy as np

    buckets = np.full(keys.shape, -1, dtype=np.int64)
    before = 0
    for band in range(keys.shape[1]):
        _, numbers, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        shared = (counts[numbers] > 1) & (keys[:, band] != 0)
        buckets[shared, band] = numbers[shared] + before
        before += len(counts)
    return buckets
