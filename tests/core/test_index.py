"""Search is exact and does not depend on the index or the batch."""

import numpy as np
import pytest

from core.index import (
    FaissIndex,
    IvfIndex,
    MatrixIndex,
    about,
    exact_scores,
    make_index,
    merge_top,
    top_codes,
    top_set,
    train_centroids,
)


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


def test_a_matrix_product_searches_small_bases_and_an_ivf_large_ones(monkeypatch):
    codes, queries = unit_rows(300, 8, 0), unit_rows(20, 8, 1)
    assert isinstance(make_index(codes, queries=queries), MatrixIndex | FaissIndex)
    monkeypatch.setattr("core.index.has_gpu", lambda: False)
    monkeypatch.setattr("core.index.LEAST_IVF_CODES", 300)
    monkeypatch.setattr("core.index.EXACT_SCORES", 300 * 20)
    assert isinstance(make_index(codes, queries=queries), MatrixIndex)
    monkeypatch.setattr("core.index.EXACT_SCORES", 300 * 20 - 1)
    assert isinstance(make_index(codes, queries=queries), IvfIndex)


def mixed(n, seed, topics=40, dim=32):
    """Vectors with structure: near one of a few topics."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(topics, dim))
    rows = centres[chance.integers(topics, size=n)] + 0.4 * chance.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5])
def test_the_recall_of_an_ivf_is_what_it_says_it_is(k):
    codes, queries = mixed(3000, 1), mixed(200, 2)
    index = make_index(codes, queries=queries, k=k, backend="ivf", recall=0.9)
    exact = top_codes(queries, codes, k=k, index=MatrixIndex(codes))
    found = top_codes(queries, codes, k=k, index=index)
    hits = sum(len(set(a) & set(b)) for a, b in zip(exact.codes.tolist(), found.codes.tolist(), strict=True))
    assert index.recall.reached == pytest.approx(hits / (200 * k))
    assert index.recall.reached >= 0.9
    assert 1 <= index.probes < len(index.centroids)
    assert about(index)["recall"]["probes"] == index.probes
    fewer = IvfIndex(codes, index.centroids, probes=index.probes - 1) if index.probes > 1 else None
    if fewer is not None:
        again = top_codes(queries, codes, k=k, index=fewer)
        hits = sum(len(set(a) & set(b)) for a, b in zip(exact.codes.tolist(), again.codes.tolist(), strict=True))
        assert hits / (200 * k) < 0.9  # no smaller number of lists would do


def test_what_an_ivf_finds_has_its_exact_score_and_no_batch_changes_a_bit():
    codes, queries = mixed(2000, 1), mixed(150, 2)
    codes[500:700] = codes[100]  # equal texts: the smallest code wins
    index = IvfIndex(codes, train_centroids(codes, lists=20), probes=3)
    whole = top_codes(queries, codes, k=4, index=index, batch=10_000)
    for batch in (1, 7, 64):
        part = top_codes(queries, codes, k=4, index=index, batch=batch)
        assert (part.codes.tobytes(), part.scores.tobytes()) == (whole.codes.tobytes(), whole.scores.tobytes())
    rows = np.repeat(np.arange(150), 4)
    np.testing.assert_array_equal(exact_scores(queries, codes, rows, whole.codes.ravel()), whole.scores.ravel())


def test_an_ivf_that_looks_into_every_list_is_exact():
    queries, codes = crowded()
    index = IvfIndex(codes, train_centroids(codes, lists=9), probes=9)
    found = top_codes(queries, codes, k=3, index=index)
    np.testing.assert_array_equal(found.codes, oracle(queries, codes, 3)[0])


def test_a_query_whose_lists_hold_too_little_is_searched_in_full():
    codes = mixed(50, 1)
    index = IvfIndex(codes, train_centroids(codes, lists=25), probes=1)
    found = top_codes(codes[:10], codes, k=12, index=index)
    np.testing.assert_array_equal(found.codes, oracle(codes[:10], codes, 12)[0])


def test_trained_lists_are_kept_and_used_again(tmp_path):
    codes, file = mixed(500, 1), tmp_path / "indexes" / "c.npy"
    first = make_index(codes, backend="ivf", centroids_file=file)
    file.with_name("d.npy").write_bytes(file.read_bytes())
    np.testing.assert_array_equal(
        make_index(codes, backend="ivf", centroids_file=file).centroids, np.load(file.with_name("d.npy"))
    )
    assert len(first.centroids) == round(2 * 500**0.5)


def test_a_set_of_lists_is_that_of_the_exact_scores():
    queries, codes = crowded()
    rows, columns = top_set(queries, codes, 6)
    expected = oracle(queries, codes, 6)[0]
    for query in range(len(queries)):
        assert set(columns[rows == query].tolist()) == set(expected[query].tolist())


def test_parts_of_the_codes_merge_in_any_order():
    queries, codes = crowded()
    whole = top_codes(queries, codes, k=5, index=MatrixIndex(codes))
    for width in (7, 64, 400):
        parts = [
            (top_codes(queries, codes[start : start + width], k=5), start) for start in range(0, len(codes), width)
        ]
        merged = merge_top(iter(reversed(parts)), 5)
        assert (merged.codes.tobytes(), merged.scores.tobytes()) == (whole.codes.tobytes(), whole.scores.tobytes())


def test_blocks_of_the_matrix_product_change_nothing(monkeypatch):
    queries, codes = crowded()
    expected = top_codes(queries, codes, k=2, index=MatrixIndex(codes))
    monkeypatch.setattr("core.index.CODE_TILE", 37)
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
