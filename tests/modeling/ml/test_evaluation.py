import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from modeling.ml.data import Code, Example
from modeling.ml.errors import BadDataError, NotFiniteError
from modeling.ml.evaluation import (
    auc,
    best_threshold,
    bootstrap_error,
    evaluate_qa,
    evaluate_search,
    f1,
    gold_ranks,
    mean_reciprocal_rank,
)
from modeling.ml.matcher import load_scorer

CODES = [Code(f"def {name}(x):\n    return x") for name in ("sort_list", "read_file", "open_socket", "parse_json")]


class Table:
    """A scorer that reads its scores from a table (query, code) -> score."""

    name, max_length, view, ties_expected = "table", 128, "full", False

    def __init__(self, scores, manifest=None) -> None:
        self.scores = np.array(scores, dtype=np.float32)
        self.manifest = manifest or {}

    def index(self, codes, *, progress=None):
        return None

    def score_rows(self, queries, index):
        yield self.scores[:1]
        yield self.scores[1:]

    def score_pairs(self, queries, codes):
        return self.scores


def queries(golds) -> list[Example]:
    return [Example.of(f"query {n}", CODES[gold].text, 1, idx=f"q{n}") for n, gold in enumerate(golds)]


def test_e0b_tie_policies():
    scores = np.array([[0.9, 0.9, 0.2], [0.1, 0.5, 0.3], [0.4, 0.4, 0.4]], dtype=np.float32)
    ranks = gold_ranks(scores, [1, 1, 0])
    assert_allclose(mean_reciprocal_rank(ranks.optimistic), 1.0, atol=2e-6)
    assert_allclose(mean_reciprocal_rank(ranks.index), 0.833333, atol=2e-6)
    assert_allclose(mean_reciprocal_rank(ranks.pessimistic), 0.611111, atol=2e-6)


def test_ranks_equal_a_full_sort():
    scores = np.random.default_rng(0).normal(size=(20, 50)).astype(np.float32)
    gold = list(range(20))
    by_sorting = [
        1 + sorted(row, reverse=True).index(row[place]) for row, place in zip(scores.tolist(), gold, strict=True)
    ]
    for policy in ("optimistic", "index", "pessimistic", "merged"):
        assert_array_equal(getattr(gold_ranks(scores, gold), policy), by_sorting)


def test_text_identical_codes_count_as_gold_in_the_merged_figure():
    scores = np.array([[0.9, 0.7, 0.8]], dtype=np.float32)
    ranks = gold_ranks(scores, [1], [[0, 1]])
    assert (ranks.pessimistic.tolist(), ranks.merged.tolist()) == ([3], [1])


