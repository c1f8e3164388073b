"""manage.py draft_rule_set: a draft of a rule set, to be edited and adopted."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.services.rule_sets import discard_draft, draft_rule_set, find_rule_set


class Command(QuarryCommand):
    help = "Make a draft from a shipped rule set or from a version of the project. It changes nothing until adopted."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="NAME[@VERSION]")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--name", default="", help="Default: the source's name, `own` for a shipped one.")
        parser.add_argument("--discard", action="store_true", help="Remove the draft NAME[@VERSION] instead.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        source = find_rule_set(project, options["source"], drafts=options["discard"])
        if options["discard"]:
            title = f"{source} is gone."
            discard_draft(draft=source)
            return Report(title=title, data={"discarded": options["source"]})
        draft = draft_rule_set(project=project, source=source, name=options["name"])
        data = {"rule_set": draft.pk, "name": draft.name, "version": draft.version, "source": str(source)}
        return Report(title=f"{draft}, begun as a copy of {source}", data=data)
