"""A log as chunks of whole records, one after the other, and a chunk as columns, in whatever process."""

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from curation.reading.columns import find_column
from curation.reading.errors import EmptyLogError, LogFileError
from curation.reading.formats import guess_format
from curation.reading.guessing import inspect_log
from curation.reading.head import file_head
from curation.reading.json_rows import array_chunks, json_values
from curation.reading.lines import Lines, line_chunks, text_lines
from curation.reading.packing import Place, opened
from curation.reading.parquet import parquet_chunks, parquet_values
from curation.reading.rows import BadRow, Chunk, LogColumns, LogRow, Record, Values, clean_query, excerpt, log_columns
from curation.reading.shapes import TABLES, Limits, LogFormat, LogShape
from curation.reading.tables import Dialect, dialect_of, open_from, plain_records, table_values

CHUNK_BYTES = 8 * 2**20


def chunks(
    path: Path,
    shape: LogShape,
    *,
    limits: Limits | None = None,
    name: str = "",
    chunk_bytes: int = CHUNK_BYTES,
    place: Place | None = None,
) -> Iterator[Chunk]:
    """The file in chunks of whole records, unpacked; `shape` as `inspect_log` gave it. Raises LogFileError.

    A JSON array becomes JSON Lines. The same file, shape and size give the same chunks. Memory is bounded by a few
    times `chunk_bytes`.
    """
    return _chunks(path, shape, shape.wanted, limits or Limits(), name or path.name, chunk_bytes, place)


def _chunks(
    path: Path,
    shape: LogShape,
    wanted: tuple[str, ...],
    limits: Limits,
    name: str,
    chunk_bytes: int,
    place: Place | None = None,
) -> Iterator[Chunk]:
    found = False
    if shape.format is LogFormat.PARQUET:
        yield from parquet_chunks(path, wanted, limits, chunk_bytes, name, member=shape.member, place=place)
        return
    with opened(path, limits, name, member=shape.member, place=place) as stream:
        for chunk in _chunks_of(stream, shape, limits, chunk_bytes, name):
            found = True
            yield chunk
    if not found:
        raise EmptyLogError(name=name)


def _chunks_of(stream: BinaryIO, shape: LogShape, limits: Limits, chunk_bytes: int, name: str) -> Iterator[Chunk]:
    if shape.format is LogFormat.JSON:
        return array_chunks(stream, limits, chunk_bytes, name)
    dialect = dialect_of(shape)
    if shape.format in TABLES and dialect.quotes:
        return line_chunks(stream, limits, chunk_bytes, lambda lines: open_from(lines, dialect, limits))
    return line_chunks(stream, limits, chunk_bytes)


def read_chunk(chunk: Chunk, shape: LogShape, *, limits: Limits | None = None, name: str = "") -> LogColumns:
    """The wanted columns of a chunk, checked; `shape` as `inspect_log` gave it. A pure function of its arguments."""
    limits = limits or Limits()
    return log_columns(read_values(chunk, shape, shape.wanted, limits, name))


def read_values(
    chunk: Chunk, shape: LogShape, wanted: tuple[str, ...], limits: Limits, name: str = "", *, fast: bool = True
) -> Values:
    """The wanted columns of a chunk as they stand. `fast=False` reads tables line after line, for comparison."""
    if shape.format is LogFormat.PARQUET:
        return parquet_values(chunk)
    lines = text_lines(chunk.data, chunk.first_line, limits)
    if shape.format in (LogFormat.JSONL, LogFormat.JSON):
        return json_values(lines, wanted, limits)
    if shape.format is LogFormat.TEXT:
        return _text_values(lines, wanted)
    if shape.format not in TABLES or not shape.column:
        raise ValueError(f"inspect_log has not settled the shape of {name}: {shape}")
    return _table_values(chunk, lines, shape, wanted, limits, name, fast)


def _text_values(lines: Lines, wanted: tuple[str, ...]) -> Values:
    unused: list[list[Any] | None] = [None for _ in wanted[1:]]
    if not lines.has_bad:
        return Values(range(lines.first, lines.first + len(lines.texts)), [lines.texts, *unused])
    numbers, texts, bad = [], [], []
    for number, text in enumerate(lines.texts, start=lines.first):
        if isinstance(text, BadRow):
            bad.append(text)
        else:
            numbers.append(number)
            texts.append(text)
    return Values(numbers, [texts, *unused], bad)


