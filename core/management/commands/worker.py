"""`manage.py worker`: runs queued jobs, without a broker server unless REDIS_URL names one."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Runs queued jobs. Ends in order on Ctrl-C or SIGTERM: its jobs go back to the queue."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", default="default,gpu", help="Queues to serve (default: default,gpu).")
        parser.add_argument("--threads", type=int, help="Jobs at once (default: 3, or QUARRY_JOB_THREADS).")

    def handle(self, *args: Any, queues: str, threads: int | None, **options: Any) -> None:
        from core.worker import run_worker

        run_worker(queues=[name.strip() for name in queues.split(",") if name.strip()], threads=threads)
