"""Ready pairs out of files. Knows no database.

`read_pairs` reads CoSQA's JSON shape with its labels: one array of objects with `doc` (the query), `code`, and
optionally `label` (1 or 0) and `idx`. `read_ready_pairs` reads pairs to be judged, from that shape, CSV or JSON Lines.
"""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInputError
from core.text import normalise_query

MAX_BYTES = 512 * 2**20


class PairFileError(BadInputError):
    """A file of pairs that cannot be used."""

    code = "bad_pair_file"


@dataclass(frozen=True, slots=True)
class PairRow:
    """A query with a code; `label` is None where nobody judged it."""

    query: str
    code: str
    label: int | None = None
    idx: str = ""
    score: float | None = None


def read_pairs(path: Path) -> Iterator[PairRow]:
    """The rows of a CoSQA JSON file in order. Raises PairFileError that names the row and what is wrong."""
    for number, row in enumerate(_load(path), start=1):
        if not isinstance(row, dict):
            raise PairFileError(problem=f"{path.name}, row {number}: not a JSON object.")
        query, code, label = row.get("doc"), row.get("code"), row.get("label")
        if not isinstance(query, str) or not isinstance(code, str):
            raise PairFileError(problem=f"{path.name}, row {number}: needs doc (the query) and code as texts.")
        if label not in (None, 0, 1):
            raise PairFileError(problem=f"{path.name}, row {number}: the label is {label!r}, not 1 or 0.")
        yield PairRow(query, code, None if label is None else int(label), str(row.get("idx", "")))


def _load(path: Path) -> list[object]:
    if not path.is_file():
        raise PairFileError(problem=f"There is no file {path}.")
    if path.stat().st_size > MAX_BYTES:
        raise PairFileError(problem=f"{path.name} is larger than {MAX_BYTES // 2**20} MB.")
    try:
        rows = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PairFileError(problem=f"{path.name} is a binary file or not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise PairFileError(problem=f"{path.name} is not JSON: {error.msg} (line {error.lineno}).") from error
    except RecursionError as error:
        raise PairFileError(problem=f"{path.name} is nested too deep for a file of pairs.") from error
    if not isinstance(rows, list) or not rows:
        raise PairFileError(problem=f"{path.name} holds no rows: it must be a JSON array of objects with doc and code.")
    return rows


# --- pairs without labels, row by row ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BadPair:
    """A row that does not fit: its number (a line; in a JSON array a row) and why."""

    line: int
    reason: str


QUERY_NAMES, CODE_NAMES, SCORE_NAMES, IDX_NAMES = ("query", "doc"), ("code",), ("score",), ("idx", "id", "pid")
MAX_LINE_BYTES = 8 * 2**20
CSV, JSON_LINES, COSQA = "CSV", "JSON Lines", "CoSQA JSON"


def pair_format(path: Path) -> str:
    """CSV, JSON Lines or CoSQA JSON, by the first character that is no white space; PairFileError if it is none."""
    if not path.is_file():
        raise PairFileError(problem=f"There is no file {path.name}.")
    if path.stat().st_size > MAX_BYTES:
        raise PairFileError(problem=f"The file is larger than {MAX_BYTES // 2**20} MB. Give it in parts.")
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise PairFileError(problem="The file is empty. It should hold pairs: query and code.")
    if b"\x00" in head:
        raise PairFileError(problem="This is a binary file. Give CSV, JSON Lines or CoSQA JSON.")
    return {b"[": COSQA, b"{": JSON_LINES}.get(text[:1], CSV)


def read_ready_pairs(path: Path) -> Iterator[PairRow | BadPair]:
    """The rows of a CSV, JSON Lines or CoSQA JSON file in order; labels are not read.

    A row needs `query` (or `doc`) and `code`, and may carry a `score`. Raises PairFileError where the file as a whole
    cannot be used; what is wrong with one row is a BadPair.
    """
    rows = {CSV: _csv_rows, JSON_LINES: _json_rows, COSQA: _array_rows}[pair_format(path)](path)
    for number, row in rows:
        yield BadPair(number, row) if isinstance(row, str) else _ready_pair(number, row)


def _ready_pair(number: int, row: dict[str, Any]) -> PairRow | BadPair:
    query, code = _first(row, QUERY_NAMES), _first(row, CODE_NAMES)
    if not isinstance(query, str) or not isinstance(code, str):
        return BadPair(number, "needs query (or doc) and code as texts")
    if not normalise_query(query) or not code.strip():
        return BadPair(number, "the query or the code is empty")
    if "\x00" in query or "\x00" in code or not (_is_text(query) and _is_text(code)):
        return BadPair(number, "holds a character that no text has (NUL, or half of a surrogate pair)")
    given = _first(row, SCORE_NAMES)
    score = None if given in (None, "") else _number(given)
    if given not in (None, "") and score is None:
        return BadPair(number, f"the score is {str(given)[:40]!r}, not a number")
    idx = _first(row, IDX_NAMES)
    return PairRow(query, code, None, f"line {number}" if idx in (None, "") else str(idx).replace("\x00", ""), score)


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(given: Any) -> float | None:
    if isinstance(given, bool):
        return None
    try:
        value = float(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _array_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, row in enumerate(_load(path), start=1):
        yield number, row if isinstance(row, dict) else "not a JSON object"


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(_text_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "not JSON"
            continue
        yield number, row if isinstance(row, dict) else "not a JSON object"


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    reader = csv.reader(_text_lines(path), strict=True)
    try:
        header = [column.strip().lower() for column in next(reader)]
        if not {*QUERY_NAMES} & {*header} or "code" not in header:
            shown = ", ".join(header)[:200] or "nothing"
            raise PairFileError(problem=f"A CSV file needs the columns query and code; its first line has: {shown}.")
        for cells in reader:
            if len(cells) > len(header):
                yield reader.line_num, f"{len(cells)} cells under {len(header)} columns"
            elif any(cells):
                yield reader.line_num, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise PairFileError(problem=f"Line {reader.line_num}: {error}.") from error


def _text_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise PairFileError(problem=f"Line {number} is longer than {MAX_LINE_BYTES // 2**20} MB.")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise PairFileError(problem=f"Line {number} is not UTF-8 (byte {error.start + 1}).") from error
