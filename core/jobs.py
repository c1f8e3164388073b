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

import errno
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import module_has_submodule

from core.db import DatabaseBusyError
from core.errors import ConflictError, QuarryError
from core.masking import masked
from core.models import Job, JobState, Project, User

logger = logging.getLogger(__name__)
JobFunction = Callable[..., dict[str, Any]]
OnProgress = Callable[[int, int, str], None]

# Trouble of the surroundings, not of the job: worth another attempt, later.
TRANSIENT_ERRORS = (OperationalError, InterfaceError, DatabaseBusyError, ConnectionError)
FOLLOW_S = 0.3
INLINE_HOLD_S = 10.0
CANCELLED, FENCED, INTERRUPTED = "cancelled", "fenced", "interrupted"


class UnknownJobKindError(QuarryError):
    code, status = "unknown_job_kind", 400
    template = "No app registers jobs of the kind {kind}."


class TooManyJobsError(QuarryError):
    """A person has as many jobs waiting as one person may have."""

    code, status = "too_many_jobs", 429
    template = "You already have {waiting} jobs waiting; at most {limit} may wait. Cancel one, or try again later."


class JobCancelledError(QuarryError):
    """Raised inside a running job by `check()` after somebody asked to cancel it."""

    code, status = "job_cancelled", 409
    template = "Job {job_id} was cancelled."


class JobFencedError(QuarryError):
    """Raised inside a job whose row now belongs to another worker; nothing more may be written."""

    code, status = "job_fenced", 409
    template = "Job {job_id} was taken over by another worker."


class JobInterruptedError(QuarryError):
    """Raised inside a job whose worker is being stopped; the job goes back to the queue."""

    code, status = "job_interrupted", 503
    template = "Job {job_id} was interrupted because its worker is being stopped."


class JobFailedError(QuarryError):
    """An inline run that did not finish; carries the job's own plain error."""

    code, status = "job_failed", 400
    template = "{error}"


STOP_ERRORS: dict[str, type[QuarryError]] = {
    CANCELLED: JobCancelledError,
    FENCED: JobFencedError,
    INTERRUPTED: JobInterruptedError,
}


# --- kinds ------------------------------------------------------------------------------------------


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


@cache
def load_tasks() -> None:
    """Imports the `tasks` module of every installed app, where kinds of jobs and regular duties are registered."""
    for app in apps.get_app_configs():
        if app.module and module_has_submodule(app.module, "tasks"):
            import_module(f"{app.name}.tasks")


def find_kind(name: str) -> JobKind:
    """The registered kind. Imports the `tasks` module of every installed app first; raises UnknownJobKindError."""
    if name not in _kinds:
        load_tasks()
    if name not in _kinds:
        raise UnknownJobKindError(kind=name)
    return _kinds[name]


# --- a job while it runs ------------------------------------------------------------------------------


@dataclass
class RunningJob:
    """A claimed job, as its function sees it. Call `progress` or `check` at least every second or so.

    With a heartbeat thread (`beats_itself`) neither touches the database: the thread writes the latest progress
    together with the heartbeat. Without one (inside a surrounding transaction) `progress` writes it, at most every
    `min_write_s` seconds.
    """

    job_id: int
    token: str
    min_write_s: float = 0.5
    on_progress: OnProgress | None = None
    beats_itself: bool = field(default=False, init=False)
    _stop: str = field(default="", init=False)
    _unwritten: dict[str, Any] = field(default_factory=dict, init=False)
    _last_beat: float = field(default_factory=time.monotonic, init=False)

    def check(self) -> None:
        """Raises JobCancelledError, JobFencedError or JobInterruptedError when the job should stop."""
        if not self._stop and time.monotonic() - self._last_beat > settings.JOB_STALE_S:
            self.beat()  # frozen for so long that another worker may have taken over: ask before going on
        if self._stop:
            raise STOP_ERRORS[self._stop](job_id=self.job_id)

    def progress(self, done: int, total: int = 0, note: str = "") -> None:
        """Reports progress (cheap: call it as often as you like) and stops the job if it should stop."""
        if self.on_progress:
            self.on_progress(done, total, note)
        self._unwritten = {"progress_done": done, "progress_total": total, "progress_note": note[:200]}
        if not self.beats_itself and self._silent_s() >= self.min_write_s:
            self.beat()
        self.check()

    def beat(self) -> None:
        """Renews the heartbeat, writes the latest progress, and learns of a cancel or a take-over."""
        unwritten = self._unwritten
        mine = Job.objects.filter(pk=self.job_id, owner_token=self.token, state=JobState.RUNNING)
        if not mine.filter(cancel_requested=False).update(beat_at=timezone.now(), **unwritten):
            self._stop = CANCELLED if mine.update(beat_at=timezone.now()) else FENCED
        if self._unwritten is unwritten:
            self._unwritten = {}
        self._last_beat = time.monotonic()

    def interrupt(self) -> None:
        """Makes the next `check` send the job back to the queue."""
        self._stop = self._stop or INTERRUPTED

    def beat_if_due(self) -> None:
        """What the heartbeat thread calls every `min_write_s` seconds."""
        if self._unwritten or self._silent_s() >= settings.JOB_HEARTBEAT_S:
            self.beat()

    def unwritten(self) -> dict[str, Any]:
        """Columns of progress that are not in the row yet."""
        return self._unwritten

    def _silent_s(self) -> float:
        return time.monotonic() - self._last_beat


