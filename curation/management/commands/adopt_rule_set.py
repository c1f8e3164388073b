"""manage.py adopt_rule_set: judge all queries by a rule set and take it into use."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.services.rule_sets import find_rule_set
from curation.services.rules import start_adopt_rule_set

SHOWN_RULES = 15


class Command(QuarryCommand):
    help = "Judge all queries of a project by a rule set, say what changes, and make it the current one."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rule_set", metavar="NAME[@VERSION]")
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        rule_set = find_rule_set(project, options["rule_set"], drafts=True)
        detach = options["detach"]
        job = self.follow(start_adopt_rule_set(project=project, rule_set=rule_set, inline=not detach), detach=detach)
        if detach:
            return Report(title=f"Job {job.pk} is queued.", data={"job": job.pk, "rule_set": str(rule_set)})
        data = job.result
        rejected, accepted = data["newly_rejected"], data["newly_accepted"]
        lines: list[tuple[str, Any]] = [(name, data[name]) for name in ("queries", "accepted", "rejected")]
        lines += [("newly rejected", rejected["n"]), ("newly accepted", accepted["n"])]
        lines += [("judged for the first time", data["first_judged"])]
        notes = [
            _rules("newly rejected by", rejected["by_rule"]),
            _rules("newly accepted, before hit by", accepted["by_rule"]),
        ]
        title = f"{data['rule_set']} adopted in place of {data['previous']}"
        return Report(title=title, data=data, lines=lines, notes=[note for note in notes if note])


def _rules(what: str, counts: dict[str, int]) -> str:
    most = list(counts.items())[:SHOWN_RULES]
    return f"  {what}: " + ", ".join(f"{rule} ({n:,})" for rule, n in most) if most else ""
