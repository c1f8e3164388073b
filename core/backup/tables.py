"""Tables as lines of canonical JSON, the same on SQLite and PostgreSQL.

The models are those of the migrations that are applied (or that a backup names), not those of the code: so a backup
of an older version is read into tables of that version, and its migrations then bring it forward.
"""

import base64
import datetime
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from core.backup.errors import RowRefusedError

ROWS_AT_ONCE = 1000
# Made anew by Django and by running processes; sessions end with a move.
LEFT_OUT = {
    "contenttypes.contenttype",
    "auth.permission",
    "auth.group_permissions",
    "core.user_user_permissions",
    "sessions.session",
    "admin.logentry",
    "core.workerbeat",
    "core.shardstage",
    "core.shard",
}
_EXACT_INTEGERS = 1e15  # above it JSON writes a whole float with an exponent, and PostgreSQL gives it back as an int

Key = tuple[str, str]


def applied_migrations() -> list[Key]:
    """(app, name) of what the database went through, sorted; empty for a database without tables."""
    recorder = MigrationRecorder(connection)
    return sorted(recorder.applied_migrations()) if recorder.has_table() else []


def models_at(migrations: Iterable[Key]) -> list[type[models.Model]]:
    """The tables to be kept as they are after these migrations, many-to-many tables included, in order of label."""
    loader = MigrationExecutor(connection).loader
    known = [key for key in migrations if key in loader.graph.nodes]
    apps = loader.project_state(known).apps
    kept = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.label_lower not in LEFT_OUT
    ]
    return sorted(kept, key=lambda model: model._meta.label_lower)


# --- rows as text -----------------------------------------------------------------------------------------------------
def rows_of(model: type[models.Model]) -> Iterator[bytes]:
    """The table's rows in the order of their keys, each a line of canonical JSON with its line end."""
    fields = stored_fields(model)
    names = [field.attname for field in fields]
    rows = model._base_manager.order_by("pk")
    key_at = names.index(model._meta.pk.attname)
    last: Any = None
    while True:
        part = rows if last is None else rows.filter(pk__gt=last)
        chunk = list(part.values_list(*names)[:ROWS_AT_ONCE])
        for row in chunk:
            yield line_of(names, row)
        if len(chunk) < ROWS_AT_ONCE:
            return
        last = chunk[-1][key_at]


def stored_fields(model: type[models.Model]) -> list[Any]:
    """The columns of a model's own table, by name."""
    return sorted(model._meta.local_concrete_fields, key=lambda field: field.attname)


def line_of(names: list[str], row: Iterable[Any]) -> bytes:
    """One row as a line: keys sorted, no spaces, UTF-8."""
    values = {name: as_json(value) for name, value in zip(names, row, strict=True)}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def as_json(value: Any) -> Any:
    """A column's value as JSON that both databases agree on."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat(timespec="microseconds")
    if isinstance(value, (datetime.date, datetime.time, uuid.UUID, Decimal)):
        return str(value)
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(inner) for inner in value]
    return value


def _number(value: float) -> float | int:
    if value == 0:
        return 0.0
    # by way of its digits: PostgreSQL keeps 1e17 as the digits it was written with
    return int(Decimal(repr(value))) if value.is_integer() and abs(value) > _EXACT_INTEGERS else value


def from_json(field: Any, value: Any) -> Any:
    """The Python value of a column from what `as_json` made of it."""
    if value is None:
        return None
    if isinstance(field, models.BinaryField):
        return base64.b64decode(value)
    if isinstance(field, models.DurationField):
        return datetime.timedelta(seconds=value)
    if isinstance(field, models.JSONField):
        return value
    if isinstance(field, models.FloatField):
        return float(value)
    return field.target_field.to_python(value) if field.is_relation else field.to_python(value)


class Sum:
    """Rows, bytes and SHA-256 of a table, line by line."""

    def __init__(self) -> None:
        self.rows = 0
        self.bytes = 0
        self._digest = hashlib.sha256()

    def add(self, line: bytes) -> bytes:
        self.rows += 1
        self.bytes += len(line)
        self._digest.update(line)
        return line

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def checksum(model: type[models.Model]) -> Sum:
    """The sum of a table as it stands."""
    total = Sum()
    for line in rows_of(model):
        total.add(line)
    return total


# --- rows into tables -------------------------------------------------------------------------------------------------
def load_rows(model: type[models.Model], lines: Iterable[bytes]) -> int:
    """Writes rows under their old keys; call in a transaction. Raises RowRefusedError with the table and the line."""
    fields = {field.attname: field for field in stored_fields(model)}
    chunk: list[models.Model] = []
    number = 0
    with _times_as_given(fields.values()):
        for number, line in enumerate(lines, start=1):
            chunk.append(_row(model, fields, line, number))
            if len(chunk) >= ROWS_AT_ONCE:
                _write(model, chunk, number)
                chunk = []
        _write(model, chunk, number)
    return number


@contextmanager
def _times_as_given(fields: Iterable[Any]) -> Iterator[None]:
    """The rows bring their own times of making and changing."""
    clocks = [(field, name) for field in fields for name in ("auto_now", "auto_now_add") if getattr(field, name, False)]
    for field, name in clocks:
        setattr(field, name, False)
    try:
        yield
    finally:
        for field, name in clocks:
            setattr(field, name, True)


def _row(model: type[models.Model], fields: dict[str, Any], line: bytes, number: int) -> models.Model:
    try:
        values = json.loads(line.decode("utf-8", "surrogatepass"))
        return model(**{name: from_json(fields[name], value) for name, value in values.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RowRefusedError(table=model._meta.label_lower, line=number, problem=str(error)) from error


def _write(model: type[models.Model], chunk: list[models.Model], number: int) -> None:
    try:
        model._base_manager.bulk_create(chunk)
    except Exception as error:  # whatever the database says, with the place
        raise RowRefusedError(table=model._meta.label_lower, line=number, problem=str(error)) from error


def number_on(loaded: Iterable[type[models.Model]]) -> None:
    """Makes new rows go on after the loaded ones (PostgreSQL counts apart from the rows)."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(loaded)):
            cursor.execute(statement)


def empty_tables(kept: Iterable[type[models.Model]]) -> None:
    """Removes what migrations themselves wrote into a new database; call in a transaction."""
    for model in kept:
        model._base_manager.all()._raw_delete(connection.alias)


def rows_by_table(kept: Iterable[type[models.Model]]) -> dict[str, int]:
    """Tables that hold rows, with how many."""
    counts = {model._meta.label_lower: model._base_manager.count() for model in kept}
    return {label: count for label, count in counts.items() if count}


def migrate_to(targets: Iterable[Key]) -> None:
    """Brings an empty database to exactly these migrations, in their order of dependence."""
    executor = MigrationExecutor(connection)
    wanted = set(targets)
    leaves = [key for key in wanted if not _has_follower(executor, key, wanted)]
    executor.migrate(sorted(leaves))


def _has_follower(executor: MigrationExecutor, key: Key, wanted: set[Key]) -> bool:
    """Whether another wanted migration of the same app stands on this one."""
    children = executor.loader.graph.node_map[key].children
    return any(child.key in wanted and child.key[0] == key[0] for child in children)


def unknown_migrations(migrations: Iterable[Key]) -> list[Key]:
    """Those that this version of the code does not have: the backup comes from a newer one."""
    nodes = MigrationExecutor(connection).loader.graph.nodes
    return sorted(key for key in migrations if key not in nodes)
