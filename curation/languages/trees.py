"""Functions and methods of Java, JavaScript, TypeScript, Go, PHP and Ruby through tree-sitter's grammars.

One query finds functions, what contains them, comments and strings; everything else is places in the file: what lies
inside what, which comment stands right above. So the work grows with the file, however deep it is nested. A file with
errors still gives its sound functions. The grammars are imported on first use.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any

from curation.comments import Comment, RawComment, describing_comments
from curation.extraction import BROKEN, OVERLOAD, Function, Parts, UnparsableError, is_empty_name, without_lead
from curation.languages.doc_comments import clean_block, clean_lines

BLOCK, LINES = "block", "lines"  # how documentation is written above a function
MAX_DOC_LINES = 500
MAX_NESTING = 20  # functions in functions; every one holds the text of those inside, so depth costs its square
_EXPORTS = re.compile(r"^(?:module\.)?exports\.(?=.)")


@dataclass(frozen=True)
class Grammar:
    """What the nodes of a grammar mean. `named` nodes hold a function as their value: `f = function () {}`."""

    module: str
    loader: str
    functions: tuple[str, ...]
    containers: tuple[str, ...]
    comments: tuple[str, ...] = ("comment",)
    strings: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    values: frozenset[str] = frozenset()
    wrappers: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    doc: str = BLOCK
    special: frozenset[str] = frozenset()
    frame: tuple[str, str] = ("", "")  # around a statement, to make it a file


_JS_FUNCTIONS = ("function_declaration", "generator_function_declaration", "method_definition")
_JS_NAMED = ("variable_declarator", "assignment_expression", "pair")
_JS_VALUES = frozenset({"arrow_function", "function_expression", "generator_function"})
_JS_WRAPPERS = ("export_statement", "lexical_declaration", "variable_declaration", "expression_statement")
_TS: dict[str, Any] = {
    "functions": _JS_FUNCTIONS,
    "signatures": ("function_signature",),
    "containers": ("class_declaration", "abstract_class_declaration", "internal_module", "class"),
    "strings": ("template_string",),
    "named": (*_JS_NAMED, "public_field_definition"),
    "values": _JS_VALUES,
    "wrappers": _JS_WRAPPERS,
    "decorators": ("decorator",),
    "special": frozenset({"constructor", "toString", "toJSON", "valueOf"}),
    "frame": ("async function* f() {\n", "\n}"),
}
GRAMMARS: dict[str, Grammar] = {
    "java": Grammar(
        "tree_sitter_java",
        "language",
        functions=("method_declaration", "constructor_declaration", "compact_constructor_declaration"),
        containers=(
            "class_declaration",
            "interface_declaration",
            "enum_declaration",
            "record_declaration",
            "annotation_type_declaration",
        ),
        comments=("line_comment", "block_comment"),
        strings=("string_literal",),
        special=frozenset({"toString", "equals", "hashCode", "main", "clone", "finalize", "compareTo"}),
        frame=("class A { void f() {\n", "\n} }"),
    ),
    "javascript": Grammar(
        "tree_sitter_javascript",
        "language",
        functions=_JS_FUNCTIONS,
        containers=("class_declaration", "class"),
        strings=("template_string",),
        named=(*_JS_NAMED, "field_definition"),
        values=_JS_VALUES,
        wrappers=_JS_WRAPPERS,
        decorators=("decorator",),
        special=frozenset({"constructor", "toString", "toJSON", "valueOf"}),
        frame=("async function* f() {\n", "\n}"),
    ),
    "typescript": Grammar("tree_sitter_typescript", "language_typescript", **_TS),
    "tsx": Grammar("tree_sitter_typescript", "language_tsx", **_TS),
    "go": Grammar(
        "tree_sitter_go",
        "language",
        functions=("function_declaration", "method_declaration"),
        containers=(),
        strings=("raw_string_literal",),
        doc=LINES,
        special=frozenset({"main", "init", "String", "Error"}),
        frame=("package a\nfunc f() {\n", "\n}"),
    ),
    "php": Grammar(
        "tree_sitter_php",
        "language_php",
        functions=("function_definition", "method_declaration"),
        containers=("class_declaration", "trait_declaration", "interface_declaration", "enum_declaration"),
        strings=("string", "encapsed_string", "heredoc", "nowdoc"),
        special=frozenset({"main"}),
        frame=("<?php\n", "\n"),
    ),
    "ruby": Grammar(
        "tree_sitter_ruby",
        "language",
        functions=("method", "singleton_method"),
        containers=("class", "module"),
        strings=("string", "heredoc_body"),
        doc=LINES,
        special=frozenset({"initialize", "to_s", "inspect", "hash", "==", "<=>", "eql?", "method_missing"}),
    ),
}


@dataclass(frozen=True)
class Tree:
    """What one file holds, and where it could not be understood (0: nowhere)."""

    functions: list[Function]
    error_line: int = 0


def extract_tree(source: bytes, language: str) -> Tree:
    """Every named function of a file in the order of its lines. Raises UnparsableError for what is no text."""
    source = _as_utf8(source)
    grammar = GRAMMARS[language]
    parser, query = _tools(language)
    tree = parser.parse(source)
    if tree is None:
        raise UnparsableError("the parser gave up")
    return Tree(list(_File(source, grammar, language, query, tree.root_node).functions()), _error_line(tree.root_node))


# What a function's text is put into, to make it a file: alone, then as a method.
_FRAMES = {"java": (("class A {\n", "\n}"),), "php": (("<?php\n", ""), ("<?php\nclass A {\n", "\n}"))}
_USUAL_FRAMES = (("", ""), ("class A {\n", "\n}"))


def split_tree(text: str, language: str) -> Parts:
    """Header, documentation and body of one function's text; the first line and the rest where none is found."""
    best: Function | None = None
    for before, after in _FRAMES.get(language, _USUAL_FRAMES):
        tree = extract_tree((before + text + after).encode(), language)
        found = next((one for one in tree.functions if one.body), None)
        best = best or found
        if found and not tree.error_line:
            best = found
            break
    if best is None:
        header, newline, body = text.partition("\n")
        return Parts("", header.rstrip(), "", body if newline else "")
    return Parts(best.name.removeprefix("A."), best.header, best.docstring, best.body, best.comments)


