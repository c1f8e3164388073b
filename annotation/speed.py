"""Votes that came too fast to have been read: a person's times beside everybody else's and beside their own. No Django.

Times are compared band by band (what there was to read), so that short functions or many queries without intent make
nobody look hasty. A finding is a reason to look at votes, never a judgement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from annotation.work import Times, bin_of, quantile_bin, seconds_of
from curation.score_curve import wilson

FAST_SHARE = 0.05  # of everybody else's votes; so many of an ordinary person's are expected to be as fast
SUSPICIOUS_SHARE = 0.15  # three times as many, with certainty
LEAST_VOTES = 30
LEAST_OTHERS = 100  # votes of others in a band, before it says what is fast
FAST_FRACTION = 0.5  # of the others' median
OWN_FRACTION = 0.25  # of the own median


@dataclass(frozen=True, slots=True)
class Speed:
    """`n_fast` of `n` compared votes were faster than 95 % of everybody else's and than half their median; `n_rushed`
    of `n_own` far below the own median. `low` is the lower end of the 95 % interval of the fast share."""

    n: int
    n_fast: int
    low: float
    n_own: int
    n_rushed: int

    @property
    def share(self) -> float | None:
        return self.n_fast / self.n if self.n else None

    @property
    def rushed_share(self) -> float | None:
        return self.n_rushed / self.n_own if self.n_own else None

    @property
    def is_suspicious(self) -> bool:
        """Whether far more votes than chance allows were among the fastest."""
        return self.n >= LEAST_VOTES and self.low > SUSPICIOUS_SHARE

    def to_dict(self) -> dict[str, Any]:
        return {
            "compared": self.n,
            "fast": self.n_fast,
            "share": None if self.share is None else round(self.share, 4),
            "rushed": self.n_rushed,
            "is_suspicious": self.is_suspicious,
        }


def speed_of(own: Times, everybody: Times) -> Speed:
    """The person's speed; `everybody` holds the person's own times too."""
    others = everybody.without(own)
    n = n_fast = n_own = n_rushed = 0
    for band, bins in own.bands.items():
        total = sum(bins.values())
        rest = others.bands.get(band)
        if rest is not None and sum(rest.values()) >= LEAST_OTHERS:
            bound = _fast_below(rest)
            n += total
            n_fast += sum(count for number, count in bins.items() if number < bound)
        middle = quantile_bin(bins, 0.5)
        if middle is not None and total >= LEAST_VOTES:
            limit = bin_of(OWN_FRACTION * seconds_of(middle))
            n_own += total
            n_rushed += sum(count for number, count in bins.items() if number < limit)
    return Speed(n, n_fast, wilson(n_fast, n)[0], n_own, n_rushed)


def _fast_below(others: Mapping[int, int]) -> int:
    """The bin below which a vote is fast: among the fastest of the others', and under half of what they usually take.

    Without the second, people who all take equally long would make everybody a little quicker stand out.
    """
    fastest, middle = quantile_bin(others, FAST_SHARE), quantile_bin(others, 0.5)
    if fastest is None or middle is None:
        return 0
    return min(fastest, bin_of(FAST_FRACTION * seconds_of(middle)))
