"""manage.py ingest_log: read a search log into a project."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from curation.reading import LogFormat, LogShape
from curation.selectors.queries import import_report, second_import_report
from curation.services.logs import COPY_BYTES, IngestStart, StoredLog, start_ingest_log, store_log, store_log_file

SHOWN_BAD_ROWS = 20


class Command(QuarryCommand):
    help = "Read a search log: text with one query a line, CSV, TSV or JSON Lines, plain or gzip."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="The log; - reads standard input.")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--format", default="auto", choices=[each.value for each in LogFormat])
        parser.add_argument(
            "--column", default="", metavar="NAME", help="Column of the query, by name or number from 1."
        )
        parser.add_argument("--count-column", default="", metavar="NAME", help="Column of how often it was asked.")
        parser.add_argument(
            "--user-column", default="", metavar="NAME", help="Column of who asked; stored only as a hash."
        )

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        shape = LogShape(
            LogFormat(options["format"]), options["column"], options["count_column"], options["user_column"]
        )
        detach = options["detach"]
        start = start_ingest_log(project=project, stored=_stored(options["file"]), shape=shape, inline=not detach)
        if start.job is None:
            return _report(start, second_import_report(start.log_import))
        self.follow(start.job, detach=detach)
        if detach:
            return Report(
                title=f"Job {start.job.pk} is queued.",
                data={"job": start.job.pk, "log_import": start.log_import.pk},
            )
        start.log_import.refresh_from_db()
        return _report(start, import_report(start.log_import))


def _stored(file: str) -> StoredLog:
    if file != "-":
        return store_log_file(Path(file))
    return store_log(iter(lambda: sys.stdin.buffer.read(COPY_BYTES), b""), name="standard input")


def _report(start: IngestStart, data: dict[str, Any]) -> Report:
    rows = start.log_import.bad_rows.all()[:SHOWN_BAD_ROWS]
    data["bad_rows"] = [{"line": row.line, "reason": row.reason, "excerpt": row.excerpt} for row in rows]
    lines = [(name, data[name]) for name in ("read", "new", "known", "bad", "distinct", "quarantined")]
    notes = [f"  line {row['line']}: {row['reason']}" for row in data["bad_rows"]]
    if data["bad"] > len(notes):
        notes.append(f"  ... {data['bad'] - len(notes):,} more bad rows")
    if data["already_imported"]:
        notes.insert(0, "This file was imported before. Nothing was added.")
    return Report(title=f"Search log {data['name']} ({data['format']})", data=data, lines=lines, notes=notes)
