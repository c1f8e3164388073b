"""The base of every Quarry command: a readable report, `--json`, and exit statuses 0 / 2 / 1."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseTrouble
from django.db import connection

from core.errors import NotFoundError, QuarryError
from core.jobs import create_job, run_inline
from core.models import Job, Project

# A job that ended so did not meet bad input: the work itself broke off.
FAILURES = {"crash", "worker_lost", "unavailable", "stopped", "cancelled"}


class NoTablesError(QuarryError):
    """The first command on a fresh database."""

    code, status = "no_tables", 503
    template = (
        "The database has no tables yet. Make them with: python manage.py migrate (manage.py up does it by itself)."
    )


@dataclass
class Report:
    """What a command has to say: a title, labelled lines for people, and the same as data."""

    title: str
    data: dict[str, Any]
    lines: list[tuple[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The report for people; numbers get thousands separators, labels are aligned."""
        width = max((len(label) for label, _ in self.lines), default=0)
        rows = [
            f"  {label.ljust(width)}  {f'{value:,}' if isinstance(value, int) else value}"
            for label, value in self.lines
        ]
        return "\n".join([self.title, *rows, *self.notes])


class QuarryCommand(BaseCommand):
    """Subclasses write `arguments(parser)` and `report(**options) -> Report`; refusals end with status 2."""

    runs_job = False  # True adds --detach

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print the report as JSON.")
        if self.runs_job:
            parser.add_argument("--detach", action="store_true", help="Queue the job for a worker and return at once.")
        self.arguments(parser)

    def arguments(self, parser: ArgumentParser) -> None:
        """The command's own arguments."""

    def report(self, **options: Any) -> Report:
        """Does the work."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = self.report(**options)
        except QuarryError as error:
            self._refuse(error, as_json=options["as_json"])
        except DatabaseTrouble:
            if connection.in_atomic_block or Project._meta.db_table in connection.introspection.table_names():
                raise
            self._refuse(NoTablesError(), as_json=options["as_json"])
        except BrokenPipeError:
            sys.exit(1)
        else:
            self.stdout.write(
                json.dumps(report.data, indent=2, ensure_ascii=False, default=str)
                if options["as_json"]
                else report.text()
            )

    def _refuse(self, error: QuarryError, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(
                json.dumps({"error": str(error), "code": error.code, "fields": error.fields}, default=str)
            )
        self.stderr.write(f"error: {error}")
        sys.exit(1 if error.fields.get("error_code") in FAILURES else 2)

    def project(self, slug: str) -> Project:
        """The project named on the command line; NotFoundError names the ones that exist."""
        project = Project.objects.filter(slug=slug).first()
        if project is None:
            known = ", ".join(Project.objects.values_list("slug", flat=True)[:10]) or "none yet: see create_project"
            raise NotFoundError(what="project", name=f"{slug} (there are: {known})")
        return project

    def work(self, *, kind: str, title: str, project: Project | None, params: dict[str, Any], detach: bool) -> Job:
        """Makes the job and, unless detached, runs it here with a progress line on standard error."""
        job = create_job(kind=kind, title=title, params=params, project=project, inline=not detach)
        return self.follow(job, detach=detach)

    def follow(self, job: Job, *, detach: bool) -> Job:
        """Runs a job that a `start_...` service made (with `inline=not detach`) here; detached, says where it is."""
        if detach:
            self.stderr.write(f"job {job.pk} queued; `manage.py jobs` shows it")
            return job
        return run_inline(job, on_progress=self._show_progress)

    def _show_progress(self, done: int, total: int, note: str) -> None:
        if self.stderr.isatty():
            share = f"{100 * done // total:3d} %" if total else f"{done:,}"
            self.stderr.write(f"\r\x1b[2K{share} {note}", ending="")
            if total and done >= total:
                self.stderr.write("\r\x1b[2K", ending="")
