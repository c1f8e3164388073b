"""Krippendorff's alpha against published figures, the library, and its own identities (METHODS 7)."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from annotation.agreement import (
    NOTHING_TO_PAIR,
    UNANIMOUS,
    Coincidences,
    against_rest,
    alpha,
    alpha_u,
    bootstrap_interval,
    gwet_ac1,
    library_alpha,
    patterns_of,
    percent_agreement,
)

FOUR_OBSERVERS = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
SEVEN_UNITS = [[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0], [1], [0, 0, 1, 1]]

binary_units = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30)
wide_units = st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=20)


def units_of(observers):
    """Units from one line of values per observer; a dot is missing."""
    columns = zip(*[line.split() for line in observers], strict=True)
    return [[None if value == "." else value for value in column] for column in columns]


def test_four_observers_of_krippendorffs_note_give_0_743():
    measured = alpha(patterns_of(units_of(FOUR_OBSERVERS)))
    assert measured.value == pytest.approx(0.743421, abs=2e-6)
    assert (measured.n, measured.units) == (40, 11)
    sums = Coincidences.of(patterns_of(units_of(FOUR_OBSERVERS)))
    assert sorted(sums.totals.values(), reverse=True) == [13, 10, 9, 5, 3]
    assert float(sums.observed) == pytest.approx(0.2)
    assert float(sums.expected) == pytest.approx(0.779487, abs=2e-6)


def test_two_observers_on_ten_binary_units_give_0_095():
    measured = alpha(patterns_of(zip("0100000010", "1110010000", strict=True)))
    assert measured.value == pytest.approx(0.095238, abs=2e-6)


def test_seven_units_give_seven_twenty_fourths_and_their_parts():
    sums = Coincidences.of(patterns_of(SEVEN_UNITS))
    assert sums.n == 18
    assert sums.observed == Fraction(10, 27)
    assert sums.expected == Fraction(80, 153)
    assert sums.alpha == Fraction(7, 24)
    parts = [alpha_u((unit.count(0), unit.count(1)), sums.expected) for unit in SEVEN_UNITS]
    assert parts == [1, Fraction("-0.275"), 1, 1, Fraction("-0.9125"), None, Fraction("-0.275")]
    weighted = sum(len(unit) * part for unit, part in zip(SEVEN_UNITS, parts, strict=True) if part is not None)
    assert weighted / 18 == sums.alpha


def test_unanimous_votes_have_no_alpha_and_say_why():
    measured = alpha({(0, 3): 5})
    assert measured.value is None
    assert measured.reason == UNANIMOUS
    assert measured.to_dict()["undefined"] == UNANIMOUS


def test_single_votes_cannot_be_paired():
    measured = alpha({(0, 1): 5, (1, 0): 2, (0, 0): 1})
    assert (measured.value, measured.reason, measured.n) == (None, NOTHING_TO_PAIR, 0)


@given(wide_units)
def test_own_alpha_equals_the_librarys_on_random_votes_with_missing_values(units):
    patterns = Counter(units)
    own = Coincidences.of(patterns).alpha
    assume(own is not None)
    assert float(own) == pytest.approx(library_alpha(patterns), abs=1e-12)


@given(binary_units)
def test_weighted_parts_of_the_units_sum_to_alpha(units):
    sums = Coincidences.of(Counter(units))
    assume(sums.alpha is not None)
    parts = [(sum(unit), alpha_u(unit, sums.expected)) for unit in units]
    assert sum(m * part for m, part in parts if part is not None) / sums.n == sums.alpha


@given(binary_units, binary_units)
def test_units_taken_out_again_leave_no_trace(units, passing):
    sums = Coincidences.of(Counter(units))
    before = (sums.n, sums.units, sums.alpha)
    for unit in passing:
        sums.add(unit)
    for unit in passing:
        sums.add(unit, -1)
    assert (sums.n, sums.units, sums.alpha) == before


def test_interval_depends_on_data_and_seed_only_and_holds_alpha():
    patterns = {(3, 0): 40, (2, 1): 20, (0, 3): 35, (1, 2): 12}
    shuffled = dict(reversed(patterns.items()))
    low, high = bootstrap_interval(patterns, seed=4)
    assert bootstrap_interval(shuffled, seed=4) == (low, high)
    assert low < alpha(patterns).value < high
    assert bootstrap_interval(patterns, seed=5) != (low, high)


def test_interval_of_a_single_pair_does_not_exist():
    assert bootstrap_interval({(1, 2): 1}) == (None, None)


def test_one_person_against_one_other_is_plain_alpha():
    pairs = [(0, 1), (1, 1), (0, 1), (0, 0), (0, 0), (0, 1), (0, 0), (0, 0), (1, 0), (0, 0)]
    rows = [(mine, (int(other == 0), int(other == 1)), 1) for mine, other in pairs]
    plain = alpha(Counter((pair.count(0), pair.count(1)) for pair in pairs))
    assert against_rest(rows).value == pytest.approx(plain.value)


def test_against_nobody_is_undefined():
    assert against_rest([(1, (0, 0), 3)]).reason == NOTHING_TO_PAIR
    assert against_rest([(1, (0, 2), 3)]).reason == UNANIMOUS


def test_percent_and_ac1_of_the_four_observers_are_the_published_ones():
    """Gwet's own example of four raters and twelve units; his `irrCAC` package prints 0.81818 and 0.77544."""
    patterns = patterns_of(units_of(FOUR_OBSERVERS))
    assert percent_agreement(patterns) == pytest.approx(0.81818, abs=5e-6)
    assert gwet_ac1(patterns) == pytest.approx(0.77544, abs=5e-6)


