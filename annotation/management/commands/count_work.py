"""manage.py count_work: counts all work of a project anew."""

from argparse import ArgumentParser
from typing import Any

from annotation.models import WorkDay
from annotation.services.board import rebuild
from core.commands import QuarryCommand, Report
from core.errors import ConflictError


class Command(QuarryCommand):
    help = (
        "Count the work behind dashboard, scorecards and pay anew, from the votes. Needed only after votes were moved."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        caught = rebuild(project=project)
        if not caught.is_complete:
            raise ConflictError(problem="Somebody else counts this project just now. Try again in a minute.")
        n_days = WorkDay.objects.filter(project=project).count()
        data = {"hours": caught.hours, "days": n_days}
        return Report(f"Work of {project.slug} counted", data, [("hours", caught.hours), ("days", n_days)])