def parses(text: str, language: str) -> bool:
    """Whether statements of a language parse without an error."""
    before, after = GRAMMARS[language].frame
    parser, _ = _tools(language)
    tree = parser.parse(f"{before}{text}{after}".encode())
    return tree is not None and not tree.root_node.has_error


@lru_cache(maxsize=16)
def _tools(language: str) -> tuple[Any, Any]:
    """(parser, query) of a language, made once in a process."""
    from tree_sitter import Language, Parser, Query

    grammar = GRAMMARS[language]
    loaded = Language(getattr(import_module(grammar.module), grammar.loader)())
    kinds = {
        "function": (*grammar.functions, *grammar.signatures),
        "named": grammar.named,
        "container": grammar.containers,
        "wrapper": grammar.wrappers,
        "decorator": grammar.decorators,
        "comment": grammar.comments,
        "string": grammar.strings,
    }
    patterns = [f"[{' '.join(f'({node})' for node in nodes)}] @{kind}" for kind, nodes in kinds.items() if nodes]
    return Parser(loaded), Query(loaded, "\n".join(patterns))


def _as_utf8(source: bytes) -> bytes:
    """The file as UTF-8 with LF line ends; old files in Latin-1 are read as such."""
    if b"\0" in source:
        raise UnparsableError("binary data (a NUL byte)")
    source = source.removeprefix(b"\xef\xbb\xbf")
    try:
        source.decode("utf-8")
    except UnicodeDecodeError:
        source = source.decode("latin-1").encode("utf-8")
    return source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _error_line(root: Any) -> int:
    """The first line that the grammar could not place; 0 when all of the file was understood."""
    if not root.has_error:
        return 0
    node = root
    while True:
        child = next((one for one in node.children if one.has_error or one.is_missing), None)
        if child is None or node.type == "ERROR":
            return node.start_point.row + 1
        node = child


@dataclass(frozen=True, slots=True)
class _Around:
    """A node that a later one may lie in: where it ends, its part of the qualified name, whether it is a function."""

    end: int
    name: str
    is_function: bool
    wrapper: Any = None


