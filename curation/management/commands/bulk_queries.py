"""manage.py bulk_queries ACT --project SLUG --filter NAME=VALUE ..."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.selectors.privacy import HAND_REASONS
from curation.selectors.queries import current_rule_set
from curation.selectors.query_filter import QueryFilter
from curation.services.queries import BULK_ACTS, start_bulk_queries


class Command(QuarryCommand):
    help = "Leave out, take back, quarantine or release every query that a filter finds."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=list(BULK_ACTS))
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--filter", nargs="+", default=[], metavar="NAME=VALUE", help="As in the query list.")
        parser.add_argument("--all", action="store_true", help="Needed where no filter is given.")
        parser.add_argument("--reason", default="", help=f"For quarantine: {', '.join(HAND_REASONS)}.")
        parser.add_argument("--note", default="", help="Why; kept on record for quarantine and release.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        if not options["filter"] and not options["all"]:
            raise BadInputError(problem="Give a --filter, or --all for every query of the project.")
        job = start_bulk_queries(
            project=project,
            rule_set=current_rule_set(project),
            act=options["act"],
            wanted=read_filter(options["filter"]),
            reason=options["reason"],
            note=options["note"],
            inline=not options["detach"],
        )
        job = self.follow(job, detach=options["detach"])
        found = job.result or {}
        lines = [(name, found[name]) for name in ("found", "changed") if name in found]
        return Report(job.title, {**found, "job": job.pk}, lines)


def read_filter(given: list[str]) -> QueryFilter:
    """NAME=VALUE words as a filter; BadInputError names one that cannot be read."""
    params = {}
    for word in given:
        name, mark, value = word.partition("=")
        if not mark or name not in QueryFilter.__dataclass_fields__:
            known = ", ".join(QueryFilter.__dataclass_fields__)
            raise BadInputError(problem=f"{word[:60]!r} is no filter. Write NAME=VALUE with one of: {known}.")
        params[name] = value
    return QueryFilter.parse(params)
