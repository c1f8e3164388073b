"""manage.py export_rule_set: the TOML text of a rule set."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.services.rule_sets import find_rule_set


class Command(QuarryCommand):
    help = "Print the TOML text of a rule set, or write it to a file."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rule_set", metavar="NAME[@VERSION]")
        parser.add_argument("--project", default="", metavar="SLUG", help="Look in this project too.")
        parser.add_argument("--to", default="", metavar="FILE")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"]) if options["project"] else None
        rule_set = find_rule_set(project, options["rule_set"], drafts=True)
        data = {"rule_set": str(rule_set), "content_hash": rule_set.content_hash, "text": rule_set.text}
        if not options["to"]:
            return Report(title=rule_set.text.rstrip("\n"), data=data)
        try:
            Path(options["to"]).write_text(rule_set.text, encoding="utf-8")
        except OSError as error:
            raise BadInputError(problem=f"{options['to']}: {error.strerror or error}.") from error
        return Report(title=f"{rule_set} written to {options['to']}", data=data)
