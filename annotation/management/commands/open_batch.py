"""Opens proposed pairs for annotation."""

from argparse import ArgumentParser
from typing import Any

from annotation.models import Batch
from annotation.services.batches import open_batch
from annotation.services.opening import is_big, n_open, start_go_on_opening, start_open_batch
from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from core.models import Project
from curation.models import CandidateRun
from curation.selectors import pairs_to_open


class Command(QuarryCommand):
    help = "Opens proposed pairs as a batch: best score first, pairs already in a batch left out."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--overlap", type=int, help="Votes per pair; default: the project's (3).")
        parser.add_argument("--max-extra", type=int, help="Extra votes at most; default: the project's (2).")
        parser.add_argument("--run", type=int, metavar="ID", help="Only pairs of this candidate run; default: all.")
        parser.add_argument("--limit", type=int, metavar="N", help="At most N pairs; default: all.")
        parser.add_argument("--name", default="", help="Name of the batch; default: a number.")
        parser.add_argument("--pilot", action="store_true", help="Leave its votes out of releases by default.")
        parser.add_argument("--priority", type=int, metavar="N", help="Lower comes first; default: 0.")
        parser.add_argument("--per-person", type=int, metavar="N", help="Votes of one person at most.")
        parser.add_argument("--per-day", type=int, metavar="N", help="Votes of one person a day at most (UTC).")
        parser.add_argument("--invited-only", action="store_true", help="For people named with change_batch --invite.")
        parser.add_argument("--go-on", metavar="BATCH", help="Open the rest of a batch whose job broke off.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        if options["go_on"]:
            batch = _batch(project, options["go_on"])
            self.follow(start_go_on_opening(batch=batch, inline=not options["detach"]), detach=options["detach"])
        else:
            batch = self._open(project, options)
        data = {
            "batch": batch.pk,
            "name": batch.name,
            "pairs": n_open(batch),
            "overlap": batch.overlap,
            "max_extra": batch.max_extra_votes,
        }
        lines = [("pairs", data["pairs"]), ("votes per pair", data["overlap"]), ("extra at most", data["max_extra"])]
        return Report(f"{batch.name} is open in {project.slug}", data, lines)

    def _open(self, project: Project, options: dict[str, Any]) -> Batch:
        run = _run(project, options["run"])
        given = {
            "name": options["name"],
            "overlap": options["overlap"],
            "max_extra": options["max_extra"],
            "limit": options["limit"],
            "is_pilot": options["pilot"],
            "priority": options["priority"],
            "max_votes_per_person": options["per_person"],
            "max_votes_per_day": options["per_day"],
            "is_invited_only": options["invited_only"],
        }
        if not options["detach"] and not is_big(project, run=run, limit=options["limit"]):
            return open_batch(project=project, pairs=pairs_to_open(project, run=run), **given)
        batch, job = start_open_batch(project=project, run=run, inline=not options["detach"], **given)
        self.follow(job, detach=options["detach"])
        return batch


def _batch(project: Project, name: str) -> Batch:
    batch = project.batches.filter(name=name).first()
    if batch is None:
        raise NotFoundError(what=f"batch in {project.slug}", name=name)
    return batch


def _run(project: Project, run_id: int | None) -> CandidateRun | None:
    if run_id is None:
        return None
    run = project.candidate_runs.filter(pk=run_id).first()
    if run is None:
        raise NotFoundError(what=f"candidate run in {project.slug}", name=run_id)
    return run