@dataclass
class _File:
    """The captures of one file and the functions made of them."""

    source: bytes
    grammar: Grammar
    language: str
    query: Any
    root: Any
    comments: list[Any] = field(default_factory=list)
    strings: list[tuple[int, int]] = field(default_factory=list)
    decorators: dict[int, int] = field(default_factory=dict)  # end -> start
    _line_starts: list[int] = field(default_factory=list)
    _comment_ends: list[int] = field(default_factory=list)
    _comment_starts: list[int] = field(default_factory=list)

    def functions(self) -> Iterator[Function]:
        """Functions in the order of the file, each with the names of what stands around it."""
        marked = self._captures()
        around: list[_Around] = []
        for start, negative_end, kind, node in marked:
            while around and around[-1].end <= start:
                around.pop()
            if kind == "container":
                around.append(_Around(-negative_end, self._name(node), False))
            elif kind == "wrapper":
                around.append(_Around(-negative_end, "", False, node))
            elif (found := self._callable(kind, node)) is not None:
                name, value = found
                if sum(one.is_function for one in around[-2 * MAX_NESTING :]) < MAX_NESTING:
                    yield from self._function(node, value, name, around)
                around.append(_Around(-negative_end, name, True))

    def _captures(self) -> list[tuple[int, int, str, Any]]:
        from tree_sitter import QueryCursor

        found = QueryCursor(self.query).captures(self.root)
        by_start = lambda node: node.start_byte  # noqa: E731
        self.comments = sorted(found.get("comment", []), key=by_start)
        self._comment_starts = [node.start_byte for node in self.comments]
        self._comment_ends = [node.end_byte for node in self.comments]
        strings = ((node.start_byte, node.end_byte) for node in found.get("string", []))
        self.strings = sorted(span for span in strings if b"\n" in self.source[span[0] : span[1]])
        self.decorators = {node.end_byte: node.start_byte for node in found.get("decorator", [])}
        self._line_starts = [0, *(place.end() for place in re.finditer(rb"\n", self.source))]
        marked = [
            (node.start_byte, -node.end_byte, kind, node)
            for kind in ("wrapper", "container", "named", "function")
            for node in found.get(kind, [])
        ]
        # Wrappers come before what they wrap, whatever their kind is called.
        order = {"wrapper": 0, "container": 1, "named": 2, "function": 3}
        return sorted(marked, key=lambda one: (one[0], one[1], order[one[2]]))

    # --- names ----------------------------------------------------------------------------------------

    def _text(self, node: Any) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _name(self, node: Any) -> str:
        name = node.child_by_field_name("name")
        return self._text(name)[:200] if name is not None else ""

    def _callable(self, kind: str, node: Any) -> tuple[str, Any] | None:
        """(name, the node with parameters and body) of a function; None for a name that holds something else."""
        if kind == "function":
            return self._own_name(node), node
        value = node.child_by_field_name("value") or node.child_by_field_name("right")
        if value is None or value.type not in self.grammar.values:
            return None
        holder = next(
            (found for key in ("name", "key", "property", "left") if (found := node.child_by_field_name(key))), None
        )
        if holder is None or holder.type in {"object_pattern", "array_pattern", "subscript_expression"}:
            return None
        name = re.sub(r"\s+", "", self._text(holder)).strip("'\"").replace(".prototype.", ".")
        return _EXPORTS.sub("", name)[:200], value

    def _own_name(self, node: Any) -> str:
        name = self._name(node)
        receiver = node.child_by_field_name("receiver")
        if receiver is not None:
            kind = re.search(r"\*?\s*(\w+)\s*(?:\[[^\]]*\])?\s*\)$", self._text(receiver))
            return f"{kind.group(1)}.{name}" if kind else name
        owner = node.child_by_field_name("object") if node.type == "singleton_method" else None
        if owner is not None and owner.type != "self":
            return f"{self._text(owner)[:100]}.{name}"
        return name

    # --- one function ---------------------------------------------------------------------------------

    def _function(self, node: Any, value: Any, name: str, around: list[_Around]) -> Iterator[Function]:
        """The function, unless it has no name."""
        if not name:
            return
        start, end = self._extent(node, around)
        doc_start, docstring = self._documentation(start)
        text = _Dedented(self, doc_start, end)
        at = self._header_end(value, start, end)
        header, body = text.between(start, at), text.between(at, end)
        qualified = ".".join([*(one.name for one in around if one.name), name])
        is_broken = node.has_error
        yield Function(
            name=qualified,
            text=text.text,
            header=header.rstrip(),
            docstring=docstring,
            body=without_lead(body) if body.strip() else "",
            start_line=self._line(doc_start),
            end_line=self._line(max(end - 1, start)),
            is_async=header.lstrip().startswith(("async ", "export async ")),
            is_nested=any(one.is_function for one in around),
            language="typescript" if self.language == "tsx" else self.language,
            mark=BROKEN if is_broken else OVERLOAD if node.type in self.grammar.signatures else "",
            comments=() if is_broken else self._inside(at, end, name, doc_start),
        )

    def _extent(self, node: Any, around: list[_Around]) -> tuple[int, int]:
        """Where the function begins and ends, with `export`, `const x =` and decorators that are only its own."""
        start, end = node.start_byte, node.end_byte
        for outer in reversed(around):
            wrapper = outer.wrapper
            if wrapper is None or self.source[end : wrapper.end_byte].strip(b"; \n\t"):
                break
            if wrapper.type != "export_statement" and wrapper.named_child_count != 1:
                break
            start, end = wrapper.start_byte, wrapper.end_byte
        at = self._before(start)
        while at in self.decorators:
            start = self.decorators[at]
            at = self._before(start)
        return start, end

    def _before(self, place: int) -> int:
        """Where the text in front of a place ends, white space left out."""
        while place > 0 and self.source[place - 1 : place].isspace():
            place -= 1
        return place

    def _documentation(self, start: int) -> tuple[int, str]:
        """(where it begins, text) of the documentation right above a place; (the place, '') when there is none."""
        at = self._comment_ending(self._before(start))
        if at is None:
            return start, ""
        comment = self.comments[at]
        if self.grammar.doc == BLOCK:
            text = self._text(comment)
            return (comment.start_byte, clean_block(text)) if text.startswith("/**") else (start, "")
        first = self._first_of_block(at, self._line(start))
        if first is None:
            return start, ""
        begin = self.comments[first].start_byte
        raw = self.source[begin : comment.end_byte].decode("utf-8", "replace").rstrip("\n")
        return begin, clean_block(raw) if raw.startswith("/*") else clean_lines(raw)

    def _first_of_block(self, last: int, next_line: int) -> int | None:
        """Index of the first of the comment lines that stand together right above a line."""
        first, line = None, next_line
        for index in range(last, max(-1, last - MAX_DOC_LINES), -1):
            comment = self.comments[index]
            if self._line(max(comment.end_byte - 1, comment.start_byte)) != line - 1 or not self._is_alone(comment):
                break
            first, line = index, self._line(comment.start_byte)
        return first

    def _comment_ending(self, place: int) -> int | None:
        """Index of the comment whose text ends at a place (a trailing line end may belong to it)."""
        at = bisect_left(self._comment_ends, place)
        if at < len(self.comments) and self._before(self._comment_ends[at]) == place:
            return at
        return None

    def _header_end(self, value: Any, start: int, end: int) -> int:
        """Where the header ends: behind the opening brace, the arrow, or a Ruby method's parameters."""
        body = value.child_by_field_name("body")
        if self.language == "ruby":
            last = value.child_by_field_name("parameters") or value.child_by_field_name("name")
            at = last.end_byte if last is not None else start
            equals = re.compile(rb"\s*=(?=[ \t\n])").match(self.source, at, end)
            return equals.end() if equals else at
        if body is None:
            return end
        if self.source[body.start_byte : body.start_byte + 1] == b"{" and body.type != "object":
            return body.start_byte + 1
        return self._before(body.start_byte)

    def _inside(self, start: int, end: int, name: str, text_start: int) -> tuple[Comment, ...]:
        if is_empty_name(name.rpartition(".")[2]) or name in self.grammar.special:
            return ()
        first = self._line(text_start)
        raw = []
        for index in range(bisect_left(self._comment_starts, start), len(self.comments)):
            comment = self.comments[index]
            if comment.start_byte >= end:
                break
            text = self._text(comment).rstrip("\n")
            line = self._line(comment.start_byte) - first + 1
            raw.append(RawComment(line, line + text.count("\n"), text, self._is_alone(comment)))
        return describing_comments(raw, lambda text: parses(text, self.language)) if raw else ()

    def _line(self, place: int) -> int:
        return bisect_left(self._line_starts, place + 1)

    def _line_start(self, place: int) -> int:
        return self._line_starts[self._line(place) - 1]

    def _is_alone(self, comment: Any) -> bool:
        line_end = self.source.find(b"\n", comment.end_byte - 1)
        after = self.source[comment.end_byte : line_end if line_end >= 0 else len(self.source)]
        return not self.source[self._line_start(comment.start_byte) : comment.start_byte].strip() and not after.strip()


