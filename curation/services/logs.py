"""Search logs: keep the file, read it in shards, count its queries. A file counts once, whatever happens in between.

An import has three phases. Reading: chunks of the file become column files of distinct queries (curation/log_shards.py,
in helper processes). Sorting: parts of all those files are merged by content hash, searched for private text and judged
by the project's rule set. Writing: the sorted queries go into the database in short transactions that move the import's
`position` on. So a killed job skips the shards that are done and goes on exactly behind its last commit.
"""

import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from core.db import write_transaction
from core.errors import BadInputError, ConflictError, QuarryError
from core.jobs import JobFencedError, JobInterruptedError, RunningJob, create_job, take_back_stale_jobs
from core.models import Job, JobState, Project, ShardStage, User
from core.shards import DoneShard, Executor, InlineExecutor, ShardWork, Stage
from curation.log_phases import READING, SORTING, WRITING, Phases
from curation.log_shards import READ_SHARD, SORT_SHARD, QueryRow, bucket_of, chunk_bytes, parts_of, sorted_queries
from curation.models import BadRow, LogImport, PrivacyAct, PrivacyDecision, TextKind
from curation.privacy import PATH, mask
from curation.reading import CHUNK_BYTES, LogShape, LogTooBigError, Place, chunks, inspect_log
from curation.selectors.queries import current_rule_set, import_report
from curation.services.log_undo import refuse_undo, take_back
from curation.services.log_writing import LogWriter

INGEST_LOG = "curation.ingest_log"
UNDO_IMPORT = "curation.undo_import"
MAX_STORED_BAD_ROWS = 1000
COPY_BYTES = 2**20
MAX_STORED_BYTES = 16 * 2**30
SHARD_BYTES = CHUNK_BYTES
SAVE_PHASES_S = 1.0
KEEP_SHARDS = timedelta(days=1)
SMALL_BYTES = 2 * 2**20  # below, helper processes would cost more than they bring


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
    """The last part of a name, printable, short and with private parts masked; it is only ever shown."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return mask("".join(mark for mark in last if mark.isprintable()), PATH)[:255] or "log"


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
    take_back_stale_jobs()  # an import whose process was killed goes on with this call
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
    if _was_taken_back(log_import) and log_import.stored_path:
        return log_import, log_import.job
    _refuse_running(log_import)
    if log_import.is_complete:
        return log_import, None
    _take_shape(log_import, shape)
    if not log_import.stored_path or not stored_file(log_import).exists():
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


def _was_taken_back(log_import: LogImport) -> bool:
    """Whether its job waits for another attempt because the process that ran it is gone."""
    job = log_import.job
    return job is not None and job.kind == INGEST_LOG and job.state == JobState.QUEUED and job.attempt > 0


def _refuse_running(log_import: LogImport) -> None:
    job = log_import.job
    if job and not job.is_over:
        doing = "undone" if job.kind == UNDO_IMPORT else "imported"
        raise ConflictError(problem=f"{log_import.name} is being {doing} already (job {job.pk}).")
    if log_import.is_being_undone:
        raise ConflictError(problem=f"Undoing {log_import.name} was begun and not finished. Finish it first.")


def _take_shape(log_import: LogImport, shape: LogShape) -> None:
    """A file that was begun is continued the way it was begun."""
    begun = LogShape.from_data(log_import.shape)
    if log_import.position and begun != shape:
        raise ConflictError(
            problem=f"{log_import.name} was begun as {log_import.format} with column {log_import.column or '(none)'}; "
            "continue it with the same settings, or undo it first."
        )
    for name, value in _shape_columns(shape).items():
        setattr(log_import, name, value)


def _shape_columns(shape: LogShape) -> dict[str, Any]:
    query, count, user, url = shape.wanted
    return {
        "shape": shape.as_data(),
        "format": shape.format.value,
        "column": query,
        "count_column": count,
        "user_column": user,
        "url_column": url,
    }


def _relative(path: Path) -> str:
    return str(path.relative_to(settings.QUARRY_HOME))


def stored_file(log_import: LogImport) -> Path:
    """Where the uploaded bytes of an import lie until they are read."""
    return Path(settings.QUARRY_HOME) / log_import.stored_path


def shard_work(log_import: LogImport, executor: Executor | None = None) -> ShardWork:
    """The sharded work of an import: its manifest and its folder."""
    small = InlineExecutor() if log_import.size_bytes < SMALL_BYTES else None
    return ShardWork(f"{INGEST_LOG}:{log_import.pk}", f"tmp/ingest-{log_import.pk}", executor or small)


# --- the import itself --------------------------------------------------------------------------------------------


def ingest_log(*, run: RunningJob, log_import_id: int, executor: Executor | None = None) -> dict[str, Any]:
    """Reads what is left of the import's file; returns its report. Run again, it goes on or changes nothing."""
    log_import = LogImport.objects.select_related("project").get(pk=log_import_id)
    work = shard_work(log_import, executor)
    if not log_import.is_complete:
        try:
            _Ingest(run, log_import, work).run()
        except (JobFencedError, JobInterruptedError):
            raise  # somebody goes on with these shards
        except QuarryError:
            work.forget()  # they hold what people asked; nobody may come for them
            raise
    work.forget()
    forget_file(log_import)
    return import_report(log_import)


