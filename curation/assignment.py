"""From scored query-code matches to candidates: METHODS 5, steps 2 to 4. Knows no database and no Django.

Queries and codes are integers whose order settles ties: the smallest code wins an equal score, the smaller query comes
first at the cap. Nothing depends on the order in which matches are given, except for `first_come`, where the queries'
numbers are the order of arrival.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

POLICIES = ("default", "cascade", "first_come")


@dataclass(frozen=True, slots=True)
class Match:
    """A query, a code, and the cosine between them."""

    query: int
    code: int
    score: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """What became of every query: kept (its candidate), below the threshold, or over the cap (its best match).

    Each list is ordered by query.
    """

    kept: list[Match]
    below: list[Match]
    over_cap: list[Match]


def assign(matches: Iterable[Match], *, threshold: float, cap: int, policy: str = "default") -> Assignment:
    """At most one code per query with a score of at least `threshold`, each code used at most `cap` times.

    default     the best code of each query; where more than `cap` queries want a code, the highest scores stay and the
                rest are dropped ("only keep the code with the highest similarity", CoSQA 3.1: no second-best code)
    first_come  the best code of each query, in the order of queries, while the code has room
    cascade     all matches by score; a query takes the first code that still has room
    """
    if policy not in POLICIES:
        raise ValueError(f"{policy!r} is no assignment policy; use one of {', '.join(POLICIES)}")
    if cap < 1:
        raise ValueError(f"the cap is {cap}; a code must be usable at least once")
    found = list(matches)
    best = _best_matches(found)
    passing = [match for match in best.values() if match.score >= threshold]
    if policy == "cascade":
        wanted = (match for match in found if match.score >= threshold)
        kept = _fill(sorted(wanted, key=_by_score), cap)
    else:
        kept = _fill(sorted(passing, key=_by_query if policy == "first_come" else _by_score), cap)
    return Assignment(
        kept=sorted(kept.values(), key=_by_query),
        below=sorted((match for match in best.values() if match.score < threshold), key=_by_query),
        over_cap=sorted((match for match in passing if match.query not in kept), key=_by_query),
    )


def _by_score(match: Match) -> tuple[float, int, int]:
    return -match.score, match.query, match.code


def _by_query(match: Match) -> int:
    return match.query


def _best_matches(matches: list[Match]) -> dict[int, Match]:
    """Query -> its highest match, ties to the smallest code."""
    best: dict[int, Match] = {}
    for match in matches:
        known = best.get(match.query)
        if known is None or (-match.score, match.code) < (-known.score, known.code):
            best[match.query] = match
    return best


def _fill(ordered: list[Match], cap: int) -> dict[int, Match]:
    """Takes matches in order while the query is free and the code has room."""
    taken: dict[int, Match] = {}
    uses: defaultdict[int, int] = defaultdict(int)
    for match in ordered:
        if match.query not in taken and uses[match.code] < cap:
            taken[match.query] = match
            uses[match.code] += 1
    return taken
