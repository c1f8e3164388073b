"""METHODS 5: threshold, cap, ties and policies."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.assignment import POLICIES, Match, assign

E5A = [[0.80, 0.70, 0.20], [0.90, 0.60, 0.10], [0.85, 0.85, 0.30], [0.49, 0.40, 0.45], [0.50, 0.20, 0.10]]


def matches_of(rows):
    return [Match(query, code, score) for query, row in enumerate(rows) for code, score in enumerate(row)]


def kept(assignment):
    return {(match.query, match.code) for match in assignment.kept}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("default", {(1, 0), (2, 0)}),
        ("cascade", {(0, 1), (1, 0), (2, 0)}),
        ("first_come", {(0, 0), (1, 0)}),
    ],
)
def test_worked_example_e5a(policy, expected):
    found = assign(matches_of(E5A), threshold=0.5, cap=2, policy=policy)
    assert kept(found) == expected
    assert [match.query for match in found.below] == [3]


def test_in_e5a_the_last_query_passes_the_threshold_and_loses_to_the_cap():
    found = assign(matches_of(E5A), threshold=0.5, cap=2)
    assert Match(4, 0, 0.5) in found.over_cap


def test_the_threshold_is_inclusive():
    assert kept(assign([Match(0, 0, 0.5), Match(1, 0, 0.499999)], threshold=0.5, cap=10)) == {(0, 0)}


def test_equal_scores_go_to_the_smaller_code_and_at_the_cap_to_the_smaller_query():
    found = assign([Match(q, c, 0.9) for q in (2, 1, 0) for c in (5, 3, 4)], threshold=0.5, cap=2)
    assert kept(found) == {(0, 3), (1, 3)}
    assert [match.query for match in found.over_cap] == [2]


def test_no_matches_give_an_empty_assignment():
    found = assign([], threshold=0.5, cap=1)
    assert (found.kept, found.below, found.over_cap) == ([], [], [])


def test_nonsense_settings_are_refused():
    with pytest.raises(ValueError, match="policy"):
        assign([], threshold=0.5, cap=1, policy="best")
    with pytest.raises(ValueError, match="cap"):
        assign([], threshold=0.5, cap=0)


score_rows = st.lists(
    st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=4, max_size=4), min_size=1, max_size=12
)


@given(rows=score_rows, cap=st.integers(1, 4), policy=st.sampled_from(POLICIES), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_the_order_of_matches_changes_nothing(rows, cap, policy, seed):
    matches = matches_of(rows)
    shuffled = random.Random(seed).sample(matches, len(matches))
    assert assign(matches, threshold=0.5, cap=cap, policy=policy) == assign(
        shuffled, threshold=0.5, cap=cap, policy=policy
    )


@given(rows=score_rows, cap=st.integers(1, 4), policy=st.sampled_from(POLICIES))
@settings(max_examples=150, deadline=None)
def test_every_query_ends_once_and_no_code_exceeds_its_cap(rows, cap, policy):
    found = assign(matches_of(rows), threshold=0.5, cap=cap, policy=policy)
    ends = [match.query for match in (*found.kept, *found.below, *found.over_cap)]
    assert sorted(ends) == list(range(len(rows)))
    assert all(match.score >= 0.5 for match in found.kept)
    codes = [match.code for match in found.kept]
    assert all(codes.count(code) <= cap for code in codes)


@given(rows=score_rows, cap=st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_the_default_equals_the_definition_written_out(rows, cap):
    best = [(max(row), row.index(max(row))) for row in rows]
    expected = set()
    for code in range(4):
        wanting = sorted((-score, query) for query, (score, at) in enumerate(best) if at == code and score >= 0.5)
        expected |= {(query, code) for _, query in wanting[:cap]}
    assert kept(assign(matches_of(rows), threshold=0.5, cap=cap)) == expected
