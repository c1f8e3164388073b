"""Streaming readers of search logs. Needs no database; memory is bounded whatever the file holds.

`read_log(path, LogShape(...))` yields a LogRow or a BadRow for every row, in the order of the file: text (one query a
line), CSV and TSV (a chosen column), JSON Lines (a chosen key, or plain strings), each plain or as gzip. A row that
cannot be used is a BadRow with its line and reason; a file that cannot be used is a LogFileError.

TSV is taken as it stands (logs put bare quotes in it); CSV follows RFC 4180, with quoted line breaks up to a bound.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import QuarryError
from core.text import normalise_query
from curation.privacy import mask

HEAD_BYTES = 64 * 1024
MAX_EXCERPT_CHARS = 100
MAX_COUNT = 10**12
QUERY_COLUMNS = (
    "query",
    "querystring",
    "query_string",
    "q",
    "doc",
    "search_query",
    "search_term",
    "text",
    "title",
    "keyword",
)

COUNT_COLUMNS = ("count", "frequency", "times")
USER_COLUMNS = ("user", "user_id", "userid", "anonid")


class LogFileError(QuarryError):
    """The file as a whole cannot be read as a search log."""

    code = "bad_log_file"
    template = "{name}: {problem}"


class EmptyLogError(LogFileError):
    code = "empty_log"
    template = "{name}: the file is empty; there is no query in it."


class BinaryLogError(LogFileError):
    code = "binary_log"
    template = "{name}: this is {what}, not text. Give one query a line, CSV, TSV or JSON Lines, plain or as gzip."


class UnknownColumnError(LogFileError):
    code = "unknown_column"
    template = "{name}: there is no column {column}. The file has: {columns}."


class ColumnNeededError(LogFileError):
    code = "column_needed"
    template = "{name}: say which column holds the query. The file has: {columns}."


class BrokenLogError(LogFileError):
    code = "broken_log"
    template = "{name}: the gzip data is damaged or ends early after line {line}."


class LogTooBigError(LogFileError):
    code = "log_too_big"
    template = "{name}: it comes to {problem}. Split it, or unpack it yourself if it is what it seems."


class LogFormat(StrEnum):
    AUTO = "auto"
    TEXT = "text"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"


@dataclass(frozen=True)
class Limits:
    """Bounds on what a file may ask of this machine; sizes in bytes."""

    line_bytes: int = 64 * 1024
    query_chars: int = 1000
    record_lines: int = 100
    unpacked_bytes: int = 64 * 2**30
    ratio: int = 200
    ratio_from_bytes: int = 16 * 2**20  # small files may be as regular as they like


@dataclass(frozen=True)
class LogShape:
    """How to read a file: its format, and for tables the columns (by name, or by number from 1; empty: usual names)."""

    format: LogFormat = LogFormat.AUTO
    column: str = ""
    count_column: str = ""
    user_column: str = ""


class Place:
    """How far a reader has come in the bytes of the file (packed bytes, where it is packed)."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._last = 0

    def follow(self, file: BinaryIO) -> None:
        self._file = file

    def bytes_read(self) -> int:
        if self._file is not None and not self._file.closed:
            self._last = self._file.tell()
        return self._last


@dataclass(frozen=True, slots=True)
class LogRow:
    """One asked query: normalised text, how often this row says it was asked, and who asked ('' if unknown)."""

    line: int
    query: str
    count: int = 1
    user: str = ""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, with an excerpt in which private parts are masked. There are few different reasons."""

    line: int
    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The wanted values of one row of a table, in the order in which they were asked for; None where missing."""

    line: int
    values: tuple[Any, ...]


def read_log(
    path: Path,
    shape: LogShape | None = None,
    *,
    limits: Limits | None = None,
    name: str = "",
    place: Place | None = None,
) -> Iterator[LogRow | BadRow]:
    """Every row of the log. Raises LogFileError when the file as a whole cannot be used."""
    limits = limits or Limits()
    shape = inspect_log(path, shape or LogShape(), limits=limits, name=name)
    wanted = [shape.column, shape.count_column, shape.user_column]
    for entry in _records(path, shape, wanted, limits, name or path.name, place):
        yield entry if isinstance(entry, BadRow) else _log_row(entry, limits)


