"""JSON Lines, and a JSON array cut into JSON Lines as it streams by."""

import json
import re
from collections.abc import Iterator, Sequence
from json.scanner import make_scanner
from typing import Any, BinaryIO

from curation.reading.errors import LogFileError, LogTooBigError
from curation.reading.lines import BYTE_ORDER_MARK, Lines
from curation.reading.rows import BadRow, Chunk, Values, excerpt
from curation.reading.shapes import Limits

_scan: Any = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]  # the same without looking for white space
_TOO_DEEP = "nested too deeply"


def json_values(lines: Lines, wanted: Sequence[str], limits: Limits) -> Values:
    """The wanted keys of the rows ('': not wanted). A row that is a plain text has only the first."""
    columns: list[list[Any]] = [[] for _ in wanted]
    numbers: list[int] = []
    values = Values(numbers, [column if key else None for key, column in zip(wanted, columns, strict=True)])
    values.columns[0] = columns[0]
    rest = [(key, column) for key, column in zip(wanted[1:], columns[1:], strict=True) if key]
    query, queries = wanted[0], columns[0]
    for number, text in enumerate(lines.texts, start=lines.first):
        row = _row(number, text, limits)
        if isinstance(row, BadRow):
            values.bad.append(row)
        elif isinstance(row, dict):
            if query not in row:
                values.bad.append(BadRow(number, f"has no {query or 'query'!r}", excerpt(str(text))))
                continue
            numbers.append(number)
            queries.append(row[query])
            for key, column in rest:
                column.append(row.get(key))
        else:
            numbers.append(number)
            queries.append(row)
            for _, column in rest:
                column.append(None)
    return values


def _row(number: int, text: str | BadRow, limits: Limits) -> dict[str, Any] | str | BadRow:
    if isinstance(text, BadRow):
        return text
    if text.count("{") + text.count("[") > limits.json_depth and too_deep(text, limits.json_depth):
        return BadRow(number, f"no valid JSON: {_TOO_DEEP}", excerpt(text))
    try:
        value, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        end = -1
    if end != len(text):  # white space around it, or something wrong
        value = _value(number, text)
    if isinstance(value, dict | str | BadRow):
        return value
    return BadRow(number, "neither an object nor a text", excerpt(text))


def _value(number: int, text: str) -> Any:
    if not text.strip():
        return BadRow(number, "empty line")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = error.msg if isinstance(error, json.JSONDecodeError) else f"{_TOO_DEEP} or number too long"
        return BadRow(number, f"no valid JSON: {problem}", excerpt(text))


_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def too_deep(text: str, depth: int) -> bool:
    """Whether arrays and objects stand in each other more than `depth` times."""
    level = 0
    for mark in _BRACKETS.finditer(text):
        if mark.group() in "[{":
            level += 1
            if level > depth:
                return True
        elif mark.group() in "]}":
            level -= 1
    return False


# --- a JSON array -------------------------------------------------------------------------------------------------

READ_BYTES = 2**18
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
# What leads to the next mark that counts: within a row only brackets do, between rows commas too.
_WITHIN = re.compile(rb'(?:[^"\[\]{}]++|' + _TEXT + rb")*+", re.DOTALL)
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]++|' + _TEXT + rb")*+", re.DOTALL)
_FLAT_ROW = re.compile(rb"\s*+(\{(?:[^\"\[\]{}]++|" + _TEXT + rb")*+\})\s*+,", re.DOTALL)  # nothing nested: most logs
_LINE_ENDS = bytes.maketrans(b"\n\r", b"  ")


def array_chunks(stream: BinaryIO, limits: Limits, chunk_bytes: int, name: str) -> Iterator[Chunk]:
    """The rows of one JSON array as chunks of JSON Lines; `first_line` counts rows from 1.

    Raises LogFileError when it is no array, is not closed, or a row is too large or too deep.
    """
    number, first, rows, size = 0, 1, [], 0
    for row in _ArrayRows(stream, limits, name):
        rows.append(row)
        size += len(row) + 1
        if size >= chunk_bytes:
            yield Chunk(number, first, b"\n".join(rows) + b"\n")
            number, first, rows, size = number + 1, first + len(rows), [], 0
    if rows:
        yield Chunk(number, first, b"\n".join(rows) + b"\n")


class _ArrayRows:
    """The rows of an array, each as bytes on one line (a line end inside JSON is either white space or a mistake)."""

    def __init__(self, stream: BinaryIO, limits: Limits, name: str) -> None:
        self._stream, self._limits, self._name = stream, limits, name
        self._data = stream.read(READ_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()
        self._place = self._begin = 0
        self._row = 1

    def __iter__(self) -> Iterator[bytes]:
        if not self._data.startswith(b"["):
            raise LogFileError(name=self._name, problem="this is no JSON array: it does not begin with [.")
        self._begin = self._place = 1
        depth = 1
        while True:
            if depth == 1 and self._begin == self._place:
                yield from self._flat_rows()
            mark = self._next_mark(_BETWEEN if depth == 1 else _WITHIN)
            if mark in b"[{":
                depth += 1
                if depth - 1 > self._limits.json_depth:
                    raise LogFileError(name=self._name, problem=f"row {self._row:,} is {_TOO_DEEP}.")
            elif mark in b"]}":
                depth -= 1
            if depth == 0 or (depth == 1 and mark == b","):
                row = self._cut()
                if row or mark == b"," or self._row > 1:
                    yield row
                self._row += 1
            if depth == 0:
                self._refuse_more()
                return

    def _flat_rows(self) -> Iterator[bytes]:
        while flat := _FLAT_ROW.match(self._data, self._place):
            self._begin = self._place = flat.end()
            self._row += 1
            yield flat[1].translate(_LINE_ENDS)

    def _next_mark(self, leading: re.Pattern[bytes]) -> bytes:
        while True:
            found = leading.match(self._data, self._place)
            end = found.end() if found else self._place
            if end < len(self._data) and self._data[end] != 0x22:
                self._place = end + 1
                return self._data[end : end + 1]
            self._place = end  # the end of the data at hand, or a text that is not closed in it
            self._more()

    def _more(self) -> None:
        rest = self._data[self._begin :]
        self._place -= self._begin
        self._begin = 0
        if len(rest) > self._limits.record_bytes:
            problem = f"more than {self._limits.record_bytes // 1024:,} KiB in row {self._row:,}"
            raise LogTooBigError(name=self._name, problem=problem)
        block = self._stream.read(READ_BYTES)
        if not block:
            raise LogFileError(name=self._name, problem=f"the JSON array ends early, in row {self._row:,}.")
        self._data = rest + block

    def _cut(self) -> bytes:
        row = self._data[self._begin : self._place - 1].strip().translate(_LINE_ENDS)
        self._begin = self._place
        return row

    def _refuse_more(self) -> None:
        rest = self._data[self._place :].strip() or self._stream.read(READ_BYTES).strip()
        if rest:
            raise LogFileError(name=self._name, problem="there is something after the end of the JSON array.")
