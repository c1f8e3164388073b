"""manage.py ingest_log: read a search log into a project."""

import sys
from argparse import ArgumentParser, BooleanOptionalAction
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from curation.reading import DELIMITERS, LogFormat, LogShape, Preview, preview_log
from curation.selectors.queries import import_report, second_import_report
from curation.services.log_uploads import preview_file
from curation.services.logs import COPY_BYTES, IngestStart, StoredLog, start_ingest_log, store_log, store_log_file

SHOWN_BAD_ROWS = 20


class Command(QuarryCommand):
    help = (
        "Read a search log: text with one query a line, CSV, TSV, JSON Lines, a JSON array or Parquet; "
        "plain, or packed as gzip, zstd, xz, bzip2 or zip."
    )
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="The log; - reads standard input.")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--preview", action="store_true", help="Only say how it would be read; import nothing.")
        parser.add_argument("--format", default="auto", choices=[each.value for each in LogFormat])
        parser.add_argument(
            "--column", default="", metavar="NAME", help="Column of the query, by name or number from 1."
        )
        parser.add_argument(
            "--count-column", default="", metavar="NAME", help="Column of how often it was asked; - for none."
        )
        parser.add_argument(
            "--user-column", default="", metavar="NAME", help="Column of who asked; stored only as a hash; - for none."
        )
        parser.add_argument("--url-column", default="", metavar="NAME", help="Column of clicked URLs; - for none.")
        parser.add_argument("--delimiter", default="", choices=list(DELIMITERS), help="Where CSV and TSV are cut.")
        parser.add_argument(
            "--header", default=None, action=BooleanOptionalAction, help="Whether the first row names the columns."
        )
        parser.add_argument(
            "--quotes", default=None, action=BooleanOptionalAction, help="Whether quotes hold a cell together."
        )
        parser.add_argument("--member", default="", metavar="FILE", help="The file inside a zip archive.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        if options["preview"]:
            return _preview(options["file"], _shape(options))
        detach = options["detach"]
        stored = _stored(options["file"])
        start = start_ingest_log(project=project, stored=stored, shape=_shape(options), inline=not detach)
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


def _shape(options: dict[str, Any]) -> LogShape:
    return LogShape(
        format=LogFormat(options["format"]),
        column=options["column"],
        count_column=options["count_column"],
        user_column=options["user_column"],
        url_column=options["url_column"],
        delimiter=DELIMITERS.get(options["delimiter"], ""),
        header=options["header"],
        quotes=options["quotes"],
        member=options["member"],
    )


def _preview(file: str, shape: LogShape) -> Report:
    if file != "-":
        return _preview_report(preview_file(Path(file), shape), Path(file).name)
    stored = _stored(file)
    try:
        return _preview_report(preview_log(stored.path, shape, name=stored.name), stored.name)
    finally:
        stored.path.unlink(missing_ok=True)


def _preview_report(preview: Preview, name: str) -> Report:
    data = asdict(preview)
    lines = [("recognised as", preview.shape.known or "not settled"), ("format", preview.shape.format.value)]
    if preview.packing:
        lines.append(("packed as", preview.packing))
    notes = [f"  {reason}" for reason in preview.reasons]
    notes += [
        f"  column {each.number} {each.name}: {each.kind or 'empty'}, {each.use or 'not read'}"
        for each in preview.columns
    ]
    notes += [f"  line {row.line}: {row.bad and f'BAD, {row.bad}: '}{row.query}" for row in preview.rows]
    if preview.problem:
        notes.append(f"  {preview.problem}")
    return Report(title=f"{name}, as it would be read", data=data, lines=lines, notes=notes)


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
