"""manage.py evaluate_rules: measure a rule set on labelled queries."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.intent import DEFAULT_RULE_SET
from curation.rule_intervals import Estimate, sample_intervals
from curation.rule_quality import PAPER_ACCURACY, PAPER_F1, LabelledQuery, RuleQuality, read_labelled
from curation.services.rule_sets import find_rule_set
from curation.services.rules import evaluate_rules

SHOWN_RULES = 15


class Command(QuarryCommand):
    help = "Measure a rule set on a CSV or JSON Lines file with the columns query and label (1 = has intent)."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--rule-set", default=DEFAULT_RULE_SET, metavar="NAME")
        parser.add_argument("--project", default="", metavar="SLUG", help="Look for the rule set in this project too.")
        parser.add_argument("--language", default=None, help="Language keyword; default: the project's, else python.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"]) if options["project"] else None
        rule_set = find_rule_set(project, options["rule_set"])
        language = options["language"]
        if language is None:
            language = project.language if project else "python"
        quality = evaluate_rules(rule_set=rule_set, queries=_labelled(Path(options["file"])), language=language)
        return _report(str(rule_set), quality)


def _labelled(path: Path) -> list[LabelledQuery]:
    try:
        return read_labelled(path)
    except OSError as error:
        raise BadInputError(problem=f"{path}: {error.strerror or error}.") from error


def _with_interval(estimate: Estimate) -> str:
    """Per cent with the 95 % bootstrap interval."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "undefined"
    return f"{100 * estimate.value:.2f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def _report(rule_set: str, quality: RuleQuality) -> Report:
    found, intervals = quality.confusion, sample_intervals(quality.outcomes)
    lines: list[tuple[str, Any]] = [
        ("queries", found.n),
        ("accuracy", _with_interval(intervals["accuracy"])),
        ("F1 (no intent as positive, primary)", _with_interval(intervals["f1_no_intent"])),
        ("F1 (intent as positive)", _with_interval(intervals["f1_intent"])),
        ("no intent, rejected (TP)", found.tp),
        ("intent, rejected (FP)", found.fp),
        ("no intent, kept (FN)", found.fn),
        ("intent, kept (TN)", found.tn),
    ]
    notes = [f"The paper's figures on its own 250 queries: F1 {PAPER_F1:.2f}, accuracy {PAPER_ACCURACY:.2f} %."]
    notes += [f"  {score.rule}: {score.hits} hits, {score.cost} good queries" for score in quality.rules[:SHOWN_RULES]]
    return Report(
        title=f"Rule set {rule_set} on labelled queries",
        data={
            "rule_set": rule_set,
            **quality.as_data(),
            "intervals": {name: estimate.as_data() for name, estimate in intervals.items()},
        },
        lines=lines,
        notes=notes,
    )
