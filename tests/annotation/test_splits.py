"""Splits: nothing leaks, sizes hold or are refused, the seed decides."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.splits import DEV, SPLITS, TEST, Edge, SplitSizeError, connected_groups, split_pairs

edges_st = st.lists(
    st.builds(
        Edge, st.integers(0, 30).map(lambda n: f"q{n}"), st.integers(0, 40).map(lambda n: f"c{n}"), st.integers(0, 1)
    ),
    max_size=60,
    unique_by=lambda edge: (edge.query, edge.code),
)


def sides(edges, of_pair, key):
    """The splits in which each query (or code) stands."""
    found: dict[str, set[str]] = {}
    for edge, split in zip(edges, of_pair, strict=True):
        if split is not None:
            found.setdefault(key(edge), set()).add(split)
    return found


def pairs(n, *, codes=None):
    return [Edge(f"q{i}", f"c{i % codes if codes else i}", i % 2) for i in range(n)]


@pytest.mark.parametrize("by", ["group", "code"])
@given(edges=edges_st, seed=st.integers(0, 5))
def test_no_query_and_no_code_stands_on_two_sides(by, edges, seed):
    try:
        split = split_pairs(edges, dev=Fraction(1, 10), test=Fraction(1, 5), seed=seed, by=by)
    except SplitSizeError:
        return
    for key in (lambda edge: edge.query, lambda edge: edge.code):
        assert all(len(found) == 1 for found in sides(edges, split.of_pair, key).values())
    assert sum(split.report["pairs"].values()) + split.report["dropped"] == len(edges)


@given(edges_st)
def test_groups_are_the_connected_ones_and_hold_every_pair_once(edges):
    groups = connected_groups(edges)
    assert sorted(index for group in groups for index in group) == list(range(len(edges)))
    queries = [{edges[index].query for index in group} for group in groups]
    codes = [{edges[index].code for index in group} for group in groups]
    for parts in (queries, codes):
        assert sum(map(len, parts)) == len(set().union(*parts))


def test_sizes_are_met_and_labels_balanced_where_groups_are_small():
    split = split_pairs(pairs(1000), dev=100, test=Fraction(1, 5))
    assert split.report["pairs"] == {"train": 700, "dev": 100, "test": 200}
    assert split.report["ones"] == {"train": 350, "dev": 50, "test": 100}


def test_the_same_pairs_get_the_same_split_in_any_order_and_another_with_another_seed():
    edges = pairs(200, codes=120)
    first = split_pairs(edges, dev=20, test=20, seed=1)
    turned = split_pairs(edges[::-1], dev=20, test=20, seed=1)
    assert first.of_pair == turned.of_pair[::-1]
    assert first.of_pair != split_pairs(edges, dev=20, test=20, seed=2).of_pair


def test_a_giant_component_is_refused_with_its_size_and_a_way_out():
    with pytest.raises(SplitSizeError, match=r"50 hang together.*split by code"):
        split_pairs([Edge(f"q{i}", "c", 1) for i in range(50)], dev=10, test=10)


def test_split_by_code_parts_a_giant_component_and_counts_what_it_drops():
    edges = [Edge(f"q{i // 2}", f"c{(i + 1) // 2}", i % 2) for i in range(200)]  # one chain
    with pytest.raises(SplitSizeError):
        split_pairs(edges, dev=20, test=20)
    split = split_pairs(edges, dev=Fraction(1, 5), test=Fraction(1, 5), by="code")
    assert split.report["largest_group"] == 200
    assert split.report["dropped"] == split.of_pair.count(None) > 0


def test_sizes_beyond_the_pairs_are_refused():
    with pytest.raises(SplitSizeError, match="only 5"):
        split_pairs(pairs(5), dev=3, test=3)


def test_few_pairs_may_have_empty_splits():
    split = split_pairs(pairs(3), dev=Fraction(1, 10), test=Fraction(1, 10))
    assert split.of_pair == ["train"] * 3
    assert set(split.report["pairs"]) == set(SPLITS) >= {DEV, TEST}
