"""Python functions and methods out of source text, by `ast`. Knows no database and no Django.

`extract_functions(source)` returns every function and method of a module with its exact source (decorators included,
dedented so that it stands alone), split by the rule of METHODS 4: header (decorators and `def` up to the colon),
docstring (first string statement, whatever its quotes), body (the rest). Code that does not parse raises
`UnparsableError`: `recover_functions` then reads what stands by itself (Python 2 leaves most of a file sound), and
`split_by_quotes` splits a single text as the released CoSQA scripts do.
"""

import ast
import inspect
import io
import re
import textwrap
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from curation.comments import Comment, RawComment, describing_comments

# What extraction notes of a function beside its text; the filters make reasons of them.
BROKEN, OVERLOAD, ACCESSOR = "broken", "overload", "accessor"

_DEF = re.compile(r"^\s*(?:async\s+)?def\s+(\w+)", re.MULTILINE)
_BLOCK = re.compile(
    r"(?P<indent>[ \t]*)(?:(?P<decorator>@)|class\s+(?P<cls>\w+)|(?:async\s+)?def\s+(?P<name>\w+)\s*\()"
)
# Strings and comments of source that parses; possessive, so that no text makes it try twice.
_LEXEME = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+"""|\'\'\'(?:[^'\\]++|\\.|'(?!\'\'))*+\'\'\''''
    r"""|"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+'|\#[^\n]*""",
    re.DOTALL,
)
_EMPTY_NAME = re.compile(r"__\w+__$|(?:get|set)(?:_?[A-Z]\w*|_\w+)?$|(?:toString|equals|hashCode|main)$")
_LONG_STRINGS = tuple(
    kind for name in ("STRING", "FSTRING_MIDDLE") if (kind := getattr(tokenize, name, None)) is not None
)
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class UnparsableError(ValueError):
    """Source that Python cannot parse; the text says why and in which line."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function or method. Lines are those of the file, counted from 1, decorators included."""

    name: str  # qualified: Class.method, outer.<locals>.inner
    text: str
    header: str
    docstring: str
    body: str
    start_line: int
    end_line: int
    is_async: bool = False
    is_nested: bool = False
    language: str = "python"
    mark: str = ""  # BROKEN, OVERLOAD, ACCESSOR
    comments: tuple[Comment, ...] = ()  # METHODS 8.2; lines of `text`, from 1


@dataclass(frozen=True, slots=True)
class Parts:
    """A single code text, split; `name` is empty where no function was found."""

    name: str
    header: str
    docstring: str
    body: str
    comments: tuple[Comment, ...] = ()


def decode_source(raw: bytes) -> str:
    """Source text of a file, by its coding cookie or BOM, with LF line ends; raises UnparsableError."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        text = raw.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise UnparsableError(f"not text in its declared encoding ({error})") from error
    if "\0" in text:
        raise UnparsableError("binary data (a NUL byte)")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def extract_functions(source: str) -> list[Function]:
    """Every function and method of a module in the order of its lines, nested ones included (and marked)."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    tree = _parse(source)
    lines = source.split("\n")
    remarks = _Remarks(source, lines)
    return [_function(node, name, nested, lines, remarks) for node, name, nested in _walk(tree)]


def recover_functions(source: str) -> list[Function]:
    """The outermost functions and methods of source that does not parse as a whole, each read by itself.

    Blocks are told by their indentation. One that parses alone is as good as any; one that does not (Python 2, or the
    broken place itself) is split by its quotes and marked BROKEN.
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [_recovered(name, first, lines[first:last]) for name, first, last in _blocks(lines)]


def _blocks(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """(qualified name, first line from 0, line behind the last) of the outermost functions, by indentation."""
    classes: list[tuple[int, str]] = []
    decorated: tuple[int, int] | None = None  # (line, indentation)
    line = 0
    while line < len(lines):
        match = _BLOCK.match(lines[line])
        if match is None:
            decorated = decorated if decorated and lines[line][: decorated[1] + 1].strip() == "" else None
            line += 1
            continue
        indent = len(match["indent"].expandtabs())
        if match["decorator"]:
            decorated = decorated if decorated and decorated[1] == indent else (line, indent)
        else:
            while classes and classes[-1][0] >= indent:
                classes.pop()
        if match["cls"]:
            classes.append((indent, match["cls"]))
            decorated = None
        elif match["name"]:
            end = _end_of_block(lines, line, indent)
            first = decorated[0] if decorated and decorated[1] == indent else line
            yield ".".join([*(name for _, name in classes), match["name"]]), first, end
            decorated, line = None, end - 1
        line += 1


def _end_of_block(lines: list[str], start: int, indent: int) -> int:
    """The line behind the last one that is indented deeper than a `def` (closing brackets of its header apart)."""
    end = start + 1
    for index in range(start + 1, len(lines)):
        text = lines[index]
        if not text.strip():
            continue
        if len(text) - len(text.lstrip()) <= indent and not text.lstrip().startswith((")", "]", "#")):
            break
        if not text.lstrip().startswith("#") or len(text) - len(text.lstrip()) > indent:
            end = index + 1
    return end


def _recovered(name: str, first: int, block: list[str]) -> Function:
    text = textwrap.dedent("\n".join(block)).rstrip()
    last = first + len(block)
    try:
        return replace(extract_functions(text)[0], name=name, start_line=first + 1, end_line=last)
    except (UnparsableError, IndexError):
        parts = split_by_quotes(text)
        return Function(name, text, parts.header, parts.docstring, parts.body, first + 1, last, mark=BROKEN)


def split_code(text: str) -> Parts:
    """Header, docstring and body of one function's text: by `ast`, by quotes where it does not parse."""
    try:
        found = extract_functions(text)
    except UnparsableError:
        return split_by_quotes(text)
    if not found:
        return split_by_quotes(text)
    first = found[0]
    return Parts(first.name, first.header, first.docstring, first.body, first.comments)