def test_ac1_stands_where_alpha_falls_under_prevalence():
    """Two raters on 100 units: 94 alike, and nearly all of one value."""
    patterns = {(0, 2): 90, (1, 1): 6, (2, 0): 4}
    share = (90 + 3) / 100
    chance = 2 * share * (1 - share)
    assert gwet_ac1(patterns) == pytest.approx((0.94 - chance) / (1 - chance))
    assert alpha(patterns).value < 0.6 < 0.9 < gwet_ac1(patterns)


def test_unanimous_votes_have_an_ac1_of_one_and_single_ones_none():
    assert (percent_agreement({(0, 3): 5}), gwet_ac1({(0, 3): 5})) == (1.0, 1.0)
    assert (percent_agreement({(0, 1): 5}), gwet_ac1({(0, 1): 5, (0, 0): 1})) == (None, None)
    assert gwet_ac1({}) is None


@given(wide_units)
def test_ac1_equals_the_plain_formula_unit_by_unit(units):
    value = gwet_ac1(Counter(units))
    paired = [unit for unit in units if sum(unit) > 1]
    if not paired:
        assert value is None
        return
    agreed = sum(sum(n * (n - 1) for n in unit) / (sum(unit) * (sum(unit) - 1)) for unit in paired) / len(paired)
    rated = [unit for unit in units if sum(unit)]
    shares = [sum(unit[k] / sum(unit) for unit in rated) / len(rated) for k in range(4)]
    chance = sum(share * (1 - share) for share in shares) / 3
    assert value == pytest.approx((agreed - chance) / (1 - chance), abs=1e-12)


def test_interval_against_the_rest_depends_on_data_and_seed_only_and_holds_alpha():
    rows = [(1, (0, 2), 30), (1, (1, 1), 9), (0, (2, 0), 25), (0, (0, 2), 4), (1, (0, 0), 3)]
    measured = against_rest(rows, resamples=500)
    assert against_rest(reversed(rows), resamples=500) == measured
    assert measured.low < measured.value < measured.high
    plain = against_rest(rows)
    assert (plain.value, plain.n, plain.low) == (measured.value, measured.n, None)
