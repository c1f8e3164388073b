"""Near-duplicate queries: what is grouped, what is kept apart, and which one is asked."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.near_queries import Asked, left_out, near_groups, near_key, stem

SAME = [
    ("python convert list to string", "how to convert lists to a string using python"),
    ("sort list python 3", "python3 list sorting"),
    ("yaml read file python", "How to read YAML files in Python?"),
    ("python copy directories", "copying a directory with python"),
]
DIFFERENT = [
    ("python convert list to string", "python convert string to list"),
    ("python sort list", "python sort list of lists"),
    ("python 2 print", "python 3 print"),
    ("read bytes from file python", "read file from bytes python"),
    ("c sort list", "c++ sort list"),
    ("python print without newline", "python print newline"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_other_words_for_the_same_demand_share_a_key(first, second):
    assert near_key(first, "python") == near_key(second, "python") != ""


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_other_demands_do_not(first, second):
    assert near_key(first, "python") != near_key(second, "python")


def test_a_query_without_a_content_word_stands_alone():
    assert near_key("how to do this in python", "python") == ""
    assert near_groups([Asked("a", "how to", 1), Asked("b", "what is", 1)]) == []


@given(st.text(max_size=40))
def test_stemming_ends_and_a_key_is_a_function_of_the_words_alone(text):
    words = text.split()
    assert all(stem(word) for word in words)
    assert near_key(text, "python") == near_key("  ".join(words), "python")


def test_the_most_asked_query_is_kept_whatever_order_they_come_in():
    queries = [
        Asked("k1", "python sort a list", 3),
        Asked("k2", "sort list python", 9),
        Asked("k3", "how to sort lists in python", 9),
        Asked("k4", "reverse a list", 50),
    ]
    found = [near_groups(random.Random(seed).sample(queries, 4), language="python") for seed in range(5)]
    assert [[query.key for query in group] for group in found[0]] == [["k2", "k3", "k1"]], (
        "the shorter of the most asked"
    )
    assert all(groups == found[0] for groups in found)
    assert left_out(found[0]) == {"k3": "k2", "k1": "k2"}


def test_grouping_is_the_plain_comparison_of_all_with_all():
    words = ["sort", "list", "file", "read", "to", "string", "python", "how", "the"]
    rng = random.Random(7)
    queries = [Asked(f"q{n}", " ".join(rng.choices(words, k=4)), rng.randrange(5)) for n in range(120)]
    key = {query.key: near_key(query.text, "python") for query in queries}
    plain = {
        frozenset(other.key for other in queries if key[other.key] == key[query.key])
        for query in queries
        if key[query.key]
    }
    grouped = near_groups(queries, language="python")
    assert {frozenset(query.key for query in group) for group in grouped} == {one for one in plain if len(one) > 1}
