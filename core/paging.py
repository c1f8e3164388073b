"""Pages of long lists by key, not by number: the last page costs as much as the first."""

import base64
import binascii
import json
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import BooleanField, Expression, F, Model, Q, QuerySet, Value
from django.http import HttpRequest

from core.errors import QuarryError


class BadCursorError(QuarryError):
    """The `after` or `before` of an address does not come from a pager."""

    code, status = "bad_cursor", 400
    template = "The address names a place in the list that cannot be read. Start again at the first page."


@dataclass(frozen=True)
class Page:
    """Rows of one page; `next` and `previous` are cursors for ?after= and ?before=, empty at the ends."""

    rows: list[Any]
    next: str
    previous: str
    searched: int = 0  # above 0: the page is not full because only so many rows of the list were looked through

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def keyset_page(queryset: QuerySet[Any], request: HttpRequest, size: int = 50, order: str = "-id") -> Page:
    """The page of `queryset` that the request asks for with ?after= or ?before=.

    `order` is "id", "-id", or a field that is never NULL (the id breaks its ties in the same direction).
    Raises BadCursorError for a cursor that no pager made.
    """
    field, descending = order.lstrip("-"), order.startswith("-")
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    backwards = bool(before) and not after
    cursor = after or before
    if cursor:
        queryset = queryset.filter(beyond(field, read_cursor(cursor, queryset.model, field), descending != backwards))
    sign = "-" if descending != backwards else ""
    rows = list(queryset.order_by(*(f"{sign}{name}" for name in dict.fromkeys([field, "id"])))[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if backwards else (more, bool(cursor))
    return Page(
        rows,
        next=cursor_of(rows[-1], field) if rows and has_next else "",
        previous=cursor_of(rows[0], field) if rows and has_previous else "",
    )


class _Beyond(Expression):
    """(field, id) < or > (value, pk), compared as one: both databases walk an index from there, ties included."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, field: str, place: list[Any], descending: bool) -> None:
        super().__init__()
        self.sign = "<" if descending else ">"
        self.sources: list[Any] = [F(field), F("id"), Value(place[0]), Value(place[1])]

    def get_source_expressions(self) -> list[Any]:
        return self.sources

    def set_source_expressions(self, exprs: Any) -> None:
        self.sources = list(exprs)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        parts = [compiler.compile(source) for source in self.sources]
        left, key, value, pk = (sql for sql, _ in parts)
        return f"({left}, {key}) {self.sign} ({value}, {pk})", tuple(one for _, params in parts for one in params)


def beyond(field: str, place: list[Any], descending: bool) -> Any:
    """Condition for the rows that come after a place in the list; `place` is [value, id], or [id] by id."""
    if field == "id":
        return Q(**{f"id__{'lt' if descending else 'gt'}": place[-1]})
    return _Beyond(field, place, descending)


def cursor_of(row: Any, field: str) -> str:
    """The place of a row, for an address."""
    place = [row.pk] if field == "id" else [attrgetter(field.replace("__", "."))(row), row.pk]
    text = json.dumps(place, default=str, separators=(",", ":"))  # Django's encoder would drop microseconds
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, model: type[Model], field: str) -> list[Any]:
    """The place that a cursor stands for; raises BadCursorError when no pager made it."""
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        if len(place) != (1 if field == "id" else 2) or not 0 <= int(place[-1]) < 2**63:
            raise BadCursorError
        if field != "id":
            place[0] = _clean(model, field, place[0])
    except (ValueError, TypeError, KeyError, binascii.Error, ValidationError) as error:
        raise BadCursorError from error
    return [*place[:-1], int(place[-1])]


def _clean(model: type[Model], field: str, value: Any) -> Any:
    with suppress(FieldDoesNotExist):  # an annotation or a field across a relation: its value travels as it is
        value = model._meta.get_field(field).to_python(value)  # type: ignore[union-attr]
    if isinstance(value, dict | list) or (isinstance(value, str) and "\x00" in value):
        raise BadCursorError
    return value
