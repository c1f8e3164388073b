"""Words in common."""

from modeling.words import common_words, words_of


def test_identifiers_are_split_at_underscores_and_capitals():
    assert words_of("def readCSVFile(file_name): pass") == {"def", "read", "csv", "file", "name", "pass"}


def test_words_keep_the_order_of_the_query_and_stand_once():
    assert common_words("python sort lists by list length", "def sort_list(items): return len(items)") == [
        "sort",
        "lists",
        "list",
    ]


def test_words_that_stand_everywhere_do_not_count():
    assert common_words("how to return a value", "def f(a): return to_value(a)") == ["value"]


def test_nothing_in_common_is_said_as_nothing():
    assert common_words("open socket", "def sort_list(items): ...") == []
