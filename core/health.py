"""Is everything alive? Workers, database, disk and the shared data folder; for the banner, `/health/` and commands."""

import os
import secrets
import shutil
import sqlite3
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from core.models import Job, JobState, WorkerBeat

HOME_MARKER = "home_marker"
DISK_LOW_BYTES = 2 * 2**30
DISK_FULL_BYTES = 200 * 2**20
# Older ones can, rarely, corrupt a database in WAL mode when two processes write at one moment (RELIABILITY).
SAFE_SQLITE = (3, 51, 3)
ALIVE_MEMORY_S = 1.0
_remembered: dict[str, tuple[float, bool]] = {}
OK, ADVICE, WARN, FAIL = "ok", "advice", "warn", "fail"


@dataclass(frozen=True)
class Check:
    """One thing looked at. `detail` is for people; it names the thing and what to do."""

    name: str
    status: str
    detail: str


def read_home_marker() -> str:
    """The random mark that the web process left in QUARRY_HOME; empty when this process cannot read it."""
    try:
        return _marker_path().read_text(encoding="ascii").strip()
    except OSError:
        return ""


def ensure_home_marker() -> str:
    """Leaves the mark if there is none; workers report what they read, so that a folder not shared is noticed."""
    path = _marker_path()
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(16))
    return read_home_marker()


def _marker_path() -> Path:
    return Path(settings.QUARRY_HOME) / HOME_MARKER


def living_workers() -> list[WorkerBeat]:
    """Workers heard of within the last WORKER_ALIVE_S seconds."""
    since = timezone.now() - timedelta(seconds=settings.WORKER_ALIVE_S)
    return list(WorkerBeat.objects.filter(beat_at__gte=since).order_by("name"))


def is_worker_alive() -> bool:
    """The cheap question for every page: the answer is remembered for a second in this process."""
    asked_at, known = _remembered.get("alive", (0.0, False))
    now = time.monotonic()
    if not asked_at or now - asked_at > ALIVE_MEMORY_S:
        known = bool(living_workers())
        _remembered["alive"] = (now, known)
    return known


def forget_workers() -> None:
    """Makes the next question go to the database."""
    _remembered.clear()


def how_to_start_a_worker() -> str:
    """The command that brings a worker up, for the way this server is set up."""
    return "celery -A config worker -Q default,gpu" if settings.REDIS_URL else "python manage.py worker"


def check_health() -> list[Check]:
    """All checks, each on its own: one that fails does not hide the others."""
    database = _check_database()
    checks = [database, _check_disk(), _check_home()]
    if database.status == OK:
        checks += [_check_workers(), _check_queue()]
    if connection.vendor == "sqlite":
        checks.append(_check_sqlite())
    return checks


def overall(checks: list[Check]) -> str:
    """`fail` if any check fails, else `warn` if any warns, else `ok` (advice changes nothing)."""
    statuses = {check.status for check in checks}
    return FAIL if FAIL in statuses else WARN if WARN in statuses else OK


def health_report(*, with_details: bool) -> dict[str, Any]:
    """What `/health/` answers; details only for staff, the world learns statuses."""
    checks = check_health()
    shown = [asdict(check) if with_details else {"name": check.name, "status": check.status} for check in checks]
    return {"status": overall(checks), "checks": shown}


def _check_database() -> Check:
    try:
        WorkerBeat.objects.exists()
    except DatabaseError as error:
        return Check("database", FAIL, f"The database does not answer ({error}). New? Run: python manage.py migrate")
    return Check("database", OK, f"{connection.vendor} answers")


def _check_disk() -> Check:
    free = shutil.disk_usage(settings.QUARRY_HOME).free
    text = f"{free / 2**30:.1f} GiB free below QUARRY_HOME"
    if free < DISK_FULL_BYTES:
        return Check("disk", FAIL, f"{text}. Make room now; votes cannot be saved on a full disk.")
    return Check("disk", WARN if free < DISK_LOW_BYTES else OK, text)


def _check_home() -> Check:
    try:
        marker = ensure_home_marker()
    except OSError as error:
        return Check("home", FAIL, f"QUARRY_HOME cannot be written: {error}")
    return Check("home", OK if marker else FAIL, "QUARRY_HOME can be read and written" if marker else "no marker file")


def _check_workers() -> Check:
    workers = living_workers()
    if not workers:
        return Check("worker", WARN, f"No worker is alive. Start one: {how_to_start_a_worker()}")
    marker = read_home_marker()
    astray = [worker.name for worker in workers if worker.home != marker]
    if astray:
        text = "sees another QUARRY_HOME than the web server; both need the same folder"
        return Check("worker", FAIL, f"{', '.join(astray)} {text}.")
    queues = {queue for worker in workers for queue in worker.queues.split(",")}
    return Check("worker", OK, f"{len(workers)} alive, on {', '.join(sorted(queues))}")


def _check_queue() -> Check:
    """Jobs that wait although a worker is alive point to a worker that no longer takes any."""
    since = timezone.now() - timedelta(seconds=60)
    waiting = Job.objects.ready().filter(created_at__lt=since).count()
    running = Job.objects.filter(state=JobState.RUNNING).count()
    if waiting and not running:
        return Check(
            "queue", WARN, f"{waiting} jobs wait for over a minute and none runs. Is the worker busy or stuck?"
        )
    return Check("queue", OK, f"{running} running, {Job.objects.filter(state=JobState.QUEUED).count()} queued")


def _check_sqlite() -> Check:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("sqlite", OK, f"SQLite {version}")
    safe = ".".join(map(str, SAFE_SQLITE))
    return Check(
        "sqlite",
        ADVICE,
        f"SQLite {version} is older than {safe}, which fixed a rare corruption in WAL mode. "
        "Keep backups, or use PostgreSQL.",
    )
