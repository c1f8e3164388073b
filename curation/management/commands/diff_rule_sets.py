"""manage.py diff_rule_sets: the rules added, removed and changed from one rule set to another."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.services.rule_sets import diff_rule_sets, find_rule_set


class Command(QuarryCommand):
    help = "Compare two rule sets or versions of one."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("before", metavar="NAME[@VERSION]")
        parser.add_argument("after", metavar="NAME[@VERSION]")
        parser.add_argument("--project", default="", metavar="SLUG", help="Look in this project too.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"]) if options["project"] else None
        before, after = (find_rule_set(project, options[side], drafts=True) for side in ("before", "after"))
        found = diff_rule_sets(before, after)
        lines = [
            ("added", len(found.added)),
            ("removed", len(found.removed)),
            ("changed", len(found.changed)),
            ("the same", found.n_same),
        ]
        notes = [f"  + {rule.form} ({rule.category}, {rule.kind})" for rule in found.added]
        notes += [f"  - {rule.form} ({rule.category}, {rule.kind})" for rule in found.removed]
        notes += [
            f"  ~ {change.after.form}: {name} {old} -> {new}"
            for change in found.changed
            for name, old, new in change.rows
        ]
        data = {"before": str(before), "after": str(after), **found.as_data()}
        return Report(title=f"{before} -> {after}", data=data, lines=lines, notes=notes)
