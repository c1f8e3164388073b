"""What a worker process does besides running jobs: says that it is alive, takes back stale jobs, delivers new ones.

One housekeeping thread per process, started by Celery's signals (config/celery.py), so `manage.py worker` and
`celery -A config worker` behave alike. Without a broker server it hands the queued rows to the Celery worker of its
own process every quarter second; with Redis it only repairs: every JOB_RESEND_S it sends again what got lost.
"""

import logging
import os
import socket
import threading
import time
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from celery import Celery, current_app
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection
from django.utils import timezone

from core import jobs
from core.duties import Duty, all_duties
from core.health import ensure_home_marker, read_home_marker
from core.models import Job, JobState, WorkerBeat

logger = logging.getLogger(__name__)

PUMP_S = 0.25
TROUBLE_PAUSE_S = 2.0
HANDED_TIMEOUT_S = 30.0
RESEND_AT_ONCE = 20
FORGET_BEATS = timedelta(minutes=10)
GPU = "gpu"


class Delivery(Protocol):
    """How queued jobs reach the threads that run them."""

    interval_s: float

    def deliver(self) -> None:
        """Hands over what is ready."""

    def finished(self, job_id: int) -> None:
        """A thread is free again."""


class LocalDelivery:
    """Without a broker server: hands rows to this process's own Celery worker, no more than it has threads for.

    One thread is kept for each queue beside the first, so a long ingest does not keep training from starting; a
    `gpu` job is handed over only when none runs anywhere.
    """

    interval_s = PUMP_S

    def __init__(self, queues: Sequence[str], threads: int) -> None:
        self.queues = tuple(queues)
        self.threads = max(1, threads)
        self._handed: dict[int, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def deliver(self) -> None:
        for queue in self.queues:
            ready = self._ready(queue)
            for job_id in ready[: self._free(queue)] if ready else []:
                with self._lock:
                    self._handed[job_id] = (queue, time.monotonic())
                _send(job_id, queue)

    def finished(self, job_id: int) -> None:
        with self._lock:
            self._handed.pop(job_id, None)

    def _free(self, queue: str) -> int:
        with self._lock:
            busy = [where for where, _ in self._handed.values()]
        if queue == GPU and (GPU in busy or _gpu_is_busy()):
            return 0
        in_all = self.threads - len(busy)
        if queue == GPU:
            return min(1, in_all)
        reserved = 1 if GPU in self.queues and self.threads > 1 else 0
        return max(0, min(in_all, self.threads - reserved - busy.count(queue)))

    def _ready(self, queue: str) -> list[int]:
        """Ids in the order in which they were asked for, restarted ones last: they may be what kills workers.

        One handed over long ago and still queued counts as lost.
        """
        lost_before = time.monotonic() - HANDED_TIMEOUT_S
        with self._lock:
            handed = [job_id for job_id, (_, at) in self._handed.items() if at > lost_before]
        rows = Job.objects.ready().filter(queue=queue).exclude(pk__in=handed)
        return list(rows.order_by("attempt", "id").values_list("id", flat=True)[: self.threads])


class ResendDelivery:
    """With a broker server: sends wake-ups again that were lost between commit and broker, or put off to later."""

    def __init__(self, app: Celery, queues: Sequence[str]) -> None:
        self.app = app
        self.queues = tuple(queues)
        self.interval_s = settings.JOB_RESEND_S

    def deliver(self) -> None:
        for queue in self.queues:
            rows = Job.objects.ready().filter(queue=queue).order_by("attempt", "id").values_list("id", flat=True)
            ids = list(rows[:RESEND_AT_ONCE])
            if ids and self._waiting(queue) == 0:
                for job_id in ids:
                    _send(job_id, queue)

    def finished(self, job_id: int) -> None:
        """The broker knows by itself."""

    def _waiting(self, queue: str) -> int:
        """Wake-ups in the broker; while there are any, sending more would only pile up copies."""
        with self.app.connection_for_write() as broker:
            declared: Any = self.app.amqp.queues[queue](broker.default_channel).queue_declare()
            return int(declared.message_count)


def _send(job_id: int, queue: str) -> None:
    from core.tasks import run_job_task

    run_job_task.apply_async(args=(job_id,), queue=queue)


def _gpu_is_busy() -> bool:
    fresh = timezone.now() - timedelta(seconds=settings.JOB_STALE_S)
    return Job.objects.filter(queue=GPU, state=JobState.RUNNING, beat_at__gte=fresh).exists()


class Housekeeper(threading.Thread):
    """The thread that keeps a worker process honest."""

    def __init__(self, *, queues: Sequence[str], delivery: Delivery) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.queues = ",".join(queues)
        self.delivery = delivery
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._due: dict[str, float] = {}

    def run(self) -> None:
        while not self._stopping.is_set():
            pause_s = min(self.delivery.interval_s, settings.WORKER_BEAT_S)
            try:
                close_old_connections()
                self.keep_house()
            except (DatabaseTrouble, OSError) as error:
                logger.warning("housekeeping: %s", error)
                connection.close()
                pause_s = TROUBLE_PAUSE_S
            self._wake.wait(pause_s)
            self._wake.clear()
        connection.close()

    def keep_house(self) -> None:
        """One round: each duty when it is due."""
        if self._is_due("beat", settings.WORKER_BEAT_S):
            self.beat()
        if self._is_due("take back", min(5.0, settings.JOB_STALE_S / 3)):
            jobs.take_back_stale_jobs()
        if self._is_due("deliver", self.delivery.interval_s, slack_s=0.05):
            self.delivery.deliver()
        for duty in all_duties():
            if self._is_due(duty.name, duty.every_s):
                self._do(duty)

    def _do(self, duty: Duty) -> None:
        try:
            duty.function()
        except (DatabaseTrouble, OSError):
            raise  # the next round sees to the connection
        except Exception:  # a mistake in a duty must not end the heartbeat
            logger.exception("housekeeping: %s", duty.name)

    def beat(self) -> None:
        """Says that this worker is alive, on which queues, and which data folder it sees."""
        now = timezone.now()
        columns = {"beat_at": now, "queues": self.queues, "home": read_home_marker()}
        if not WorkerBeat.objects.filter(name=self.worker).update(**columns):
            WorkerBeat.objects.filter(beat_at__lt=now - FORGET_BEATS).delete()
            WorkerBeat.objects.create(name=self.worker, **columns)

    def job_finished(self, job_id: int) -> None:
        """Called by the thread that ran the job: the next one may start at once."""
        self.delivery.finished(job_id)
        self._due.pop("deliver", None)
        self._wake.set()

    def stop(self) -> None:
        """Delivers nothing more."""
        self._stopping.set()
        self._wake.set()

    def sign_off(self) -> None:
        """A worker that ends in order is known to be gone at once."""
        self.stop()
        self.join(timeout=5)
        WorkerBeat.objects.filter(name=self.worker).delete()

    def _is_due(self, duty: str, every_s: float, *, slack_s: float = 0.0) -> bool:
        now = time.monotonic()
        if now < self._due.get(duty, 0.0) - slack_s:
            return False
        self._due[duty] = now + every_s
        return True


def start_housekeeping(app: Celery) -> Housekeeper:
    """Starts the thread for the Celery worker of this process."""
    queues = list(app.amqp.queues.consume_from)
    threads = settings.CELERY_WORKER_CONCURRENCY
    if settings.REDIS_URL:
        delivery: Delivery = ResendDelivery(app, queues)
    else:
        ensure_home_marker()  # same machine as the web process, whichever starts first
        delivery = LocalDelivery(queues, threads)
    keeper = Housekeeper(queues=queues, delivery=delivery)
    keeper.start()
    logger.info("worker %s is ready for %s", keeper.worker, keeper.queues)
    return keeper


def end_jobs_soon() -> None:
    """Asks the running jobs to go back to the queue; those that do not look are put back, and the process ends."""
    jobs.refuse_new_jobs()
    if jobs.interrupt_running_jobs():
        threading.Thread(target=_force_end, daemon=True, name="force-end").start()


def _force_end() -> None:
    deadline = time.monotonic() + settings.JOB_STOP_GRACE_S
    while time.monotonic() < deadline:
        time.sleep(0.1)
        if not jobs.running_jobs():
            return
    logger.warning("jobs %s did not stop in time; they go back to the queue", jobs.running_jobs())
    jobs.release_running_jobs()
    os._exit(0)


def run_worker(*, queues: Sequence[str], threads: int | None = None) -> None:
    """Runs a Celery worker in this process until it is told to stop."""
    # It warns of running as root, as containers do; the danger it means is pickled messages, and ours are JSON only.
    warnings.filterwarnings("ignore", module=r"celery\.platforms")
    worker = current_app.Worker(
        queues=list(queues),
        concurrency=threads or settings.CELERY_WORKER_CONCURRENCY,
        pool="threads",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not settings.REDIS_URL,
    )
    worker.start()
