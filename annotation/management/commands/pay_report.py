"""manage.py pay_report: votes and active time by week and person."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from annotation.selectors.scorecards import HOW_TIME_IS_COUNTED, pay_rows
from annotation.services.board import catch_up
from annotation.views.scorecards import write_pay
from core.commands import QuarryCommand, Report


class Command(QuarryCommand):
    help = "Show votes and active time by week and person; --csv writes them for a spreadsheet."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--from", dest="first", type=date.fromisoformat, metavar="DAY", help="A day of the first week."
        )
        parser.add_argument("--to", dest="last", type=date.fromisoformat, metavar="DAY", help="A day of the last week.")
        parser.add_argument("--rate", type=float, help="Pay per hour; adds an amount.")
        parser.add_argument("--csv", type=Path, metavar="FILE", help="Write a CSV file.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        catch_up(project=project, budget_s=float("inf"))
        rows = pay_rows(project, first=options["first"], last=options["last"])
        if options["csv"]:
            with options["csv"].open("w", encoding="utf-8", newline="") as file:
                write_pay(file, rows, options["rate"])
        data = [row.to_dict(options["rate"]) for row in rows]
        lines: list[tuple[str, Any]] = [
            (f"{row.monday} {row.person.username}", f"{row.votes:,} votes, {row.hours:.2f} h") for row in rows
        ]
        return Report(f"Work of {project.slug} by week", {"rows": data, "how": HOW_TIME_IS_COUNTED}, lines)
