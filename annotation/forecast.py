"""When the votes that are still wanted will be there, from how many came per day. No Django.

The days are taken as draws from one distribution, so the number of days to collect R votes is about R / mean, with
two sources of doubt: the days to come differ among themselves (variance R s^2 / mean^3, as in a renewal process), and
the mean is itself known from k days only (its standard error s / sqrt(k) moves the whole estimate). Both are added.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, stdev

WINDOW_DAYS = 28  # whole weeks, so that every weekday counts alike
LEAST_DAYS = 3
Z80 = 1.2816  # 80 % of a normal distribution lies within
FURTHEST_DAYS = 3650

TOO_EARLY = "too_early"
NO_PACE = "no_pace"
TOO_FAR = "too_far"
DONE = "done"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The finishing date with its 80 % interval; without a date, `reason` says why.

    `latest` is None where the doubt has no end. `pace` is votes per calendar day, days off included.
    """

    left: int
    pace: float | None = None
    n_days: int = 0
    finish: date | None = None
    earliest: date | None = None
    latest: date | None = None
    reason: str = ""


def forecast(left: int, per_day: Sequence[int], today: date) -> Forecast:
    """Forecast from the votes of the last full days, oldest first and without gaps (a day off is 0).

    left: votes still wanted. Days before the first vote are not to be among `per_day`.
    """
    days = list(per_day)[-WINDOW_DAYS:]
    if left <= 0:
        return Forecast(0, fmean(days) if days else None, len(days), reason=DONE)
    if len(days) < LEAST_DAYS:
        return Forecast(left, None, len(days), reason=TOO_EARLY)
    pace, spread = fmean(days), stdev(days)
    if not pace:
        return Forecast(left, 0.0, len(days), reason=NO_PACE)
    expected = left / pace
    if expected > FURTHEST_DAYS:
        return Forecast(left, pace, len(days), reason=TOO_FAR)
    of_days = left * spread**2 / pace**3
    of_mean = (expected * spread / (math.sqrt(len(days)) * pace)) ** 2
    doubt = Z80 * math.sqrt(of_days + of_mean)
    slowest = expected + doubt
    return Forecast(
        left=left,
        pace=pace,
        n_days=len(days),
        finish=_after(today, expected),
        earliest=_after(today, max(expected - doubt, 0)),
        latest=_after(today, slowest) if slowest <= FURTHEST_DAYS else None,
    )


def _after(today: date, days: float) -> date:
    return today + timedelta(days=math.ceil(days))
