"""manage.py apply_rules: judge the intent of a project's queries by keyword rules."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.selectors.queries import current_rule_set
from curation.services.rule_sets import find_rule_set
from curation.services.rules import start_apply_rules

SHOWN_RULES = 15


class Command(QuarryCommand):
    help = "Judge the code-search intent of every query of a project by a rule set."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--rule-set", default="", metavar="NAME", help="Default: the adopted rule set, else cosqa-strict."
        )

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        name = options["rule_set"]
        rule_set = find_rule_set(project, name) if name else current_rule_set(project)
        detach = options["detach"]
        job = self.follow(start_apply_rules(project=project, rule_set=rule_set, inline=not detach), detach=detach)
        if detach:
            return Report(title=f"Job {job.pk} is queued.", data={"job": job.pk, "rule_set": str(rule_set)})
        data = job.result
        counts = ("queries", "quarantined", "accepted", "rejected", "withheld", "changed")
        lines: list[tuple[str, Any]] = [(name, data[name]) for name in counts]
        lines += [(f"no intent: {name}", count) for name, count in data["by_category"].items()]
        most = list(data["by_rule"].items())[:SHOWN_RULES]
        notes = ["Rules with most hits: " + ", ".join(f"{rule} ({count:,})" for rule, count in most)] if most else []
        return Report(title=f"Intent rules {rule_set} over project {project.slug}", data=data, lines=lines, notes=notes)
