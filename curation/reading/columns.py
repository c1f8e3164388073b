"""Columns: how a chosen one is found, what the values of one are, and which known shape the columns have together."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from curation.privacy import mask
from curation.reading.errors import ColumnNeededError, UnknownColumnError
from curation.reading.head import Sample
from curation.reading.rows import printable, whole_count
from curation.reading.shapes import NONE, TABLES, LogFormat, LogShape

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


# --- finding ------------------------------------------------------------------------------------------------------


def place_of(column: str, cells: Sequence[str]) -> int | None:
    """Index of a column by its name (case aside when that is clear), or by its number from 1."""
    if column in cells:
        return list(cells).index(column)
    lower = [cell.lower() for cell in cells]
    if lower.count(column.lower()) == 1:
        return lower.index(column.lower())
    if column.isascii() and column.isdigit() and len(column) < 9 and 1 <= int(column) <= len(cells):
        return int(column) - 1
    return None


def find_column(column: str, shape: LogShape, name: str) -> int:
    """The index of a column of the settled shape; UnknownColumnError names the ones there are."""
    place = place_of(column, shape.names)
    if place is None:
        raise UnknownColumnError(name=name, column=mask(column), columns=listed(shape.names))
    return place


def listed(cells: Sequence[str]) -> str:
    """Column names for a message, masked and not too many."""
    shown = ", ".join(mask(cell)[:40] for cell in cells[:20])
    return shown + (", ..." if len(cells) > 20 else "")


_NAME = re.compile(r"[A-Za-z_][\w .-]{0,40}")


def has_header(shape: LogShape, cells: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Whether the first row is a header, and why.

    It is when a wanted column or a usual name is in it, or it stands above nothing but numbers, times or URLs.
    """
    wanted = {column.lower() for column in shape.wanted if column and not column.isdigit()}
    lower = {cell.lower() for cell in cells}
    if known := sorted(lower & (wanted | set(QUERY_COLUMNS))):
        return True, f"The first row names a column {known[0]}."
    if not rows or not all(_NAME.fullmatch(cell) for cell in cells):
        return False, "The first row looks like the others, so it is no header."
    for place, cell in enumerate(cells):
        kinds = {_kind(row[place]) if place < len(row) else "" for row in rows}
        if len(kinds) == 1 and (kind := kinds.pop()) in ("number", "time", "URL"):
            return True, f"Below {cell} stand only {kind}s, so the first row is a header."
    return False, "The first row looks like the others, so it is no header."


# --- choosing -----------------------------------------------------------------------------------------------------


def with_columns(shape: LogShape, sample: Sample, name: str, reasons: list[str]) -> LogShape:
    """The shape with the query column settled, and count, user and URL from columns of the usual names.

    Adds to `reasons` why. Raises UnknownColumnError, ColumnNeededError.
    """
    count, user, url = (
        _named(column, shape, name) for column in (shape.count_column, shape.user_column, shape.url_column)
    )
    query = _named(shape.column, shape, name) or _query_column(shape, sample, name, reasons)
    shape = replace(shape, column=query, count_column=count, user_column=user, url_column=url)
    if shape.header is False:
        return shape
    counts = [each for each in _usual(COUNT_COLUMNS, shape) if _are_counts(sample.column(each))]
    found = {
        "count_column": (counts, "is how often it was asked"),
        "user_column": (_usual(USER_COLUMNS, shape), "is who asked; only a salted hash is kept"),
        "url_column": (_usual(URL_COLUMNS, shape), "is what was clicked"),
    }
    for place, (names, meaning) in found.items():
        if names and not getattr(shape, place):
            shape = replace(shape, **{place: names[0]})  # type: ignore[arg-type]
            reasons.append(f"{mask(names[0])} {meaning}, by its name.")
    if any(each.lower() == "popularityrank" for each in shape.names):
        reasons.append("PopularityRank is a rank and no count: it is not read.")
    return shape


def _named(column: str, shape: LogShape, name: str) -> str:
    return column if column in ("", NONE) else shape.names[find_column(column, shape, name)]


def _usual(known: Iterable[str], shape: LogShape) -> list[str]:
    usual = {each.lower(): each for each in reversed(shape.names)}
    return [usual[each] for each in known if each in usual and usual[each] not in shape.wanted]


def _are_counts(values: list[Any]) -> bool:
    """Mostly whole numbers from 1: a popularity may be a score instead."""
    good = sum(whole_count(value) is not None for value in values)
    return 2 * good >= len(values)


def _query_column(shape: LogShape, sample: Sample, name: str, reasons: list[str]) -> str:
    lower = {each.lower(): each for each in reversed(shape.names)}
    for known in QUERY_COLUMNS:
        if known in lower:
            reasons.append(f"{lower[known]} is the query, by its name.")
            return lower[known]
    if len(shape.names) == 1:
        reasons.append("There is one column, so it is the query.")
        return shape.names[0]
    texts = [each for each in shape.names if kind_of(sample.column(each)) == "text"]
    if len(texts) == 1:
        reasons.append(f"Column {mask(texts[0])} is the query: it alone holds words with spaces between them.")
        return texts[0]
    raise ColumnNeededError(name=name, columns=_with_values(shape, sample))


def _with_values(shape: LogShape, sample: Sample) -> str:
    """The columns for a message; numbers alone say nothing, so the first row stands beside them."""
    if shape.header is not False or not sample.rows:
        return listed(shape.names)
    first = [printable(str(value))[:30] for value in sample.rows[0]]
    return listed([f"{name} ({value})" for name, value in zip(shape.names, first, strict=False)])


# --- kinds of values ----------------------------------------------------------------------------------------------

_URL = re.compile(r"\s*[\[\"']*(?:https?://|www\.)\S", re.IGNORECASE)
_TIME = re.compile(r"\s*\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.*)?\s*\Z|\s*\d\d:\d\d(?::\d\d)?\b")
_NUMBER = re.compile(r"\s*[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?\s*\Z", re.IGNORECASE)


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
        if pattern.match(value):
            return kind
    return "text" if " " in value.strip() and "\n" not in value.strip() else "word"


# --- known shapes -------------------------------------------------------------------------------------------------

ONE_A_LINE = "one query a line"
_AOL = {"anonid", "query", "querytime", "itemrank", "clickurl"}
_SEARCH4CODE = {"querystring", "topclickedurls"}


def known_shape(shape: LogShape, sample: Sample) -> str:
    """The name of the known shape that the columns have."""
    lower = {name.lower() for name in shape.names}
    if lower >= _AOL:
        return "query log with user, query, time, rank and URL (AOL)"
    if lower >= _SEARCH4CODE:
        return "Search4Code"
    if shape.format not in TABLES and {"doc", "code"} <= lower:
        return "CoSQA"
    if shape.header is False and len(shape.names) == 2 and _is_topics(shape, sample):
        return "TREC topics"
    if shape.user_column or shape.url_column:
        return "query log with columns"
    return "table with a query column" if len(shape.names) > 1 else ONE_A_LINE


def _is_topics(shape: LogShape, sample: Sample) -> bool:
    ids = sample.column("1")
    return (
        shape.format is LogFormat.TSV
        and shape.column == "2"
        and len(set(ids)) == len(ids)
        and not any(" " in str(each).strip() for each in ids)
    )
