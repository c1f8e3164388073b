"""Choosing the pairs of a batch: which candidates, in which mix, and why the rest is left out. No Django.

Rows carry content hashes, and everything that looks random is a hash of the seed and these. So the same candidates,
settings and seed give the same pairs in the same order, whatever the database ids are and however the rows came.
"""

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, zip_longest
from typing import Any

from core.errors import BadInputError
from curation.near_queries import Asked, keeper_order

KEPT, BELOW, OVER_CAP = "kept", "below", "over_cap"
MIXES = {
    "bands": "evenly over five score bands",
    "near": "closest to the threshold, where the encoder is least sure",
    "low": "below the threshold, at random",
    "diverse": "spread over codes and topics of queries",
    "random": "at random",
    "top": "highest scores first",
}
BANDS = {
    "head": "the most asked queries, which make up a third of all times asked",
    "middle": "the next third",
    "tail": "the rarely asked rest",
}
ORDERS = {
    "mixed": "mixed: every stretch of the batch looks alike",
    "score": "highest scores first",
    "near": "closest to the threshold first",
}
N_SCORE_BANDS = 5
ANY = "all"  # the one band where queries do not differ in popularity, or nobody asked to tell them apart
FILLED = "filled up"


@dataclass(frozen=True, slots=True)
class Row:
    """A candidate: a query with a code, as one run scored it. `margin` is the score minus the run's threshold."""

    query: str  # content hashes
    code: str
    score: float
    margin: float
    outcome: str = KEPT
    text: str = ""
    n_seen: int = 1
    near: str = ""  # curation.near_queries.near_key
    is_hidden: bool = False  # something of it is quarantined
    is_open: bool = False  # it has a live item
    run: int = 0
    ids: tuple[int, int] = (0, 0)  # query and code

    @property
    def pair(self) -> tuple[str, str]:
        return self.query, self.code


@dataclass(frozen=True, slots=True)
class Wishes:
    """How pairs are chosen. Shares are fractions that add up to 1; `bands` may be empty: as popular as they come."""

    n: int
    mix: Mapping[str, Fraction]
    bands: Mapping[str, Fraction] = field(default_factory=dict)
    order: str = "mixed"
    group_near: bool = True
    per_query: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """A pair with the reason why it is in: its part of the mix and its popularity band."""

    row: Row
    mix: str
    band: str

    @property
    def stratum(self) -> str:
        return f"{self.mix} · {self.band}"


