"""From scored query-code matches to candidates: METHODS 5, steps 2 to 4. Knows no database and no Django.

Queries and codes are integers whose order settles ties: the smallest code wins an equal score, the smaller query comes
first at the cap. Nothing depends on the order in which matches are given, except for `first_come`, where the queries'
numbers are the order of arrival.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

POLICIES = ("default", "cascade", "first_come")
KEPT, BELOW, OVER_CAP = "kept", "below", "over_cap"


@dataclass(frozen=True, slots=True)
class Match:
    """A query, a code, the score between them, and the code's place among the query's codes (1 is the best)."""

    query: int
    code: int
    score: float
    rank: int = 1


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the places of a query: a match and what became of it. Slot 1 says what became of the query."""

    number: int
    match: Match
    outcome: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """What became of the queries' places: kept (candidates), below the threshold, or over the cap.

    Each list is ordered by query and rank. A query has min(k, its codes) places: those that are kept first, then its
    best matches that are not.
    """

    kept: list[Match]
    below: list[Match]
    over_cap: list[Match]

    def slots(self) -> Iterator[Slot]:
        """All places, by query and number."""
        rows = [
            *((match.query, 0, match.rank, KEPT, match) for match in self.kept),
            *((match.query, 1, match.rank, BELOW, match) for match in self.below),
            *((match.query, 1, match.rank, OVER_CAP, match) for match in self.over_cap),
        ]
        rows.sort(key=lambda row: row[:3])
        for _, own in groupby(rows, key=lambda row: row[0]):
            for number, (*_, outcome, match) in enumerate(own, 1):
                yield Slot(number, match, outcome)

    def query_outcomes(self) -> Counter[str]:
        """Outcome -> queries that ended so: every query counts once."""
        return Counter(slot.outcome for slot in self.slots() if slot.number == 1)


def assign(
    matches: Iterable[Match], *, threshold: float, cap: int, policy: str = "default", top_k: int = 1
) -> Assignment:
    """At most `top_k` codes per query with a score of at least `threshold`, each code used at most `cap` times.

    A query's matches are ranked by score, the smaller code first among equals. It wants its `top_k` first ones.

    default     where more than `cap` queries want a code, those with the highest scores get it; the others go without
                ("only keep the code with the highest similarity", CoSQA 3.1: no next-best code instead)
    first_come  the wanted codes in the order of queries, then of ranks, while a code has room
    cascade     all matches by score, also those beyond the wanted ones; a query takes codes that have room until it
                has `top_k`
    """
    if policy not in POLICIES:
        raise ValueError(f"{policy!r} is no assignment policy; use one of {', '.join(POLICIES)}")
    if cap < 1:
        raise ValueError(f"the cap is {cap}; a code must be usable at least once")
    if top_k < 1:
        raise ValueError(f"{top_k} codes per query are asked for; one is the least")
    ranked = _ranked(matches)
    passing = [match for match in ranked if match.score >= threshold and (policy == "cascade" or match.rank <= top_k)]
    kept = _fill(sorted(passing, key=_by_query if policy == "first_come" else _by_score), cap, top_k)
    left = list(_left_over(ranked, kept, top_k))
    return Assignment(
        kept=[match for match in ranked if match in kept],
        below=[match for match in left if match.score < threshold],
        over_cap=[match for match in left if match.score >= threshold],
    )


def _by_score(match: Match) -> tuple[float, int, int]:
    return -match.score, match.query, match.code


def _by_query(match: Match) -> tuple[int, int]:
    return match.query, match.rank


def _ranked(matches: Iterable[Match]) -> list[Match]:
    """All matches by query and rank."""
    ordered = sorted(matches, key=lambda match: (match.query, -match.score, match.code))
    return [
        match if match.rank == rank else replace(match, rank=rank)
        for _, own in groupby(ordered, key=lambda match: match.query)
        for rank, match in enumerate(own, 1)
    ]


def _fill(ordered: list[Match], cap: int, top_k: int) -> set[Match]:
    """Takes matches in order while the query has a free place and the code has room."""
    taken: set[Match] = set()
    has: defaultdict[int, int] = defaultdict(int)
    uses: defaultdict[int, int] = defaultdict(int)
    for match in ordered:
        if has[match.query] < top_k and uses[match.code] < cap:
            taken.add(match)
            has[match.query] += 1
            uses[match.code] += 1
    return taken


def _left_over(ranked: list[Match], kept: set[Match], top_k: int) -> Iterator[Match]:
    """For every place of a query that no kept match fills, its best match that is not kept."""
    for _, group in groupby(ranked, key=lambda match: match.query):
        own = list(group)
        others = [match for match in own if match not in kept]
        yield from others[: max(0, min(top_k, len(own)) - (len(own) - len(others)))]
