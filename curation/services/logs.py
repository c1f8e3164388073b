"""Search logs: keep the file, read it as a stream, count its queries. A file counts once, whatever happens in between.

Every chunk of rows is one transaction, and that transaction also moves the import's `n_read` on. So a killed job
goes on exactly where its last commit stands, and a worker that was taken over cannot write a chunk a second time.
"""

import hashlib
import itertools
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from core.db import run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.jobs import JobFencedError, RunningJob, create_job
from core.models import Job, Project, User
from core.text import query_hash
from curation.models import BadRow, LogImport, Query, QueryCount, QueryUser
from curation.privacy import quarantine_reason
from curation.readers import BadRow as BadEntry
from curation.readers import LogFormat, LogRow, LogShape, LogTooBigError, Place, inspect_log, read_log
from curation.selectors.queries import import_report

INGEST_LOG = "curation.ingest_log"
CHUNK_ROWS = 2000
MAX_STORED_BAD_ROWS = 1000
COPY_BYTES = 2**20
MAX_STORED_BYTES = 16 * 2**30


@dataclass(frozen=True)
class StoredLog:
    """A file kept below QUARRY_HOME under a generated name; `name` is what people call it."""

    path: Path
    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class IngestStart:
    """What came of asking for an import; `job` is None when the file was imported completely before."""

    log_import: LogImport
    job: Job | None


def store_log(chunks: Iterable[bytes], *, name: str) -> StoredLog:
    """Keeps the bytes as a file of our own name in `uploads/`; built in `tmp/`, then renamed."""
    file_name = f"{uuid.uuid4().hex}.log"
    building = _folder("tmp") / file_name
    digest, size = hashlib.sha256(), 0
    try:
        with building.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                if size > MAX_STORED_BYTES:
                    raise LogTooBigError(name=_plain_name(name), problem=f"more than {MAX_STORED_BYTES // 2**30} GiB")
                file.write(chunk)
        kept = _folder("uploads") / file_name
        building.replace(kept)
    finally:
        building.unlink(missing_ok=True)
    return StoredLog(kept, _plain_name(name), digest.hexdigest(), size)


def store_log_file(path: Path) -> StoredLog:
    """Keeps a copy of a file of this machine; BadInputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return store_log(iter(lambda: file.read(COPY_BYTES), b""), name=path.name)
    except OSError as error:
        raise BadInputError(problem=f"{path}: {error.strerror or error}.") from error


def _folder(name: str) -> Path:
    folder = Path(settings.QUARRY_HOME) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _plain_name(name: str) -> str:
    """The last part of a name, printable and short; it is only ever shown."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(mark for mark in last if mark.isprintable())[:255] or "log"


def start_ingest_log(
    *,
    project: Project,
    stored: StoredLog,
    shape: LogShape | None = None,
    user: User | None = None,
    inline: bool = False,
) -> IngestStart:
    """Checks the head of the file and queues the import.

    The stored file is removed when it is refused or not needed. Raises LogFileError (empty, binary, wrong column),
    ConflictError when the same file is being imported, or was begun with other columns.
    """
    try:
        shape = inspect_log(stored.path, shape or LogShape(), name=stored.name)
        with write_transaction():
            log_import, job = _open_import(project, stored, shape, user, inline)
    except BaseException:
        stored.path.unlink(missing_ok=True)
        raise
    if log_import.stored_path != _relative(stored.path):
        stored.path.unlink(missing_ok=True)
    return IngestStart(log_import, job)


def _open_import(
    project: Project, stored: StoredLog, shape: LogShape, user: User | None, inline: bool
) -> tuple[LogImport, Job | None]:
    log_import, _ = LogImport.objects.get_or_create(
        project=project,
        sha256=stored.sha256,
        defaults={
            "name": stored.name,
            "size_bytes": stored.size_bytes,
            "stored_path": _relative(stored.path),
            **_shape_columns(shape),
        },
    )
    if log_import.is_complete:
        return log_import, None
    _refuse_running(log_import)
    _take_shape(log_import, shape)
    if not log_import.stored_path or not _stored_file(log_import).exists():
        log_import.stored_path = _relative(stored.path)
    log_import.job = create_job(
        kind=INGEST_LOG,
        title=f"Ingest search log {stored.name}",
        params={"log_import_id": log_import.pk},
        project=project,
        user=user,
        inline=inline,
    )
    log_import.save()
    return log_import, log_import.job


