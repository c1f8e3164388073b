"""Records of CSV and TSV. The plain way reads line after line; the fast way reads blocks and must give the same.

TSV is taken as it stands (logs put bare quotes in it). Where quotes count they follow RFC 4180: a quoted cell may hold
line breaks, up to a bound. A quote left open costs only its own line, and one inside a cell stands for itself.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from curation.reading.lines import Lines
from curation.reading.rows import BadRow, Values, excerpt
from curation.reading.shapes import Limits, LogFormat, LogShape

BLOCK_LINES = 1000
Places = Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a line is cut into cells."""

    delimiter: str
    quotes: bool


def dialect_of(shape: LogShape) -> Dialect:
    """How lines are cut; TSV is tabs without quotes, CSV commas with quotes, unless the shape says otherwise."""
    is_tsv = shape.format is LogFormat.TSV
    return Dialect(shape.delimiter or ("\t" if is_tsv else ","), (not is_tsv) if shape.quotes is None else shape.quotes)


@dataclass(frozen=True, slots=True)
class Found:
    """A record: its cells or why it is bad; the places of its first line and of the one after its last.

    ran_out: a quote is still open and there was no further line to look at.
    """

    start: int
    end: int
    cells: list[str] | BadRow
    ran_out: bool = False


def plain_records(lines: Lines, dialect: Dialect, limits: Limits, *, start: int, stop: int) -> Iterator[Found]:
    """The records that begin at the places from `start` to before `stop`, one line after the other."""
    place = start
    while place < stop:
        line = lines.texts[place]
        if isinstance(line, BadRow):
            found = Found(place, place + 1, line)
        elif (cells := cells_of(line, dialect)) is not None:
            found = Found(place, place + 1, cells)
        else:
            found = _joined(lines, place, dialect, limits)
        yield found
        place = found.end


