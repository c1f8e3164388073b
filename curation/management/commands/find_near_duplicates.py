"""manage.py find_near_duplicates --project SLUG"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.services.code_settling import set_code_settings, start_find_near_duplicates, threshold_of


class Command(QuarryCommand):
    help = "Find near duplicates among a project's code, after leaving out licences; also sets both."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Short name of the project.")
        parser.add_argument("--threshold", type=float, help="Jaccard similarity from 0.5 to 1; kept for the project.")
        parser.add_argument(
            "--leave-out",
            action="append",
            metavar="LICENCE",
            help="Leave out code under this licence ('' for none stated); may be given again. 'nothing' clears it.",
        )

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        licences = options["leave_out"]
        if licences is not None or options["threshold"] is not None:
            named = [licence for licence in licences or [] if licence != "nothing"]
            set_code_settings(
                project=project,
                left_out_licences=None if licences is None else named,
                near_duplicate_threshold=options["threshold"],
            )
        job = start_find_near_duplicates(project=project, inline=not options["detach"])
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk})
        found = job.result
        lines = [
            ("left out by licence", found["left_out_by_licence"]),
            ("codes compared", found["compared"]),
            ("near duplicates", found["near_duplicates"]),
            ("threshold", threshold_of(project)),
        ]
        return Report(f"Near duplicates in {project}", {**found, "job": job.pk}, lines)
