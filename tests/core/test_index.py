"""Search is exact and does not depend on the index or the batch."""

import numpy as np
import pytest

from core.index import FaissIndex, MatrixIndex, exact_scores, make_index, top_codes


def unit_rows(n, dim, seed):
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def crowded(dim=48):
    """Codes with exact doubles and near-doubles, where float32 sums are ambiguous."""
    codes = unit_rows(400, dim, 1)
    codes[50:90] = codes[49]
    codes[100:140] = codes[99] + np.random.default_rng(2).normal(scale=1e-8, size=(40, dim)).astype(np.float32)
    queries = np.concatenate([unit_rows(60, dim, 3), codes[45:55], codes[95:105]])
    return queries, codes


def oracle(queries, codes, k):
    """Every score in float64, one by one, rounded; sorted by (score, smaller code). Slow and easy to check."""
    found_codes, found_scores = [], []
    for query in queries:
        scores = []
        for code in codes:
            total = 0.0
            for left, right in zip(query.tolist(), code.tolist(), strict=True):
                total += left * right
            scores.append(round(total, 6))
        order = sorted(range(len(codes)), key=lambda code, scores=scores: (-scores[code], code))[:k]
        found_codes.append(order)
        found_scores.append([scores[code] for code in order])
    return np.array(found_codes), np.array(found_scores)


@pytest.mark.parametrize("backend", ["faiss", "matrix"])
@pytest.mark.parametrize("k", [1, 5])
def test_the_result_is_that_of_the_exact_oracle(backend, k):
    queries, codes = crowded()
    found = top_codes(queries, codes, k=k, index=make_index(codes, backend=backend))
    expected_codes, expected_scores = oracle(queries, codes, k)
    np.testing.assert_array_equal(found.codes, expected_codes)
    np.testing.assert_array_equal(found.scores, expected_scores)


@pytest.mark.parametrize("backend", ["faiss", "matrix"])
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_batch_changes_no_bit(backend, batch):
    queries, codes = crowded()
    index = make_index(codes, backend=backend)
    whole = top_codes(queries, codes, k=3, index=index, batch=10_000)
    parts = top_codes(queries, codes, k=3, index=index, batch=batch)
    assert parts.codes.tobytes() == whole.codes.tobytes()
    assert parts.scores.tobytes() == whole.scores.tobytes()


def test_codes_in_shards_merge_to_the_same_result():
    queries, codes = crowded()
    whole = top_codes(queries, codes, k=1)
    best = [(-1.0, 0)] * len(queries)
    for start in range(0, len(codes), 37):
        part = top_codes(queries, codes[start : start + 37], k=1)
        for query, (code, score) in enumerate(zip(part.codes[:, 0], part.scores[:, 0], strict=True)):
            best[query] = max(best[query], (float(score), -int(code + start)))
    assert [-code for _, code in best] == whole.codes[:, 0].tolist()
    assert [score for score, _ in best] == whole.scores[:, 0].tolist()


def test_equal_codes_go_to_the_smallest():
    codes = np.repeat(unit_rows(1, 16, 0), 3000, axis=0)
    found = top_codes(codes[:2], codes, k=2, index=FaissIndex(codes))
    assert found.codes.tolist() == [[0, 1], [0, 1]]


def test_faiss_is_what_searches_by_default():
    assert make_index(unit_rows(4, 8, 0)).name.startswith("FAISS")


def test_blocks_of_the_matrix_product_change_nothing(monkeypatch):
    queries, codes = crowded()
    expected = top_codes(queries, codes, k=2, index=MatrixIndex(codes))
    monkeypatch.setattr("core.index.BLOCK_SCORES", 3 * len(codes))
    found = top_codes(queries, codes, k=2, index=MatrixIndex(codes))
    np.testing.assert_array_equal(found.codes, expected.codes)


def test_more_codes_are_asked_for_than_there_are():
    codes = unit_rows(3, 8, 0)
    assert top_codes(codes, codes, k=10).codes.shape == (3, 3)


def test_no_codes_and_no_queries_give_empty_results():
    rows = unit_rows(3, 8, 0)
    assert top_codes(rows, rows[:0], k=1).codes.shape == (3, 0)
    assert top_codes(rows[:0], rows, k=1).codes.shape == (0, 1)


def test_exact_scores_are_independent_of_their_neighbours():
    queries, codes = crowded()
    rows, columns = np.arange(40), np.arange(40, 80)
    together = exact_scores(queries, codes, rows, columns)
    alone = [exact_scores(queries, codes, rows[i : i + 1], columns[i : i + 1])[0] for i in range(40)]
    assert together.tolist() == alone


def test_progress_reaches_the_number_of_queries():
    rows, seen = unit_rows(10, 8, 0), []
    top_codes(rows, rows, batch=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 10), (8, 10), (10, 10)]


@pytest.mark.gpu
def test_the_gpu_gives_the_bits_of_the_oracle():
    queries, codes = crowded()
    found = top_codes(queries, codes, k=5, index=FaissIndex(codes, gpu=True))
    expected_codes, expected_scores = oracle(queries, codes, 5)
    np.testing.assert_array_equal(found.codes, expected_codes)
    np.testing.assert_array_equal(found.scores, expected_scores)
