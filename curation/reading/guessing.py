"""What a file most likely is, from its name and the first rows: format, delimiter, header, columns, known shape."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from curation.privacy import mask
from curation.reading.errors import (
    BinaryLogError,
    ColumnNeededError,
    EmptyLogError,
    LogFileError,
    LogTooBigError,
    UnknownColumnError,
)
from curation.reading.lines import BYTE_ORDER_MARK, Lines, text_lines
from curation.reading.packing import SUFFIXES, opened
from curation.reading.parquet import MAGIC, parquet_head
from curation.reading.rows import BadRow, whole_count
from curation.reading.shapes import TABLES, Limits, LogFormat, LogShape
from curation.reading.tables import Dialect, dialect_of, plain_records

HEAD_BYTES = 64 * 1024
SAMPLE_ROWS = 200
QUERY_COLUMNS = (
    "query",
    "querystring",
    "query_string",
    "q",
    "doc",
    "search_query",
    "search_term",
    "query_text",
    "question",
    "text",
    "title",
    "keyword",
)
COUNT_COLUMNS = ("count", "frequency", "freq", "times", "popularity", "impressions")
USER_COLUMNS = ("user", "user_id", "userid", "anonid", "username")
URL_COLUMNS = ("clickurl", "click_url", "clicked_url", "clicked_urls", "topclickedurls", "url", "urls")


@dataclass
class Sample:
    """The first rows of a file: cells of a table, or objects and texts of JSON."""

    names: tuple[str, ...] = ()
    rows: list[list[Any]] = field(default_factory=list)


# --- the head -----------------------------------------------------------------------------------------------------

_MAGIC = {
    b"PK\x03\x04": "a zip archive inside another packing",
    b"\xfd7zXZ\x00": "an xz file inside another packing",
    b"\x28\xb5\x2f\xfd": "a zstd file inside another packing",
    b"BZh": "a bzip2 file inside another packing",
    b"\x1f\x8b": "gzip inside another packing",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive (unpack it first)",
    b"Rar!": "a RAR archive (unpack it first)",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "UTF-16 (save it as UTF-8)",
    b"\xfe\xff": "UTF-16 (save it as UTF-8)",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1b\x7f]")
_BINARY_SHARE = 0.25


def file_head(path: Path, limits: Limits, name: str, *, member: str = "") -> bytes:
    """The first unpacked bytes. Raises LogFileError when there are none, or they are no text."""
    with opened(path, limits, name, member=member) as stream:
        head = stream.read(HEAD_BYTES).removeprefix(BYTE_ORDER_MARK)
    if not head.strip():
        raise EmptyLogError(name=name)
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise BinaryLogError(name=name, what=what)
    if head[257:262] == b"ustar":
        raise BinaryLogError(name=name, what="a tar archive (unpack it first)")
    if head.startswith(MAGIC):
        return head
    undecodable = head.decode("utf-8", "replace").count("�")
    if (len(_CONTROL.findall(head)) + undecodable) / len(head) > _BINARY_SHARE:
        raise BinaryLogError(name=name, what="a binary file")
    return head


# --- the format ---------------------------------------------------------------------------------------------------

_JSON_ARRAY = re.compile(rb"\s*\[\s*[{\"\]]")
_BY_NAME = {
    ".csv": LogFormat.CSV,
    ".tsv": LogFormat.TSV,
    ".jsonl": LogFormat.JSONL,
    ".ndjson": LogFormat.JSONL,
}


def plain_suffix(name: str) -> str:
    """The last part of the name, without that of a packing: `.csv` of `log.csv.gz`."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in SUFFIXES else path.suffix


def guess_format(head: bytes, name: str = "", *, column: str = "") -> LogFormat:
    """The most likely format by the file's name, its first rows, and whether a column was asked for."""
    suffix = plain_suffix(name)
    if _JSON_ARRAY.match(head) and suffix not in (".csv", ".tsv"):
        return LogFormat.JSON
    if suffix in _BY_NAME:
        return _BY_NAME[suffix]
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:20] if line.strip()]
    if lines and all(line.lstrip().startswith("{") for line in lines[:3]):
        return LogFormat.JSONL
    for mark, found in (("\t", LogFormat.TSV), (",", LogFormat.CSV), (";", LogFormat.CSV), ("|", LogFormat.CSV)):
        if _looks_like_table(lines, mark, column):
            return found
    return LogFormat.TEXT