def split_by_quotes(text: str) -> Parts:
    """The rule of the released CoSQA scripts: what stands before, between and after the first two triple quotes."""
    name = match.group(1) if (match := _DEF.search(text)) else ""
    for quotes in ('"""', "'''"):
        parts = text.split(quotes, 2)
        if len(parts) == 3:
            return Parts(name, parts[0].rstrip(), inspect.cleandoc(parts[1]).strip(), without_lead(parts[2]))
    header, newline, body = text.partition("\n")
    return Parts(name, header.rstrip(), "", body if newline else "")


def _parse(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in foreign code are not our news
            return ast.parse(source)
    except SyntaxError as error:
        raise UnparsableError(f"does not parse: {error.msg} (line {error.lineno})") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnparsableError(f"does not parse: {error or type(error).__name__}") from error


def _walk(tree: ast.Module) -> Iterator[tuple[_FunctionNode, str, bool]]:
    """(node, qualified name, is nested) in line order. Only statements are visited: functions hide in no expression."""
    stack: list[tuple[ast.AST, str, bool]] = [(node, "", False) for node in reversed(tree.body)]
    while stack:
        node, prefix, nested = stack.pop()
        if isinstance(node, _FunctionNode):
            yield node, prefix + node.name, nested
            inner, within = f"{prefix}{node.name}.<locals>.", True
        elif isinstance(node, ast.ClassDef):
            inner, within = f"{prefix}{node.name}.", nested
        else:
            inner, within = prefix, nested
        stack.extend((child, inner, within) for child in reversed(_statements(node)))


def _statements(node: ast.AST) -> list[ast.AST]:
    """The statements (and except or case blocks) directly inside a statement, in line order."""
    found: list[ast.AST] = []
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            found.extend(block)
    return found


class _Remarks:
    """The comments of a file, found in one pass over its strings and comments."""

    def __init__(self, source: str, lines: list[str]) -> None:
        self._lines = lines
        self._found: list[tuple[int, str, bool]] = []  # (line from 1, text, stands alone)
        if "#" in source:
            starts = [0, *accumulate(len(line) + 1 for line in lines)]
            for match in _LEXEME.finditer(source):
                if match[0][0] == "#":
                    line = bisect_right(starts, match.start())
                    self._found.append((line, match[0], not source[starts[line - 1] : match.start()].strip()))
        self._at = [line for line, _, _ in self._found]

    def inside(self, first: int, after: int, last: int) -> tuple[Comment, ...]:
        """Describing comments behind line `after` up to `last`, their lines counted from `first`."""
        low, high = bisect_right(self._at, after), bisect_right(self._at, last)
        if low == high:
            return ()
        raw = [RawComment(at - first + 1, at - first + 1, text, alone) for at, text, alone in self._found[low:high]]
        return describing_comments(raw, parses_as_code)


def parses_as_code(text: str) -> bool:
    """Whether a text is Python that is more than a name or a string."""
    try:
        body = _parse(textwrap.dedent(text)).body
    except UnparsableError:
        return False
    return bool(body) and not all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Name | ast.Constant) for node in body
    )


def is_empty_name(name: str) -> bool:
    """Names that say nothing about what is done: dunder names, getters, setters, toString, main (METHODS 8.2, 6)."""
    return _EMPTY_NAME.match(name) is not None


def _mark(node: _FunctionNode) -> str:
    """OVERLOAD for a typing overload, ACCESSOR for what only sets or deletes a property."""
    for decorator in node.decorator_list:
        name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
        if name == "overload":
            return OVERLOAD
        if name in {"setter", "getter", "deleter"} and isinstance(decorator, ast.Attribute):
            return ACCESSOR
    return ""


