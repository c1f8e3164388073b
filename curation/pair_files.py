"""Ready pairs out of files in CoSQA's JSON shape. Knows no database.

A file is one JSON array of objects with `doc` (the query), `code`, and optionally `label` (1 or 0) and `idx`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInputError

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
