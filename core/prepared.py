"""Queries whose SQL is made once.

Django writes the SQL of a queryset anew each time it is read, which costs several times what a small indexed query
itself does. A `Prepared` keeps the SQL and what is needed to turn rows into objects; each use only fills in values.
For the few queries that stand in the way of every vote: everywhere else a plain queryset is easier to change. An
update sends no signals and is no different from `QuerySet.update` in that.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.expressions import Expression
from django.db.models.query import get_related_populators
from django.db.models.sql import UpdateQuery

Row = TypeVar("Row", bound=models.Model)
INTEGER = models.BigIntegerField()
INTEGERS = range(-(2**63), 2**63)  # what a column can hold; Django's own lookups find nothing beyond it either


class Param(Expression):
    """The place of a value that is named at each use; `field` says how it is written for the database."""

    def __init__(self, name: str, field: models.Field = INTEGER) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)

    def value(self, given: Mapping[str, Any], connection: Any) -> Any:
        """The value as the database takes it. Raises EmptyResultSet for a number that no column can hold."""
        if type(given[self.name]) is int and given[self.name] not in INTEGERS:
            raise EmptyResultSet
        return self.output_field.get_db_prep_value(given[self.name], connection, prepared=False)


@dataclass(frozen=True, slots=True)
class _Plan:
    """SQL with what stands at its placeholders, and how a row becomes an object; for one kind of database."""

    sql: str
    parameters: tuple[Any, ...]
    model: type[models.Model]
    names: list[str]
    span: slice
    related: list[Any]
    extra: list[tuple[str, int]]
    converters: list[tuple[int, list[Callable[..., Any]], Any]]

    def objects(self, rows: list[Any], connection: Any) -> list[Any]:
        return [self._object(self._converted(row, connection)) for row in rows]

    def _converted(self, row: Any, connection: Any) -> list[Any]:
        row = list(row)
        for at, functions, expression in self.converters:
            for function in functions:
                row[at] = function(row[at], expression, connection)
        return row

    def _object(self, row: list[Any]) -> Any:
        made = self.model.from_db(DEFAULT_DB_ALIAS, self.names, row[self.span])
        for populator in self.related:
            populator.populate(row, made)
        for name, at in self.extra:
            setattr(made, name, row[at])
        return made


def _with_params(make: Callable[..., models.QuerySet[Row]], fields: Mapping[str, models.Field]) -> models.QuerySet[Row]:
    names = inspect.signature(make).parameters
    return make(**{name: Param(name, fields.get(name, INTEGER)) for name in names})


def _filled(parameters: Sequence[Any], values: Mapping[str, Any], connection: Any) -> list[Any]:
    return [part.value(values, connection) if type(part) is Param else part for part in parameters]


class Prepared(Generic[Row]):
    """A queryset of model objects, written as a function of `Param`s named like its arguments.

        _last = Prepared(lambda person: Vote.objects.filter(person=person).order_by("-id")[:1])
        vote = _last.first(person=user.pk)

    `fields` say how the values of arguments are written that are not integers: `key=models.UUIDField()`. The objects
    are the model's own, as the queryset would give them; prefetches are not run.
    """

    def __init__(self, make: Callable[..., models.QuerySet[Row]], **fields: models.Field) -> None:
        self._make = make
        self._fields = fields
        self._plans: dict[str, _Plan] = {}

    def all(self, **values: Any) -> list[Row]:
        """Every row."""
        connection = connections[DEFAULT_DB_ALIAS]
        plan = self._plans.get(connection.vendor)
        if plan is None:
            plan = self._plans[connection.vendor] = self._planned(connection)
        try:
            parameters = _filled(plan.parameters, values, connection)
        except EmptyResultSet:
            return []
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, parameters)
            rows = cursor.fetchall()
        return plan.objects(rows, connection)

    def first(self, **values: Any) -> Row | None:
        """The first row, or None. The queryset names its order and its limit itself."""
        rows = self.all(**values)
        return rows[0] if rows else None

    def _planned(self, connection: Any) -> _Plan:
        queryset = _with_params(self._make, self._fields)
        compiler = queryset.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        select, about = compiler.select, compiler.klass_info
        columns = about["select_fields"]
        span = slice(columns[0], columns[-1] + 1)
        converters = compiler.get_converters([column for column, _, _ in select])
        return _Plan(
            sql=sql,
            parameters=tuple(parameters),
            model=about["model"],
            names=[column.target.attname for column, _, _ in select[span]],
            span=span,
            related=get_related_populators(about, select, DEFAULT_DB_ALIAS),  # type: ignore[call-arg]  # of a later Django
            extra=list((compiler.annotation_col_map or {}).items()),
            converters=[(at, functions, expression) for at, (functions, expression) in converters.items()],
        )


class PreparedUpdate:
    """An update of the rows of a queryset; `change` names columns and what they become: values, Params, F expressions.

    _fill = PreparedUpdate(lambda pk: Slot.objects.filter(pk=pk), {"state": SlotState.DONE, "token": None})
    was_there = _fill(pk=slot.pk) > 0
    """

    def __init__(
        self, make: Callable[..., models.QuerySet[Any]], change: Mapping[str, Any], **fields: models.Field
    ) -> None:
        self._make = make
        self._change = change
        self._fields = fields
        self._plans: dict[str, tuple[str, Sequence[Any]]] = {}

    def __call__(self, **values: Any) -> int:
        """Changes the rows; returns how many."""
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.vendor not in self._plans:
            self._plans[connection.vendor] = self._planned(connection)
        sql, parameters = self._plans[connection.vendor]
        try:
            filled = _filled(parameters, values, connection)
        except EmptyResultSet:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(sql, filled)
            return int(cursor.rowcount)

    def _planned(self, connection: Any) -> tuple[str, Sequence[Any]]:
        query: Any = _with_params(self._make, self._fields).query.chain(UpdateQuery)
        query.add_update_values(dict(self._change))
        return query.get_compiler(connection=connection).as_sql()