def _function(node: _FunctionNode, name: str, nested: bool, lines: list[str], remarks: _Remarks) -> Function:
    first = _first_line(node, lines)
    doc = _docstring_node(node)
    piece = _Piece(lines, first, node.end_lineno or first, node.end_col_offset or 0, doc)
    colon = piece.find_colon(*_header_end(node))
    body_from = piece.offset(doc.end_lineno or 0, doc.end_col_offset or 0) if doc else colon
    return Function(
        name=name,
        text=piece.text,
        header=piece.text[:colon],
        docstring=inspect.cleandoc(str(doc.value)).strip() if doc else "",
        body=without_lead(piece.text[body_from:]),
        start_line=first,
        end_line=node.end_lineno or first,
        is_async=isinstance(node, ast.AsyncFunctionDef),
        is_nested=nested,
        mark=_mark(node) if node.decorator_list else "",
        comments=()
        if is_empty_name(node.name)
        else remarks.inside(first, piece.line_of(colon), node.end_lineno or first),
    )


def _first_line(node: _FunctionNode, lines: list[str]) -> int:
    """Line of the first decorator's @, or of the def."""
    if not node.decorator_list:
        return node.lineno
    line = min(decorator.lineno for decorator in node.decorator_list)
    while line > 1 and not lines[line - 1].lstrip().startswith("@"):
        line -= 1  # `@(` may stand lines above the expression that ast knows
    return line


def _header_end(node: _FunctionNode) -> tuple[int, int]:
    """(line, column in bytes) behind the last thing of the header that ast knows, before the colon."""
    spec = node.args
    nodes: list[ast.AST | None] = [
        *spec.posonlyargs,
        *spec.args,
        *spec.kwonlyargs,
        *spec.defaults,
        *spec.kw_defaults,
        *getattr(node, "type_params", []),
        spec.vararg,
        spec.kwarg,
        node.returns,
    ]
    ends = [(known.end_lineno, known.end_col_offset) for known in nodes if known is not None]  # type: ignore[attr-defined]
    return max(ends, default=(node.lineno, node.col_offset))


def _docstring_node(node: _FunctionNode) -> ast.Constant | None:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value
    return None


class _Piece:
    """The lines of one function, dedented, and where positions of the file lie in the result."""

    def __init__(self, lines: list[str], first: int, last: int, end_column: int, doc: ast.Constant | None) -> None:
        self._first = first
        self._source = lines[first - 1 : last]
        self._source[-1] = _cut(self._source[-1], end_column)
        head = self._source[0]
        self._indent = head[: len(head) - len(head.lstrip())]
        self._kept = self._inside_strings(doc)
        dedented = [line[self._shift(index) :] for index, line in enumerate(self._source)]
        self._starts = [0]
        for line in dedented:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self.text = "\n".join(dedented)

    def _inside_strings(self, doc: ast.Constant | None) -> frozenset[int]:
        """Lines that begin inside a string other than a docstring: dedenting them would change what the code does."""
        if not self._indent:
            return frozenset()
        before, after = (doc.lineno, doc.end_lineno or doc.lineno) if doc else (self._first, self._first - 1)
        others = [*self._source[: before - self._first], *self._source[after - self._first + 1 :]]
        if not any('"""' in line or "'''" in line or line.endswith("\\") for line in others):
            return frozenset()
        return frozenset(_lines_inside_strings("\n".join(self._source)))

    def _shift(self, index: int) -> int:
        if index in self._kept or not self._source[index].startswith(self._indent):
            return 0
        return len(self._indent)

    def offset(self, line: int, column: int) -> int:
        """Place in `text` of a (line, byte column) of the file."""
        index = line - self._first
        characters = len(_cut(self._source[index], column))
        return self._starts[index] + max(0, characters - self._shift(index))

    def line_of(self, offset: int) -> int:
        """Line of the file that a place in `text` stands on."""
        return self._first + bisect_right(self._starts, offset - 1) - 1

    def find_colon(self, line: int, column: int) -> int:
        """Place behind the colon that ends the header, searched from a position; comments are skipped."""
        at = self.offset(line, column)
        while at < len(self.text) and self.text[at] != ":":
            at = self.text.find("\n", at) if self.text[at] == "#" else at + 1
        return at + 1


def _cut(line: str, column: int) -> str:
    """The first `column` bytes (UTF-8, as ast counts) of a line."""
    return line[:column] if line.isascii() else line.encode("utf-8")[:column].decode("utf-8")


def _lines_inside_strings(text: str) -> Iterator[int]:
    """Indexes of lines that start inside a string token which is no statement of its own (a docstring is one)."""
    previous = tokenize.INDENT
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in _LONG_STRINGS and previous not in {tokenize.INDENT, tokenize.NEWLINE}:
                yield from range(token.start[0], token.end[0])
            if token.type not in {tokenize.NL, tokenize.COMMENT, tokenize.DEDENT}:
                previous = token.type
    except (tokenize.TokenError, SyntaxError):
        return  # an indented piece may end oddly for the tokenizer; what was found so far holds


def without_lead(text: str) -> str:
    """A body without what separates it from the header or docstring: `;`, spaces, the rest of an empty line."""
    line, newline, rest = text.partition("\n")
    if line.strip(" \t;"):
        return text.lstrip(" \t;")
    while newline and rest.partition("\n")[0].strip() == "" and "\n" in rest:
        rest = rest.partition("\n")[2]
    return rest
