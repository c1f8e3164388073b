"""Pages of long lists by key, not by number: the last page costs as much as the first."""

import base64
import binascii
import json
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Model, Q, QuerySet
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
        queryset = queryset.filter(_beyond(field, _read(cursor, queryset.model, field), descending != backwards))
    sign = "-" if descending != backwards else ""
    rows = list(queryset.order_by(*(f"{sign}{name}" for name in dict.fromkeys([field, "id"])))[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if backwards else (more, bool(cursor))
    return Page(
        rows,
        next=_write(rows[-1], field) if rows and has_next else "",
        previous=_write(rows[0], field) if rows and has_previous else "",
    )


def _beyond(field: str, place: list[Any], descending: bool) -> Q:
    side = "lt" if descending else "gt"
    if field == "id":
        return Q(**{f"id__{side}": place[-1]})
    value, pk = place
    return Q(**{f"{field}__{side}": value}) | Q(**{field: value, f"id__{side}": pk})


def _write(row: Any, field: str) -> str:
    place = [row.pk] if field == "id" else [attrgetter(field.replace("__", "."))(row), row.pk]
    text = json.dumps(place, default=str, separators=(",", ":"))  # Django's encoder would drop microseconds
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, model: type[Model], field: str) -> list[Any]:
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
