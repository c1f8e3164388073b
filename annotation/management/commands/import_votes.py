"""manage.py import_votes: votes and labels that were given elsewhere."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.services.imports import start_import_votes
from core.commands import QuarryCommand, Report
from core.jobs import run_inline

SHOWN_PROBLEMS = 20


class Command(QuarryCommand):
    help = (
        "Import votes (CSV or JSON Lines: worker, label, intent if known, and task or query and code) or single labels "
        "(CoSQA JSON). The same file again changes nothing."
    )
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        path = Path(options["file"]).expanduser()
        job = start_import_votes(project=self.project(options["project"]), path=path, inline=not options["detach"])
        if options["detach"]:
            return Report(f"Job {job.pk} is queued.", {"job": job.pk})
        data = run_inline(job, on_progress=self._show_progress).result
        lines = [(name, data[name]) for name in ("read", "new", "known", "bad", "votes", "labels", "raters", "pairs")]
        notes = [f"  line {problem['line']}: {problem['reason']}" for problem in data["problems"][:SHOWN_PROBLEMS]]
        if data["bad"] > len(notes):
            notes.append(f"  and {data['bad'] - len(notes):,} more rows that do not fit (--json lists them)")
        return Report(f"Votes from {path.name}", data, lines, notes)
