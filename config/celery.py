"""The Celery app: `celery -A config worker` with REDIS_URL, embedded by `manage.py worker` without.

Celery carries wake-ups only; what a worker process does beside that hangs on its signals (core/worker.py).
"""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("quarry", set_as_current=True)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
_keepers: list[Any] = []


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """A receiver is enough: Celery then leaves Django's LOGGING alone."""


@signals.worker_ready.connect
def _start_housekeeping(**_: Any) -> None:
    from core.worker import start_housekeeping

    _keepers.append(start_housekeeping(app))


@signals.task_postrun.connect
def _job_finished(args: tuple[Any, ...] = (), **_: Any) -> None:
    for keeper in _keepers:
        keeper.job_finished(args[0])


@signals.worker_shutting_down.connect
def _end_jobs_soon(**_: Any) -> None:
    from core.worker import end_jobs_soon

    for keeper in _keepers:
        keeper.stop()
    end_jobs_soon()


@signals.worker_shutdown.connect
def _sign_off(**_: Any) -> None:
    for keeper in _keepers:
        keeper.sign_off()
