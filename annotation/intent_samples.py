"""Drawing queries for people to judge: strata, how many of each, which ones. No Django.

A stratum is a side of the rules (accepted or rejected), a band of popularity and, where a second opinion is at hand,
whether it agrees with the rules. Within a stratum every query has the same chance, drawn / size, which is kept with
it: what the sample says can be weighted to the whole log.
"""

import hashlib
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import BadInputError

ACCEPTED, REJECTED = "accepted", "rejected"
AGREES, DIFFERS, NOT_SCORED = "agrees", "differs", "not scored"
DEFAULT_N, DEFAULT_MINIMUM, DEFAULT_SECONDS = 250, 10, 6.0
DEFAULT_BANDS = (2, 10, 100)
EVEN_CHANCE = 0.5  # from here on a second opinion says "has intent"
MAX_N, MAX_BANDS = 10_000, 6


@dataclass(frozen=True, order=True)
class StratumKey:
    """Which stratum: the side of the rules, the number of the popularity band, what the second opinion says."""

    side: str
    band: int
    opinion: str = ""

    @property
    def text(self) -> str:
        """The key as stored with each sampled query."""
        return "/".join(part for part in (self.side, str(self.band), self.opinion) if part)


@dataclass(frozen=True)
class Stratum:
    """How many queries of the log are in it and how many of them are drawn."""

    key: StratumKey
    size: int
    drawn: int
    band_name: str

    @property
    def probability(self) -> float:
        return self.drawn / self.size

    def as_data(self) -> dict[str, Any]:
        return {"key": self.key.text, **asdict(self.key), "band_name": self.band_name, "size": self.size,
                "drawn": self.drawn}  # fmt: skip


def band_names(edges: Sequence[int]) -> list[str]:
    """Names of the bands between the edges: (2, 10) -> ["once", "2 to 9 times", "10 times or more"]."""
    if not edges:
        return ["any number of times"]
    first = "once" if edges[0] == 2 else f"fewer than {edges[0]} times"
    middle = [
        f"{low} to {high - 1} times" if high - 1 > low else f"{low} times" for low, high in itertools.pairwise(edges)
    ]
    return [first, *middle, f"{edges[-1]:,} times or more"]


def band_of(n_seen: int, edges: Sequence[int]) -> int:
    """Number of the band: how many edges the count has reached."""
    return sum(n_seen >= edge for edge in edges)


def check_bands(edges: Sequence[int]) -> tuple[int, ...]:
    """The edges, rising and above 1; BadInputError otherwise."""
    if len(edges) > MAX_BANDS or list(edges) != sorted(set(edges)) or any(edge < 2 for edge in edges):
        raise BadInputError(
            problem=f"The popularity bands are at most {MAX_BANDS} rising numbers from 2 up, such as 2, 10, 100."
        )
    return tuple(edges)


def allocate(
    sizes: Mapping[StratumKey, int], n: int, *, rejected_share: float | None = None, minimum: int = DEFAULT_MINIMUM
) -> dict[StratumKey, int]:
    """How many queries to draw from each stratum, `n` in all (fewer where the log holds fewer).

    Proportional to size, with at least `minimum` from every stratum (or all of it). `rejected_share` (0 to 1) fixes
    the share of rejected queries instead of taking the log's; a side that is too small leaves its rest to the other.
    Raises BadInputError when the minimum alone asks for more than n.
    """
    sizes = {key: size for key, size in sorted(sizes.items()) if size > 0}
    n = min(n, sum(sizes.values()))
    floors = {key: min(minimum, size) for key, size in sizes.items()}
    if sum(floors.values()) > n:
        raise BadInputError(
            problem=f"{len(sizes)} strata with at least {minimum} each need {sum(floors.values())} queries, more than "
            f"the {n} asked for. Ask for more queries, a smaller minimum or fewer bands."
        )
    if rejected_share is None:
        return _seats(sizes, floors, n)
    sides = {side: {key: size for key, size in sizes.items() if key.side == side} for side in (ACCEPTED, REJECTED)}
    wanted = _by_side(sides, floors, n, rejected_share)
    return {key: drawn for side, part in sides.items() for key, drawn in _seats(part, floors, wanted[side]).items()}


def _by_side(
    sides: Mapping[str, Mapping[StratumKey, int]], floors: Mapping[StratumKey, int], n: int, rejected_share: float
) -> dict[str, int]:
    """Queries per side: the share, within what the sides hold and what their minima ask."""
    if not 0 <= rejected_share <= 1:
        raise BadInputError(problem=f"The share of rejected queries is a number from 0 to 1, not {rejected_share}.")
    held = {side: sum(part.values()) for side, part in sides.items()}
    least = {side: sum(floors[key] for key in part) for side, part in sides.items()}
    rejected = round(n * rejected_share)
    rejected = max(least[REJECTED], n - held[ACCEPTED], min(rejected, held[REJECTED], n - least[ACCEPTED]))
    return {REJECTED: rejected, ACCEPTED: n - rejected}


def _seats(sizes: Mapping[StratumKey, int], floors: Mapping[StratumKey, int], n: int) -> dict[StratumKey, int]:
    """Each next query goes to the stratum that is furthest below its proportional share."""
    total = sum(sizes.values())
    given = {key: floors[key] for key in sizes}
    for _ in range(n - sum(given.values())):
        open_strata = [key for key in sizes if given[key] < sizes[key]]
        best = max(open_strata, key=lambda key: (n * sizes[key] / total - given[key], sizes[key], key.text))
        given[best] += 1
    return given


def draw_rank(content_hash: str, seed: int) -> int:
    """A random number that depends on the seed and the query's text alone: the smallest are drawn."""
    digest = hashlib.blake2b(f"{seed}:{content_hash}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@dataclass(frozen=True)
class Framed:
    """A query that can be drawn."""

    pk: int
    content_hash: str
    key: StratumKey


@dataclass(frozen=True)
class Drawn:
    """What was drawn: stratum sizes of the log, and the candidates of each stratum, first drawn first."""

    sizes: dict[StratumKey, int]
    candidates: dict[StratumKey, list[int]]

    def take(self, wanted: Mapping[StratumKey, int]) -> list[tuple[int, StratumKey]]:
        """(query id, stratum) of the queries to judge."""
        return [(pk, key) for key, n in sorted(wanted.items()) for pk in self.candidates[key][:n]]


def draw(frame: Iterable[Framed], *, seed: int, at_most: int) -> Drawn:
    """Simple random samples without replacement, one per stratum, in one pass and in memory for `at_most` of each.

    The same queries, seed and strata give the same draw in any order and under any database ids.
    """
    sizes: dict[StratumKey, int] = {}
    heaps: dict[StratumKey, list[tuple[int, int]]] = {}
    for query in frame:
        sizes[query.key] = sizes.get(query.key, 0) + 1
        heap = heaps.setdefault(query.key, [])
        entry = (-draw_rank(query.content_hash, seed), query.pk)
        if len(heap) < at_most:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)
    return Drawn(sizes, {key: [pk for _, pk in sorted(heap, reverse=True)] for key, heap in heaps.items()})


def strata_of(
    sizes: Mapping[StratumKey, int], drawn: Mapping[StratumKey, int], edges: Sequence[int]
) -> Iterator[Stratum]:
    """The strata with their numbers, in a fixed order."""
    names = band_names(edges)
    for key in sorted(sizes):
        yield Stratum(key, sizes[key], drawn.get(key, 0), names[key.band])
