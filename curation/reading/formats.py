"""The format of a file, by its name and its first lines."""

import re
from pathlib import Path

from curation.reading.columns import QUERY_COLUMNS
from curation.reading.head import first_line
from curation.reading.packing import SUFFIXES
from curation.reading.shapes import LogFormat

_JSON_ARRAY = re.compile(rb"\s*\[\s*[{\"\]]")
_QUOTED = re.compile(r'"[^"]*"')
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
    return explained_format(head, name, column=column)[0]


def explained_format(head: bytes, name: str = "", *, column: str = "") -> tuple[LogFormat, str]:
    """The most likely format, and why it is that one."""
    suffix = plain_suffix(name)
    if _JSON_ARRAY.match(head) and suffix not in (".csv", ".tsv"):
        return LogFormat.JSON, "The file begins like a JSON array."
    if suffix == ".json" and head.lstrip().startswith(b"["):
        return LogFormat.JSON, "The name ends in .json, and the file begins like an array."
    if suffix in _BY_NAME:
        return _BY_NAME[suffix], f"The name ends in {suffix}."
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:20] if line.strip()]
    if lines and all(line.lstrip().startswith("{") for line in lines[:3]):
        return LogFormat.JSONL, "The lines begin like JSON objects."
    for mark, found in (("\t", LogFormat.TSV), (",", LogFormat.CSV), (";", LogFormat.CSV), ("|", LogFormat.CSV)):
        if reason := _looks_like_table(lines, mark, column):
            return found, reason
    return LogFormat.TEXT, "Nothing in the first lines speaks of columns."


def _looks_like_table(lines: list[str], mark: str, column: str) -> str:
    if not lines or mark not in lines[0]:
        return ""
    names = {cell.strip().strip('"').lower() for cell in lines[0].split(mark)}
    usual = sorted(names & ({column.lower()} if column else set(QUERY_COLUMNS)))
    if usual:
        return f"The first line has a column {usual[0]}."
    # A comma stands in many a query, a tab in none.
    if mark == "\t" and len({line.count(mark) for line in lines}) == 1:
        return "Every line has the same number of tabs."
    return ""


def guess_delimiter(head: bytes, format: LogFormat) -> str:
    """Tab for TSV; for CSV whichever mark cuts the first line in the most cells, commas when in doubt."""
    if format is LogFormat.TSV:
        return "\t"
    first = _QUOTED.sub("", first_line(head))
    best = max(",;|\t", key=first.count)
    return best if first.count(best) > first.count(",") else ","
