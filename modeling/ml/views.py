"""Text views of a function: which of header, documentation and body a model gets to read (CoSQA Table 7)."""

import ast
import re
import warnings
from dataclasses import dataclass

VIEWS = ("full", "no_doc", "no_header", "no_body", "header_only", "doc_only", "body_only")


@dataclass(frozen=True)
class Parts:
    """The three parts of a function; `documentation` with its quotes, `comment` without."""

    header: str
    documentation: str
    comment: str
    body: str


def text_view(code: str, view: str) -> str:
    """The text of the code in a view. Views of different codes may be equal texts."""
    if view == "full":
        return code
    parts = split_code(code)
    chosen = {
        "no_doc": [parts.header, parts.body],
        "no_header": [parts.documentation, parts.body],
        "no_body": [parts.header, parts.documentation],
        "header_only": [parts.header],
        "doc_only": [parts.comment],
        "body_only": [parts.body],
    }[view]
    return "\n".join(part for part in chosen if part.strip())


def split_code(code: str) -> Parts:
    """Split by syntax; by the paper's rule of the first two triple quotes where the code does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # old escapes in strings are not our business
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _split_by_quotes(code)
    first = tree.body[0] if tree.body else None
    if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return _split_by_syntax(code, first)
    return Parts("", "", "", code)


def _split_by_syntax(code: str, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Parts:
    data = code.encode("utf-8", "surrogatepass")  # ast counts columns in bytes
    starts = [0, *(match.end() for match in re.finditer(rb"\r\n|\r|\n", data))]

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    def text(start: int, end: int) -> str:
        return data[start:end].decode("utf-8", "surrogatepass").strip("\r\n").rstrip()

    first = function.body[0]
    begin = place(first.lineno, first.col_offset)
    comment = ast.get_docstring(function, clean=True)
    if comment is None:
        return Parts(text(0, begin), "", "", text(begin, len(data)))
    end = place(first.end_lineno or first.lineno, first.end_col_offset or 0)
    return Parts(text(0, begin), text(begin, end), comment, text(end, len(data)))


def _split_by_quotes(code: str) -> Parts:
    for mark in ('"""', "'''"):
        pieces = code.split(mark, 2)
        if len(pieces) == 3:
            header, comment, body = pieces
            return Parts(header.rstrip(), f"{mark}{comment}{mark}", comment.strip(), body.strip("\r\n").rstrip())
    return Parts("", "", "", code)
