import pytest

from modeling.ml.views import VIEWS, split_code, text_view

CODE = '''@cached
def mean(values):
    """Mean of values.

    :param values: numbers
    """
    total = sum(values)
    return total / len(values)
'''


def test_the_parts_of_a_function():
    parts = split_code(CODE)
    assert parts.header.strip() == "@cached\ndef mean(values):"
    assert parts.documentation.startswith('"""Mean of values.')
    assert parts.comment == "Mean of values.\n\n:param values: numbers"
    assert parts.body == "    total = sum(values)\n    return total / len(values)"


def test_views_hold_what_they_say():
    assert text_view(CODE, "full") == CODE
    assert "Mean of" not in text_view(CODE, "no_doc")
    assert "def mean" in text_view(CODE, "no_doc")
    assert "return" in text_view(CODE, "no_doc")
    assert text_view(CODE, "header_only").strip().endswith("def mean(values):")
    assert text_view(CODE, "doc_only").startswith("Mean of values.")
    assert "def mean" not in text_view(CODE, "no_header")
    assert "total" not in text_view(CODE, "no_body")


def test_code_that_does_not_parse_is_split_by_its_quotes():
    old = 'def f(x):\n    """Show x."""\n    print x\n'
    assert text_view(old, "doc_only") == "Show x."
    assert text_view(old, "no_doc") == "def f(x):\n    print x"


def test_columns_count_characters_and_not_bytes():
    assert text_view('def f(): "é docs"; return "日本"', "doc_only") == "é docs"


@pytest.mark.parametrize("code", ["", "x = 1", "def f(): pass", "def f():\n    '''only docs'''", "((((", "\x00"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_takes_every_text(code, view):
    assert isinstance(text_view(code, view), str)


def test_a_function_of_documentation_alone_has_no_body():
    assert text_view("def f():\n    '''only docs'''", "body_only") == ""


def test_the_views_of_the_cosqa_code_base(real_data):
    from modeling.ml.data import read_code_base

    codes = [code.text for code in read_code_base(real_data / "cosqa" / "code_idx_map.txt")]
    assert len({text_view(code, "no_doc") for code in codes}) == len(codes) == 6267
