"""Forecast, human ceiling, speed and rates: what the figures of dashboard and scorecards say, without a database."""

import math
import random
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import forecast as forecasting
from annotation.ceiling import against_others, compared, human_ceiling, rights_of
from annotation.consensus import Tally
from annotation.forecast import forecast
from annotation.quality import RaterPattern
from annotation.selectors.scorecards import _rate
from annotation.speed import speed_of
from annotation.work import Times

TODAY = date(2026, 3, 2)


# --- forecast ---------------------------------------------------------------------------------------------------------
def test_even_days_leave_no_doubt():
    found = forecast(300, [100] * 14, TODAY)
    assert (found.earliest, found.finish, found.latest) == (TODAY + timedelta(days=3),) * 3
    assert found.pace == 100


def test_days_off_slow_the_pace_and_uneven_days_widen_the_interval():
    even = forecast(1400, [100] * 14, TODAY)
    weekends_off = forecast(1400, [140, 140, 140, 140, 140, 0, 0] * 2, TODAY)
    assert weekends_off.pace == 100
    assert weekends_off.finish == even.finish
    assert weekends_off.earliest < even.earliest == even.latest < weekends_off.latest


@pytest.mark.parametrize(
    ("left", "days", "reason"),
    [
        (0, [10, 10, 10], forecasting.DONE),
        (10, [10, 10], forecasting.TOO_EARLY),
        (10, [], forecasting.TOO_EARLY),
        (10, [0, 0, 0], forecasting.NO_PACE),
        (10**9, [1, 1, 1], forecasting.TOO_FAR),
    ],
)
def test_where_nothing_can_be_said_the_reason_is(left, days, reason):
    found = forecast(left, days, TODAY)
    assert (found.finish, found.reason) == (None, reason)


def test_doubt_without_an_end_has_no_latest_day():
    found = forecast(3000, [0, 0, 0, 4], TODAY)
    assert found.finish is not None
    assert found.latest is None


def test_only_the_last_four_weeks_count():
    assert forecast(100, [1000] * 50 + [10] * 28, TODAY).pace == 10


def test_the_interval_holds_the_truth_about_four_times_in_five():
    """Days drawn from one distribution: how often does the interval hold the day on which the votes are there?"""
    rng = random.Random(5)
    hits = 0
    for _ in range(400):
        found = forecast(2000, [rng.choice([0, 50, 100, 150]) for _ in range(28)], TODAY)
        left, days = 2000, 0
        while left > 0:
            left -= rng.choice([0, 50, 100, 150])
            days += 1
        hits += found.earliest <= TODAY + timedelta(days=days) <= found.latest
    assert 0.72 <= hits / 400 <= 0.9


# --- the human ceiling ------------------------------------------------------------------------------------------------
def test_a_vote_is_compared_with_the_others_alone():
    assert compared(1, 0, 3) is True
    assert compared(0, 1, 2) is False
    assert compared(1, 1, 2) is None  # the two others are even
    assert compared(1, 0, 2) is None  # one other is no majority
    assert compared(0, 2, 3) is False


def test_patterns_give_what_going_through_the_votes_gives():
    for zeros in range(6):
        for ones in range(6):
            votes = [0] * zeros + [1] * ones
            others = [votes[:place] + votes[place + 1 :] for place in range(len(votes))]
            known = [
                (vote, rest)
                for vote, rest in zip(votes, others, strict=True)
                if len(rest) >= 2 and rest.count(0) != rest.count(1)
            ]
            right = sum((rest.count(1) > rest.count(0)) == bool(vote) for vote, rest in known)
            assert rights_of(zeros, ones) == (right, len(known))


def test_the_ceiling_of_three_raters():
    """Eight unanimous pairs (24 right) and two split ones (two wrong, the majority's own votes compare with a tie)."""
    found = human_ceiling([(0, 3, 5), (3, 0, 3), (1, 2, 2)])
    assert (found.right, found.n, found.units) == (24, 26, 10)
    assert found.share == pytest.approx(24 / 26)
    assert found.low < 24 / 26 < found.high <= 1


def test_the_interval_is_over_pairs_not_votes():
    """Drawing the pairs anew gives about the spread that the formula says."""
    rng = random.Random(3)
    pairs = [(0, 3)] * 60 + [(3, 0)] * 40 + [(1, 2)] * 25 + [(4, 1)] * 15
    found = human_ceiling([(zeros, ones, 1) for zeros, ones in pairs])
    shares = sorted(
        human_ceiling([(zeros, ones, 1) for zeros, ones in rng.choices(pairs, k=len(pairs))]).share for _ in range(600)
    )
    assert found.low == pytest.approx(shares[15], abs=0.012)
    assert found.high == pytest.approx(shares[585], abs=0.012)


