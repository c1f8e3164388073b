"""Rows and columns of a log, and what makes a row good."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.text import normalise_query
from curation.privacy import mask
from curation.reading.shapes import Limits

MAX_EXCERPT_CHARS = 100
MAX_COUNT = 10**12
_LIMITS = Limits()
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class LogRow:
    """One asked query: normalised text, how often this row says it was asked, who asked and what was clicked."""

    line: int
    query: str
    count: int = 1
    user: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, with an excerpt in which private parts are masked. There are few different reasons."""

    line: int
    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The wanted values of one row of a table, in the order in which they were asked for; None where missing."""

    line: int
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole records. `first_line` counts lines of the file from 1 (rows, for a JSON array and Parquet)."""

    number: int
    first_line: int
    data: bytes


@dataclass
class Values:
    """The wanted columns of a chunk: `columns[k][i]` is the k-th wanted value of the row in line `lines[i]`.

    A column that was not chosen is None.
    """

    lines: Sequence[int]
    columns: list[list[Any] | None]
    bad: list[BadRow] = field(default_factory=list)


@dataclass
class LogColumns:
    """A chunk of a log, column by column. Queries are as they stand in the file; `clean_query` makes them good.

    n_rows = len(queries) + len(bad). users and urls are None where no column was chosen, '' where a row has none.
    """

    n_rows: int
    lines: Sequence[int]
    queries: list[str]
    counts: list[int]
    users: list[str] | None = None
    urls: list[str] | None = None
    bad: list[BadRow] = field(default_factory=list)


def clean_query(raw: str, limits: Limits | None = None) -> tuple[str, str]:
    """The normalised query and '', or what was left of it and the reason why it cannot be used."""
    if not is_storable(raw):
        return raw, "holds control characters"
    query = normalise_query(raw)
    if not query:
        return "", "empty query"
    longest = (limits or _LIMITS).query_chars
    return query, f"longer than {longest:,} characters" if len(query) > longest else ""


def is_storable(text: str) -> bool:
    """Whether a text holds neither control characters nor halves of one, which no database or file format takes."""
    # The first two are the quickest way to know, and settle nearly every text.
    return (text.isascii() and text.isprintable()) or not _CONTROL.search(text)


def log_columns(values: Values) -> LogColumns:
    """Checks queries and counts column by column; rows that fail are bad rows."""
    lines, bad = values.lines, values.bad
    n_rows = len(lines) + len(bad)
    reasons = {**_bad_counts(values.columns[1] or []), **_not_texts(values.columns[0] or [])}
    columns = values.columns
    if reasons:
        bad = bad + [BadRow(lines[place], reason, excerpt(shown)) for place, (reason, shown) in reasons.items()]
        kept = [place for place in range(len(lines)) if place not in reasons]
        columns = [None if column is None else [column[place] for place in kept] for column in columns]
        lines = [lines[place] for place in kept]
    queries, counts, users, urls = columns
    return LogColumns(
        n_rows=n_rows,
        lines=lines,
        queries=queries or [],
        counts=[1] * len(lines) if counts is None else _whole_counts(counts),
        users=None if users is None else _texts(users),
        urls=None if urls is None else [url if is_storable(url) else "" for url in _texts(urls)],
        bad=sorted(bad, key=lambda row: row.line),
    )


def _not_texts(queries: list[Any]) -> dict[int, tuple[str, str]]:
    if set(map(type, queries)) <= {str}:
        return {}
    return {
        place: ("the query is not a text", json.dumps(query, default=str)[:400])
        for place, query in enumerate(queries)
        if not isinstance(query, str)
    }


def _bad_counts(counts: list[Any]) -> dict[int, tuple[str, str]]:
    try:
        numbers = list(map(int, counts)) if set(map(type, counts)) <= {str, int} else None
        if numbers is not None and (not numbers or (min(numbers) >= 1 and max(numbers) <= MAX_COUNT)):
            return {}
    except ValueError:
        pass  # looked at one by one
    return {
        place: ("the count is not a whole number from 1", str(count)[:400])
        for place, count in enumerate(counts)
        if whole_count(count) is None
    }


def _whole_counts(counts: list[Any]) -> list[int]:
    if set(map(type, counts)) <= {str, int}:
        return list(map(int, counts))
    return [whole_count(count) or 1 for count in counts]


def whole_count(value: Any) -> int | None:
    """A count as a whole number from 1; 1 where there is none; None where it is no such number."""
    if value is None:
        return 1
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        return None
    try:
        number = int(value) if isinstance(value, float) else int(str(value).strip())
    except (ValueError, OverflowError):
        return None
    return number if 1 <= number <= MAX_COUNT else None


def _texts(values: list[Any]) -> list[str]:
    return ["" if value is None else value.strip() if isinstance(value, str) else str(value) for value in values]


def excerpt(raw: str | bytes) -> str:
    """The beginning of a row, made printable, with private parts masked before it is cut."""
    text = raw[:400].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:400]
    return mask(printable(text))[:MAX_EXCERPT_CHARS]


def printable(text: str) -> str:
    """The text on one line, with a mark for what cannot be shown."""
    return "".join(mark if mark.isprintable() else "�" for mark in " ".join(text.split()))
