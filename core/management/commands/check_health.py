"""`manage.py check_health`: the same checks as `/health/`, for scripts; status 1 when one fails."""

import sys
from typing import Any

from core.commands import QuarryCommand, Report
from core.health import FAIL, health_report


class Command(QuarryCommand):
    help = "Looks at database, disk, data folder, workers and queue; ends with status 1 when something fails."

    def report(self, **options: Any) -> Report:
        health = health_report(with_details=True)
        self.has_failed = health["status"] == FAIL
        lines = [(f"{check['status']:<6} {check['name']}", check["detail"]) for check in health["checks"]]
        return Report(f"Health: {health['status']}", health, lines=lines)

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if self.has_failed:
            sys.exit(1)
