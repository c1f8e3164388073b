"""manage.py suggest_keywords: words and phrases that could become intent rules, with their measured cost."""

from argparse import ArgumentParser
from typing import Any

from annotation.management.commands.measure_rules import named_rules
from annotation.selectors.intent import keywords_of
from annotation.services.intent_samples import find_sample
from core.commands import QuarryCommand, Report
from curation.selectors import current_rule_set


class Command(QuarryCommand):
    help = "Suggest keywords from the judged queries of an intent sample, each with what it would remove and lose."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--sample", type=int, metavar="ID", help="Default: the newest.")
        parser.add_argument("--rule-set", default="", metavar="NAME", help="Name or id; default: the current one.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        sample = find_sample(project, options["sample"])
        rule_set = named_rules(project, options["rule_set"]) or current_rule_set(project)
        found = keywords_of(sample, rule_set)
        lines = [
            (
                one.term,
                f"z {one.z:.2f}, removes {one.removes}, loses {one.loses}; "
                f"in the log about {one.removes_in_log:,.0f} and {one.loses_in_log:,.0f}",
            )
            for one in found
        ]
        data = {"sample": sample.pk, "rule_set": str(rule_set), "keywords": [one.as_data() for one in found]}
        return Report(f"Keywords that {rule_set} does not cover, by {sample.batch.name}", data, lines)