class _Dedented:
    """The bytes of a function without the indentation of its first line, strings over several lines left alone."""

    def __init__(self, file: _File, start: int, end: int) -> None:
        self._start, self._end = start, end
        line_start = file._line_start(start)
        head = file.source[line_start:start]
        self._indent = head[: len(head) - len(head.lstrip())]
        self._source = file.source
        self._cuts = list(self._cut_places(file)) if self._indent else []
        self.text = self.between(start, end)

    def _cut_places(self, file: _File) -> Iterator[int]:
        """Starts of the lines inside that lose their indentation."""
        at = bisect_left(file.strings, (self._start, 0))
        first = file._line(self._start)
        for place in file._line_starts[first : file._line(max(self._end - 1, self._start))]:
            while at < len(file.strings) and file.strings[at][1] <= place:
                at += 1
            inside = at < len(file.strings) and file.strings[at][0] < place
            if not inside and self._source.startswith(self._indent, place):
                yield place

    def between(self, start: int, end: int) -> str:
        """The dedented text between two places of the file."""
        pieces, at = [], start
        for place in self._cuts[bisect_left(self._cuts, start) :]:
            if place >= end:
                break
            pieces.append(self._source[at:place])
            at = place + len(self._indent)
        pieces.append(self._source[at:end])
        return b"".join(pieces).decode("utf-8", "replace")
