"""manage.py agreement: Krippendorff's alpha of a project, and what each keep rule would leave."""

from argparse import ArgumentParser
from typing import Any

from annotation.card import describe_alpha, describe_rule
from annotation.selectors.agreement import agreement_report
from core.commands import QuarryCommand, Report


class Command(QuarryCommand):
    help = (
        "Show Krippendorff's alpha of a project's votes, by batch and annotator, and what each keep rule would leave."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        data = agreement_report(self.project(options["project"]))
        lines: list[tuple[str, Any]] = [
            ("intent, all votes", describe_alpha(data["intent"])),
            ("answer, all votes", describe_alpha(data["answer"])),
        ]
        lines += [(f"batch {batch['name']}: answer", describe_alpha(batch["answer"])) for batch in data["batches"]]
        lines += [
            (f"{rater['name']} against the rest: answer", describe_alpha(rater["answer"])) for rater in data["raters"]
        ]
        for kept in data["rules"]:
            rule = describe_rule(kept["rule"])
            lines.append((f"keeps {kept['kept']:,} ({kept['ones']:,} with label 1)", rule))
            lines.append(("  alpha of the kept answers (selected)", describe_alpha(kept["answer_kept"])))
        notes = [data["note"], f"(CoSQA reports {data['paper']} after its filter.)"]
        return Report(f"Agreement in {options['project']}", data, lines, notes)