def read_table(path: Path, columns: list[str], *, name: str = "") -> Iterator[Record | BadRow]:
    """Rows of a CSV, TSV or JSON Lines file with the named columns; used for labelled files."""
    limits, name = Limits(), name or path.name
    head = _head(path, limits, name)
    shape = LogShape(format=guess_format(head, name), column=columns[0])
    if shape.format is LogFormat.TEXT:
        raise LogFileError(name=name, problem=f"this is no table. It needs the columns {' and '.join(columns)}.")
    return _records(path, shape, columns, limits, name)


def inspect_log(path: Path, shape: LogShape, *, limits: Limits | None = None, name: str = "") -> LogShape:
    """The shape with format and column settled from the head of the file. Raises LogFileError."""
    limits, name = limits or Limits(), name or path.name
    head = _head(path, limits, name)
    if shape.format is LogFormat.AUTO:
        shape = replace(shape, format=guess_format(head, name, column=shape.column))
    if shape.format is LogFormat.TEXT:
        _refuse_columns(shape, name)
        return shape
    first = _first_line(head)
    return (
        _settle_json(shape, head, name) if shape.format is LogFormat.JSONL else _settle_table(shape, first, head, name)
    )


def guess_format(head: bytes, name: str = "", *, column: str = "") -> LogFormat:
    """The most likely format by the file's name, its first rows, and whether a column was asked for."""
    by_name = {".csv": LogFormat.CSV, ".tsv": LogFormat.TSV, ".jsonl": LogFormat.JSONL, ".ndjson": LogFormat.JSONL}
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix in by_name:
        return by_name[suffix]
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:20] if line.strip()]
    if _JSON_ARRAY.match(head):
        return LogFormat.JSONL  # its reader says what to do
    if lines and all(line.lstrip().startswith("{") for line in lines[:3]):
        return LogFormat.JSONL
    for mark, found in (("\t", LogFormat.TSV), (",", LogFormat.CSV)):
        if _looks_like_table(lines, mark, column):
            return found
    return LogFormat.TEXT


_JSON_ARRAY = re.compile(rb"\s*\[\s*[{\"]")


def _looks_like_table(lines: list[str], mark: str, column: str) -> bool:
    if not lines or mark not in lines[0]:
        return False
    names = {cell.strip().strip('"').lower() for cell in lines[0].split(mark)}
    if column.lower() in names or names & set(QUERY_COLUMNS):
        return True
    # A comma stands in many a query, a tab in none.
    return mark == "\t" and len({line.count(mark) for line in lines}) == 1


# --- the file as a whole ------------------------------------------------------------------------------------------

_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ\x00": "an xz file (unpack it first)",
    b"\x28\xb5\x2f\xfd": "a zstd file (unpack it first)",
    b"BZh": "a bzip2 file (unpack it first)",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip inside gzip",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "UTF-16 (save it as UTF-8)",
    b"\xfe\xff": "UTF-16 (save it as UTF-8)",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1b\x7f]")
_BINARY_SHARE = 0.25


