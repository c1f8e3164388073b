"""Score against judgement: bins, intervals, and thresholds by a stated rule."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.score_curve import score_curve, suggest_threshold, wilson

PAIRS = st.lists(st.tuples(st.sampled_from([n / 20 for n in range(21)]), st.integers(0, 1)), max_size=120)


def split(pairs):
    return [score for score, _ in pairs], [label for _, label in pairs]


def test_wilson_gives_the_known_interval():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)


@settings(max_examples=100, deadline=None)
@given(PAIRS, st.integers(1, 12))
def test_bins_hold_every_pair_once_and_never_part_equal_scores(pairs, bins):
    curve = score_curve(*split(pairs), bins=bins)
    assert sum(one.n for one in curve.bins) == curve.n == len(pairs)
    assert sum(one.ones for one in curve.bins) == curve.ones
    for left, right in zip(curve.bins, curve.bins[1:], strict=False):
        assert left.high < right.low
    assert all(one.n >= 10 for one in curve.bins) or len(curve.bins) <= 1
    assert all(one.share_low <= one.share <= one.share_high for one in curve.bins)


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_the_auc_is_the_chance_of_a_right_order(pairs):
    ones = [score for score, label in pairs if label]
    zeros = [score for score, label in pairs if not label]
    expected = [1.0 if a > b else 0.5 if a == b else 0.0 for a in ones for b in zeros]
    found = score_curve(*split(pairs)).auc
    assert found is None if not expected else found == pytest.approx(sum(expected) / len(expected))


@settings(max_examples=100, deadline=None)
@given(PAIRS, st.sampled_from([0.3, 0.5, 0.7]))
def test_the_precision_rule_takes_the_lowest_threshold_that_satisfies_it(pairs, target):
    found = suggest_threshold(*split(pairs), target=target, least=5)
    good = []
    for threshold in sorted({score for score, _ in pairs}):
        above = [label for score, label in pairs if score >= threshold]
        if len(above) >= 5 and wilson(sum(above), len(above))[0] >= target:
            good.append(threshold)
    assert (found.threshold if found else None) == (good[0] if good else None)
    if found:
        above = [label for score, label in pairs if score >= found.threshold]
        assert found.n_above == len(above)
        assert found.precision == pytest.approx(sum(above) / len(above))
        assert found.recall == pytest.approx(sum(above) / sum(label for _, label in pairs))


def test_the_f1_rule_finds_the_border_of_two_clouds():
    chance = random.Random(0)
    pairs = [(0.3 + 0.1 * chance.random(), 0) for _ in range(50)] + [
        (0.6 + 0.1 * chance.random(), 1) for _ in range(50)
    ]
    found = suggest_threshold(*split(pairs), rule="f1")
    assert found.f1 == 1.0
    assert 0.6 <= found.threshold <= 0.61
    assert found.text == "the threshold with the highest F1 of label 1"


def test_too_few_pairs_suggest_nothing():
    assert suggest_threshold([0.9] * 5, [1] * 5) is None
    assert suggest_threshold([], []) is None
    assert suggest_threshold([0.5] * 100, [0] * 100) is None
    assert score_curve([], []).bins == []


@pytest.mark.parametrize(("scores", "labels"), [([0.1], []), ([0.1], [2]), ([float("nan")], [1])])
def test_unusable_input_is_refused(scores, labels):
    with pytest.raises(ValueError, match=r"belong together|neither 0 nor 1|not a number"):
        score_curve(scores, labels)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="no rule"):
        suggest_threshold([0.1], [1], rule="best")
