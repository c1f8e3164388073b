"""manage.py score_intent: asks the second opinion about every query."""

from argparse import ArgumentParser
from typing import Any

from annotation.services.intent_classifier import find_classifier, start_score_intent
from core.commands import QuarryCommand, Report


class Command(QuarryCommand):
    help = "Score all queries that have no score yet with a trained intent classifier."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--classifier", type=int, metavar="ID", help="Default: the newest.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        classifier = find_classifier(project, options["classifier"])
        job = start_score_intent(project=project, classifier=classifier, inline=not options["detach"])
        job = self.follow(job, detach=options["detach"])
        classifier.refresh_from_db()
        data = {"classifier": classifier.pk, "job": job.pk, "scored": classifier.n_scored}
        return Report(f"Second opinion {classifier.pk}", data, [("queries scored", classifier.n_scored)])
