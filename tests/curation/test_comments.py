"""In-line comments by METHODS 8.2: merged, and dropped when they describe nothing."""

import pytest

from curation.comments import MAX_COMMENTS
from curation.extraction import extract_functions
from curation.languages import read_functions


def comments(body, header="def sort_all(items):"):
    source = header + "\n" + "\n".join(f"    {line}" for line in body.split("\n")) + "\n    return items\n"
    return [(one.start_line, one.end_line, one.text) for one in extract_functions(source)[0].comments]


def test_the_example_of_the_paper_is_one_comment():
    body = "# if adjacent elements appear in\n# descending order, swap them.\nif items: pass"
    (found,) = comments(body)
    assert found == (2, 3, "if adjacent elements appear in descending order, swap them.")
    assert len(found[2].split()) == 9


def test_a_comment_behind_code_is_never_merged():
    body = "x = 1  # the first of the given values\n# the second of the given values\n# comes after the first\n"
    assert [text for _, _, text in comments(body)] == [
        "the first of the given values",
        "the second of the given values comes after the first",
    ]


def test_an_empty_line_between_keeps_comments_apart():
    body = "# look at every single item\n\n# and then at the others too\nx = 1"
    assert [line for line, _, _ in comments(body)] == [2, 4]


@pytest.mark.parametrize(
    "comment",
    [
        "too short here",
        "1 2 3 4 5",
        "TODO: make this faster some day",
        "todo make this faster some day",
        "FIXME this is wrong for empty lists",
        "noqa: E501 this line is too long",
        "pylint: disable=too-many-branches for now please",
        "type: ignore[attr-defined] because of the stubs",
        "x = compute(y, z, 3)",
        "for item in items: print(item, end=' ')",
        "return sorted(items, key=lambda item: item.name)",
        "call the old thing here;",
    ],
)
def test_what_describes_nothing_is_dropped(comment):
    assert comments(f"# {comment}\nx = 1") == []


@pytest.mark.parametrize(
    "comment",
    ["keep only the positive (or zero) ones", "the list is sorted in place", "a = b holds only for small numbers here"],
)
def test_prose_with_marks_of_code_stays(comment):
    assert [text for _, _, text in comments(f"# {comment}\nx = 1")] == [comment]


def test_code_over_several_lines_that_was_commented_out_is_dropped():
    assert comments("# for item in items:\n#     print(item, 1)\n#     total += item\nx = 1") == []


def test_a_hash_inside_a_string_is_no_comment():
    assert comments('x = "# not a comment at all here"\ny = """\n# nor is this one here\n"""') == []


def test_docstrings_headers_and_special_methods_give_none():
    assert comments('"""# this is documentation and no comment."""') == []
    assert comments("x = 1", header="def f(  # the items that are to be sorted\n    items):") == []
    assert comments("# say what this object is", header="def __str__(self, items=1):") == []
    assert comments("# hand the owner of it out", header="def get_owner(self, items=1):") == []


def test_comments_of_a_nested_function_belong_to_both():
    source = (
        "def outer(items):\n    def inner(item):\n        # double what is given to it\n        return 2 * item\n"
        "    return [inner(item) for item in items]\n"
    )
    outer, inner = extract_functions(source)
    assert [(one.start_line, one.text) for one in outer.comments] == [(3, "double what is given to it")]
    assert [(one.start_line, one.text) for one in inner.comments] == [(2, "double what is given to it")]


def test_lines_are_those_of_the_functions_own_text():
    source = "import os\n\n\n@cached\ndef area(a):\n    x = a\n    # square the length of it\n    return x * x\n"
    (function,) = extract_functions(source)
    (comment,) = function.comments
    assert function.text.split("\n")[comment.start_line - 1].strip() == "# square the length of it"


def test_a_listing_is_bounded():
    body = "\n\n".join(f"# describes step number {n} of many" for n in range(3 * MAX_COMMENTS))
    assert len(comments(body)) == MAX_COMMENTS


@pytest.mark.parametrize(
    ("language", "source"),
    [
        (
            "java",
            "class A { int f() {\n// this adds up all of them\n\n// int y = f(2);\nreturn 1; } }",
        ),
        ("go", "package a\nfunc f() int {\n// this adds up all of them\n\n// x := f(1) + 2*f(3)\nreturn 1 }"),
        ("javascript", "function f() {\n/* this adds up all of them */\n\n// let x = f(1) + 2\nreturn 1; }"),
        ("ruby", "def f\n# this adds up all of them\n\n# x = f(1) if y\n1\nend"),
    ],
)
def test_other_languages_by_the_same_rules(language, source):
    found = [one.text for function in read_functions(source.encode(), language).functions for one in function.comments]
    assert found[0].startswith("this adds up all of them")
    assert len(found) == 1
