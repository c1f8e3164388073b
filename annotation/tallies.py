"""What agreement needs to know of votes, as a bag of counts that follows every change. No Django.

The state of an item (its counted votes and where it belongs) makes a handful of keys; the bag of a project says how
often each key occurs. A changed vote takes the keys of the old state out and puts those of the new one in, so the bag
is always the one that a count from scratch would give, and every figure is read from some thousand counts instead
of a million votes.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

from annotation.consensus import Tally

BAND_WIDTH = 0.05
SEVERAL_VERSIONS = 0  # guidelines are numbered from 1


class Value(StrEnum):
    """A vote in one letter."""

    NO_INTENT = "n"
    ZERO = "0"
    ONE = "1"
    CODE_UNCLEAR = "c"  # intent yes, no answer
    QUERY_UNCLEAR = "q"


_TALLY_OF = {
    Value.NO_INTENT: Tally(n_no=1),
    Value.ZERO: Tally(n_yes=1, n_zero=1),
    Value.ONE: Tally(n_yes=1, n_one=1),
    Value.CODE_UNCLEAR: Tally(n_yes=1),
    Value.QUERY_UNCLEAR: Tally(n_unclear=1),
}


def value_of(intent: str, answer: int | None) -> Value:
    """The letter of a vote."""
    if intent == "yes":
        return {1: Value.ONE, 0: Value.ZERO, None: Value.CODE_UNCLEAR}[answer]
    return Value.NO_INTENT if intent == "no" else Value.QUERY_UNCLEAR


def tally_of(value: Value) -> Tally:
    """A single vote as a tally."""
    return _TALLY_OF[value]


class Kind(StrEnum):
    """What a count is of. A key is a tuple; the parts of each kind stand here, `tally` for the five counts of one."""

    ITEM = "item"  # is_pilot, batch, tally, yes and no votes on all pairs of the query, is_set_aside
    WEEK = "week"  # Monday of the newest vote's week, tally
    GUIDELINE = "guideline"  # version that all votes were given under (0: several, None: not stamped), tally
    BAND = "band"  # band of the candidate score (None: no score), tally
    STRATUM = "stratum"  # why the plan chose the pair ("": no plan), tally
    RATER = "rater"  # person, the person's value, tally of the item
    PAIR = "pair"  # two people (smaller id first), value of the one, value of the other
    REASON = "reason"  # reason category, value of the vote that gave it, tally of the item


Key = tuple[Any, ...]
Bag = Counter[tuple[Kind, Key]]


@dataclass(frozen=True, slots=True)
class CountedVote:
    """A vote that counts."""

    person_id: int
    value: Value
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ItemState:
    """All that the bag takes from an item."""

    batch_id: int
    is_pilot: bool
    is_set_aside: bool
    week: str
    guideline: int | None
    band: int | None
    stratum: str
    pool: tuple[int, int]  # yes and no votes on all counted pairs of the query
    votes: tuple[CountedVote, ...]

    @property
    def tally(self) -> Tally:
        return sum((_TALLY_OF[vote.value] for vote in self.votes), Tally())

    def to_text(self) -> str:
        """The state as it is kept, to be taken out again later."""
        facts = [
            self.batch_id,
            int(self.is_pilot),
            int(self.is_set_aside),
            self.week,
            self.guideline,
            self.band,
            self.stratum,
            *self.pool,
            [[vote.person_id, vote.value, vote.reason] for vote in self.votes],
        ]
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "ItemState":
        batch, is_pilot, is_set_aside, week, guideline, band, stratum, q_yes, q_no, votes = json.loads(text)
        counted = tuple(CountedVote(person, Value(value), reason) for person, value, reason in votes)
        return cls(batch, bool(is_pilot), bool(is_set_aside), week, guideline, band, stratum, (q_yes, q_no), counted)


def band_of(score: float | None) -> int | None:
    """Number of the band of BAND_WIDTH that holds a score; 0.55 opens the band from 0.55."""
    return None if score is None or not math.isfinite(score) else math.floor(score / BAND_WIDTH + 1e-9)


def band_edges(band: int) -> tuple[float, float]:
    """Lower edge (inside) and upper edge (outside) of a band."""
    return round(band * BAND_WIDTH, 6), round((band + 1) * BAND_WIDTH, 6)


def keys_of(state: ItemState) -> Iterator[tuple[Kind, Key]]:
    """The keys that an item puts into the bag. Items of pilot batches count for their batch alone."""
    tally = state.tally
    counts = (tally.n_yes, tally.n_no, tally.n_unclear, tally.n_one, tally.n_zero)
    yield Kind.ITEM, (int(state.is_pilot), state.batch_id, *counts, *state.pool, int(state.is_set_aside))
    if state.is_pilot:
        return
    yield Kind.WEEK, (state.week, *counts)
    yield Kind.GUIDELINE, (state.guideline, *counts)
    yield Kind.BAND, (state.band, *counts)
    yield Kind.STRATUM, (state.stratum, *counts)
    for vote in state.votes:
        yield Kind.RATER, (vote.person_id, str(vote.value), *counts)
        if vote.reason:
            yield Kind.REASON, (vote.reason, str(vote.value), *counts)
    for one, other in combinations(sorted(state.votes, key=lambda vote: vote.person_id), 2):
        yield Kind.PAIR, (one.person_id, other.person_id, str(one.value), str(other.value))


def bag_of(states: Iterable[ItemState]) -> Bag:
    """The bag of these items, from scratch."""
    return Counter(key for state in states for key in keys_of(state))


def change_of(old: Iterable[ItemState], new: Iterable[ItemState]) -> dict[tuple[Kind, Key], int]:
    """What has to be added to the counts when items leave one state for another; no zeros."""
    change = bag_of(new)
    change.subtract(bag_of(old))
    return {key: n for key, n in change.items() if n}


def key_text(key: Key) -> str:
    """A key as it is stored."""
    return json.dumps(key, separators=(",", ":"), ensure_ascii=False)


def read_key(text: str) -> Key:
    """The key of a stored text."""
    return tuple(json.loads(text))