def _looks_like_table(lines: list[str], mark: str, column: str) -> bool:
    if not lines or mark not in lines[0]:
        return False
    names = {cell.strip().strip('"').lower() for cell in lines[0].split(mark)}
    if (column and column.lower() in names) or names & set(QUERY_COLUMNS):
        return True
    # A comma stands in many a query, a tab in none.
    return mark == "\t" and len({line.count(mark) for line in lines}) == 1


def guess_delimiter(head: bytes, format: LogFormat) -> str:
    """Tab for TSV; for CSV whichever mark cuts the first row in the most cells, commas when in doubt."""
    if format is LogFormat.TSV:
        return "\t"
    first = _first_line(head)
    best = max(",;|\t", key=first.count)
    return best if first.count(best) > first.count(",") else ","


def _first_line(head: bytes) -> str:
    lines = (line.rstrip("\r") for line in head.decode("utf-8", "replace").split("\n"))
    return next((line for line in lines if line.strip()), "")


# --- the shape ----------------------------------------------------------------------------------------------------


def inspect_log(path: Path, shape: LogShape, *, limits: Limits | None = None, name: str = "") -> LogShape:
    """The shape with everything settled that was left open, by the head of the file. Raises LogFileError.

    A settled shape comes back as it is.
    """
    limits, name = limits or Limits(), name or path.name
    head = file_head(path, limits, name, member=shape.member)
    format = shape.format
    if head.startswith(MAGIC) or format is LogFormat.PARQUET:
        return _settle_parquet(path, shape, head, limits, name)
    if format is LogFormat.AUTO:
        format = guess_format(head, shape.member or name, column=shape.column)
    shape = replace(shape, format=format)
    if format is LogFormat.TEXT:
        _refuse_columns(shape, name)
        return replace(shape, known="one query a line")
    if format in TABLES:
        return _settle_table(shape, head, limits, name)
    return _settle_json(shape, head, name)


def _settle_parquet(path: Path, shape: LogShape, head: bytes, limits: Limits, name: str) -> LogShape:
    if not head.startswith(MAGIC):
        raise LogFileError(name=name, problem="this is no Parquet file: it does not begin with PAR1.")
    found = parquet_head(path, limits, name, member=shape.member)
    if not found.n_rows:
        raise EmptyLogError(name=name)
    shape = replace(shape, format=LogFormat.PARQUET, names=found.names)
    sample = Sample(found.names, found.rows)
    shape = _with_columns(shape, sample, name)
    return replace(shape, known=known_shape(shape, sample))


def _refuse_columns(shape: LogShape, name: str) -> None:
    for column in shape.wanted:
        if column:
            raise UnknownColumnError(
                name=name, column=column, columns="no columns, it is plain text with one query a line"
            )


def _settle_table(shape: LogShape, head: bytes, limits: Limits, name: str) -> LogShape:
    shape = replace(shape, delimiter=shape.delimiter or guess_delimiter(head, shape.format))
    rows = sample_rows(head, dialect_of(shape), limits)
    if not rows:
        raise EmptyLogError(name=name)
    cells = [cell.strip() for cell in rows[0]]
    if len(cells) > limits.columns:
        raise LogTooBigError(name=name, problem=f"{len(cells):,} columns")
    header = has_header(shape, cells, rows[1:]) if shape.header is None else shape.header
    if header and len(rows) < 2 and len(head) < HEAD_BYTES:
        raise EmptyLogError(name=name)
    shape = replace(shape, header=header, names=tuple(cells) if header else tuple(map(str, range(1, len(cells) + 1))))
    sample = Sample(shape.names, [list(row) for row in (rows[1:] if header else rows)])
    shape = _with_columns(shape, sample, name)
    return replace(shape, known=known_shape(shape, sample))


