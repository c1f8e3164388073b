"""What a file would be read as, before it is read: the guessed shape with reasons, its columns, and the first rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.privacy import mask, quarantine_reason
from curation.reading.columns import kind_of
from curation.reading.errors import ColumnNeededError, LogFileError, MemberNeededError, UnknownColumnError
from curation.reading.guessing import Look, look_at, settle
from curation.reading.packing import members, packing_of
from curation.reading.reader import first_rows
from curation.reading.rows import BadRow, LogRow, printable
from curation.reading.shapes import Limits, LogShape

ROWS = 20
SAMPLES = 3
SAMPLE_CHARS = 60
MAX_COLUMNS = 50
USES = ("query", "count", "user", "clicked URL")


@dataclass(frozen=True)
class PreviewColumn:
    """A column: what its values are (number, time, URL, text, word, other), what it is used as ('': not read)."""

    number: int
    name: str
    kind: str
    use: str
    samples: list[str]


@dataclass(frozen=True)
class PreviewRow:
    """A row as it would be read, private parts masked. `bad` says why it cannot be used, `private` what would hold it.

    A person is only numbered, in the order of the rows; 0 stands for nobody named.
    """

    line: int
    query: str
    count: int = 1
    person: int = 0
    url: str = ""
    bad: str = ""
    private: str = ""


@dataclass
class Preview:
    """What a file would be read as. `problem` says what has to be chosen first; then there are no rows.

    `shape` is what the curator gave, settled as far as possible.
    """

    shape: LogShape
    packing: str = ""
    members: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    columns: list[PreviewColumn] = field(default_factory=list)
    rows: list[PreviewRow] = field(default_factory=list)
    problem: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether an import with this shape can start."""
        return not self.problem

    @property
    def n_bad(self) -> int:
        """How many of the first rows cannot be used."""
        return sum(bool(row.bad) for row in self.rows)


def preview_log(path: Path, shape: LogShape | None = None, *, limits: Limits | None = None, name: str = "") -> Preview:
    """A look at the file that changes nothing. Raises LogFileError when no choice of columns could make it a log."""
    shape, limits, name = shape or LogShape(), limits or Limits(), name or path.name
    with path.open("rb") as raw:
        preview = Preview(shape, packing=packing_of(raw.read(8)))
    if preview.packing == "zip":
        preview.members = members(path, limits, name=name)
    try:
        look = look_at(path, shape, limits=limits, name=name)
    except MemberNeededError as problem:
        preview.problem = _without_name(problem, name)
        return preview
    preview.shape, preview.reasons = look.shape, look.reasons
    try:
        preview.shape = settle(look, name)
    except (ColumnNeededError, UnknownColumnError) as problem:
        preview.problem = _without_name(problem, name)
    else:
        preview.rows = _rows(first_rows(path, preview.shape, ROWS, limits=limits, name=name))
    preview.columns = _columns(preview.shape, look)
    return preview


def _without_name(problem: LogFileError, name: str) -> str:
    text = str(problem).removeprefix(f"{name}: ")
    return text[:1].upper() + text[1:]


def _rows(rows: Sequence[LogRow | BadRow]) -> list[PreviewRow]:
    people: dict[str, int] = {}
    shown = []
    for row in rows:
        if isinstance(row, BadRow):
            shown.append(PreviewRow(row.line, row.excerpt, bad=row.reason))
            continue
        person = people.setdefault(row.user, len(people) + 1) if row.user else 0
        shown.append(
            PreviewRow(
                line=row.line,
                query=mask(row.query),
                count=row.count,
                person=person,
                url=_sample(row.url),
                private=quarantine_reason(row.query),
            )
        )
    return shown


def _columns(shape: LogShape, look: Look) -> list[PreviewColumn]:
    uses = {column: use for column, use in zip(shape.wanted, USES, strict=True) if column}
    columns = []
    for number, column in enumerate(look.shape.names[:MAX_COLUMNS], start=1):
        values = look.sample.column(column)
        use = uses.get(column, "")
        samples = [] if use == "user" else list(dict.fromkeys(_sample(value) for value in values[:SAMPLES]))
        columns.append(PreviewColumn(number, mask(column)[:SAMPLE_CHARS], kind_of(values), use, samples))
    return columns


def _sample(value: Any) -> str:
    text = mask(printable(str(value)[: 4 * SAMPLE_CHARS]))
    return text if len(text) <= SAMPLE_CHARS else f"{text[:SAMPLE_CHARS]}…"
