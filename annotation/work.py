"""Counting work: votes by outcome, time on them, and how fast they were given. No Django.

Seconds per vote are kept as counts in bins of equal ratio, eight to a doubling, so that medians of any number of votes
cost a few hundred additions; a median read from bins is right to within 5 %. Bins stand in bands by what there was to
read, because a vote on forty lines takes longer than one on four.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

IDLE_LIMIT_S = 300  # a pair left open longer counts with five minutes: nobody reads one for so long
HOUR_MS = 3_600_000
BINS_PER_DOUBLING = 8
LEAST_SECONDS = 0.125

QUERY, SHORT, MEDIUM, LONG, VERY_LONG = "query", "short", "medium", "long", "very_long"
BANDS = (QUERY, SHORT, MEDIUM, LONG, VERY_LONG)
_LAST_LINES = ((7, SHORT), (20, MEDIUM), (50, LONG))

StoredTimes = Mapping[str, Mapping[str, int]]


def bin_of(seconds: float) -> int:
    """The bin that a time falls into."""
    return round(BINS_PER_DOUBLING * math.log2(max(seconds, LEAST_SECONDS)))


def seconds_of(number: int) -> float:
    """The time in the middle of a bin."""
    return float(2.0 ** (number / BINS_PER_DOUBLING))


def band_of(n_lines: int | None, intent: str) -> str:
    """What had to be read for a vote: the query alone where step 2 was not answered, else the code by its lines."""
    if n_lines is None or intent != "yes":
        return QUERY
    return next((band for last, band in _LAST_LINES if n_lines <= last), VERY_LONG)


@dataclass(slots=True)
class Times:
    """Votes per bin, by band."""

    bands: dict[str, Counter[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, *stored: StoredTimes) -> "Times":
        """The sum of times as they are stored: {band: {bin: votes}} with text keys."""
        times = cls()
        for one in stored:
            for band, bins in one.items():
                counted = times.bands.setdefault(band, Counter())
                for number, n in bins.items():
                    counted[int(number)] += n
        return times

    def add(self, band: str, seconds: float) -> None:
        self.bands.setdefault(band, Counter())[bin_of(seconds)] += 1

    def to_dict(self) -> dict[str, dict[str, int]]:
        """As it is stored; in an order that depends on the counts alone."""
        return {
            band: {str(number): self.bands[band][number] for number in sorted(self.bands[band])}
            for band in sorted(self.bands)
        }

    def without(self, other: "Times") -> "Times":
        """These times less the other's, which are among them."""
        return Times({band: bins - other.bands.get(band, Counter()) for band, bins in self.bands.items()})

    @property
    def all(self) -> Counter[int]:
        return sum(self.bands.values(), Counter[int]())

    @property
    def median(self) -> float | None:
        return quantile(self.all, 0.5)

    @property
    def p90(self) -> float | None:
        return quantile(self.all, 0.9)


def bins_of(stored: StoredTimes) -> Counter[int]:
    """Votes per bin, all bands together, straight from the stored form."""
    total: Counter[int] = Counter()
    for bins in stored.values():
        for number, n in bins.items():
            total[int(number)] += n
    return total


def quantile(bins: Mapping[int, int], share: float) -> float | None:
    """The time, in seconds, below or at which this share of the votes lies; None of nothing."""
    number = quantile_bin(bins, share)
    return None if number is None else seconds_of(number)


def quantile_bin(bins: Mapping[int, int], share: float) -> int | None:
    """The first bin in which the counts reach this share."""
    total = sum(bins.values())
    passed = 0
    for number in sorted(bins):
        passed += bins[number]
        if passed and passed >= share * total:
            return number
    return None


@dataclass(frozen=True, slots=True)
class CountedVote:
    """What is counted of a vote. `n_lines` is None where there was no code to judge."""

    intent: str
    answer: int | None
    code_unclear: bool
    is_retracted: bool
    is_set_aside: bool
    is_corrected: bool
    is_wanted: bool  # of a live or intent-only item
    is_live: bool
    seconds: float
    n_lines: int | None


@dataclass(slots=True)
class Sums:
    """The figures of one person in one hour."""

    counts: Counter[str] = field(default_factory=Counter)
    active_ms: int = 0
    times: Times = field(default_factory=Times)

    def add(self, vote: CountedVote) -> None:
        """Time counts whatever became of the vote: it was worked on."""
        self.active_ms += round(1000 * min(max(vote.seconds, 0.0), IDLE_LIMIT_S))
        self.counts["n_untimed"] += vote.seconds <= 0
        self.counts["n_retracted"] += vote.is_retracted
        self.counts["n_set_aside"] += vote.is_set_aside and not vote.is_retracted
        if vote.is_retracted or vote.is_set_aside:
            return
        self.counts["n_votes"] += 1
        self.counts["n_corrected"] += vote.is_corrected
        self.counts["n_wanted"] += vote.is_wanted
        if vote.seconds > 0:
            self.times.add(band_of(vote.n_lines, vote.intent), vote.seconds)
        if vote.is_live:
            self.counts["n_live"] += 1
            self.counts[f"n_{vote.intent}"] += 1
            self.counts["n_code_unclear"] += vote.code_unclear
            if vote.answer is not None:
                self.counts["n_one" if vote.answer else "n_zero"] += 1

    @property
    def active_s(self) -> float:
        """Seconds at work; an hour has no more than 3,600, whatever the pages report."""
        return min(self.active_ms, HOUR_MS) / 1000

    def to_dict(self) -> dict[str, Any]:
        """The columns of a row."""
        counts = {name: self.counts[name] for name in COUNTS}
        return {**counts, "active_s": self.active_s, "times": self.times.to_dict()}


COUNTS = (
    "n_votes",
    "n_wanted",
    "n_live",
    "n_yes",
    "n_no",
    "n_unclear",
    "n_one",
    "n_zero",
    "n_code_unclear",
    "n_retracted",
    "n_set_aside",
    "n_corrected",
    "n_untimed",
)


def total_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of rows as `Sums.to_dict` gives them."""
    listed = list(rows)
    counts = {name: sum(row[name] for row in listed) for name in COUNTS}
    active_s = round(sum(row["active_s"] for row in listed), 3)
    return {**counts, "active_s": active_s, "times": Times.read(*(row["times"] for row in listed)).to_dict()}
