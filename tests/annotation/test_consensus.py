"""From votes to a label to kept or removed, case by case."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.consensus import (
    DEFAULT_RULE,
    Keep,
    KeepRule,
    Outcome,
    Removal,
    Tally,
    decide,
    needs_more_votes,
    verdict,
)

PLAIN = KeepRule(min_share=Fraction(1, 2))
UNANIMOUS = KeepRule(Keep.UNANIMOUS)
tallies = st.builds(
    lambda one, zero, no, code, query: Tally(one + zero + code, no, query, one, zero),
    *[st.integers(0, 5)] * 5,
)


def tally(votes: str) -> Tally:
    """ "110nqc": ones, zeros, no intent, query unclear, code unclear."""
    return Tally(
        n_yes=sum(votes.count(letter) for letter in "10c"),
        n_no=votes.count("n"),
        n_unclear=votes.count("q"),
        n_one=votes.count("1"),
        n_zero=votes.count("0"),
    )


@pytest.mark.parametrize(
    ("votes", "outcome", "label"),
    [
        ("111", Outcome.LABELLED, 1),
        ("110", Outcome.LABELLED, 1),
        ("100", Outcome.LABELLED, 0),
        ("11n", Outcome.LABELLED, 1),
        ("1nn", Outcome.NO_INTENT, None),
        ("nnn", Outcome.NO_INTENT, None),
        ("10n", Outcome.UNRESOLVED, None),
        ("1n", Outcome.UNRESOLVED, None),
        ("1cc", Outcome.UNRESOLVED, None),
        ("qqq", Outcome.UNRESOLVED, None),
        ("", Outcome.UNRESOLVED, None),
    ],
)
def test_consensus_goes_by_intent_first_then_by_two_answers_at_least(votes, outcome, label):
    reached = verdict(tally(votes))
    assert (reached.outcome, reached.label) == (outcome, label)


def test_no_intent_is_never_label_0():
    assert all(verdict(tally("n" * n)).label is None for n in range(1, 6))


@pytest.mark.parametrize(
    ("votes", "removal"),
    [
        ("111", None),
        ("11110", None),
        ("1110", None),
        ("11n", None),
        ("110", Removal.BELOW_SHARE),
        ("11100", Removal.BELOW_SHARE),
        ("1100", Removal.UNRESOLVED),
        ("11", Removal.TOO_FEW_VOTES),
        ("11c", Removal.TOO_FEW_VOTES),
        ("1nn", Removal.NO_INTENT),
    ],
)
def test_the_default_rule_keeps_three_of_three_and_four_of_five(votes, removal):
    assert decide(tally(votes)).removal == removal


def test_plain_majority_keeps_two_of_three_and_never_a_tie():
    assert decide(tally("110"), PLAIN).label == 1
    assert decide(tally("1100"), PLAIN).removal == Removal.UNRESOLVED


def test_unanimity_counts_the_intent_too():
    assert decide(tally("111"), UNANIMOUS).is_kept
    assert decide(tally("11n"), UNANIMOUS).removal == Removal.NOT_UNANIMOUS


def test_with_three_raters_any_threshold_above_minus_a_third_means_unanimity():
    at = KeepRule(Keep.ALPHA_U, min_alpha_u=Fraction(-1, 3))
    above = KeepRule(Keep.ALPHA_U, min_alpha_u=Fraction(-1, 3) + Fraction(1, 1000))
    half = {"expected_disagreement": Fraction(1, 2)}
    assert decide(tally("110"), at, **half).is_kept
    assert decide(tally("110"), above, **half).removal == Removal.BELOW_ALPHA_U
    assert decide(tally("111"), above, **half).is_kept


def test_alpha_u_keeps_unanimous_pairs_even_where_nobody_ever_differed():
    rule = KeepRule(Keep.ALPHA_U, min_alpha_u=Fraction(1))
    assert decide(tally("111"), rule, expected_disagreement=Fraction(0)).is_kept


def test_the_intent_of_a_query_pools_the_votes_on_all_its_pairs():
    pool = tally("110") + tally("nnnn")
    assert decide(tally("110"), PLAIN, query=pool).removal == Removal.NO_INTENT
    assert decide(tally("11n"), PLAIN, query=tally("11n") + tally("111")).label == 1


def test_split_answers_ask_for_more_votes_and_settled_ones_do_not():
    assert needs_more_votes(tally("110"))
    assert needs_more_votes(tally("10n"))
    assert not needs_more_votes(tally("111"))
    assert not needs_more_votes(tally("1nn"))
    assert not needs_more_votes(tally("110"), PLAIN)
    assert not needs_more_votes(tally("110"), UNANIMOUS)


def test_a_vote_that_cannot_settle_anything_is_not_asked_for():
    assert needs_more_votes(tally("110"), remaining=1)
    assert not needs_more_votes(tally("1100"), remaining=1)
    assert not needs_more_votes(tally("110"), remaining=0)


@given(tallies)
def test_kept_pairs_have_a_label_and_a_three_quarter_majority(votes):
    decision = decide(votes)
    if decision.is_kept:
        larger = max(votes.n_one, votes.n_zero)
        assert decision.label == int(votes.n_one > votes.n_zero)
        assert larger * 4 >= 3 * votes.n_answers
        assert votes.n_valid >= DEFAULT_RULE.min_votes
        assert not needs_more_votes(votes, remaining=2)