def _refuse_running(log_import: LogImport) -> None:
    job = log_import.job
    if job and not job.is_over:
        raise ConflictError(problem=f"{log_import.name} is being imported already (job {job.pk}).")


def _take_shape(log_import: LogImport, shape: LogShape) -> None:
    """A file that was begun is continued the way it was begun."""
    wanted = _shape_columns(shape)
    begun = {name: getattr(log_import, name) for name in wanted}
    if log_import.n_read and begun != wanted:
        raise ConflictError(
            problem=f"{log_import.name} was begun as {log_import.format} with column {log_import.column or '(none)'}; "
            "continue it with the same settings."
        )
    for name, value in wanted.items():
        setattr(log_import, name, value)


def _shape_columns(shape: LogShape) -> dict[str, str]:
    return {
        "format": shape.format.value,
        "column": shape.column,
        "count_column": shape.count_column,
        "user_column": shape.user_column,
    }


def _shape_of(log_import: LogImport) -> LogShape:
    return LogShape(LogFormat(log_import.format), log_import.column, log_import.count_column, log_import.user_column)


def _relative(path: Path) -> str:
    return str(path.relative_to(settings.QUARRY_HOME))


def _stored_file(log_import: LogImport) -> Path:
    return Path(settings.QUARRY_HOME) / log_import.stored_path


# --- the import itself --------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What a chunk says of one query."""

    text: str
    n: int = 0
    users: set[str] = field(default_factory=set)


@dataclass
class Chunk:
    """Rows of the log in the order of the file, with equal queries already together."""

    start: int
    n_rows: int = 0
    queries: dict[str, Tally] = field(default_factory=dict)
    bad: list[BadEntry] = field(default_factory=list)


def ingest_log(*, run: RunningJob, log_import_id: int) -> dict[str, Any]:
    """Reads what is left of the import's file; returns its report. Run again, it goes on or changes nothing."""
    log_import = LogImport.objects.select_related("project").get(pk=log_import_id)
    if not log_import.is_complete:
        _ingest_rest(run, log_import)
        log_import.is_complete = True
        LogImport.objects.filter(pk=log_import.pk).update(is_complete=True)
    _forget_file(log_import)
    return import_report(log_import)


def _ingest_rest(run: RunningJob, log_import: LogImport) -> None:
    path = _stored_file(log_import)
    if not log_import.stored_path or not path.exists():
        raise BadInputError(problem=f"The uploaded file of {log_import.name} is gone. Upload it again to go on.")
    place = Place()
    entries = read_log(path, _shape_of(log_import), name=log_import.name, place=place)
    for chunk in _chunks(entries, log_import):
        run_in_chunks([chunk], lambda chunks: _write(run, log_import, chunks[0]))
        log_import.refresh_from_db(fields=["n_read", "n_new", "n_known", "n_bad", "bad_reasons"])
        run.progress(place.bytes_read(), log_import.size_bytes, f"{log_import.n_read:,} lines")


def _forget_file(log_import: LogImport) -> None:
    """A log carries people: its file is kept only as long as it is needed."""
    if log_import.stored_path:
        _stored_file(log_import).unlink(missing_ok=True)
        log_import.stored_path = ""
        LogImport.objects.filter(pk=log_import.pk).update(stored_path="")


def _chunks(entries: Iterator[LogRow | BadEntry], log_import: LogImport) -> Iterator[Chunk]:
    """The rows after the ones already written, put together in chunks."""
    start, salt = log_import.n_read, log_import.project.secret.encode()
    rows = itertools.islice(entries, start, None)
    while batch := list(itertools.islice(rows, CHUNK_ROWS)):
        chunk = Chunk(start)
        for row in batch:
            _add(chunk, row, salt)
        start += chunk.n_rows
        yield chunk


def _add(chunk: Chunk, row: LogRow | BadEntry, salt: bytes) -> None:
    chunk.n_rows += 1
    if isinstance(row, BadEntry):
        chunk.bad.append(row)
        return
    key = query_hash(row.query)
    tally = chunk.queries.get(key)
    if tally is None:
        tally = chunk.queries[key] = Tally(row.query)
    tally.n += row.count
    if row.user:
        tally.users.add(user_hash(row.user, salt))


def user_hash(user: str, salt: bytes) -> str:
    """Who asked, as a keyed hash (BLAKE2b-128) that nobody can turn back or link to another project."""
    return hashlib.blake2b(user.encode("utf-8", "replace"), key=salt[:64], digest_size=16, person=b"asker").hexdigest()


