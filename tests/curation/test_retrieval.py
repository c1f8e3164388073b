"""Words, vectors and both: against slow versions of the same definitions."""

import random
from math import log

import numpy as np
import pytest

from core.encoding import HashingEncoder
from core.index import MatrixIndex, top_codes
from curation.retrieval import NONE, Ranked, fuse, search_words
from modeling.ml.bm25 import Bm25Index, tokens_of

WORDS = ["sort", "list", "read", "file", "parse", "date", "open", "socket", "join", "path"]
chance = random.Random(1)
CODES = [" ".join(chance.choices(WORDS, k=chance.randint(1, 8))) for _ in range(60)]
CODES[7] = CODES[3]  # equal texts
QUERIES = [" ".join(chance.choices([*WORDS, "unknown"], k=chance.randint(1, 4))) for _ in range(25)] + ["zebra"]


def bm25_plain(query, codes):
    """The formula, word by word."""
    documents = [tokens_of(code) for code in codes]
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        total = 0.0
        for token in sorted(set(tokens_of(query))):
            n, f = sum(token in other for other in documents), document.count(token)
            idf = log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            total += idf * f / (f + 1.2 * (0.25 + 0.75 * len(document) / mean))
        scores.append(round(total, 6))
    return scores


def ranking(scores, depth, least=0.0):
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    return [place for place in order if scores[place] > least][:depth]


def index():
    return Bm25Index(tokens_of(code) for code in CODES)


def listed(ranked):
    return [[code for code in row if code != NONE] for row in ranked.codes.tolist()]


@pytest.mark.parametrize("depth", [1, 5, 100])
def test_words_find_what_the_formula_finds(depth):
    found = search_words(index(), QUERIES, depth=depth)
    for row, query in enumerate(QUERIES):
        plain = bm25_plain(query, CODES)
        best = ranking(plain, depth)
        assert listed(found)[row] == best
        np.testing.assert_allclose(found.scores[row, : len(best)], [plain[code] for code in best], atol=2e-6)


def test_a_query_without_a_known_word_has_no_match():
    found = search_words(index(), QUERIES, depth=3)
    assert found.n_unmatched() == 1
    assert {match.query for match in found.matches()} == set(range(len(QUERIES) - 1))
    assert len(found.best()) == len(QUERIES) - 1


def fused(retriever, *, pool=10, depth=4, weight=0.3):
    encoder = HashingEncoder()
    queries, codes = encoder.encode(QUERIES), encoder.encode(CODES)
    dense = top_codes(queries, codes, k=pool, index=MatrixIndex(codes))
    options = {"retriever": retriever, "depth": depth, "pool": pool, "weight": weight}
    return fuse(index(), QUERIES, queries, codes, dense, **options), queries, codes, dense


def test_reciprocal_ranks_add_up_to_one_for_the_first_in_both():
    found, _, _, dense = fused("hybrid_rank")
    for row, query in enumerate(QUERIES):
        lists = [dense.codes[row].tolist(), ranking(bm25_plain(query, CODES), 10)]
        scores = {}
        for ranked in lists:
            for rank, code in enumerate(ranked, 1):
                scores[code] = scores.get(code, 0) + 61 / 2 / (60 + rank)
        best = sorted(scores, key=lambda code: (-round(scores[code], 6), code))[:4]
        assert listed(found)[row] == best
        np.testing.assert_allclose(found.scores[row], [scores[code] for code in best], atol=1e-6)
    both_first = [row for row in range(len(QUERIES)) if found.scores[row, 0] == 1.0]
    assert both_first
    assert all(dense.codes[row, 0] == listed(search_words(index(), QUERIES, depth=1))[row][0] for row in both_first)


def test_a_weighted_sum_is_of_the_cosine_and_the_share_of_the_bound():
    found, queries, codes, dense = fused("hybrid_sum")
    documents = [set(tokens_of(code)) for code in CODES]
    for row, query in enumerate(QUERIES):
        plain = bm25_plain(query, CODES)
        bound = sum(
            log(1 + (60 - n + 0.5) / (n + 0.5))
            for n in (sum(token in words for words in documents) for token in set(tokens_of(query)))
        )
        pool = set(dense.codes[row].tolist()) | set(ranking(plain, 10))
        cosines = codes.astype(np.float64) @ queries[row].astype(np.float64)
        scores = {code: round(0.3 * max(0, cosines[code]) + 0.7 * plain[code] / bound, 5) for code in pool}
        for code, score in zip(listed(found)[row], found.scores[row], strict=False):
            assert score == pytest.approx(scores[code], abs=2e-5)
        assert found.scores[row, 0] == pytest.approx(max(scores.values()), abs=2e-5)
    assert found.scores.max() <= 1


def test_equal_texts_come_in_their_order_in_every_list():
    for retriever in ("hybrid_sum", "hybrid_rank"):
        found, *_ = fused(retriever, pool=60, depth=60, weight=0.0 if retriever == "hybrid_sum" else 0.5)
        for row in listed(found):
            assert row.index(3) < row.index(7)


def test_matches_carry_query_rank_and_score():
    ranked = Ranked(np.array([[4, 2], [NONE, NONE]]), np.array([[0.9, 0.1], [0, 0]]))
    assert [(m.query, m.code, m.score, m.rank) for m in ranked.matches()] == [(0, 4, 0.9, 1), (0, 2, 0.1, 2)]