def _head(path: Path, limits: Limits, name: str) -> bytes:
    with _opened(path, limits, name) as stream:
        try:
            head = stream.read(HEAD_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenLogError(name=name, line=0) from error
    head = head.removeprefix(b"\xef\xbb\xbf")
    _refuse_binary(head, name)
    return head


def _refuse_binary(head: bytes, name: str) -> None:
    if not head.strip():
        raise EmptyLogError(name=name)
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise BinaryLogError(name=name, what=what)
    undecodable = head.decode("utf-8", "replace").count("�")
    if (len(_CONTROL.findall(head)) + undecodable) / len(head) > _BINARY_SHARE:
        raise BinaryLogError(name=name, what="a binary file")


@contextmanager
def _opened(path: Path, limits: Limits, name: str, place: Place | None = None) -> Iterator[BinaryIO]:
    """The bytes of the file, unpacked if it is gzip, under the limits."""
    with path.open("rb", buffering=2**17) as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if place:
            place.follow(raw)
        if not is_gzip:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield io.BufferedReader(_Bounded(unpacked, raw, limits, name), 2**17)


class _Bounded(io.RawIOBase):
    """Passes unpacked bytes on until they are too many, in all or for what was packed."""

    def __init__(self, unpacked: gzip.GzipFile, packed: BinaryIO, limits: Limits, name: str) -> None:
        self._unpacked, self._packed, self._limits, self._name = unpacked, packed, limits, name
        self._seen = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._unpacked.read1(len(buffer))
        buffer[: len(data)] = data
        self._seen += len(data)
        self._refuse_bomb()
        return len(data)

    def _refuse_bomb(self) -> None:
        limits = self._limits
        if self._seen > limits.unpacked_bytes:
            raise LogTooBigError(name=self._name, problem=f"more than {limits.unpacked_bytes / 2**30:.0f} GiB")
        if self._seen > limits.ratio_from_bytes and self._seen > limits.ratio * max(self._packed.tell(), 1):
            raise LogTooBigError(name=self._name, problem=f"more than {limits.ratio} times its size")


# --- columns ------------------------------------------------------------------------------------------------------


def _first_line(head: bytes) -> str:
    lines = (line.rstrip("\r") for line in head.decode("utf-8", "replace").split("\n"))
    return next((line for line in lines if line.strip()), "")


def _refuse_columns(shape: LogShape, name: str) -> None:
    for column in (shape.column, shape.count_column, shape.user_column):
        if column:
            raise UnknownColumnError(
                name=name, column=column, columns="no columns, it is plain text with one query a line"
            )


def _settle_json(shape: LogShape, head: bytes, name: str) -> LogShape:
    first = _first_object(head)
    if first is None:
        if _JSON_ARRAY.match(head):
            raise LogFileError(name=name, problem="this is one JSON array. JSON Lines has one object or text a line.")
        return shape  # texts, or a bad first line: the rows will say
    keys = [str(key) for key in first]
    for column in (shape.count_column, shape.user_column):
        if column and column not in keys:
            raise UnknownColumnError(name=name, column=column, columns=_listed(keys))
    return _with_usual_columns(replace(shape, column=_settled(shape.column, keys, name)), keys)


def _first_object(head: bytes) -> dict[str, Any] | None:
    for line in head.split(b"\n")[:50]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


def _settle_table(shape: LogShape, first: str, head: bytes, name: str) -> LogShape:
    cells = [cell.strip() for cell in _cells(first, shape.format) or first.split(",")]
    if shape.column or len(cells) > 1 or cells[0].lower() in QUERY_COLUMNS:
        shape = replace(shape, column=_settled(shape.column, cells, name))
    else:
        shape = replace(shape, column="1")
    for column in (shape.count_column, shape.user_column):
        if column and _place(column, cells) is None:
            raise UnknownColumnError(name=name, column=column, columns=_listed(cells))
    if (
        _has_header(shape, cells)
        and len(head) < HEAD_BYTES
        and len(head.split())
        and len(head.strip().splitlines()) < 2
    ):
        raise EmptyLogError(name=name)
    return _with_usual_columns(shape, cells) if _has_header(shape, cells) else shape


def _with_usual_columns(shape: LogShape, names: list[str]) -> LogShape:
    """Count and user are taken from columns of the usual names where nobody chose others."""
    usual = {name.lower(): name for name in reversed(names)}

    def first(known: tuple[str, ...]) -> str:
        return next((usual[each] for each in known if each in usual and usual[each] != shape.column), "")

    return replace(
        shape,
        count_column=shape.count_column or first(COUNT_COLUMNS),
        user_column=shape.user_column or first(USER_COLUMNS),
    )


def _settled(column: str, cells: list[str], name: str) -> str:
    if column:
        if _place(column, cells) is None:
            raise UnknownColumnError(name=name, column=column, columns=_listed(cells))
        return column
    for known in QUERY_COLUMNS:
        for cell in cells:
            if cell.lower() == known:
                return cell
    if len(cells) == 1:
        return cells[0]
    raise ColumnNeededError(name=name, columns=_listed(cells))


def _place(column: str, cells: list[str]) -> int | None:
    """Index of a column by its name (case aside when that is clear), or by its number from 1."""
    if column in cells:
        return cells.index(column)
    lower = [cell.lower() for cell in cells]
    if lower.count(column.lower()) == 1:
        return lower.index(column.lower())
    if column.isascii() and column.isdigit() and 1 <= int(column) <= len(cells):
        return int(column) - 1
    return None


def _has_header(shape: LogShape, cells: list[str]) -> bool:
    """The first row is a header when a wanted column is its cell, or it holds a usual name."""
    wanted = {column.lower() for column in (shape.column, shape.count_column, shape.user_column) if column}
    lower = {cell.lower() for cell in cells}
    return bool(wanted & lower) or bool(lower & set(QUERY_COLUMNS))


def _listed(cells: list[str]) -> str:
    shown = ", ".join(mask(cell)[:40] for cell in cells[:20])
    return shown + (", ..." if len(cells) > 20 else "")


# --- rows ---------------------------------------------------------------------------------------------------------

Line = tuple[int, bytes]


def _records(
    path: Path, shape: LogShape, wanted: list[str], limits: Limits, name: str, place: Place | None = None
) -> Iterator[Record | BadRow]:
    number = 0
    with _opened(path, limits, name, place) as stream:
        lines = _lines(stream, limits)
        try:
            for entry in _ROW_READERS[shape.format](lines, shape, wanted, limits, name):
                number = entry.line
                yield entry
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenLogError(name=name, line=number) from error
    if not number:
        raise EmptyLogError(name=name)


def _lines(stream: BinaryIO, limits: Limits) -> Iterator[Line | BadRow]:
    """Physical lines without their end; a line over the limit is skipped in pieces and reported."""
    number = 0
    while data := stream.readline(limits.line_bytes + 2):
        number += 1
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        line = data.rstrip(b"\r\n")
        if len(line) > limits.line_bytes:
            excerpt = _excerpt(data[:400])
            while data and not data.endswith(b"\n"):
                data = stream.readline(limits.line_bytes)
            yield BadRow(number, f"line longer than {limits.line_bytes // 1024} KiB", excerpt)
        else:
            yield number, line


def _decoded(line: Line) -> str | BadRow:
    number, data = line
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return BadRow(number, "not UTF-8", _excerpt(data))
    return BadRow(number, "holds a NUL character", _excerpt(data)) if "\0" in text else text


def _text_rows(lines: Iterable[Line | BadRow], *_: Any) -> Iterator[Record | BadRow]:
    for line in lines:
        if isinstance(line, BadRow):
            yield line
            continue
        text = _decoded(line)
        yield text if isinstance(text, BadRow) else Record(line[0], (text, None, None))


def _json_rows(
    lines: Iterable[Line | BadRow], shape: LogShape, wanted: list[str], *_: Any
) -> Iterator[Record | BadRow]:
    for line in lines:
        if isinstance(line, BadRow):
            yield line
            continue
        text = _decoded(line)
        if isinstance(text, BadRow):
            yield text
        elif not text.strip():
            yield BadRow(line[0], "empty line")
        else:
            yield _json_record(line[0], text, wanted)


def _json_record(number: int, text: str, wanted: list[str]) -> Record | BadRow:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply or number too long"
        return BadRow(number, f"no valid JSON: {problem}", _excerpt(text))
    if isinstance(value, str):
        return Record(number, (value, *(None for _ in wanted[1:])))
    if not isinstance(value, dict):
        return BadRow(number, "neither an object nor a text", _excerpt(text))
    if wanted[0] not in value:
        return BadRow(number, f"has no {wanted[0] or 'query'!r}", _excerpt(text))
    return Record(number, tuple(value.get(column) if column else None for column in wanted))


def _table_rows(
    lines: Iterable[Line | BadRow], shape: LogShape, wanted: list[str], limits: Limits, name: str
) -> Iterator[Record | BadRow]:
    places: list[int | None] | None = None
    for number, cells in _table_cells(lines, shape.format, limits):
        if isinstance(cells, BadRow):
            yield cells
        elif places is None:
            places = _places(wanted, cells, name)
            if not _has_header(replace(shape, column=wanted[0]), [cell.strip() for cell in cells]):
                yield _table_record(number, cells, places)
        else:
            yield _table_record(number, cells, places)


def _places(wanted: list[str], cells: list[str], name: str) -> list[int | None]:
    stripped = [cell.strip() for cell in cells]
    places = [_place(column, stripped) if column else None for column in wanted]
    for column, place in zip(wanted, places, strict=True):
        if column and place is None:
            raise UnknownColumnError(name=name, column=column, columns=_listed(stripped))
    return places


def _table_record(number: int, cells: list[str], places: list[int | None]) -> Record | BadRow:
    if not any(cell.strip() for cell in cells):
        return BadRow(number, "empty line")
    if any(place is not None and place >= len(cells) for place in places):
        return BadRow(number, "too few columns", _excerpt(" ".join(cells)))
    return Record(number, tuple(None if place is None else cells[place] for place in places))


def _table_cells(
    lines: Iterable[Line | BadRow], format: LogFormat, limits: Limits
) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Cells of each record. A quote left open takes further lines up to a bound; beyond it only its line is bad."""
    source, waiting = iter(lines), deque[Line | BadRow]()
    while True:
        line = waiting.popleft() if waiting else next(source, None)
        if line is None:
            return
        if isinstance(line, BadRow):
            yield line.line, line
            continue
        number, text = line[0], _decoded(line)
        if isinstance(text, BadRow):
            yield number, text
            continue
        cells = _cells(text, format)
        yield number, cells if cells is not None else _joined_cells(number, text, source, waiting, limits)


def _joined_cells(
    number: int, text: str, source: Iterator[Line | BadRow], waiting: deque[Line | BadRow], limits: Limits
) -> list[str] | BadRow:
    """The record that begins with an open quote, taken together with the lines that close it."""
    taken: list[Line | BadRow] = []
    joined = text
    while len(taken) < limits.record_lines:
        line = waiting.popleft() if waiting else next(source, None)
        if line is None:
            break
        taken.append(line)
        following = line if isinstance(line, BadRow) else _decoded(line)
        if isinstance(following, BadRow) or len(joined) + len(following) >= limits.line_bytes:
            break
        joined = f"{joined}\n{following}"
        if '"' in following and (cells := _cells(joined, LogFormat.CSV)) is not None:
            return cells
    waiting.extendleft(reversed(taken))
    return BadRow(number, "a quote is opened and not closed", _excerpt(text))


def _cells(text: str, format: LogFormat) -> list[str] | None:
    """The cells of a record, or None when a quote is still open at its end."""
    if format is LogFormat.TSV:
        return text.split("\t")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True), [""])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
        return next(csv.reader(io.StringIO(text.replace("\n", " "), newline="")), [""])


_ROW_READERS: dict[LogFormat, Any] = {
    LogFormat.TEXT: _text_rows,
    LogFormat.JSONL: _json_rows,
    LogFormat.CSV: _table_rows,
    LogFormat.TSV: _table_rows,
}


# --- one row ------------------------------------------------------------------------------------------------------

_CONTROL_TEXT = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff]")


def _log_row(record: Record, limits: Limits) -> LogRow | BadRow:
    raw, count, user = record.values
    if not isinstance(raw, str):
        return BadRow(record.line, "the query is not a text", _excerpt(json.dumps(raw, default=str)[:400]))
    if _CONTROL_TEXT.search(raw):
        return BadRow(record.line, "holds control characters", _excerpt(raw))
    query = normalise_query(raw)
    if not query:
        return BadRow(record.line, "empty query")
    if len(query) > limits.query_chars:
        return BadRow(record.line, f"longer than {limits.query_chars:,} characters", _excerpt(query))
    if count is None and user is None:
        return LogRow(record.line, query)
    times = _count(count)
    if times is None:
        return BadRow(record.line, "the count is not a whole number from 1", _excerpt(str(count)[:400]))
    return LogRow(record.line, query, times, "" if user is None else str(user).strip())


def _count(value: Any) -> int | None:
    """A count as a whole number from 1; 1 where there is none."""
    if value is None:
        return 1
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        number = int(str(value).strip()) if not isinstance(value, float) else int(value)
    except (ValueError, OverflowError):
        return None
    return number if 1 <= number <= MAX_COUNT and not isinstance(value, bool) else None


def _excerpt(raw: str | bytes) -> str:
    """The beginning of a row, made printable, with private parts masked before it is cut."""
    text = raw[:400].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:400]
    shown = "".join(mark if mark.isprintable() else "�" for mark in " ".join(text.split()))
    return mask(shown)[:MAX_EXCERPT_CHARS]
