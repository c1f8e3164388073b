from hypothesis import given
from hypothesis import strategies as st

from modeling.ml.batches import epoch_batches
from modeling.ml.data import Example
from modeling.ml.splitting import connected_groups, grouped_folds, hold_out, without_connected

PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40)


def examples(pairs) -> list[Example]:
    return [Example.of(f"q{query}", f"c{code}", 1, idx=str(n)) for n, (query, code) in enumerate(pairs)]


def test_pairs_are_connected_through_others():
    rows = examples([(1, 1), (2, 1), (2, 2), (3, 3)])
    assert connected_groups(rows) == [0, 0, 0, 1]


def test_everything_connected_with_a_test_set_is_dropped():
    rows = examples([(1, 1), (2, 1), (2, 2), (3, 3), (4, 4)])
    kept = without_connected(rows, query_ids=[rows[3].query_id, "unknown"], code_ids=[rows[2].code_id])
    assert [row.idx for row in kept] == ["4"]


@given(PAIRS)
def test_folds_are_disjoint_complete_and_share_no_text(pairs):
    rows = examples(pairs)
    folds = grouped_folds(rows, 3, seed=0)
    assert sorted(place for fold in folds for place in fold) == list(range(len(rows)))
    for name in ("query_id", "code_id"):
        texts = [{getattr(rows[place], name) for place in fold} for fold in folds]
        assert sum(map(len, texts)) == len(set.union(*texts))


def test_folds_follow_the_seed():
    rows = examples([(n, n) for n in range(30)])
    assert grouped_folds(rows, 3, seed=1) == grouped_folds(rows, 3, seed=1) != grouped_folds(rows, 3, seed=2)
    assert [len(fold) for fold in grouped_folds(rows, 3, seed=1)] == [10, 10, 10]


def test_held_out_pairs_share_nothing_with_the_rest():
    rows = examples([(n // 2, n) for n in range(40)])
    kept, held = hold_out(rows, 0.25, seed=3)
    assert (len(kept), len(held)) == (30, 10)
    assert not {row.query_id for row in kept} & {row.query_id for row in held}


@given(PAIRS, st.integers(1, 7))
def test_batches_hold_every_example_once_and_repeat_no_text(pairs, size):
    rows = examples(pairs)
    batches = epoch_batches(rows, size, seed=0, epoch=0)
    assert sorted(place for batch in batches for place in batch) == list(range(len(rows)))
    for batch in batches:
        assert 1 <= len(batch) <= size
        assert len({rows[place].query_id for place in batch}) == len(batch)
        assert len({rows[place].code_id for place in batch}) == len(batch)


def test_batches_follow_seed_and_epoch():
    rows = examples([(n, n) for n in range(20)])
    first = epoch_batches(rows, 4, seed=0, epoch=0)
    assert first == epoch_batches(rows, 4, seed=0, epoch=0)
    assert first != epoch_batches(rows, 4, seed=0, epoch=1)
    assert first != epoch_batches(rows, 4, seed=1, epoch=0)


def test_one_code_for_all_gives_batches_of_one():
    rows = examples([(n, 0) for n in range(50)])
    assert [len(batch) for batch in epoch_batches(rows, 8, seed=0, epoch=0)] == [1] * 50
