"""manage.py evaluate_encoders --project SLUG ENCODER [ENCODER ...] [--file judged.json]"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.services.encoder_quality import start_evaluate_encoders
from curation.text_views import VIEWS


class Command(QuarryCommand):
    help = "Compare encoders and bm25 on judged pairs: AUC, accuracy, MRR."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Short name of the project.")
        parser.add_argument("encoders", nargs="+", metavar="ENCODER", help="Names, folders of models, or bm25.")
        parser.add_argument("--view", choices=list(VIEWS), default="full", help="Which text of the code is read.")
        parser.add_argument(
            "--file", default="", help="Judged pairs in the shape of CoSQA and StaQC; default: those of the project."
        )

    def report(self, **options: Any) -> Report:
        job = start_evaluate_encoders(
            project=self.project(options["project"]),
            encoders=options["encoders"],
            text_view=options["view"],
            file=options["file"],
            inline=not options["detach"],
        )
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk})
        rows = [(row["encoder"], _measures(row)) for row in job.result["encoders"]]
        return Report(f"{job.result['pairs']:,} judged pairs", {**job.result, "job": job.pk}, rows)


def _measures(row: dict[str, Any]) -> str:
    names = {"auc": "AUC", "accuracy": "accuracy", "best_accuracy": "best accuracy", "mrr": "MRR"}
    return ", ".join(
        f"{label} {'undefined' if row[name] is None else f'{row[name]:.3f}'}" for name, label in names.items()
    )
