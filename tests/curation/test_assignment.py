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


def test_two_codes_per_query_hold_cap_and_threshold_and_keep_their_ranks():
    found = assign(matches_of(E5A), threshold=0.5, cap=2, top_k=2)
    # code 0 goes to the queries 1 and 2 (0.90 and 0.85), code 1 to 2 and 0 (0.85 and 0.70)
    assert [(m.query, m.code, m.rank) for m in found.kept] == [(0, 1, 2), (1, 0, 1), (2, 0, 1), (2, 1, 2)]
    assert [(m.query, m.code) for m in found.over_cap] == [(0, 0), (1, 1), (4, 0)]
    assert [(m.query, m.code) for m in found.below] == [(3, 0), (3, 2), (4, 1)]


def test_a_query_without_room_takes_no_next_best_code_unless_it_cascades():
    rows = matches_of([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6]])
    assert kept(assign(rows, threshold=0, cap=1, top_k=1)) == {(0, 0)}
    assert kept(assign(rows, threshold=0, cap=1, top_k=1, policy="cascade")) == {(0, 0), (1, 1)}
    cascaded = assign(rows, threshold=0, cap=1, top_k=2, policy="cascade")
    assert kept(cascaded) == {(0, 0), (0, 1), (1, 2)}
    assert [m.rank for m in cascaded.kept] == [1, 2, 3]


def test_the_first_slot_says_what_became_of_a_query():
    found = assign(matches_of(E5A), threshold=0.5, cap=2, top_k=2)
    first = {slot.match.query: slot.outcome for slot in found.slots() if slot.number == 1}
    assert first == {0: "kept", 1: "kept", 2: "kept", 3: "below", 4: "over_cap"}
    assert found.query_outcomes() == {"kept": 3, "below": 1, "over_cap": 1}


def plain_assignment(matches, threshold, cap, policy, top_k):
    """The definition, as slowly as it reads."""
    ranked = {}
    for query in {match.query for match in matches}:
        own = sorted((m for m in matches if m.query == query), key=lambda m: (-m.score, m.code))
        ranked[query] = own
    wanted = [m for own in ranked.values() for m in (own if policy == "cascade" else own[:top_k])]
    if policy == "first_come":
        wanted.sort(key=lambda m: (m.query, -m.score, m.code))
    else:
        wanted.sort(key=lambda m: (-m.score, m.query, m.code))
    got = []
    for m in wanted:
        room = sum(other.code == m.code for other in got) < cap
        free = sum(other.query == m.query for other in got) < top_k
        if m.score >= threshold and room and free:
            got.append(m)
    return {(m.query, m.code) for m in got}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 5), st.sampled_from([0.1, 0.3, 0.5, 0.5, 0.8, 0.9])),
        unique_by=lambda row: row[:2],
        max_size=30,
    ),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from(POLICIES),
    st.randoms(),
)
def test_any_assignment_is_that_of_the_definition(rows, cap, top_k, policy, shuffler):
    matches = [Match(*row) for row in rows]
    found = assign(matches, threshold=0.5, cap=cap, policy=policy, top_k=top_k)
    assert kept(found) == plain_assignment(matches, 0.5, cap, policy, top_k)
    shuffler.shuffle(matches)
    assert assign(matches, threshold=0.5, cap=cap, policy=policy, top_k=top_k) == found
    slots = list(found.slots())
    for query in {row[0] for row in rows}:
        own = [slot for slot in slots if slot.match.query == query]
        assert [slot.number for slot in own] == list(range(1, min(top_k, sum(r[0] == query for r in rows)) + 1))
    assert len({(slot.match.query, slot.match.code) for slot in slots}) == len(slots)
