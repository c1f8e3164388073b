"""Which functions may be proposed, and why the rest may not."""

import pytest

from curation.code_filters import REASONS, is_english, reason_to_leave_out
from curation.extraction import extract_functions

GOOD = (
    'def read_rows(path):\n    """Read all rows of a file."""\n    with open(path) as file:\n        return [*file]\n'
)


def reason(source: str, path: str = "package/module.py") -> str:
    return reason_to_leave_out(extract_functions(source)[-1], path)


def documented(doc: str) -> str:
    return f'def f(x):\n    """{doc}"""\n    y = x\n    return y\n'


def test_a_documented_function_is_kept():
    assert reason(GOOD) == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x):\n    y = x\n    return y\n", "undocumented"),
        (documented("Do it."), "docstring too short"),
        (documented("word " * 401), "docstring too long"),
        (documented("See http://example.org for the rest."), "special token"),
        (documented("See https://example.org for the rest."), "special token"),
        (documented("Shows an <img src=x> in the page."), "special token"),
        (documented("Liefert die Summe der Werte und nicht den Rest."), "not English"),
        (documented("Retourne la liste des fichiers dans le dossier."), "not English"),
        (documented("返回列表中的所有元素 的 总和 值"), "not English"),
        ('def f(x):\n    """Return the value of x."""; return x\n', "too short"),
        (documented("Return the value of x.") + "    # line\n" * 130 + "    return x\n", "too long"),
        ('def __len__(self):\n    """Return the number of rows."""\n    return 1\n', "dunder"),
        ('def f(self):\n    """Return the number of rows."""\n    pass\n', "stub"),
        ('def f(self):\n    """Return the number of rows."""\n    ...\n', "stub"),
        ('def f(self):\n    """Return the number of rows."""\n', "stub"),
        ('def f(self):\n    """Return the number of rows."""\n    raise NotImplementedError("no")\n', "stub"),
        ('def test_rows():\n    """Check that rows are read."""\n    assert 1\n    assert 2\n', "test"),
        ('class TestRows:\n    def rows(self):\n        """Rows of the test."""\n        return 1\n', "test"),
        (f"def outer():\n{''.join('    ' + line + chr(10) for line in GOOD.splitlines())}", "nested"),
    ],
)
def test_each_filter_names_its_reason(source, expected):
    assert reason(source) == expected
    assert expected in REASONS


@pytest.mark.parametrize("path", ["tests/helpers.py", "a/test/b.py", "test_a.py", "a/b_test.py", "a/conftest.py"])
def test_functions_in_test_files_are_tests(path):
    assert reason(GOOD, path) == "test"


@pytest.mark.parametrize("path", ["contest.py", "latest/reader.py", "attestation.py"])
def test_paths_that_only_sound_like_tests_are_not(path):
    assert reason(GOOD, path) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Return True if x < y.",
        "Convert degrees to radians",
        "Create oval with coordinates x1,y1,x2,y2.",
        "Naïve Bayes classifier for the given café names",
        "Sum values",
    ],
)
def test_english_passes(text):
    assert is_english(text)


def test_a_stub_that_does_something_is_no_stub():
    assert reason('def f(self):\n    """Return the number of rows."""\n    pass\n    return self.n\n') == ""
