import subprocess
import sys

import pytest

from modeling.ml.rewriting import MODES, rewrite

QUERY = "python sort list of list by value"


def words(mode: str, query: str = QUERY, seed: int = 1, row: str = "a") -> list[str]:
    return rewrite(query, mode, seed=seed, row=row).split()


def test_delete_takes_one_word_away():
    for row in map(str, range(20)):
        shorter = words("delete", row=row)
        assert len(shorter) == 6
        assert any(QUERY.split()[:i] + QUERY.split()[i + 1 :] == shorter for i in range(7))


def test_copy_adds_a_word_that_is_there():
    for row in map(str, range(20)):
        longer = words("copy", row=row)
        assert len(longer) == 8
        assert set(longer) == set(QUERY.split())


def test_switch_exchanges_two_different_words():
    for row in map(str, range(20)):
        switched = words("switch", row=row)
        assert sorted(switched) == sorted(QUERY.split())
        assert sum(a != b for a, b in zip(switched, QUERY.split(), strict=True)) == 2


@pytest.mark.parametrize(
    ("mode", "query"), [("delete", "sort"), ("switch", "sort"), ("switch", "la la la"), ("delete", ""), ("copy", "")]
)
def test_the_impossible_leaves_the_query_alone(mode, query):
    assert rewrite(query, mode, seed=0, row="r") == query


@pytest.mark.parametrize("mode", MODES)
def test_rewrites_follow_seed_and_row(mode):
    assert words(mode) == words(mode)
    assert len({tuple(words(mode, seed=seed)) for seed in range(30)}) > 3
    assert len({tuple(words(mode, row=str(row))) for row in range(30)}) > 3


def test_another_process_rewrites_alike():
    script = f"from modeling.ml.rewriting import rewrite; print(rewrite({QUERY!r}, 'switch', seed=1, row='a'))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "123"}
    )
    assert run.stdout.split() == words("switch")


def test_an_unknown_mode_is_an_error():
    with pytest.raises(ValueError, match="no rewriting shuffle"):
        rewrite(QUERY, "shuffle", seed=0, row="r")