def _write(run: RunningJob, log_import: LogImport, chunk: Chunk) -> None:
    """One chunk, all or nothing, and only if the import still stands where the chunk begins."""
    # One import of a project at a time decides which queries are new (a no-op on SQLite, which has one writer).
    Project.objects.select_for_update(no_key=True).get(pk=log_import.project_id)
    current = LogImport.objects.get(pk=log_import.pk)
    if current.n_read != chunk.start:
        raise JobFencedError(job_id=run.job_id)
    n_new = _write_queries(log_import, chunk)
    _write_bad_rows(current, chunk.bad)
    LogImport.objects.filter(pk=log_import.pk).update(
        n_read=F("n_read") + chunk.n_rows,
        n_new=F("n_new") + n_new,
        n_known=F("n_known") + chunk.n_rows - len(chunk.bad) - n_new,
        n_bad=F("n_bad") + len(chunk.bad),
        bad_reasons=dict(Counter(current.bad_reasons) + Counter(row.reason for row in chunk.bad)),
    )


def _write_bad_rows(current: LogImport, bad: list[BadEntry]) -> None:
    room = max(0, MAX_STORED_BAD_ROWS - current.n_bad)
    BadRow.objects.bulk_create(
        BadRow(log_import=current, line=row.line, reason=row.reason[:200], excerpt=row.excerpt) for row in bad[:room]
    )


def _write_queries(log_import: LogImport, chunk: Chunk) -> int:
    """Upserts the chunk's queries, counts and askers; returns how many queries the project did not have."""
    ids = _query_ids(log_import.project_id, chunk.queries)
    new = {key: tally for key, tally in chunk.queries.items() if key not in ids}
    with connection.cursor() as cursor:
        cursor.executemany(_ADD_SEEN, [(chunk.queries[key].n, pk) for key, pk in ids.items()])
        if new:
            cursor.executemany(_INSERT_QUERY, _query_rows(log_import, new))
            ids |= _query_ids(log_import.project_id, new)
        import_id = log_import.pk
        counts = [(pk, import_id, chunk.queries[key].n) for key, pk in ids.items()]
        cursor.executemany(_UPSERT_COUNT, counts)
        askers = [(pk, user) for key, pk in ids.items() for user in sorted(chunk.queries[key].users)]
        if askers:
            cursor.executemany(_INSERT_ASKER, askers)
    return len(new)


def _query_ids(project_id: int, keys: Iterable[str]) -> dict[str, int]:
    """Ids by content hash, in the order of the hashes, so that every writer takes its locks in the same order."""
    wanted = sorted(keys)
    if not wanted:
        return {}
    places = ", ".join(["%s"] * len(wanted))
    with connection.cursor() as cursor:
        cursor.execute(f"{_SELECT_IDS} ({places}) ORDER BY content_hash", [project_id, *wanted])
        return dict(cursor.fetchall())


def _query_rows(log_import: LogImport, new: dict[str, Tally]) -> list[tuple[Any, ...]]:
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    project_id, import_id = log_import.project_id, log_import.pk
    return [
        (project_id, key, tally.text, tally.n, quarantine_reason(tally.text), now, import_id)
        for key, tally in sorted(new.items())
    ]


_QUERY, _COUNT, _ASKER = (model._meta.db_table for model in (Query, QueryCount, QueryUser))
# Plain SQL, because the ORM's upsert can replace a count but not add to it, and prepares long lists slowly.
_SELECT_IDS = f"SELECT content_hash, id FROM {_QUERY} WHERE project_id = %s AND content_hash IN"
_ADD_SEEN = f"UPDATE {_QUERY} SET n_seen = n_seen + %s WHERE id = %s"
_INSERT_QUERY = (
    f"INSERT INTO {_QUERY} (project_id, content_hash, text, n_seen, quarantine_reason, created_at, first_import_id) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s) "
    f"ON CONFLICT (project_id, content_hash) DO UPDATE SET n_seen = {_QUERY}.n_seen + EXCLUDED.n_seen"
)
_UPSERT_COUNT = (
    f"INSERT INTO {_COUNT} (query_id, log_import_id, n) VALUES (%s, %s, %s) "
    f"ON CONFLICT (query_id, log_import_id) DO UPDATE SET n = {_COUNT}.n + EXCLUDED.n"
)
_INSERT_ASKER = f"INSERT INTO {_ASKER} (query_id, user_hash) VALUES (%s, %s) ON CONFLICT DO NOTHING"
