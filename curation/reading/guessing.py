"""How a file is most likely to be read: a first look at it, and a shape with everything settled."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from curation.reading.columns import ONE_A_LINE, has_header, known_shape, with_columns
from curation.reading.errors import EmptyLogError, LogFileError, LogTooBigError, UnknownColumnError
from curation.reading.formats import explained_format, guess_delimiter
from curation.reading.head import HEAD_BYTES, Sample, file_head, first_line, sample_objects, sample_rows
from curation.reading.parquet import MAGIC, parquet_head
from curation.reading.rows import is_storable
from curation.reading.shapes import DELIMITERS, TABLES, Limits, LogFormat, LogShape
from curation.reading.tables import dialect_of

MAX_COLUMN_CHARS = 100


@dataclass
class Look:
    """What the head of a file says: the shape as far as it is known without choosing columns, and why."""

    shape: LogShape
    sample: Sample
    reasons: list[str] = field(default_factory=list)


def inspect_log(path: Path, shape: LogShape, *, limits: Limits | None = None, name: str = "") -> LogShape:
    """The shape with everything settled that was left open, by the head of the file. Raises LogFileError.

    A settled shape comes back as it is.
    """
    name = name or path.name
    return settle(look_at(path, shape, limits=limits, name=name), name)


def settle(look: Look, name: str) -> LogShape:
    """The shape with its columns chosen; the look's reasons say why. Raises UnknownColumnError, ColumnNeededError."""
    shape = look.shape
    if not shape.names:
        _refuse_columns(shape, name)
        return replace(shape, known=ONE_A_LINE)
    shape = with_columns(shape, look.sample, name, look.reasons)
    for column in shape.wanted:
        if len(column) > MAX_COLUMN_CHARS:
            problem = f"a column that is read must have a name of at most {MAX_COLUMN_CHARS} characters."
            raise LogFileError(name=name, problem=problem)
    return replace(shape, known=known_shape(shape, look.sample))


def _refuse_columns(shape: LogShape, name: str) -> None:
    for column in shape.wanted:
        if column and shape.format is LogFormat.TEXT:
            raise UnknownColumnError(
                name=name, column=column, columns="no columns, it is plain text with one query a line"
            )


def look_at(path: Path, shape: LogShape, *, limits: Limits | None = None, name: str = "") -> Look:
    """Format, delimiter, header and column names, where they were left open. Raises LogFileError."""
    limits, name = limits or Limits(), name or path.name
    head = file_head(path, limits, name, member=shape.member)
    if head.startswith(MAGIC) or shape.format is LogFormat.PARQUET:
        return _parquet(path, shape, head, limits, name)
    reasons: list[str] = []
    format: LogFormat = shape.format
    if format is LogFormat.AUTO:
        if first_line(head).strip() == "{":
            raise LogFileError(name=name, problem="this is one JSON object. Give an array of objects, or one a line.")
        format, reason = explained_format(head, shape.member or name, column=shape.column)
        reasons.append(reason)
    shape = replace(shape, format=format, names=())
    if format is LogFormat.TEXT:
        return Look(shape, Sample(), reasons)
    look = _table(shape, head, limits, name) if format in TABLES else _json(shape, head, name)
    return Look(look.shape, look.sample, reasons + look.reasons)


def _parquet(path: Path, shape: LogShape, head: bytes, limits: Limits, name: str) -> Look:
    if not head.startswith(MAGIC):
        raise LogFileError(name=name, problem="this is no Parquet file: it does not begin with PAR1.")
    found = parquet_head(path, limits, name, member=shape.member)
    if not found.n_rows or not found.names:
        raise EmptyLogError(name=name)
    kept = [place for place, each in enumerate(found.names) if is_storable(each)]
    sample = Sample(tuple(found.names[place] for place in kept), [[row[place] for place in kept] for row in found.rows])
    shape = replace(shape, format=LogFormat.PARQUET, names=sample.names)
    return Look(shape, sample, [f"This is a Parquet file of {found.n_rows:,} rows."])


def _table(shape: LogShape, head: bytes, limits: Limits, name: str) -> Look:
    reasons = []
    if not shape.delimiter:
        shape = replace(shape, delimiter=guess_delimiter(head, shape.format))
        names = {mark: called for called, mark in DELIMITERS.items()}
        reasons.append(f"Columns are cut at each {names[shape.delimiter]}.")
    shape = replace(shape, quotes=dialect_of(shape).quotes)
    rows = sample_rows(head, dialect_of(shape), limits)
    if not rows:
        raise EmptyLogError(name=name)
    cells = [cell.strip() for cell in rows[0]]
    if len(cells) > limits.columns:
        raise LogTooBigError(name=name, problem=f"{len(cells):,} columns")
    if shape.header is None:
        header, reason = has_header(shape, cells, rows[1:])
        shape = replace(shape, header=header)
        reasons.append(reason)
    if shape.header and len(rows) < 2 and len(head) < HEAD_BYTES:
        raise EmptyLogError(name=name)
    numbers = tuple(map(str, range(1, len(cells) + 1)))
    shape = replace(shape, names=tuple(cells) if shape.header else numbers)
    return Look(shape, Sample(shape.names, [list(row) for row in rows[1 if shape.header else 0 :]]), reasons)


def _json(shape: LogShape, head: bytes, name: str) -> Look:
    if shape.format is LogFormat.JSON and not head.lstrip().startswith(b"["):
        raise LogFileError(name=name, problem="this is no JSON array: it does not begin with [.")
    objects = sample_objects(head, shape.format)
    # Texts instead of objects have no columns; a bad first line is told by its row.
    names = tuple(dict.fromkeys(key for each in objects for key in each if is_storable(key)))
    rows = [[each.get(key) for key in names] for each in objects]
    return Look(replace(shape, names=names), Sample(names, rows))
