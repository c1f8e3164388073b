"""Writing without fights: fair write transactions, bounded retries, bulk work in short commits.

SQLite has one writer at a time and its busy wait is not a queue: under load some threads wait seconds while others
pass. Within one process `write_transaction` therefore hands out numbered tickets, first come first served. On
PostgreSQL it is a plain transaction; there the rows' own locks do the work.
"""

import functools
import itertools
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.errors import QuarryError

Row = TypeVar("Row")
Result = TypeVar("Result")

TICKET_TIMEOUT_S = 20.0  # as long as SQLite itself waits (PRAGMA busy_timeout)
CHUNK_BUDGET_S = 0.08  # RELIABILITY: a bulk writer holds the write lock for at most 100 ms
CHUNK_PAUSE_S = 0.02  # SQLite's waiters look again every 25-100 ms; without a pause they never get in
_FIRST_CHUNK_ROWS = 200
# serialization failure, deadlock, lock not available
_POSTGRES_BUSY = {"40001", "40P01", "55P03"}


class DatabaseBusyError(QuarryError):
    """The write lock was not to be had in time; nothing was written."""

    code, status = "database_busy", 503
    template = _("The database is busy with other writes. Nothing was saved; try again in a moment.")


class TicketLock:
    """A lock that serves threads in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout_s: float) -> bool:
        """True when the lock is held now; False when it did not become free within `timeout_s` seconds."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout_s):
            return True
        with self._guard:
            if turn.is_set():  # handed over in the last moment
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        """Hands the lock to whoever waits longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False


_tickets = TicketLock()


def is_busy_error(error: BaseException) -> bool:
    """Whether a database error means "somebody else writes just now", so that trying again can help."""
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _POSTGRES_BUSY:
        return True
    name = getattr(cause, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "is locked" in str(error)


@contextmanager
def write_transaction(*, using: str = DEFAULT_DB_ALIAS, timeout_s: float = TICKET_TIMEOUT_S) -> Iterator[None]:
    """One atomic write, in turn.

    Raises DatabaseBusyError when the lock is not to be had in time or the database asks to try again; nothing is
    written then. Inside another transaction it is a savepoint of that one and takes no ticket.
    """
    connection = connections[using]
    needs_ticket = connection.vendor == "sqlite" and not connection.in_atomic_block
    if needs_ticket and not _tickets.acquire(timeout_s):
        raise DatabaseBusyError
    try:
        with transaction.atomic(using=using):
            yield
    except DatabaseError as error:
        if is_busy_error(error):
            raise DatabaseBusyError from error
        raise
    finally:
        if needs_ticket:
            _tickets.release()


def retry_when_busy(
    attempts: int = 4, *, pause_s: float = 0.05
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Decorator: runs the function again, at most `attempts` times, after DatabaseBusyError or a lock error.

    The function must open its own write transaction; inside a surrounding one it is called once.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        @functools.wraps(function)
        def retrying(*args: Any, **kwargs: Any) -> Result:
            for attempt in itertools.count(1):
                try:
                    return function(*args, **kwargs)
                except (DatabaseBusyError, DatabaseError) as error:
                    is_busy = isinstance(error, DatabaseBusyError) or is_busy_error(error)
                    if not is_busy or attempt >= attempts or connections[DEFAULT_DB_ALIAS].in_atomic_block:
                        raise
                time.sleep(pause_s * 2**attempt * random.uniform(0.5, 1.0))
            raise AssertionError

        return retrying

    return decorate


def run_in_chunks(
    rows: Iterable[Row],
    write: Callable[[list[Row]], Any],
    *,
    min_rows: int = 10,
    max_rows: int = 2000,
    on_chunk: Callable[[int], None] | None = None,
) -> int:
    """Writes many rows in commits of at most about 100 ms each and lets other writers in between; returns the count.

    Chunks have `min_rows` to `max_rows` rows, by how long the last one took. Name a `min_rows` that fits the budget by
    far: where the machine is busy or its disk slow, smaller chunks take no less time and only add to the load.
    `write(chunk)` runs inside its own write transaction (it may be tried again, so it must write only rows).
    `on_chunk(rows written so far)` is called after each commit: the place for a job's progress and check.
    """
    source, written, size = iter(rows), 0, min(max(_FIRST_CHUNK_ROWS, min_rows), max_rows)

    @retry_when_busy()
    def commit(chunk: list[Row]) -> None:
        with write_transaction():
            write(chunk)

    released = -math.inf
    while chunk := list(itertools.islice(source, size)):
        _let_others_write(since=released)
        started = time.perf_counter()
        commit(chunk)
        released = time.perf_counter()
        spent = released - started
        written += len(chunk)
        if on_chunk:
            on_chunk(written)
        size = _next_size(size, spent, max_rows, min_rows)
    return written


def _next_size(size: int, spent_s: float, max_rows: int, min_rows: int = 10) -> int:
    """Chunk size that fits the time budget, at most doubled at once."""
    fitting = int(size * CHUNK_BUDGET_S / max(spent_s, 1e-4))
    return min(max_rows, max(min_rows, min(fitting, 2 * size)))


def _let_others_write(*, since: float) -> None:
    """Waits until the lock has been free for the pause; what the caller prepared meanwhile counts."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(max(0.0, since + CHUNK_PAUSE_S - time.perf_counter()))


def insert_rows(model: type[Model], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], **same: Any) -> None:
    """Inserts rows of plain values in one prepared statement; what is there already stays as it is.

    Many times as quick as bulk_create, which makes an object of each row and asks each of its fields.
    columns: database columns, in the order of the values of a row. same: columns with one value for all rows. Columns
    that are in neither take the model's defaults, made once; dates that are set on creation take the present.
    """
    if not rows:
        return
    connection = connections[DEFAULT_DB_ALIAS]
    fixed = {**_defaults(model, {*columns, *same}), **same}
    names = ", ".join(connection.ops.quote_name(name) for name in [*columns, *fixed])
    places = ", ".join(["%s"] * (len(columns) + len(fixed)))
    tail = tuple(fixed.values())
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING",
            [(*row, *tail) for row in rows],
        )


def _defaults(model: type[Model], given: set[str]) -> dict[str, Any]:
    """Column -> what a new row gets where nothing is given; columns that may be empty are left out."""
    connection = connections[DEFAULT_DB_ALIAS]
    found: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.column is None or field.column in given or field.null or field.primary_key:
            continue
        is_date = getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False)
        value = timezone.now() if is_date else field.get_default()
        found[field.column] = field.get_db_prep_save(value, connection)
    return found


@contextmanager
def consistent_reads() -> Iterator[None]:
    """All reads inside see the database as it was at the first of them; nobody's writes are held up.

    Not `atomic()`: on SQLite that would take the write lock (transaction_mode IMMEDIATE) for the whole time. Nothing
    may be written inside. In a surrounding transaction it does nothing.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.in_atomic_block:
        yield
        return
    is_postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_postgres else "BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