def sample_rows(head: bytes, dialect: Dialect, limits: Limits, n: int = SAMPLE_ROWS) -> list[list[str]]:
    """The first good rows of a table, cell by cell; the last line of a long head may be cut and is left out."""
    if len(head) >= HEAD_BYTES and b"\n" in head:
        head = head[: head.rfind(b"\n") + 1]
    lines = text_lines(head, 1, limits)
    lines = Lines(1, lines.texts[: n + limits.record_lines], lines.has_bad)
    rows: list[list[str]] = []
    for found in plain_records(lines, dialect, limits, start=0, stop=len(lines.texts)):
        if not isinstance(found.cells, BadRow) and any(map(str.strip, found.cells)):
            rows.append(found.cells)
    return rows[:n]


def has_header(shape: LogShape, cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """The first row is a header when a wanted column is its cell, it holds a usual name, or it stands over numbers."""
    wanted = {column.lower() for column in shape.wanted if column and not column.isdigit()}
    lower = {cell.lower() for cell in cells}
    if wanted & lower or lower & set(QUERY_COLUMNS):
        return True
    if not all(_NAME.fullmatch(cell) for cell in cells):
        return False
    return len(rows) > 0 and any(
        all(place < len(row) and row[place].strip().isdigit() for row in rows) for place in range(len(cells))
    )


_NAME = re.compile(r"[A-Za-z_][\w .-]{0,40}")


def _settle_json(shape: LogShape, head: bytes, name: str) -> LogShape:
    if shape.format is LogFormat.JSON and not head.lstrip().startswith(b"["):
        raise LogFileError(name=name, problem="this is no JSON array: it does not begin with [.")
    objects = sample_objects(head, shape.format)
    if not objects:
        _refuse_one_object(shape, head, name)
        return replace(shape, known="one query a line")  # texts, or a bad first line: the rows will say
    names = tuple(dict.fromkeys(str(key) for each in objects for key in each))
    shape = replace(shape, names=names)
    sample = Sample(names, [[each.get(key) for key in names] for each in objects])
    shape = _with_columns(shape, sample, name)
    return replace(shape, known=known_shape(shape, sample))


def _refuse_one_object(shape: LogShape, head: bytes, name: str) -> None:
    lines = [line for line in head.split(b"\n")[:3] if line.strip()]
    if shape.format is LogFormat.JSONL and lines and lines[0].strip() == b"{":
        raise LogFileError(
            name=name, problem="this is one JSON object over several lines. Give an array of objects, or one a line."
        )


def sample_objects(head: bytes, format: LogFormat, n: int = 50) -> list[dict[str, Any]]:
    """The first objects among the rows that the head holds whole."""
    if format is LogFormat.JSON:
        return _array_objects(head.decode("utf-8", "replace").lstrip()[1:], n)
    found: list[dict[str, Any]] = []
    for line in head.split(b"\n")[:n]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _array_objects(text: str, n: int) -> list[dict[str, Any]]:
    decoder, place = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    while len(found) < n:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        if isinstance(value, dict):
            found.append(value)
    return found


# --- columns ------------------------------------------------------------------------------------------------------


def _with_columns(shape: LogShape, sample: Sample, name: str) -> LogShape:
    """The shape with the query column settled, and count, user and URL from columns of the usual names."""
    for column in shape.wanted:
        if column and place_of(column, shape.names) is None:
            raise UnknownColumnError(name=name, column=column, columns=listed(shape.names))
    shape = replace(shape, column=shape.column or _query_column(shape, sample, name))
    if shape.header is False:
        return shape
    usual = {each.lower(): each for each in reversed(shape.names)}

    def first(known: Iterable[str]) -> str:
        return next((usual[each] for each in known if each in usual and usual[each] != shape.column), "")

    counts = (each for each in COUNT_COLUMNS if each in usual and _are_counts(column_of(sample, usual[each])))
    return replace(
        shape,
        count_column=shape.count_column or first(counts),
        user_column=shape.user_column or first(USER_COLUMNS),
        url_column=shape.url_column or first(URL_COLUMNS),
    )


def _are_counts(values: list[Any]) -> bool:
    """Mostly whole numbers from 1: a popularity may be a score or a rank instead."""
    good = sum(whole_count(value) is not None for value in values)
    return 2 * good >= len(values)


def _query_column(shape: LogShape, sample: Sample, name: str) -> str:
    lower = {each.lower(): each for each in reversed(shape.names)}
    for known in QUERY_COLUMNS:
        if known in lower:
            return lower[known]
    if len(shape.names) == 1:
        return shape.names[0]
    texts = [each for each in shape.names if kind_of(column_of(sample, each)) == "text"]
    if len(texts) == 1:
        return texts[0]
    raise ColumnNeededError(name=name, columns=listed(shape.names))


def column_of(sample: Sample, name: str) -> list[Any]:
    """The values of one column in the sample that are there at all."""
    place = sample.names.index(name)
    return [row[place] for row in sample.rows if place < len(row) and row[place] not in (None, "")]


_URL = re.compile(r"\s*[\[\"']*(?:https?://|www\.)\S+", re.IGNORECASE)
_TIME = re.compile(r"\s*\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.*)?\s*|\s*\d\d:\d\d(?::\d\d)?.*")
_NUMBER = re.compile(r"\s*[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?\s*", re.IGNORECASE)


def kind_of(values: Sequence[Any]) -> str:
    """What most values of a column are: number, time, URL, text (words with spaces), word, other; '' for none."""
    if not values:
        return ""
    kinds = [_kind(value) for value in values]
    best = max(sorted(set(kinds)), key=kinds.count)
    if best == "word" and kinds.count("text") * 4 >= len(kinds):
        return "text"  # short queries among longer ones
    return best


def _kind(value: Any) -> str:
    if isinstance(value, int | float):
        return "number"
    if not isinstance(value, str):
        return "other"
    for kind, pattern in (("number", _NUMBER), ("time", _TIME), ("URL", _URL)):
        if pattern.fullmatch(value) if kind != "URL" else pattern.match(value):
            return kind
    return "text" if " " in value.strip() and "\n" not in value.strip() else "word"


def place_of(column: str, cells: Sequence[str]) -> int | None:
    """Index of a column by its name (case aside when that is clear), or by its number from 1."""
    if column in cells:
        return list(cells).index(column)
    lower = [cell.lower() for cell in cells]
    if lower.count(column.lower()) == 1:
        return lower.index(column.lower())
    if column.isascii() and column.isdigit() and 1 <= int(column) <= len(cells):
        return int(column) - 1
    return None


def find_column(column: str, shape: LogShape, name: str) -> int:
    """The index of a column of the settled shape; UnknownColumnError names the ones there are."""
    place = place_of(column, shape.names)
    if place is None:
        raise UnknownColumnError(name=name, column=column, columns=listed(shape.names))
    return place


def listed(cells: Sequence[str]) -> str:
    """Column names for a message, masked and not too many."""
    shown = ", ".join(mask(cell)[:40] for cell in cells[:20])
    return shown + (", ..." if len(cells) > 20 else "")


# --- known shapes -------------------------------------------------------------------------------------------------

_SEARCH4CODE = {"querystring", "topclickedurls"}
_AOL = {"anonid", "query", "querytime", "itemrank", "clickurl"}


def known_shape(shape: LogShape, sample: Sample) -> str:
    """The name of the known shape that the columns have."""
    lower = {name.lower() for name in shape.names}
    if lower >= _AOL:
        return "query log as AOL published it"
    if lower >= _SEARCH4CODE:
        return "Search4Code"
    if shape.format not in TABLES and {"doc", "code"} <= lower:
        return "CoSQA"
    if shape.header is False and len(shape.names) == 2 and _is_topics(shape, sample):
        return "TREC topics"
    if shape.user_column or shape.url_column:
        return "query log with columns"
    return "table with a query column" if len(shape.names) > 1 else "one query a line"


def _is_topics(shape: LogShape, sample: Sample) -> bool:
    ids = column_of(sample, "1")
    return (
        shape.format is LogFormat.TSV
        and shape.column == "2"
        and len(set(ids)) == len(ids)
        and not any(" " in str(each).strip() for each in ids)
    )
