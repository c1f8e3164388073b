"""Queries whose SQL is made once.

Django writes the SQL of a queryset anew each time it is read, which costs several times what a small indexed query
itself does. A `Prepared` keeps the SQL and what is needed to turn rows into objects; each use only fills in values.
For the few queries that stand in the way of every vote: everywhere else a plain queryset is easier to change. An
update sends no signals and is no different from `QuerySet.update` in that; an insert sends none either, as
`bulk_create`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.base import ModelState
from django.db.models.expressions import Expression
from django.db.models.query import get_related_populators
from django.db.models.signals import post_init, pre_init
from django.db.models.sql import InsertQuery, UpdateQuery

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


def _maker(model: type[models.Model], names: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    """How values become an object, as `Model.from_db` makes it; columns that are not named are deferred.

    Where nothing listens in, the values are put into the object at once: going through `Model.__init__` takes several
    times as long.
    """
    is_usual = model.__init__ is models.Model.__init__ and "from_db" not in _written_by(model)
    if not is_usual or pre_init.has_listeners(model) or post_init.has_listeners(model):
        return lambda values: model.from_db(DEFAULT_DB_ALIAS, names, values)

    def make(values: Sequence[Any]) -> Any:
        made = model.__new__(model)
        made._state = state = ModelState()
        state.adding, state.db = False, DEFAULT_DB_ALIAS
        made.__dict__.update(zip(names, values, strict=True))
        return made

    return make


def _written_by(model: type[models.Model]) -> set[str]:
    """Names that the model or a base of its own defines over Django's `Model`."""
    return {name for base in model.__mro__ if not issubclass(models.Model, base) for name in vars(base)}


class _Related:
    """A row of `select_related`: what Django's populator does, with objects made as above."""

    def __init__(self, populator: Any) -> None:
        self._make = _maker(populator.model_cls, populator.init_list)
        self._pk = populator.pk_idx
        self._columns = populator.reorder_for_init or itemgetter(slice(populator.cols_start, populator.cols_end))
        self._related = [_Related(further) for further in populator.related_populators]
        self._set_here, self._set_there = populator.local_setter, populator.remote_setter

    def populate(self, row: list[Any], of: Any) -> None:
        values = self._columns(row)
        if values[self._pk] is None:
            self._set_here(of, None)
            return
        made = self._make(values)
        for further in self._related:
            further.populate(row, made)
        self._set_here(of, made)
        self._set_there(made, of)


@dataclass(frozen=True, slots=True)
class _Plan:
    """SQL with what stands at its placeholders, and how a row becomes an object; for one kind of database."""

    sql: str
    parameters: tuple[Any, ...]
    make: Callable[[Sequence[Any]], Any]
    span: slice
    related: list[_Related]
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
        made = self.make(row[self.span])
        for populator in self.related:
            populator.populate(row, made)
        for name, at in self.extra:
            setattr(made, name, row[at])
        return made


def _with_params(make: Callable[..., models.QuerySet[Row]], fields: Mapping[str, models.Field]) -> models.QuerySet[Row]:
    names = inspect.signature(make).parameters
    return make(**{name: Param(name, fields.get(name, INTEGER)) for name in names})


