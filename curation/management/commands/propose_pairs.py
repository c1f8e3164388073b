"""manage.py propose_pairs --project SLUG [--encoder NAME] [--threshold 0.5] [--cap 10]"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.assignment import POLICIES
from curation.services.candidates import start_propose_pairs
from curation.text_views import VIEWS


class Command(QuarryCommand):
    help = "Find the best code of every accepted query and keep the pairs that reach the threshold."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Short name of the project.")
        parser.add_argument(
            "--encoder", default="", help="Name or folder; default: the project's, else QUARRY_ENCODER."
        )
        parser.add_argument("--threshold", type=float, default=0.5, help="Lowest cosine that is kept (inclusive).")
        parser.add_argument("--cap", type=int, default=10, help="How often a code may be used at most.")
        parser.add_argument("--policy", choices=POLICIES, default="default", help="How codes are assigned.")
        parser.add_argument("--view", choices=list(VIEWS), default="full", help="Which text of the code is encoded.")

    def report(self, **options: Any) -> Report:
        candidate_run, job = start_propose_pairs(
            project=self.project(options["project"]),
            encoder=options["encoder"],
            threshold=options["threshold"],
            cap=options["cap"],
            policy=options["policy"],
            text_view=options["view"],
            inline=not options["detach"],
        )
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk, "candidate_run": candidate_run.pk})
        found = job.result
        lines = [
            ("encoder", found["encoder"]),
            ("queries", found["queries"]),
            ("codes", found["codes"]),
            ("kept", found["kept"]),
            ("below the threshold", found["below_threshold"]),
            ("over the cap", found["over_cap"]),
            ("distinct codes used", found["codes_used"]),
        ]
        notes = [f"warning: {text}" for text in found["warnings"]]
        return Report(f"Candidate run {candidate_run.pk}", {**found, "job": job.pk}, lines, notes)
