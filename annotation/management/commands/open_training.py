"""Opens a training or qualification batch from pairs whose answer is known."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.models import BatchKind
from annotation.services.training import known_answers, open_known
from annotation.services.training_files import start_open_known_file
from core.commands import QuarryCommand, Report
from core.jobs import run_inline
from core.models import Job

SHOWN_PROBLEMS = 20


class Command(QuarryCommand):
    help = "Opens training or qualification items: drawn from pairs with a known answer, or all rows of a file."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--kind", choices=[BatchKind.TRAINING, BatchKind.QUALIFICATION], default=BatchKind.TRAINING)
        parser.add_argument(
            "--source", default="judged", help="judged (default), adjudicated, imported, imported:NAME."
        )
        parser.add_argument("--file", type=Path, metavar="PATH", help="CSV, JSON Lines or CoSQA JSON, in their stead.")
        parser.add_argument("--pairs", type=int, default=10, metavar="N", help="How many to draw (10).")
        parser.add_argument("--seed", type=int, default=0, help="For drawing (0).")
        parser.add_argument("--name", default="", help="Name of the batch; default: after its kind.")
        parser.add_argument("--everybody", action="store_true", help="Also for people who have judged live pairs.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        common = {"project": project, "kind": options["kind"], "name": options["name"]}
        common["spare_present"] = not options["everybody"]
        if options["file"] is not None:
            path = options["file"].expanduser()
            return self._from_file(start_open_known_file(path=path, inline=not options["detach"], **common), options)
        known = known_answers(project, source=options["source"], n=options["pairs"], seed=options["seed"])
        batch = open_known(known=known, seed=options["seed"], **common)
        data = {"batch": batch.pk, "name": batch.name, "items": batch.items.count()}
        return Report(f"{batch.name} is open in {project.slug}", data, [("items", data["items"])])

    def _from_file(self, job: Job, options: dict[str, Any]) -> Report:
        if options["detach"]:
            return Report(f"Job {job.pk} is queued.", {"job": job.pk})
        data = run_inline(job, on_progress=self._show_progress).result
        problems = data["problems"]
        notes = [f"  line {problem['line']}: {problem['reason']}" for problem in problems[:SHOWN_PROBLEMS]]
        if len(problems) > len(notes):
            notes.append(f"  and {len(problems) - len(notes):,} more rows that do not fit (--json lists them)")
        lines = [("items", data["items"]), ("rows that do not fit", len(problems))]
        return Report(f"{data['name']} is open in {options['project']}", data, lines, notes)
