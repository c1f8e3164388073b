"""Opens proposed pairs for annotation."""

from argparse import ArgumentParser
from typing import Any

from annotation.services.batches import open_batch
from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from core.models import Project
from curation.models import CandidateRun
from curation.selectors import pairs_to_open


class Command(QuarryCommand):
    help = "Opens proposed pairs as a batch: best score first, pairs already in a batch left out."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--overlap", type=int, help="Votes per pair; default: the project's (3).")
        parser.add_argument("--max-extra", type=int, help="Extra votes at most; default: the project's (2).")
        parser.add_argument("--run", type=int, metavar="ID", help="Only pairs of this candidate run; default: all.")
        parser.add_argument("--limit", type=int, metavar="N", help="At most N pairs; default: all.")
        parser.add_argument("--name", default="", help="Name of the batch; default: a number.")
        parser.add_argument("--pilot", action="store_true", help="Leave its votes out of releases by default.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        batch = open_batch(
            project=project,
            pairs=pairs_to_open(project, run=_run(project, options["run"])),
            name=options["name"],
            overlap=options["overlap"],
            max_extra=options["max_extra"],
            limit=options["limit"],
            is_pilot=options["pilot"],
        )
        data = {
            "batch": batch.pk,
            "name": batch.name,
            "pairs": batch.items.count(),
            "overlap": batch.overlap,
            "max_extra": batch.max_extra_votes,
        }
        lines = [("pairs", data["pairs"]), ("votes per pair", data["overlap"]), ("extra at most", data["max_extra"])]
        return Report(f"{batch.name} is open in {project.slug}", data, lines)


def _run(project: Project, run_id: int | None) -> CandidateRun | None:
    if run_id is None:
        return None
    run = project.candidate_runs.filter(pk=run_id).first()
    if run is None:
        raise NotFoundError(what=f"candidate run in {project.slug}", name=run_id)
    return run