def _with_numbers(sql: str, parameters: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """The SQL with its constant whole numbers written out, and what stands at the placeholders that remain.

    A planner takes a partial index (`WHERE state = 1`) only for a statement that says as much itself.
    """
    first, *others = sql.split("%s")
    written, kept = [first], []
    for part, following in zip(parameters, others, strict=True):
        if isinstance(part, int) and not isinstance(part, bool):
            written += [str(int(part)), following]
        else:
            written += ["%s", following]
            kept.append(part)
    return "".join(written), tuple(kept)


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
        sql, parameters = _with_numbers(*compiler.as_sql())
        select, about = compiler.select, compiler.klass_info
        columns = about["select_fields"]
        span = slice(columns[0], columns[-1] + 1)
        converters = compiler.get_converters([column for column, _, _ in select])
        related = get_related_populators(about, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]  # of a later Django
        return _Plan(
            sql=sql,
            parameters=parameters,
            make=_maker(about["model"], [column.target.attname for column, _, _ in select[span]]),
            span=span,
            related=[_Related(populator) for populator in related],
            extra=list((compiler.annotation_col_map or {}).items()),
            converters=[(at, functions, expression) for at, (functions, expression) in converters.items()],
        )


class _Update:
    """The SQL of an update, and its values."""

    def __init__(
        self, make: Callable[..., models.QuerySet[Any]], change: Mapping[str, Any], **fields: models.Field
    ) -> None:
        self._make = make
        self._change = change
        self._fields = fields
        self._plans: dict[str, tuple[str, Sequence[Any]]] = {}

    def _filled_in(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The statement and what stands at its placeholders. Raises EmptyResultSet as `Param.value`."""
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.vendor not in self._plans:
            self._plans[connection.vendor] = self._planned(connection)
        sql, parameters = self._plans[connection.vendor]
        return sql, _filled(parameters, values, connection)

    def _planned(self, connection: Any) -> tuple[str, Sequence[Any]]:
        query: Any = _with_params(self._make, self._fields).query.chain(UpdateQuery)
        query.add_update_values(dict(self._change))
        return _with_numbers(*query.get_compiler(connection=connection).as_sql())


class PreparedUpdate(_Update):
    """An update of the rows of a queryset; `change` names columns and what they become: values, Params, F expressions.

    _fill = PreparedUpdate(lambda pk: Slot.objects.filter(pk=pk), {"state": SlotState.DONE, "token": None})
    was_there = _fill(pk=slot.pk) > 0
    """

    def __call__(self, **values: Any) -> int:
        """Changes the rows; returns how many."""
        try:
            filled = self._filled_in(values)
        except EmptyResultSet:
            return 0
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(*filled)
            return int(cursor.rowcount)


class PreparedUpdateReturning(_Update):
    """The same, for whoever needs integer columns of the row that it changed: a statement less than asking first."""

    def __init__(
        self,
        make: Callable[..., models.QuerySet[Any]],
        change: Mapping[str, Any],
        returning: Sequence[str],
        **fields: models.Field,
    ) -> None:
        super().__init__(make, change, **fields)
        self._returning = returning

    def __call__(self, **values: Any) -> tuple[Any, ...] | None:
        """Changes the rows; the columns of the first one as they are now, None where there was no row."""
        try:
            filled = self._filled_in(values)
        except EmptyResultSet:
            return None
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(*filled)
            rows = cursor.fetchall()
        return rows[0] if rows else None

    def _planned(self, connection: Any) -> tuple[str, Sequence[Any]]:
        sql, parameters = super()._planned(connection)
        columns = ", ".join(connection.ops.quote_name(column) for column in self._returning)
        return f"{sql} RETURNING {columns}", parameters


class PreparedInsert(Generic[Row]):
    """Stores new objects of a model one by one, as `save` does, but sends no signals: what they do is the caller's.

    Times that fields set by themselves (`auto_now_add`) are set; values are plain ones, no expressions.
    """

    def __init__(self, model: type[Row]) -> None:
        self._model = model
        self._fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
        self._sql: dict[str, str] = {}

    def __call__(self, row: Row) -> Row:
        """Stores the new object and gives it its primary key."""
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.vendor not in self._sql:
            self._sql[connection.vendor] = self._written(row, connection)
        values = [
            field.get_db_prep_save(field.pre_save(row, add=True), connection=connection) for field in self._fields
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._sql[connection.vendor], values)
            row.pk = cursor.fetchall()[0][0]
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
        return row

    def _written(self, row: Row, connection: Any) -> str:
        query: Any = InsertQuery(self._model)
        query.insert_values(self._fields, [row])
        compiler = query.get_compiler(connection=connection)
        compiler.returning_fields = [self._model._meta.pk]
        [(sql, _)] = compiler.as_sql()
        return str(sql)