@dataclass(frozen=True, slots=True)
class Stratum:
    mix: str
    band: str
    wanted: int
    available: int
    chosen: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Chosen pairs in the order in which they open; `funnel` goes from all candidates to the chosen ones."""

    chosen: list[Chosen]
    strata: list[Stratum]
    funnel: list[tuple[str, int]]
    groups: list[list[Asked]]  # near duplicates, the one that is asked first
    band_bounds: dict[str, tuple[int, int, int]]  # band -> (fewest, most times asked, queries)

    def sha256(self) -> str:
        """Names the chosen pairs and their order."""
        lines = (f"{one.row.query} {one.row.code} {one.stratum}" for one in self.chosen)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def choose(rows: Iterable[Row], wishes: Wishes, *, asked: Sequence[Asked] = ()) -> Selection:
    """Chooses at most `wishes.n` pairs. asked: queries that have been opened before; their near duplicates stay out.

    Raises BadInputError for shares that make no sense.
    """
    check_wishes(wishes)
    funnel = Funnel()
    pool = funnel.sieve(sorted(rows, key=_canonical), low_is_planned=bool(wishes.mix.get("low")))
    groups: list[list[Asked]] = []
    if wishes.group_near:
        groups, kept = ask_once(pool, asked)
        pool = funnel.drop("near duplicate of a query that is asked", pool, lambda row: row.query not in kept)
    bands, bounds = popularity_bands(pool, wishes.bands)
    picker = _Picker(pool, wishes, bands)
    picker.fill()
    funnel.left("another pair of its query is chosen", picker.n_of_asked_queries())
    funnel.left("not needed for this size and mix", len(pool) - picker.n_of_asked_queries() - len(picker.chosen))
    funnel.add("chosen", len(picker.chosen))
    return Selection(_in_order(picker.chosen, wishes), picker.strata(), funnel.lines, groups, bounds)


def check_wishes(wishes: Wishes) -> None:
    """Raises BadInputError that names the field."""
    if wishes.n < 1:
        raise BadInputError(problem="A batch needs at least one pair.", field="pairs")
    for name, shares, known in (("mix", wishes.mix, MIXES), ("bands", wishes.bands, BANDS)):
        if unknown := set(shares) - set(known):
            raise BadInputError(
                problem=f"There is no {name} {min(unknown)}. There are: {', '.join(known)}.", field=name
            )
        if (shares or name == "mix") and (sum(shares.values()) != 1 or min(shares.values()) < 0):
            total = float(100 * sum(shares.values()))
            what = "parts of the mix" if name == "mix" else "popularity bands"
            raise BadInputError(problem=f"The {what} add up to {total:g} %; make them 100 %.", field=name)
    if wishes.order not in ORDERS:
        raise BadInputError(problem=f"There is no order {wishes.order}: {', '.join(ORDERS)}.", field="order")
    if wishes.per_query < 1:
        raise BadInputError(problem="At least one pair per query.", field="per_query")


def _canonical(row: Row) -> tuple[str, str, int, int]:
    """Pairs together, the kept row of the earliest run first."""
    return row.query, row.code, (KEPT, BELOW, OVER_CAP).index(row.outcome), row.run


def _draw(seed: int, what: str, *parts: str) -> bytes:
    """Eight bytes that look random and depend on nothing but their arguments."""
    return hashlib.blake2b("\0".join([str(seed), what, *parts]).encode(), digest_size=8).digest()


# --- what is left out ---------------------------------------------------------------------------------------------


class Funnel:
    """Lines (what, pairs): the first is all candidates, the last the chosen ones, those between are taken away."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int]] = []

    def add(self, what: str, n: int) -> None:
        self.lines.append((what, n))

    def left(self, why: str, n: int) -> None:
        if n:
            self.add(why, -n)

    def drop(self, why: str, rows: list[Row], is_out: Any) -> list[Row]:
        kept = [row for row in rows if not is_out(row)]
        self.left(why, len(rows) - len(kept))
        return kept

    def sieve(self, rows: list[Row], *, low_is_planned: bool) -> list[Row]:
        """Candidates that may be opened; rows come with equal pairs side by side."""
        self.add("candidates", len(rows))
        once = [row for row, before in zip(rows, chain([None], rows), strict=False) if not _is_same(row, before)]
        self.left("the same pair from another run", len(rows) - len(once))
        rows = self.drop("over the cap of its run", once, lambda row: row.outcome == OVER_CAP)
        rows = self.drop("held back for privacy", rows, lambda row: row.is_hidden)
        rows = self.drop("already in a batch", rows, lambda row: row.is_open)
        if not low_is_planned:
            rows = self.drop("below the threshold, and none planned", rows, lambda row: row.outcome == BELOW)
        return rows


def _is_same(row: Row, before: Row | None) -> bool:
    return before is not None and row.pair == before.pair


def ask_once(pool: Sequence[Row], asked: Sequence[Asked]) -> tuple[list[list[Asked]], set[str]]:
    """(groups of near duplicates with the one that is asked first, hashes of the queries that are asked).

    A query that was opened before speaks for its group; else the most asked one does.
    """
    was_asked = {query.key for query in asked}
    of_key: defaultdict[str, dict[str, Asked]] = defaultdict(dict)
    for row in pool:
        of_key[row.near or row.query][row.query] = Asked(row.query, row.text, row.n_seen)
    for query in asked:
        if query.near in of_key:
            of_key[query.near].setdefault(query.key, query)
    groups, kept = [], set()
    for members in of_key.values():
        group = sorted(members.values(), key=lambda query: (query.key not in was_asked, *keeper_order(query)))
        kept |= {query.key for query in group if query.key in was_asked} or {group[0].key}
        if len(group) > 1:
            groups.append(group)
    return sorted(groups, key=lambda group: (-len(group), group[0].key)), kept


# --- popularity ---------------------------------------------------------------------------------------------------