def forget_file(log_import: LogImport) -> None:
    """A log carries people: its file is kept only as long as it is needed."""
    if log_import.stored_path:
        stored_file(log_import).unlink(missing_ok=True)
        log_import.stored_path = ""
        LogImport.objects.filter(pk=log_import.pk).update(stored_path="")


class _Ingest:
    """One attempt at an import."""

    def __init__(self, run: RunningJob, log_import: LogImport, work: ShardWork) -> None:
        self.job, self.log_import, self.work = run, log_import, work
        self.phases = Phases(log_import.phases)
        self.rule_set = current_rule_set(log_import.project)
        self._saved = 0.0

    def run(self) -> None:
        """Reading, sorting and writing, each from where it stands."""
        path = stored_file(self.log_import)
        if not self.log_import.stored_path or not path.exists():
            raise BadInputError(
                problem=f"The uploaded file of {self.log_import.name} is gone. Upload it again to go on."
            )
        if self.log_import.n_read and not self.log_import.position:  # begun row by row, by an older version
            take_back(self.log_import, self.job.check)
        self._settle_shape(path)
        read = self._read(path)
        self._write(read)
        self._finish(read)

    def _settle_shape(self, path: Path) -> None:
        if not self.log_import.shape:
            given = replace(
                LogShape.from_data({"format": self.log_import.format}),
                column=self.log_import.column,
                count_column=self.log_import.count_column,
                user_column=self.log_import.user_column,
            )
            self.log_import.shape = inspect_log(path, given, name=self.log_import.name).as_data()

    @property
    def _read_stage(self) -> Stage:
        project = self.log_import.project
        params = {
            "shape": self.log_import.shape,
            "name": self.log_import.name,
            "salt": project.secret,
            "file": self.log_import.sha256,
            "bytes": SHARD_BYTES,
        }
        return Stage(READING, READ_SHARD, params)

    def _read(self, path: Path) -> list[DoneShard]:
        """The shards of the file's chunks."""
        place, lines, read = Place(), 0, []
        shape = LogShape.from_data(self.log_import.shape)
        source = chunks(path, shape, name=self.log_import.name, chunk_bytes=SHARD_BYTES, place=place)
        self.phases.restart(READING)
        inputs = ((chunk.number, chunk_bytes(chunk)) for chunk in source)
        for shard in self.work.run(self._read_stage, inputs, self.job.check):
            read.append(shard)
            lines += shard.facts["rows"]
            self._report(
                READING, min(place.bytes_read(), self.log_import.size_bytes - 1), self.log_import.size_bytes, lines
            )
        self._report(READING, self.log_import.size_bytes, self.log_import.size_bytes, lines, save=True)
        return read

    def _write(self, read: list[DoneShard]) -> None:
        lines = sum(shard.facts["rows"] - shard.facts["bad"] for shard in read)
        writer = LogWriter(
            self.log_import, self.rule_set, job_id=self.job.job_id, decided=decided_reasons(self.log_import.project)
        )
        written = self.log_import.n_read
        self._report(WRITING, written, max(lines, 1), written, save=True)

        def on_chunk(n_lines: int) -> None:
            nonlocal written
            written += n_lines
            self._report(WRITING, written, max(lines, 1), written)

        writer.write_all(self._sorted(read, writer), on_chunk)

    def _sorted(self, read: list[DoneShard], writer: LogWriter) -> Iterator[QueryRow]:
        """The queries above the writer's position, in the order of their hashes; a part goes when it is written."""
        names = [shard.path.name for shard in read if shard.facts["queries"]]
        n_queries = sum(shard.facts["queries"] for shard in read)
        parts = parts_of(n_queries)
        params = {
            "of": self._read_stage.params_hash,
            "rules": self.rule_set.text,
            "language": self.log_import.project.language,
            "parts": len(parts),
        }
        begun = bucket_of(writer.position) if writer.position else 0
        left = [(number, part) for number, part in enumerate(parts) if names and part[1] > begun]
        inputs = (
            (number, json.dumps({"shards": names, "first": first, "end": end}).encode())
            for number, (first, end) in left
        )
        lines = sum(shard.facts["rows"] for shard in read)
        self.phases.restart(SORTING)
        for shard in self.work.run(Stage(SORTING, SORT_SHARD, params), inputs, self.job.check):
            done = shard.number + 1
            self._report(SORTING, done, len(parts), lines * done // len(parts))
            yield from sorted_queries(shard.path, after=writer.position)
            shard.path.unlink(missing_ok=True)  # what of it is not committed can be sorted again

    def _finish(self, read: list[DoneShard]) -> None:
        """Bad rows and the end, in one transaction."""
        bad = [row for shard in read for row in shard.facts["bad_rows"]][:MAX_STORED_BAD_ROWS]
        reasons = sum((Counter(shard.facts["reasons"]) for shard in read), Counter())
        n_bad = sum(shard.facts["bad"] for shard in read)
        self.job.check()
        with write_transaction():
            current = LogImport.objects.select_for_update().get(pk=self.log_import.pk)
            if not current.is_complete:
                BadRow.objects.bulk_create(
                    BadRow(log_import=current, line=line, reason=reason[:200], excerpt=excerpt)
                    for line, reason, excerpt in bad
                )
                current.n_bad, current.bad_reasons = n_bad, dict(reasons)
                current.n_read += n_bad
                current.is_complete = True
                current.phases = self.phases.rows
                current.save(update_fields=["n_bad", "bad_reasons", "n_read", "is_complete", "phases"])
        self.log_import.refresh_from_db()

    def _report(self, phase: str, done: int, total: int, lines: int, *, save: bool = False) -> None:
        self.phases.move(phase, done, total, lines=lines)
        self.job.progress(int(1000 * self.phases.share) // 10, 100, self.phases.note(phase))
        if save or time.monotonic() - self._saved > SAVE_PHASES_S:
            self._saved = time.monotonic()
            LogImport.objects.filter(pk=self.log_import.pk).update(phases=self.phases.rows)


def forget_shards() -> int:
    """Removes the shards of imports that broke off and were not taken up again within a day; returns how many."""
    prefix, forgotten = f"{INGEST_LOG}:", 0
    names = ShardStage.objects.filter(work__startswith=prefix).values_list("work", flat=True).distinct()
    for name in list(names):
        log_import = LogImport.objects.select_related("job").filter(pk=int(name.removeprefix(prefix))).first()
        job = log_import.job if log_import else None
        if job and (not job.is_over or (job.finished_at and timezone.now() - job.finished_at < KEEP_SHARDS)):
            continue
        ShardWork(name, f"tmp/ingest-{name.removeprefix(prefix)}", InlineExecutor()).forget()
        forgotten += 1
    return forgotten


# --- taking an import back ----------------------------------------------------------------------------------------


def start_undo_import(*, log_import: LogImport, user: User | None = None, inline: bool = False) -> Job:
    """Queues the removal of an import: its counts and clicks, and the queries that only it brought.

    Raises ConflictError while it is being imported or undone, and when other things refer to queries that only it
    brought (pairs, items, candidate runs, ...), naming them.
    """
    refuse_undo(log_import)
    with write_transaction():
        current = LogImport.objects.select_for_update().get(pk=log_import.pk)
        if current.job and not current.job.is_over:
            _refuse_running(current)
        current.is_being_undone = True
        current.job = create_job(
            kind=UNDO_IMPORT,
            title=f"Undo the import of {current.name}",
            params={"log_import_id": current.pk},
            project=current.project,
            user=user,
            inline=inline,
        )
        current.save(update_fields=["is_being_undone", "job"])
    return current.job


def undo_import(*, run: RunningJob, log_import_id: int) -> dict[str, Any]:
    """Takes the import back and removes it; run again it goes on. The file may then be imported in another way."""
    log_import = LogImport.objects.select_related("project").filter(pk=log_import_id).first()
    if log_import is None:
        return {"log_import": log_import_id, "undone": True}
    project, name = log_import.project, log_import.name
    n_before, total = project.queries.count(), log_import.counts.count()

    def on_rows(done: int) -> None:
        run.progress(done, total, f"{done:,} of {total:,} queries")

    try:
        take_back(log_import, run.check, on_rows)
    except ConflictError:
        LogImport.objects.filter(pk=log_import.pk).update(is_being_undone=False)
        raise
    shard_work(log_import).forget()
    forget_file(log_import)
    log_import.delete()
    removed = n_before - project.queries.count()
    return {"log_import": log_import_id, "name": name, "undone": True, "counts": total, "queries_removed": removed}


def decided_reasons(project: Project) -> dict[str, str]:
    """Content hash -> quarantine reason ('' for released) of the texts that curators decided about."""
    rows = PrivacyDecision.objects.filter(
        project=project, kind=TextKind.QUERY, act__in=[PrivacyAct.RELEASE, PrivacyAct.QUARANTINE]
    ).order_by("id")
    return {
        key: reason if act == PrivacyAct.QUARANTINE else ""
        for key, act, reason in rows.values_list("content_hash", "act", "reason")
    }
