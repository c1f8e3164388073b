import numpy as np
from numpy.testing import assert_allclose

from modeling.ml.bm25 import Bm25Index, tokens_of


def test_e12b_lucene_scores():
    index = Bm25Index([["read", "text", "file"], ["write", "file"], ["sort", "list", "of", "int"]])
    assert_allclose(index.scores(["read", "file"]), [0.659469, 0.247370, 0], atol=2e-6)


def test_names_are_cut_into_words():
    assert tokens_of("readTextFile parse_URL HTTPServer2 x") == [
        "read", "text", "file", "parse", "url", "http", "server", "2", "x",
    ]  # fmt: skip
    assert tokens_of("lists") == tokens_of("list")


def test_empty_documents_and_queries_score_nothing():
    assert_allclose(Bm25Index([[], []]).scores(["a"]), [0, 0])
    assert_allclose(Bm25Index([["a"], []]).scores([]), [0, 0])
    assert np.isfinite(Bm25Index([["a"], []]).scores(["a"])).all()


def test_a_repeated_word_of_a_query_counts_once():
    index = Bm25Index([["a", "b"], ["b"]])
    assert_allclose(index.scores(["a", "a", "b"]), index.scores(["b", "a"]))