def popularity_bands(
    pool: Sequence[Row], shares: Mapping[str, Fraction]
) -> tuple[dict[str, str], dict[str, tuple[int, int, int]]]:
    """(query hash -> band, band -> (fewest times asked, most, queries)).

    Bands are thirds of all times asked, most asked queries first; equally popular queries are never parted. Without
    shares there is one band.
    """
    seen = {row.query: row.n_seen for row in pool}
    per_count = Counter(seen.values())
    total, before = sum(seen.values()), 0
    band_of_count: dict[int, str] = {}
    for count in sorted(per_count, reverse=True):
        third = min(2, 3 * before // total) if total else 2
        band_of_count[count] = list(BANDS)[third] if shares and len(per_count) > 1 else ANY
        before += count * per_count[count]
    bounds: dict[str, tuple[int, int, int]] = {}
    for count, band in band_of_count.items():  # from the most asked down
        _, high, queries = bounds.get(band, (count, count, 0))
        bounds[band] = (count, high, queries + per_count[count])
    return {query: band_of_count[count] for query, count in seen.items()}, bounds


def apportion(n: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """n in whole parts by shares, largest remainders first, ties in the order given; adds up to n."""
    total = sum(shares.values())
    if not total:
        return dict.fromkeys(shares, 0)
    exact = {name: n * share / total for name, share in shares.items()}
    parts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: parts[name] - exact[name])
    for name in by_remainder[: n - sum(parts.values())]:
        parts[name] += 1
    return parts


# --- choosing -----------------------------------------------------------------------------------------------------


class _Picker:
    """Fills the cells (band, mix), each with its own order of candidates."""

    def __init__(self, pool: list[Row], wishes: Wishes, bands: dict[str, str]) -> None:
        self.pool, self.wishes, self.bands = pool, wishes, bands
        self.chosen: list[Chosen] = []
        self.taken: set[tuple[str, str]] = set()
        self.per_query: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.topics: Counter[str] = Counter()
        self.wanted: dict[tuple[str, str], int] = {}
        self.available: dict[tuple[str, str], int] = {}
        self.place = _places(pool)
        self.topic_of = topics(pool)

    def fill(self) -> None:
        by_band: dict[str, list[Row]] = {band: [] for band in [*BANDS, ANY]}
        for row in self.pool:
            by_band[self.bands[row.query]].append(row)
        by_band = {band: rows for band, rows in by_band.items() if rows}
        for band, quota in self._band_quotas(by_band).items():
            for mix, wanted in apportion(quota, self.wishes.mix).items():
                rows = [row for row in by_band[band] if (row.outcome == BELOW) == (mix == "low")]
                self.wanted[band, mix], self.available[band, mix] = wanted, len(rows)
                self._take(self._ordered(mix, rows), wanted, mix, band)
        self._fill_up()

    def _band_quotas(self, by_band: dict[str, list[Row]]) -> dict[str, int]:
        """Pairs per band: by the shares asked for, else by the number of queries."""
        shares: dict[str, Fraction] = {}
        for band, rows in by_band.items():
            queries = Fraction(len({row.query for row in rows}))
            shares[band] = self.wishes.bands.get(band, Fraction(0)) if band != ANY else queries
        if not sum(shares.values()):
            shares = dict.fromkeys(by_band, Fraction(1))
        return apportion(self.wishes.n, shares)

    def _fill_up(self) -> None:
        """What a cell lacked comes from the other candidates at random; never more from below the threshold."""
        missing = self.wishes.n - len(self.chosen)
        if missing > 0 and any(share for mix, share in self.wishes.mix.items() if mix != "low"):
            rest = [row for row in self.pool if row.outcome == KEPT]
            self._take(self._ordered("random", rest), missing, FILLED, None)

    def _take(self, ordered: Iterator[Row], wanted: int, mix: str, band: str | None) -> None:
        if wanted <= 0:
            return
        for row in ordered:
            if not self._is_free(row):
                continue
            self.chosen.append(Chosen(row, mix, band or self.bands[row.query]))
            self.taken.add(row.pair)
            self.per_query[row.query] += 1
            self.codes[row.code] += 1
            self.topics[self.topic_of[row.query]] += 1
            wanted -= 1
            if not wanted:
                return

    def _is_free(self, row: Row) -> bool:
        return row.pair not in self.taken and self.per_query[row.query] < self.wishes.per_query

    def _draw(self, what: str, row: Row) -> bytes:
        return _draw(self.wishes.seed, what, row.query, row.code)

    def _ordered(self, mix: str, rows: list[Row]) -> Iterator[Row]:
        if mix == "diverse":
            return self._diverse(rows)
        if mix == "bands":
            return self._over_score_bands(rows)
        if mix == "near":
            return iter(sorted(rows, key=lambda row: (abs(row.margin), row.pair)))
        if mix == "top":
            return iter(sorted(rows, key=lambda row: (self.place[row.pair], row.pair)))
        return iter(sorted(rows, key=lambda row: self._draw(mix, row)))

    def _over_score_bands(self, rows: list[Row]) -> Iterator[Row]:
        """One of each fifth of the run's ranking in turn, at random within a fifth."""
        fifths: list[list[Row]] = [[] for _ in range(N_SCORE_BANDS)]
        for row in sorted(rows, key=lambda row: self._draw("bands", row)):
            fifths[int(self.place[row.pair] * N_SCORE_BANDS)].append(row)
        return (row for turn in zip_longest(*fifths) for row in turn if row is not None)

    def _diverse(self, rows: list[Row]) -> Iterator[Row]:
        """Always a pair whose code, then whose topic, has been taken least so far. Counts only grow, so a stale heap
        entry is put back with its new count."""
        heap = [(*self._uses(row), self._draw("diverse", row), row.pair, row) for row in rows if self._is_free(row)]
        heapq.heapify(heap)
        while heap:
            *uses, draw, pair, row = heapq.heappop(heap)
            if not self._is_free(row):
                continue
            now = self._uses(row)
            if tuple(uses) == now:
                yield row
            else:
                heapq.heappush(heap, (*now, draw, pair, row))

    def _uses(self, row: Row) -> tuple[int, int]:
        return self.codes[row.code], self.topics[self.topic_of[row.query]]

    def n_of_asked_queries(self) -> int:
        """Rows not taken because their query has its pairs already."""
        full = {query for query, n in self.per_query.items() if n >= self.wishes.per_query}
        return sum(row.query in full and row.pair not in self.taken for row in self.pool)

    def strata(self) -> list[Stratum]:
        """Every cell that was asked for or used, bands and mixes in their own order."""
        made = Counter((one.band, one.mix) for one in self.chosen)
        cells = list(dict.fromkeys([*self.wanted, *sorted(made)]))
        return [
            Stratum(mix, band, self.wanted.get((band, mix), 0), self.available.get((band, mix), 0), made[band, mix])
            for band, mix in cells
            if self.wanted.get((band, mix)) or made[band, mix]
        ]


def _places(pool: Sequence[Row]) -> dict[tuple[str, str], float]:
    """Pair -> its place in the ranking of its run, 0 (best) to below 1: scores of two runs do not compare."""
    of_run: defaultdict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in pool:
        of_run[row.run, row.outcome].append(row)
    places = {}
    for rows in of_run.values():
        rows.sort(key=lambda row: (-row.score, row.pair))
        places.update({row.pair: place / len(rows) for place, row in enumerate(rows)})
    return places


def topics(pool: Sequence[Row]) -> dict[str, str]:
    """Query hash -> its topic: the content word of it that most queries of the pool share."""
    words = {row.query: sorted(set(row.near.partition(" (")[0].split())) for row in pool}
    common = Counter(word for of_query in words.values() for word in of_query)
    return {query: max(found, key=lambda word: (common[word], word), default="") for query, found in words.items()}


def _in_order(chosen: list[Chosen], wishes: Wishes) -> list[Chosen]:
    if wishes.order == "score":
        return sorted(chosen, key=lambda one: (-one.row.score, one.row.pair))
    if wishes.order == "near":
        return sorted(chosen, key=lambda one: (abs(one.row.margin), one.row.pair))
    return sorted(chosen, key=lambda one: _draw(wishes.seed, "order", one.row.query, one.row.code))
