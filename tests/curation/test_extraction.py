"""Functions come out of source text exactly, and stand alone."""

import ast
import contextlib
import importlib.util
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.extraction import UnparsableError, decode_source, extract_functions, split_by_quotes, split_code


def only(source: str):
    (found,) = extract_functions(textwrap.dedent(source))
    return found


def by_name(source: str):
    return {found.name: found for found in extract_functions(textwrap.dedent(source))}


def test_a_function_is_split_into_header_docstring_and_body():
    found = only('''
        def add(a, b=1):
            """Add two numbers."""
            total = a + b
            return total
    ''')
    assert found.header == "def add(a, b=1):"
    assert found.docstring == "Add two numbers."
    assert found.body == "    total = a + b\n    return total"
    assert (found.start_line, found.end_line) == (2, 5)


@pytest.mark.parametrize("doc", ['"""Add."""', "'''Add.'''", '"Add."', "'Add.'", 'r"""Add."""', 'u"Add."', '("Add.")'])
def test_every_quoting_of_a_docstring_is_known(doc):
    found = only(f"def add(a):\n    {doc}\n    return a\n")
    assert found.docstring == "Add."
    assert found.body.endswith("    return a")


def test_bytes_and_f_strings_are_no_docstrings():
    assert only('def add(a):\n    b"Add."\n    return a\n').docstring == ""
    assert only('def add(a):\n    f"Add {1}."\n    return a\n').docstring == ""


def test_decorators_belong_to_the_function_and_its_lines():
    found = only("import x\n\n@x.one\n@x.two(\n    3)\ndef f(a):\n    return a\n")
    assert found.text.startswith("@x.one\n@x.two(\n    3)\ndef f(a):")
    assert found.header == "@x.one\n@x.two(\n    3)\ndef f(a):"
    assert found.start_line == 3


def test_a_decorator_in_brackets_begins_at_its_at_sign():
    assert only("@(\n    wrap)\ndef f():\n    pass\n").text == "@(\n    wrap)\ndef f():\n    pass"


def test_the_header_ends_at_its_own_colon():
    found = only("""
        def f(
            a: dict[str, int] = {"x": 1},  # not here: (no)
            *rest: int,
            key=lambda x: x,
        ) -> "a: b":  # nor here: no
            return a
    """)
    assert found.header.endswith(') -> "a: b":')
    assert found.body.endswith("    return a")


def test_a_function_on_one_line():
    found = only("def f(a): return a\n")
    assert (found.header, found.docstring, found.body) == ("def f(a):", "", "return a")


def test_a_docstring_alone_leaves_an_empty_body():
    assert only('def f(a):\n    """Only words."""\n').body == ""


def test_methods_are_dedented_and_carry_their_class():
    found = by_name('''
        class Stack:
            class Node:
                def value(self):
                    """The value."""
                    if self:
                        return 1

            async def pop(self):
                return await self
    ''')
    assert list(found) == ["Stack.Node.value", "Stack.pop"]
    assert found["Stack.Node.value"].text == 'def value(self):\n    """The value."""\n    if self:\n        return 1'
    assert found["Stack.pop"].is_async
    assert not found["Stack.pop"].is_nested


def test_nested_functions_are_named_after_the_function_around_them():
    found = by_name("def outer():\n    def inner():\n        return 1\n    return inner\n")
    assert list(found) == ["outer", "outer.<locals>.inner"]
    assert found["outer.<locals>.inner"].is_nested
    assert found["outer.<locals>.inner"].text == "def inner():\n    return 1"


def test_functions_inside_statements_are_found_in_line_order():
    source = """
        if True:
            def a(): pass
        else:
            def b(): pass
        try:
            def c(): pass
        except ValueError:
            def d(): pass
        finally:
            def e(): pass
        with x:
            def f(): pass
        match x:
            case 1:
                def g(): pass
    """
    assert list(by_name(source)) == list("abcdefg")


def test_dedenting_leaves_the_inside_of_strings_alone():
    source = '''
        class A:
            def text(self):
                """Doc."""
                return """one
                two
            three"""
    '''
    found = by_name(source)["A.text"]
    assert found.text.endswith('    return """one\n        two\n    three"""')
    namespace: dict = {}
    exec(found.text, namespace)
    exec(textwrap.dedent(source), namespace)
    assert namespace["text"](None) == namespace["A"]().text()


def test_text_outside_ascii_is_cut_at_the_right_place():
    found = by_name('class Ä:\n    def größe(self, ä="ü: x"):\n        """Größe ✓."""; return "ß"\n\nx = 1\n')[
        "Ä.größe"
    ]
    assert found.header == 'def größe(self, ä="ü: x"):'
    assert found.docstring == "Größe ✓."
    assert found.body == 'return "ß"'


def test_line_ends_of_windows_and_old_macs_are_read():
    assert only("def f():\r\n    return 1\r\n").text == "def f():\n    return 1"
    assert only("def f():\r    return 1\r").text == "def f():\n    return 1"


@pytest.mark.parametrize(
    "source", ["print 'python 2'\n", "def f(:\n", "x = 1\0\n", "(" * 300 + ")" * 300, "def f():\n\tx\n        y\n"]
)
def test_unparsable_source_is_refused_with_a_reason(source):
    with pytest.raises(UnparsableError, match=r"parse|null"):
        extract_functions(source)


def test_bytes_are_decoded_by_their_cookie():
    assert decode_source("# coding: latin-1\nx = 'ä'\n".encode("latin-1")).endswith("x = 'ä'\n")
    assert decode_source(b"\xef\xbb\xbfx = 1\n") == "x = 1\n"
    for raw in (b"x = '\xff'\n", b"# coding: nonsense\n", b"\x00\x01"):
        with pytest.raises(UnparsableError):
            decode_source(raw)


def test_code_that_does_not_parse_is_split_by_its_quotes():
    parts = split_code('def old(x):\n    """Print it."""\n    print x\n')
    assert (parts.name, parts.header, parts.docstring) == ("old", "def old(x):", "Print it.")
    assert parts.body == "    print x\n"


def test_code_without_documentation_splits_after_its_first_line():
    parts = split_by_quotes("def old(x):\n    print x")
    assert (parts.header, parts.docstring, parts.body) == ("def old(x):", "", "    print x")


def test_text_without_any_function_still_gives_parts():
    assert split_code("x = 1").name == ""
    assert split_code("").header == ""


def _without_docstrings(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body[0].value.value = ""
    return ast.dump(tree)


@pytest.mark.parametrize("module", ["argparse", "dataclasses", "enum", "turtle", "tarfile", "asyncio.base_events"])
def test_every_function_of_real_modules_stands_alone_and_means_the_same(module):
    source = decode_source(Path(importlib.util.find_spec(module).origin).read_bytes())
    nodes = {
        (node.name, node.end_lineno): node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found = extract_functions(source)
    assert len(found) == len(nodes)
    for function in found:
        (alone,) = ast.parse(function.text).body
        original = nodes[function.name.rpartition(".")[2], function.end_line]
        assert _without_docstrings(alone) == _without_docstrings(original), function.name
        ast.parse(f"{function.header} pass")


@given(st.text(alphabet="def f(x):\n\t @#'\"\\;return class:async\x0c\r…ß", max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_functions_or_a_plain_refusal(source):
    split_code(source)
    with contextlib.suppress(UnparsableError):
        for found in extract_functions(source):
            assert found.text.strip()
            assert found.header.rstrip().endswith(":")