# --- what people ask for --------------------------------------------------------------------------------


def create_job(
    *,
    kind: str,
    title: str,
    params: dict[str, Any],
    project: Project | None = None,
    user: User | None = None,
    inline: bool = False,
) -> Job:
    """Queues a job; the wake-up is published when the surrounding transaction commits.

    `inline`: the caller runs it right away with `run_inline`, so workers leave it alone for a few seconds.
    Raises UnknownJobKindError, and TooManyJobsError when this person has too many jobs waiting.
    """
    queue = find_kind(kind).queue
    person = user if user is not None and user.is_authenticated else None
    if person:
        _check_quota(person)
    job = Job.objects.create(
        kind=kind,
        title=masked(title)[:200],
        params=params,
        project=project,
        queue=queue,
        created_by=person,
        max_attempts=settings.JOB_MAX_ATTEMPTS,
        run_after=timezone.now() + timedelta(seconds=INLINE_HOLD_S) if inline else None,
    )
    if not inline:
        transaction.on_commit(lambda: publish(job.pk, queue))
    return job


def _check_quota(user: User) -> None:
    waiting = Job.objects.filter(created_by=user, state=JobState.QUEUED).count()
    if waiting >= settings.JOB_MAX_QUEUED_PER_USER:
        raise TooManyJobsError(waiting=waiting, limit=settings.JOB_MAX_QUEUED_PER_USER)


def publish(job_id: int, queue: str) -> None:
    """Sends the wake-up when there is a real broker; the embedded worker's pump finds the row by itself.

    A broker that cannot be reached loses nothing: the row is queued, and the pump sends the wake-up again.
    """
    if not settings.REDIS_URL:
        return
    from kombu.exceptions import OperationalError as BrokerError

    from core.tasks import run_job_task

    try:
        run_job_task.apply_async(args=(job_id,), queue=queue, retry=False)
    except BrokerError as error:
        logger.warning("wake-up of job %s not sent (%s); the pump will send it again", job_id, error)


def cancel_job(*, job: Job) -> Job:
    """Asks a job to stop: a queued one is cancelled at once, a running one at its next check."""
    now = timezone.now()
    if not Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(
        state=JobState.CANCELLED, cancel_requested=True, finished_at=now
    ):
        Job.objects.filter(pk=job.pk, state=JobState.RUNNING).update(cancel_requested=True)
    job.refresh_from_db()
    return job


def retry_job(*, job: Job) -> Job:
    """Queues a failed or cancelled job again, with all its attempts; ConflictError in any other state."""
    again = Job.objects.filter(pk=job.pk, state__in=[JobState.FAILED, JobState.CANCELLED]).update(
        state=JobState.QUEUED,
        attempt=0,
        owner_token="",
        cancel_requested=False,
        run_after=None,
        started_at=None,
        finished_at=None,
        progress_done=0,
        progress_total=0,
        progress_note="",
        error="",
        error_code="",
    )
    job.refresh_from_db()
    if not again:
        raise ConflictError(problem=f"Job {job.pk} is {job.state}; only a failed or cancelled job can be tried again.")
    transaction.on_commit(lambda: publish(job.pk, job.queue))
    return job


# --- claiming and taking back -----------------------------------------------------------------------------


def claim(job_id: int, *, even_if_put_off: bool = False) -> RunningJob | None:
    """Takes a queued job for this worker, or None if somebody else has it, it is over, or its time has not come."""
    if _refusing.is_set():
        return None
    token = uuid.uuid4().hex
    now = timezone.now()
    rows = Job.objects.filter(state=JobState.QUEUED) if even_if_put_off else Job.objects.ready()
    claimed = rows.filter(pk=job_id).update(
        state=JobState.RUNNING,
        owner_token=token,
        beat_at=now,
        started_at=now,
        run_after=None,
        attempt=F("attempt") + 1,
        error="",
        error_code="",
    )
    return RunningJob(job_id, token) if claimed else None