def test_transposed_scores_change_the_ranks():
    scores = np.array([[0.9, 0.2, -0.3], [0.4, 0.5, 0.6], [-0.1, -0.2, 0.8]], dtype=np.float32)
    assert gold_ranks(scores, [0, 1, 2]).pessimistic.tolist() == [1, 2, 1]
    assert gold_ranks(scores.T, [0, 1, 2]).pessimistic.tolist() == [1, 1, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_numbers_are_never_ranked(value):
    with pytest.raises(NotFiniteError, match="query 1, code 0"):
        gold_ranks(np.array([[0, 1], [value, 1]], dtype=np.float32), [0, 0])


def test_search_metrics_say_how_they_were_made():
    result = evaluate_search(Table(np.eye(4)[[0, 1, 2, 2]]), queries([0, 1, 2, 3]), CODES, with_ranks=True)
    assert result["ranks"] == [1, 1, 1, 4]
    assert result["mrr"] == pytest.approx((3 + 1 / 4) / 4)
    assert (result["recall_at_1"], result["recall_at_5"]) == (0.75, 1.0)
    assert (result["queries"], result["codes"], result["max_length"], result["text_view"]) == (4, 4, 128, "full")
    assert len(result["queries_sha256"]) == len(result["code_base_sha256"]) == 64
    assert "pessimistic" in result["protocol"]


def test_a_collapsed_encoder_is_called_so():
    assert evaluate_search(Table(np.zeros((2, 4))), queries([0, 1]), CODES)["collapsed"]
    assert not evaluate_search(Table(np.eye(4)[:2]), queries([0, 1]), CODES)["collapsed"]


def test_golds_are_found_by_place_or_by_text():
    by_place = [Example.of("q", CODES[2].text, 1, idx="a", code_index=2)]
    assert evaluate_search(Table([[0, 0, 1, 0]]), by_place, CODES)["mrr"] == 1
    wrong = [Example.of("q", CODES[2].text, 1, idx="a", code_index=1)]
    with pytest.raises(BadDataError, match="pair a: retrieval_idx 1 is another code"):
        evaluate_search(Table([[0, 0, 1, 0]]), wrong, CODES)
    with pytest.raises(BadDataError, match="does not stand in the code base"):
        evaluate_search(Table([[0, 0, 1, 0]]), [Example.of("q", "elsewhere", 1, idx="b")], CODES)


def test_pairs_judged_0_are_no_search_queries():
    with pytest.raises(BadDataError, match="no pair labelled 1"):
        evaluate_search(Table([[0, 0, 1, 0]]), [Example.of("q", CODES[0].text, 0)], CODES)


def pairs(labels) -> list[Example]:
    return [Example.of(f"q{n}", f"c{n}", label, idx=str(n)) for n, label in enumerate(labels)]


def test_qa_metrics_with_a_given_threshold():
    result = evaluate_qa(Table([0.9, 0.2, 0.6, 0.5]), pairs([1, 0, 0, 1]), threshold=0.5)
    assert (result["accuracy"], result["threshold_from"]) == (0.5, "given")  # 0.5 is not above 0.5
    assert result["f1"] == 0.5
    assert result["auc"] == 0.75
    assert (result["accuracy_all_1"], result["accuracy_all_0"]) == (0.5, 0.5)


def test_the_threshold_is_never_chosen_on_the_test_pairs():
    labels = [n % 2 for n in range(20)]
    scores = [label + n / 100 for n, label in enumerate(labels)]
    fitted = evaluate_qa(Table(scores), pairs(labels))
    assert fitted["threshold_from"].startswith("cross-fitted")
    assert fitted["accuracy"] == 1
    chance = np.random.default_rng(0)
    at_random = [evaluate_qa(Table(chance.normal(size=100)), pairs([0, 1] * 50))["accuracy"] for _ in range(20)]
    assert np.mean(at_random) < 0.53  # the best threshold of each set itself would give about 0.57


def test_the_threshold_of_dev_pairs_or_of_the_checkpoint_is_used():
    scorer = Table([0.9, 0.2, 0.6, 0.5], {"threshold": 0.55, "threshold_from": "dev"})
    assert evaluate_qa(scorer, pairs([1, 0, 1, 0]))["threshold_from"] == "checkpoint (dev)"
    chosen = evaluate_qa(scorer, pairs([1, 0, 1, 0]), choose_on=pairs([1, 0, 1, 0]))
    assert chosen["threshold"] == pytest.approx(0.55)
    assert chosen["threshold_from"] == "best for 4 other pairs"


def test_unjudged_or_absent_pairs_have_no_accuracy():
    with pytest.raises(BadDataError, match="pair 1: it has no label"):
        evaluate_qa(Table([0.1, 0.2]), pairs([1, None]))
    with pytest.raises(BadDataError, match="nothing to evaluate"):
        evaluate_qa(Table([]), [])


def test_the_best_threshold_equals_trying_them_all():
    chance = np.random.default_rng(1)
    for _ in range(50):
        scores, labels = chance.integers(0, 6, 15).astype(float), chance.random(15) > 0.5
        border = best_threshold(scores, labels)
        most = max(((scores > other) == labels).mean() for other in np.arange(-1.5, 7, 0.5))
        assert ((scores > border) == labels).mean() == most


def test_auc_and_f1_equal_the_library():
    from sklearn.metrics import f1_score, roc_auc_score

    chance = np.random.default_rng(2)
    scores, labels = chance.integers(0, 9, 60).astype(float), chance.random(60) > 0.4
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert f1(scores > 4, labels) == pytest.approx(f1_score(labels, scores > 4))
    assert auc(scores, np.ones(60, dtype=bool)) is None
    assert f1(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)) == 0


def test_the_bootstrap_error_is_near_the_formula_and_repeats():
    values = np.random.default_rng(3).random(400)
    assert bootstrap_error(values) == pytest.approx(values.std(ddof=1) / 20, rel=0.1)
    assert bootstrap_error(values) == bootstrap_error(values)


def test_views_that_make_codes_equal_are_merged():
    base = [Code("def f(x):\n    return x + 1"), Code("def f(x):\n    return x - 1"), Code("def g():\n    pass")]
    wanted = [Example.of("f", base[1].text, 1, idx="a")]
    result = evaluate_search(load_scorer("hashing", view="header_only"), wanted, base)
    assert result["mrr"] == 0.5
    assert result["mrr_merged"] == 1


def test_bm25_on_cosqa_gives_the_known_figure(real_data):
    from modeling.ml.data import read_code_base, read_pairs

    wanted = read_pairs(real_data / "cosqa" / "cosqa-retrieval-dev-500.json")
    base = read_code_base(real_data / "cosqa" / "code_idx_map.txt")
    result = evaluate_search(load_scorer("bm25"), wanted, base)
    assert result["mrr"] == pytest.approx(0.340, abs=0.003)
    assert not result["collapsed"]


@pytest.mark.long
def test_minilm_zero_shot_gives_the_known_figure(real_data):
    from modeling.ml.data import read_code_base, read_pairs

    wanted = read_pairs(real_data / "cosqa" / "cosqa-retrieval-dev-500.json")
    base = read_code_base(real_data / "cosqa" / "code_idx_map.txt")
    assert evaluate_search(load_scorer("minilm"), wanted, base)["mrr"] == pytest.approx(0.540, abs=0.001)
