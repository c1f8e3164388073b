"""Jobs: any long work as a row with progress, cancel, heartbeat and fencing.

The Job row is the truth. Celery only carries a wake-up with the job's id; whoever gets it (or a command that runs the
job inline) claims the row with a fresh token, renews a heartbeat, and finishes with the same token. A worker that
lost its row (the heartbeat went stale and another took over) is *fenced*: its writes match no row and it stops.

An app registers what a kind of job does:

    @job_kind("curation.ingest_log", queue="default")
    def ingest_log_job(run: RunningJob, *, log_import_id: int) -> dict: ...

in its `tasks.py` (imported on first use). The function gets ids only, calls one service, may be run again after a
crash (so it must change nothing the second time), and returns a small JSON report.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from core.errors import QuarryError
from core.models import Job, JobState, Project, User

logger = logging.getLogger(__name__)
JobFunction = Callable[..., dict[str, Any]]


class UnknownJobKindError(QuarryError):
    code, status = "unknown_job_kind", 400
    template = "No app registers jobs of the kind {kind}."


class JobCancelledError(QuarryError):
    """Raised inside a running job by `check()` after somebody asked to cancel it."""

    code, status = "job_cancelled", 409
    template = "Job {job_id} was cancelled."


class JobFencedError(QuarryError):
    """Raised inside a job whose row now belongs to another worker; nothing more may be written."""

    code, status = "job_fenced", 409
    template = "Job {job_id} was taken over by another worker."


class JobFailedError(QuarryError):
    """An inline run that did not finish; carries the job's own plain error."""

    code, status = "job_failed", 400
    template = "{error}"


@dataclass(frozen=True)
class JobKind:
    name: str
    queue: str
    function: JobFunction


_kinds: dict[str, JobKind] = {}


def job_kind(name: str, *, queue: str = "default") -> Callable[[JobFunction], JobFunction]:
    """Registers a function as the work of a kind of job."""

    def register(function: JobFunction) -> JobFunction:
        _kinds[name] = JobKind(name, queue, function)
        return function

    return register


def find_kind(name: str) -> JobKind:
    """The registered kind. Imports the `tasks` module of every installed app once; raises UnknownJobKindError."""
    if name not in _kinds:
        for app in apps.get_app_configs():
            if (app.path and app.name in {"core", "curation", "annotation", "modeling"}) or name.startswith(app.name):
                try:
                    import_module(f"{app.name}.tasks")
                except ModuleNotFoundError as error:
                    if error.name != f"{app.name}.tasks":
                        raise
    if name not in _kinds:
        raise UnknownJobKindError(kind=name)
    return _kinds[name]


@dataclass
class RunningJob:
    """A claimed job, as its function sees it. Call `progress` or `check` at least every second or so."""

    job_id: int
    token: str
    min_write_s: float = 0.5
    on_progress: Callable[[int, int, str], None] | None = None
    _lost: str = field(default="", init=False)
    _last_write: float = field(default=0.0, init=False)

    def check(self) -> None:
        """Raises JobCancelledError or JobFencedError when the job should stop."""
        if self._lost == "cancelled":
            raise JobCancelledError(job_id=self.job_id)
        if self._lost == "fenced":
            raise JobFencedError(job_id=self.job_id)

    def progress(self, done: int, total: int = 0, note: str = "") -> None:
        """Reports progress (written at most every half second) and stops the job if it should stop."""
        now = time.monotonic()
        if self.on_progress:
            self.on_progress(done, total, note)
        if now - self._last_write >= self.min_write_s or (total and done >= total):
            self._last_write = now
            self._write(progress_done=done, progress_total=total, progress_note=note[:200])
        self.check()

    def beat(self) -> None:
        """Renews the heartbeat and learns of a cancel or a take-over."""
        self._write()

    def _write(self, **columns: Any) -> None:
        rows = Job.objects.filter(pk=self.job_id, owner_token=self.token, state=JobState.RUNNING)
        if not rows.update(beat_at=timezone.now(), **columns):
            self._lost = "fenced"
        elif rows.filter(cancel_requested=True).exists():
            self._lost = "cancelled"


def create_job(
    *, kind: str, title: str, params: dict[str, Any], project: Project | None = None, user: User | None = None
) -> Job:
    """Queues a job; the wake-up is published when the surrounding transaction commits."""
    job = Job.objects.create(
        kind=kind,
        title=title[:200],
        params=params,
        project=project,
        queue=find_kind(kind).queue,
        created_by=user if user is not None and user.is_authenticated else None,
        max_attempts=settings.JOB_MAX_ATTEMPTS,
    )
    transaction.on_commit(lambda: publish(job.pk, job.queue))
    return job


