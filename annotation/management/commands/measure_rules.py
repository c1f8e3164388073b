"""manage.py measure_rules: how good a rule set is, by what people said of a sample of queries."""

from argparse import ArgumentParser
from typing import Any

from annotation.card import describe_alpha
from annotation.selectors.intent import sample_report
from annotation.services.intent_samples import find_sample
from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from core.models import Project
from curation.models import RuleSet
from curation.rule_intervals import Estimate
from curation.rule_quality import PAPER_ACCURACY, PAPER_F1, PAPER_QUERIES
from curation.selectors import current_rule_set, rule_sets
from curation.services.rule_sets import find_rule_set

SHOWN_RULES = 15


class Command(QuarryCommand):
    help = "Measure a rule set on the judged queries of an intent sample (see sample_intent)."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--sample", type=int, metavar="ID", help="Default: the newest.")
        parser.add_argument("--rule-set", default="", metavar="NAME", help="Name or id; default: the current one.")
        parser.add_argument("--against", default="", metavar="NAME", help="Another one on the same judgements.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        sample = find_sample(project, options["sample"])
        rule_set = named_rules(project, options["rule_set"]) or current_rule_set(project)
        found = sample_report(sample, rule_set, against=named_rules(project, options["against"]))
        confusion, figures = found.measured.quality.confusion, found.measured.log.figures
        lines: list[tuple[str, Any]] = [
            ("queries with a majority", f"{found.progress.labelled:,} of {found.progress.queries:,}"),
            ("votes", f"{found.progress.votes:,} of {found.progress.wanted:,}"),
            ("agreement on intent", describe_alpha(found.alpha.to_dict()).replace("pairs", "queries")),
            *((name, _percent(estimate)) for name, estimate in found.measured.intervals.items()),
            *((f"{name}, difference", _percent(estimate)) for name, estimate in found.differences.items()),
            ("no intent, rejected (TP)", confusion.tp),
            ("intent, rejected (FP)", confusion.fp),
            ("no intent, kept (FN)", confusion.fn),
            ("intent, kept (TN)", confusion.tn),
            *((f"log, estimated: {name}", _percent(figures[name])) for name in figures if name.endswith("share")),
        ]
        notes = [f"The paper's figures on its own {PAPER_QUERIES} queries: F1 {PAPER_F1}, accuracy {PAPER_ACCURACY} %."]
        notes += [
            f"  {score.rule}: {score.hits} hits, {score.cost} good queries, F1 without it {100 * score.f1_without:.2f}"
            for score in found.measured.quality.rules[:SHOWN_RULES]
        ]
        return Report(f"{rule_set} on {sample.batch.name}", found.as_data(), lines, notes)


def named_rules(project: Project, given: str) -> RuleSet | None:
    """A rule set by its id (drafts and old versions too) or by its name; None for neither."""
    if not given:
        return None
    if not given.isdigit():
        return find_rule_set(project, given)
    found = rule_sets(project).filter(pk=int(given)).first()
    if found is None:
        raise NotFoundError(what=f"rule set in {project.slug}", name=given)
    return found


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return "undefined"
    interval = "" if estimate.low is None else f" ({100 * estimate.low:.1f} to {100 * (estimate.high or 0):.1f})"
    return f"{100 * estimate.value:.2f} %{interval}"
