"""The first bytes of a file: is it text at all, and the first rows in it."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.reading.errors import BinaryLogError, EmptyLogError
from curation.reading.lines import BYTE_ORDER_MARK, Lines, text_lines
from curation.reading.packing import opened
from curation.reading.parquet import MAGIC
from curation.reading.rows import BadRow
from curation.reading.shapes import Limits, LogFormat
from curation.reading.tables import Dialect, plain_records

HEAD_BYTES = 64 * 1024
SAMPLE_ROWS = 200
SAMPLE_OBJECTS = 50
_FOREIGN = {
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
_TAR_MAGIC_AT = 257


@dataclass
class Sample:
    """The first rows of a file: the names of its columns, and one value for each in every row (None: missing)."""

    names: tuple[str, ...] = ()
    rows: list[list[Any]] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """The values of one column that are there at all."""
        place = self.names.index(name)
        return [row[place] for row in self.rows if place < len(row) and row[place] not in (None, "")]


def file_head(path: Path, limits: Limits, name: str, *, member: str = "") -> bytes:
    """The first unpacked bytes. Raises LogFileError when there are none, or they are no text (Parquet may pass)."""
    with opened(path, limits, name, member=member) as stream:
        head = stream.read(HEAD_BYTES).removeprefix(BYTE_ORDER_MARK)
    if not head.strip():
        raise EmptyLogError(name=name)
    if not head.startswith(MAGIC):
        _refuse_binary(head, name)
    return head


def _refuse_binary(head: bytes, name: str) -> None:
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise BinaryLogError(name=name, what=what)
    if head.startswith(b"ustar", _TAR_MAGIC_AT):
        raise BinaryLogError(name=name, what="a tar archive (unpack it first)")
    undecodable = head.decode("utf-8", "replace").count("�")
    if (len(_CONTROL.findall(head)) + undecodable) / len(head) > _BINARY_SHARE:
        raise BinaryLogError(name=name, what="a binary file")
    if b"\n" not in head and head.count(b"\r") > 1:
        raise BinaryLogError(name=name, what="text with the line ends of old Macs (save it with LF or CR LF)")


def first_line(head: bytes) -> str:
    """The first line that is not blank."""
    lines = (line.rstrip("\r") for line in head.decode("utf-8", "replace").split("\n"))
    return next((line for line in lines if line.strip()), "")


def sample_rows(head: bytes, dialect: Dialect, limits: Limits) -> list[list[str]]:
    """The first good rows of a table, cell by cell; the last line of a long head may be cut and is left out."""
    if len(head) >= HEAD_BYTES and b"\n" in head:
        head = head[: head.rfind(b"\n") + 1]
    lines = text_lines(head, 1, limits)
    lines = Lines(1, lines.texts[: SAMPLE_ROWS + limits.record_lines], lines.has_bad)
    rows = []
    for found in plain_records(lines, dialect, limits, start=0, stop=len(lines.texts)):
        if not isinstance(found.cells, BadRow) and any(map(str.strip, found.cells)):
            rows.append(found.cells)
    return rows[:SAMPLE_ROWS]


def sample_objects(head: bytes, format: LogFormat) -> list[dict[str, Any]]:
    """The first objects among the rows that the head holds whole."""
    if format is LogFormat.JSON:
        return _array_objects(head.decode("utf-8", "replace").lstrip()[1:])
    found: list[dict[str, Any]] = []
    for line in head.split(b"\n")[:SAMPLE_OBJECTS]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _array_objects(text: str) -> list[dict[str, Any]]:
    decoder, place = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    for _ in range(SAMPLE_OBJECTS):
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        if isinstance(value, dict):
            found.append(value)
    return found