def test_of_too_little_there_is_no_ceiling():
    assert human_ceiling([]).share is None
    assert human_ceiling([(0, 2, 100)]).share is None
    lone = human_ceiling([(0, 3, 1)])
    assert (lone.share, lone.low) == (1, None)


def rows(*found):
    return [
        RaterPattern(1, intent, answer, Tally(n_yes=yes, n_no=no, n_one=one, n_zero=zero), n)
        for intent, answer, yes, no, one, zero, n in found
    ]


def test_a_person_against_the_others():
    mine = rows(
        ("yes", 1, 3, 0, 3, 0, 6),
        ("yes", 0, 3, 0, 2, 1, 2),
        ("no", None, 2, 1, 2, 0, 4),
        ("unclear", None, 2, 0, 2, 0, 9),
    )
    answers, intents = against_others(mine), against_others(mine, step="intent")
    assert (answers.right, answers.n) == (6, 8)
    assert (intents.right, intents.n) == (8, 12)


# --- rates ------------------------------------------------------------------------------------------------------------
def test_a_rate_stands_beside_what_the_others_said_of_the_same_pairs():
    """Hard pairs given to one person alone make nobody unusual: what counts is the others on the same pairs."""
    same = _rate([(1, 3, 0, 50), (0, 0, 3, 50)])
    assert same.share == same.others == 0.5
    assert not same.is_unusual
    always = _rate([(1, 3, 0, 50), (1, 1, 2, 50)])
    assert (always.share, always.others) == (1, 0.5)
    assert always.is_unusual


def test_few_votes_are_never_unusual():
    assert not _rate([(1, 1, 2, 20)]).is_unusual


def test_pairs_that_nobody_else_judged_do_not_count():
    assert _rate([(1, 1, 0, 10)]).n == 0


# --- speed ------------------------------------------------------------------------------------------------------------
def times(*found):
    made = Times()
    for band, seconds, n in found:
        for _ in range(n):
            made.add(band, seconds)
    return made


def everybody(*people):
    return Times.read(*(one.to_dict() for one in people))


def test_somebody_who_clicks_through_stands_out():
    fast, steady = times(("medium", 1.0, 100)), times(("medium", 15.0, 300), ("medium", 30.0, 300))
    whole = everybody(fast, steady)
    assert speed_of(fast, whole).share == 1
    assert speed_of(fast, whole).is_suspicious
    assert not speed_of(steady, everybody(steady, times(("medium", 20.0, 200)))).is_suspicious


def test_short_functions_make_nobody_fast():
    """One person got the short ones: on as much code they take as long as the others."""
    short = times(("short", 4.0, 100))
    others = times(("short", 4.0, 150), ("long", 40.0, 500))
    found = speed_of(short, everybody(short, others))
    assert found.n_fast == 0
    assert not found.is_suspicious


def test_without_enough_votes_of_others_nothing_is_said():
    fast = times(("medium", 1.0, 100))
    found = speed_of(fast, everybody(fast, times(("medium", 20.0, 50))))
    assert (found.n, found.is_suspicious) == (0, False)


def test_votes_far_below_the_own_median_are_counted():
    found = speed_of(times(("medium", 20.0, 40), ("medium", 2.0, 5)), times(("medium", 20.0, 40), ("medium", 2.0, 5)))
    assert (found.n_rushed, found.n_own) == (5, 45)


@given(
    st.dictionaries(
        st.sampled_from(["query", "short", "long"]),
        st.dictionaries(st.integers(-24, 94), st.integers(1, 9), max_size=6),
    )
)
def test_stored_times_come_back_as_they_were(bands):
    stored = {band: {str(number): n for number, n in bins.items()} for band, bins in bands.items()}
    assert {band: bins for band, bins in Times.read(stored).to_dict().items() if bins} == {
        band: bins for band, bins in stored.items() if bins
    }
    doubled = Times.read(stored, stored)
    assert doubled.without(Times.read(stored)).all == Times.read(stored).all
    assert math.isclose(sum(doubled.all.values()), 2 * sum(n for bins in stored.values() for n in bins.values()))