def _table_values(
    chunk: Chunk, lines: Lines, shape: LogShape, wanted: tuple[str, ...], limits: Limits, name: str, fast: bool
) -> Values:
    dialect = dialect_of(shape)
    places = [find_column(column, shape, name) if column else None for column in wanted]
    start, bad = _after_header(lines, dialect, limits) if chunk.number == 0 and shape.header else (0, [])
    values = table_values(lines, dialect, places, limits, start=start, fast=fast)
    values.bad.extend(bad)
    return values


def _after_header(lines: Lines, dialect: Dialect, limits: Limits) -> tuple[int, list[BadRow]]:
    """The place after the first record that is not blank; rows before it are bad."""
    bad = []
    for found in plain_records(lines, dialect, limits, start=0, stop=len(lines.texts)):
        if isinstance(found.cells, BadRow):
            bad.append(found.cells)
        elif any(map(str.strip, found.cells)):
            return found.end, bad
        else:
            bad.append(BadRow(lines.first + found.start, "empty line"))
    return len(lines.texts), bad


# --- row by row ---------------------------------------------------------------------------------------------------


def read_log(
    path: Path,
    shape: LogShape | None = None,
    *,
    limits: Limits | None = None,
    name: str = "",
    place: Place | None = None,
    chunk_bytes: int = 2**20,
) -> Iterator[LogRow | BadRow]:
    """Every row of the log in the order of the file. Raises LogFileError when the file as a whole cannot be used."""
    limits = limits or Limits()
    shape = inspect_log(path, shape or LogShape(), limits=limits, name=name)
    for chunk in chunks(path, shape, limits=limits, name=name, place=place, chunk_bytes=chunk_bytes):
        columns = read_chunk(chunk, shape, limits=limits, name=name or path.name)
        yield from merge(_log_rows(columns, limits), columns.bad, key=_line)


def _log_rows(columns: LogColumns, limits: Limits) -> Iterator[LogRow | BadRow]:
    nobody = [""] * len(columns.queries)
    users, urls = columns.users or nobody, columns.urls or nobody
    for line, raw, count, user, url in zip(columns.lines, columns.queries, columns.counts, users, urls, strict=True):
        query, reason = clean_query(raw, limits)
        yield BadRow(line, reason, excerpt(query)) if reason else LogRow(line, query, count, user, url)


def read_table(path: Path, columns: list[str], *, name: str = "") -> Iterator[Record | BadRow]:
    """Rows of a CSV, TSV or JSON Lines file with the named columns; used for labelled files."""
    limits, name = Limits(), name or path.name
    shape = LogShape(format=guess_format(file_head(path, limits, name), name), column=columns[0])
    if shape.format is LogFormat.TEXT:
        raise LogFileError(name=name, problem=f"this is no table. It needs the columns {' and '.join(columns)}.")
    return _records(path, inspect_log(path, shape, limits=limits, name=name), tuple(columns), limits, name)


def _records(
    path: Path, shape: LogShape, wanted: tuple[str, ...], limits: Limits, name: str
) -> Iterator[Record | BadRow]:
    for chunk in _chunks(path, shape, wanted, limits, name, 2**20):
        values = read_values(chunk, shape, wanted, limits, name)
        nothing = [None] * len(values.lines)
        rows = zip(values.lines, *(column or nothing for column in values.columns), strict=True)
        records: Iterator[Record | BadRow] = (Record(line, tuple(row)) for line, *row in rows)
        yield from merge(records, sorted(values.bad, key=_line), key=_line)


def _line(row: LogRow | Record | BadRow) -> int:
    return row.line


def first_rows(
    path: Path, shape: LogShape, n: int, *, limits: Limits | None = None, name: str = ""
) -> list[LogRow | BadRow]:
    """The first n rows as they would be read; no more of the file is read than they need."""
    return list(islice(read_log(path, shape, limits=limits, name=name, chunk_bytes=2**16), n))