def fail_unfinished_jobs(error: str) -> int:
    """Ends every job that waits or runs, with this text for people; returns how many. For a restored database only."""
    return Job.objects.unfinished().update(
        state=JobState.FAILED, error_code="restored", error=error, owner_token="", finished_at=timezone.now()
    )


def take_back_stale_jobs() -> list[int]:
    """Jobs whose worker fell silent go back to the queue, or fail when their attempts are used up.

    Returns the ids that went back; from the second attempt on they wait a little, so that a job that kills its
    worker does not keep the others from running.
    """
    limit = timezone.now() - timedelta(seconds=settings.JOB_STALE_S)
    stale = Job.objects.filter(state=JobState.RUNNING, beat_at__lt=limit)
    return [
        job.pk
        for job in stale.only("id", "queue", "owner_token", "cancel_requested", "attempt", "max_attempts")
        if _take_back(job, limit)
    ]


def _take_back(job: Job, limit: datetime) -> bool:
    """One stale job; the conditions are checked again in the statement that writes. True when it is queued again."""
    mine = Job.objects.filter(pk=job.pk, owner_token=job.owner_token, state=JobState.RUNNING, beat_at__lt=limit)
    over = {"owner_token": "", "finished_at": timezone.now()}
    if job.cancel_requested:
        mine.update(state=JobState.CANCELLED, **over)
        return False
    if job.attempt >= job.max_attempts:
        times = "once" if job.attempt == 1 else f"{job.attempt} times"
        error = (
            f"The worker died {times} in the middle of this job. Look at its log (was it out of memory?), then retry."
        )
        mine.update(state=JobState.FAILED, error_code="worker_lost", error=error, **over)
        return False
    wait_s = backoff_s(job.attempt - 1) if job.attempt > 1 else 0.0
    back = mine.update(state=JobState.QUEUED, owner_token="", run_after=timezone.now() + timedelta(seconds=wait_s))
    if back:
        logger.warning("job %s taken back: its worker fell silent (attempt %s)", job.pk, job.attempt)
        if not wait_s:
            publish(job.pk, job.queue)
    return bool(back)


def backoff_s(attempt: int) -> float:
    """Seconds to wait after failed attempt number `attempt` (1, 2, ...): doubling, at most ten minutes."""
    return min(600.0, settings.JOB_BACKOFF_S * 2 ** (attempt - 1))


# --- running ------------------------------------------------------------------------------------------------

_running: dict[str, RunningJob] = {}
_running_lock = threading.Lock()
_refusing = threading.Event()


def run_claimed(run: RunningJob) -> None:
    """Runs a claimed job to its end: done, failed (with a plain error), cancelled or back in the queue.

    Never raises for what happens inside the job, except KeyboardInterrupt and SystemExit.
    """
    with _running_lock:
        _running[run.token] = run
    stop_beating = _start_beating(run)
    try:
        ending = _run(run)
    finally:
        stop_beating()
        with _running_lock:
            _running.pop(run.token, None)
    if ending:
        _end(run, ending)


def _run(run: RunningJob) -> dict[str, Any]:
    """Calls the kind's function; returns the columns of the job's ending, empty when another worker has the row."""
    job = Job.objects.get(pk=run.job_id)
    try:
        result = find_kind(job.kind).function(run, **job.params)
    except JobFencedError:
        logger.warning("job %s was taken over by another worker; this run stops", run.job_id)
        return {}
    except JobCancelledError:
        return _over(JobState.CANCELLED)
    except JobInterruptedError:
        return _back_in_queue(attempt=job.attempt - 1)
    except TRANSIENT_ERRORS as error:
        logger.warning("job %s (%s), attempt %s: %s", job.pk, job.kind, job.attempt, error, exc_info=True)
        return _after_transient_error(job, error)
    except QuarryError as error:
        return _over(JobState.FAILED, error_code=error.code, error=masked(str(error)))
    except (KeyboardInterrupt, SystemExit):
        _end(run, _over(JobState.CANCELLED, error_code="stopped", error="Stopped from outside while it was running."))
        raise
    except Exception as error:
        logger.exception("job %s (%s) crashed", job.pk, job.kind)
        return _over(JobState.FAILED, error_code="crash", error=plain_error(error))
    return _over(JobState.DONE, result=result if result is not None else {}, progress_note="")


def _over(state: JobState, **columns: Any) -> dict[str, Any]:
    return {"state": state, "finished_at": timezone.now(), **columns}