def cells_of(line: str, dialect: Dialect) -> list[str] | None:
    """The cells of one line, or None when a quote is still open at its end."""
    if not dialect.quotes or '"' not in line:
        return line.split(dialect.delimiter)
    try:
        return next(csv.reader([line], delimiter=dialect.delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
    try:
        return next(csv.reader([line], delimiter=dialect.delimiter))
    except csv.Error:  # a cell longer than the module takes
        return line.split(dialect.delimiter)


def _joined(lines: Lines, place: int, dialect: Dialect, limits: Limits) -> Found:
    """The record that begins with an open quote, taken together with the lines that close it."""
    last = place

    def following() -> Iterator[str]:
        nonlocal last
        length = 0
        for last in range(place, min(place + 1 + limits.record_lines, len(lines.texts))):
            line = lines.texts[last]
            length += 0 if isinstance(line, BadRow) else len(line) + 1
            if isinstance(line, BadRow) or (last > place and length > limits.line_bytes):
                last -= 1  # one more would be too much, however many there are
                return
            yield line + "\n"
        last += 1

    try:
        cells = next(csv.reader(following(), delimiter=dialect.delimiter, strict=True))
        return Found(place, last + 1, cells)
    except csv.Error as error:
        is_open = "unexpected end" in str(error)
    ran_out = is_open and last == len(lines.texts) and last - place <= limits.record_lines
    shown = excerpt(str(lines.texts[place]))
    bad = BadRow(lines.first + place, "a quote is opened and not closed", shown)
    return Found(place, place + 1, bad, ran_out)


def open_from(lines: Lines, dialect: Dialect, limits: Limits) -> int:
    """The place where a record begins that may need lines beyond the last one; the number of lines if there is none."""
    place = 0
    while place < len(lines.texts):
        stop = min(place + BLOCK_LINES, len(lines.texts))
        if _block(lines, place, stop, dialect, limits) is not None:
            place = stop
            continue
        for found in plain_records(lines, dialect, limits, start=place, stop=stop):
            if found.ran_out:
                return found.start
            place = found.end
    return place


@dataclass(slots=True)
class Block:
    """Rows of cells with the number of the line in which each begins."""

    lines: Sequence[int]
    rows: list[list[str]]


def _block(lines: Lines, start: int, stop: int, dialect: Dialect, limits: Limits) -> Block | None:
    """The records of a block of lines at one go; None when it is not by the book to its very end."""
    texts = lines.texts[start:stop]
    numbers = range(lines.first + start, lines.first + stop)
    if lines.has_bad and any(isinstance(text, BadRow) for text in texts):
        return None
    good: list[str] = texts  # type: ignore[assignment]
    rows = _one_line_each(good, dialect)
    if rows is not None:
        return Block(numbers, rows)
    joined = "\n".join(good) + "\n"
    try:
        rows = list(_strict(joined, dialect))
        reader = _strict(joined, dialect)
        ends = [reader.line_num for _ in reader]
    except csv.Error:
        return None
    starts = [0, *ends[:-1]]
    for first, end in zip(starts, ends, strict=True):
        too_long = end - first > 1 and sum(map(len, good[first:end])) + end - first > limits.line_bytes
        if too_long or end - first > limits.record_lines + 1:
            return None
    return Block([numbers[first] for first in starts], rows)


def _one_line_each(texts: list[str], dialect: Dialect) -> list[list[str]] | None:
    """The rows when each line is one; None when a quote stays open at the end of a line. Most lines need no parser."""
    delimiter = dialect.delimiter
    quoted = [place for place, text in enumerate(texts) if '"' in text] if dialect.quotes else []
    if not quoted:
        return [text.split(delimiter) for text in texts]
    try:
        parsed = list(csv.reader([texts[place] for place in quoted], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    if len(parsed) != len(quoted):  # as many records as lines: then no line has taken the next one in
        return None
    if len(parsed) == len(texts):
        return parsed
    rows = [text.split(delimiter) for text in texts]
    for place, cells in zip(quoted, parsed, strict=True):
        rows[place] = cells
    return rows


def _strict(text: str, dialect: Dialect) -> Any:
    return csv.reader(io.StringIO(text, newline="\n"), delimiter=dialect.delimiter, strict=True)


# --- the wanted columns -------------------------------------------------------------------------------------------


def table_values(
    lines: Lines, dialect: Dialect, places: Places, limits: Limits, *, start: int = 0, fast: bool = True
) -> Values:
    """The wanted columns of the lines from `start` on, each by its place in a row (None: not wanted)."""
    values = Values([], [None if place is None else [] for place in places])
    numbers: list[int] = []
    place = start
    while place < len(lines.texts):
        stop = min(place + BLOCK_LINES, len(lines.texts))
        block = _block(lines, place, stop, dialect, limits) if fast else None
        if block is None:
            block, stop = _plain_block(lines, place, stop, dialect, limits, values.bad)
        _take(block, places, values, numbers)
        place = stop
    values.lines = numbers
    return values


def _plain_block(
    lines: Lines, start: int, stop: int, dialect: Dialect, limits: Limits, bad: list[BadRow]
) -> tuple[Block, int]:
    block = Block(numbers := [], [])
    for found in plain_records(lines, dialect, limits, start=start, stop=stop):
        stop = max(stop, found.end)
        if isinstance(found.cells, BadRow):
            bad.append(found.cells)
        else:
            numbers.append(lines.first + found.start)
            block.rows.append(found.cells)
    block.lines = numbers
    return block, stop


def _take(block: Block, places: Places, values: Values, numbers: list[int]) -> None:
    wanted = [place for place in places if place is not None]
    rows, needed = block.rows, max(wanted) + 1
    lines = block.lines
    if not rows:
        return
    if min(map(len, rows)) < needed or not all(map(str.strip, [row[wanted[0]] for row in rows])):
        rows, lines = _usable(block, needed, values.bad)
    for place, column in zip(places, values.columns, strict=True):
        if place is not None and column is not None:
            column.extend([row[place] for row in rows])
    numbers.extend(lines)


def _usable(block: Block, needed: int, bad: list[BadRow]) -> tuple[list[list[str]], list[int]]:
    rows, lines = [], []
    for line, row in zip(block.lines, block.rows, strict=True):
        if not any(map(str.strip, row)):
            bad.append(BadRow(line, "empty line"))
        elif len(row) < needed:
            bad.append(BadRow(line, "too few columns", excerpt(" ".join(row))))
        else:
            rows.append(row)
            lines.append(line)
    return rows, lines
