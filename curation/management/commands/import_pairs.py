"""manage.py import_pairs FILE --project SLUG [--name NAME] [--preview]"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.jobs import run_inline
from curation.services.pair_uploads import look_at_pairs, start_import_pairs

SHOWN_PROBLEMS = 20
COUNTS = ("read", "new", "known", "held_back", "bad")


class Command(QuarryCommand):
    help = (
        "Import ready pairs to be judged: CSV or JSON Lines with query, code and optionally score, or CoSQA JSON. "
        "Labels are not read (see import_votes). The same file again adds nothing."
    )
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--name", default="", help="Of the import; default: the file's.")
        parser.add_argument("--preview", action="store_true", help="Only say what would happen.")

    def report(self, **options: Any) -> Report:
        project, path = self.project(options["project"]), options["file"].expanduser()
        if options["preview"]:
            preview = look_at_pairs(project=project, path=path)
            title = f"{path.name} ({preview.format})" + ("" if preview.is_whole else ", its first rows")
            return _report(title, preview.as_data())
        job = start_import_pairs(project=project, path=path, name=options["name"], inline=not options["detach"])
        if options["detach"]:
            return Report(f"Job {job.pk} is queued.", {"job": job.pk})
        return _report(f"Pairs from {path.name}", run_inline(job, on_progress=self._show_progress).result)


def _report(title: str, data: dict[str, Any]) -> Report:
    notes = [f"  line {problem['line']}: {problem['reason']}" for problem in data["problems"][:SHOWN_PROBLEMS]]
    if data["bad"] > len(notes):
        notes.append(f"  and {data['bad'] - len(notes):,} more rows that do not fit")
    return Report(title, data, [(name.replace("_", " "), data[name]) for name in COUNTS], notes)