def publish(job_id: int, queue: str) -> None:
    """Sends the wake-up when there is a real broker; the embedded worker's pump finds the row by itself."""
    if settings.REDIS_URL:
        from core.tasks import run_job_task

        run_job_task.apply_async(args=[job_id], queue=queue)


def cancel_job(*, job: Job) -> Job:
    """Asks a job to stop: a queued one is cancelled at once, a running one at its next check."""
    now = timezone.now()
    if not Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(
        state=JobState.CANCELLED, cancel_requested=True, finished_at=now
    ):
        Job.objects.filter(pk=job.pk, state=JobState.RUNNING).update(cancel_requested=True)
    job.refresh_from_db()
    return job


def claim(job_id: int) -> RunningJob | None:
    """Takes a queued job for this worker, or None if somebody else has it or it is over."""
    token = uuid.uuid4().hex
    now = timezone.now()
    ready = Q(run_after__isnull=True) | Q(run_after__lte=now)
    claimed = Job.objects.filter(ready, pk=job_id, state=JobState.QUEUED).update(
        state=JobState.RUNNING,
        owner_token=token,
        beat_at=now,
        started_at=now,
        attempt=F("attempt") + 1,
        error="",
        error_code="",
    )
    return RunningJob(job_id, token) if claimed else None


def take_back_stale_jobs() -> list[int]:
    """Jobs whose worker fell silent go back to the queue, or fail when their attempts are used up."""
    limit = timezone.now() - timedelta(seconds=settings.JOB_STALE_S)
    back: list[int] = []
    for job in Job.objects.filter(state=JobState.RUNNING, beat_at__lt=limit):
        mine = Job.objects.filter(pk=job.pk, owner_token=job.owner_token, state=JobState.RUNNING, beat_at__lt=limit)
        if job.cancel_requested:
            mine.update(state=JobState.CANCELLED, owner_token="", finished_at=timezone.now())
        elif job.attempt >= job.max_attempts:
            mine.update(
                state=JobState.FAILED,
                owner_token="",
                error_code="worker_lost",
                error=f"The worker died {job.attempt} times in the middle of this job. Look at its log, then retry.",
                finished_at=timezone.now(),
            )
        elif mine.update(state=JobState.QUEUED, owner_token=""):
            back.append(job.pk)
    return back


def run_claimed(run: RunningJob) -> None:
    """Runs a claimed job to its end: done, failed (with a plain error) or cancelled. Never raises for a refusal."""
    job = Job.objects.get(pk=run.job_id)
    stop = threading.Event()
    beat = threading.Thread(target=_keep_beating, args=(run, stop), daemon=True, name=f"beat-{run.job_id}")
    beat.start()
    try:
        result = find_kind(job.kind).function(run, **job.params)
        run.beat()
        run.check()
        _finish(run, state=JobState.DONE, result=result, progress_note="")
    except JobFencedError:
        logger.warning("job %s was taken over by another worker; this run stops", run.job_id)
    except JobCancelledError:
        _finish(run, state=JobState.CANCELLED)
    except QuarryError as error:
        _finish(run, state=JobState.FAILED, error_code=error.code, error=str(error))
    except Exception as error:  # noqa: BLE001 - the job's edge: recorded here, logged with its traceback
        logger.exception("job %s (%s) crashed", run.job_id, job.kind)
        _finish(run, state=JobState.FAILED, error_code="crash", error=f"{type(error).__name__}: {error}"[:2000])
    finally:
        stop.set()
        beat.join(timeout=5)


def _keep_beating(run: RunningJob, stop: threading.Event) -> None:
    while not stop.wait(settings.JOB_HEARTBEAT_S):
        try:
            close_old_connections()
            run.beat()
        except Exception:  # noqa: BLE001 - a missed beat is tried again; the job itself reports real trouble
            logger.warning("heartbeat of job %s failed", run.job_id, exc_info=True)
    connection.close()


def _finish(run: RunningJob, **columns: Any) -> None:
    rows = Job.objects.filter(pk=run.job_id, owner_token=run.token, state=JobState.RUNNING)
    if not rows.update(finished_at=timezone.now(), beat_at=timezone.now(), **columns):
        logger.warning("job %s ended after it was taken over; its end is not recorded", run.job_id)


def run_inline(job: Job, *, on_progress: Callable[[int, int, str], None] | None = None) -> Job:
    """Claims a queued job and runs it in this process (what commands do).

    Raises JobFailedError with the job's own text when it does not end as done.
    """
    run = claim(job.pk)
    if run is None:
        raise JobFailedError(error=f"Job {job.pk} was taken by a worker; follow it on the jobs page.", error_code="taken")
    run.on_progress = on_progress
    run_claimed(run)
    job.refresh_from_db()
    if job.state != JobState.DONE:
        raise JobFailedError(error=job.error or f"Job {job.pk} was {job.state}.", error_code=job.error_code or job.state)
    return job