def _back_in_queue(*, attempt: int, wait_s: float = 0.0, **columns: Any) -> dict[str, Any]:
    run_after = timezone.now() + timedelta(seconds=wait_s) if wait_s else None
    return {"state": JobState.QUEUED, "owner_token": "", "attempt": attempt, "run_after": run_after, **columns}


def _after_transient_error(job: Job, error: Exception) -> dict[str, Any]:
    """Another attempt later, as long as there are attempts left."""
    if job.attempt >= job.max_attempts:
        text = masked(f"It did not work in {job.attempt} attempts. The last one ended with: {error}")
        return _over(JobState.FAILED, error_code="unavailable", error=text[:2000])
    return _back_in_queue(
        attempt=job.attempt,
        wait_s=backoff_s(job.attempt),
        error_code="will_retry",
        error=masked(f"Tries again soon: {error}")[:2000],
    )


def plain_error(error: Exception) -> str:
    """What a person is told about a crash."""
    if isinstance(error, MemoryError):
        return "There was not enough memory. Close other programs or give the machine more, then retry."
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk is full. Make room, then retry."
    detail = masked(f"{type(error).__name__}: {error}")[:1500]
    return f"Something broke that should not have ({detail}). The worker's log has the details."


def _end(run: RunningJob, columns: dict[str, Any]) -> None:
    """Writes the ending if the row is still ours; a busy database or a lost connection is tried again for a while."""
    rows = Job.objects.filter(pk=run.job_id, owner_token=run.token, state=JobState.RUNNING)
    for pause_s in (0.1, 0.5, 2.0, 5.0, None):
        try:
            if not rows.update(**{"beat_at": timezone.now(), **run.unwritten(), **columns}):
                logger.warning("job %s ended after it was taken over; its end is not recorded", run.job_id)
            return
        except (OperationalError, InterfaceError):
            if pause_s is None or connection.in_atomic_block:
                raise
            connection.close()
            time.sleep(pause_s)


def _start_beating(run: RunningJob) -> Callable[[], None]:
    """Starts the heartbeat thread; returns the function that ends it.

    Inside a surrounding transaction no other connection can see the row, so there is none to start.
    """
    if connection.in_atomic_block:
        return lambda: None
    stop = threading.Event()
    thread = threading.Thread(target=_keep_beating, args=(run, stop), daemon=True, name=f"beat-{run.job_id}")
    run.beats_itself = True
    thread.start()

    def end() -> None:
        stop.set()
        thread.join(timeout=30)

    return end


def _keep_beating(run: RunningJob, stop: threading.Event) -> None:
    try:
        while not stop.wait(min(run.min_write_s, settings.JOB_HEARTBEAT_S)):
            try:
                run.beat_if_due()
            except DatabaseTrouble as error:
                # "database is locked", a lost connection: the next beat tries again, with a fresh connection.
                logger.warning("heartbeat of job %s: %s", run.job_id, error)
                connection.close()
    finally:
        connection.close()


def run_inline(job: Job, *, on_progress: OnProgress | None = None) -> Job:
    """Runs a queued job in this process (what commands do); if a worker was faster, follows it to its end.

    Raises JobFailedError with the job's own text when it does not end as done.
    """
    held = True
    while not job.is_over:
        run = claim(job.pk, even_if_put_off=held)
        held = False
        if run is not None:
            run.on_progress = on_progress
            run_claimed(run)
        elif on_progress:
            on_progress(job.progress_done, job.progress_total, job.progress_note or "runs in a worker")
        job.refresh_from_db()
        if not job.is_over:
            time.sleep(FOLLOW_S)
    if job.state != JobState.DONE:
        raise JobFailedError(
            error=job.error or f"Job {job.pk} was {job.state}.", error_code=job.error_code or job.state
        )
    return job


# --- stopping a worker -------------------------------------------------------------------------------------------


def refuse_new_jobs() -> None:
    """From now on this process claims no job."""
    _refusing.set()


def running_jobs() -> list[int]:
    """Ids of the jobs that this process runs just now."""
    with _running_lock:
        return sorted(run.job_id for run in _running.values())


def interrupt_running_jobs() -> int:
    """Asks every job of this process to go back to the queue at its next check; returns how many run."""
    with _running_lock:
        runs = list(_running.values())
    for run in runs:
        run.interrupt()
    return len(runs)


def release_running_jobs() -> None:
    """Puts the jobs of this process back into the queue, whether they noticed or not (their tokens are void then)."""
    with _running_lock:
        runs = list(_running.values())
    for run in runs:
        rows = Job.objects.filter(pk=run.job_id, owner_token=run.token, state=JobState.RUNNING)
        rows.update(state=JobState.QUEUED, owner_token="", attempt=F("attempt") - 1)
