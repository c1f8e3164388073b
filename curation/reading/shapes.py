"""What a log looks like: its format, packing and columns; and the bounds on what a file may ask of this machine."""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class LogFormat(StrEnum):
    AUTO = "auto"
    TEXT = "text"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    PARQUET = "parquet"


NONE = "-"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}  # by the names that people choose them by
TABLES = (LogFormat.CSV, LogFormat.TSV)


@dataclass(frozen=True)
class Limits:
    """Bounds on what a file may ask of this machine; sizes in bytes."""

    line_bytes: int = 64 * 1024
    query_chars: int = 1000
    record_lines: int = 100
    record_bytes: int = 2**20  # one row of a JSON array
    json_depth: int = 64
    columns: int = 1000
    members: int = 1000
    unpacked_bytes: int = 64 * 2**30
    ratio: int = 200
    ratio_from_bytes: int = 16 * 2**20  # small files may be as regular as they like
    spooled_bytes: int = 4 * 2**30  # packed Parquet, which has to be laid out in full
    window_bytes: int = 128 * 2**20  # what an unpacker may keep


@dataclass(frozen=True)
class LogShape:
    """How to read a file. Whatever is left empty, `inspect_log` settles by looking at the head of the file.

    Columns are named, or numbered from 1; a count, user or URL column `-` means none at all. `delimiter`, `quotes` and
    `header` are for CSV and TSV, `member` names the file inside a zip archive. `names` are the columns the file has,
    and `known` the known shape it was recognised as: both are found, never given.
    """

    format: LogFormat = LogFormat.AUTO
    column: str = ""
    count_column: str = ""
    user_column: str = ""
    url_column: str = ""
    delimiter: str = ""
    quotes: bool | None = None
    header: bool | None = None
    member: str = ""
    names: tuple[str, ...] = ()
    known: str = ""

    @property
    def wanted(self) -> tuple[str, str, str, str]:
        """The columns that are read: query, count, user, clicked URL; '' where there is none."""
        columns = (self.column, self.count_column, self.user_column, self.url_column)
        query, count, user, url = ("" if column == NONE else column for column in columns)
        return query, count, user, url

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; `from_data` gives the shape back."""
        return {**asdict(self), "format": self.format.value, "names": list(self.names)}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "LogShape":
        """The shape that `as_data` wrote down."""
        known = {each.name for each in fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        return cls(
            **{
                **given,
                "format": LogFormat(given.get("format", LogFormat.AUTO)),
                "names": tuple(given.get("names", ())),
            }
        )
