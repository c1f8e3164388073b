"""manage.py export_queries FILE --project SLUG --filter NAME=VALUE ..."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.management.commands.bulk_queries import read_filter
from curation.selectors.queries import current_rule_set
from curation.services.queries import EXPORT_FORMATS, export_queries


class Command(QuarryCommand):
    help = "Write the queries that a filter finds to a CSV or JSON Lines file; quarantined ones are left out."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--format", choices=EXPORT_FORMATS, default="", help="Default: by the file's name.")
        parser.add_argument("--filter", nargs="+", default=[], metavar="NAME=VALUE", help="As in the query list.")

    def report(self, **options: Any) -> Report:
        project, target = self.project(options["project"]), options["file"]
        file_format = options["format"] or target.suffix.lstrip(".").lower()
        pieces = export_queries(
            project=project,
            rule_set=current_rule_set(project),
            wanted=read_filter(options["filter"]),
            file_format=file_format,
        )
        n = 0
        try:
            with target.open("w", encoding="utf-8", newline="") as file:
                for piece in pieces:
                    file.write(piece)
                    n += 1
        except OSError as error:
            raise BadInputError(problem=f"{target}: {error.strerror or error}.") from error
        n -= file_format == "csv"  # the header
        return Report(f"{n:,} queries written to {target}", {"queries": n, "file": str(target), "format": file_format})
