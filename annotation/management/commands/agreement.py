"""manage.py agreement: Krippendorff's alpha of a project, by group, and what each keep rule would leave."""

from argparse import ArgumentParser
from typing import Any

from annotation.card import describe_alpha, describe_removal, describe_rule
from annotation.consensus import Keep
from annotation.criteria import read_rule
from annotation.quality import Scheme
from annotation.selectors.agreement import agreement_report, with_chosen_rule
from annotation.services.keep_rules import choose_keep_rule
from annotation.services.tallies import catch_up, start_recount_agreement
from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from core.jobs import run_inline
from core.models import Project

NO_LIMIT_S = 3600.0
GROUPS = {"batch": "batches", "week": "weeks", "guideline": "guidelines", "band": "bands"}
RULE_OPTIONS = ("keep", "min_votes", "min_share", "min_alpha_u")


class Command(QuarryCommand):
    help = (
        "Show Krippendorff's alpha of a project's votes, by group and annotator, and what each keep rule would leave; "
        "choose the rule that releases start from; or count all votes anew."
    )
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--scheme",
            default="answer",
            choices=[str(each) for each in Scheme],
            help="What the groups are compared in.",
        )
        parser.add_argument("--by", default="batch", choices=sorted(GROUPS), help="The groups to show.")
        parser.add_argument("--keep", metavar="RULE", help=f"Show what a rule leaves; one of: {', '.join(Keep)}.")
        parser.add_argument("--min-votes", metavar="N", help="Valid votes that the rule asks for.")
        parser.add_argument("--min-share", metavar="SHARE", help="Majority of the answers that it asks for.")
        parser.add_argument("--min-alpha-u", metavar="X", help="Threshold of the rule alpha-u.")
        parser.add_argument("--choose", action="store_true", help="Let the project's releases start from that rule.")
        parser.add_argument(
            "--recount", action="store_true", help="Count all votes anew first, and say what was wrong."
        )

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        if options["detach"] and not options["recount"]:
            raise BadInputError(problem="--detach goes with --recount: the rest is no long work.")
        lines: list[tuple[str, Any]] = []
        if options["recount"]:
            job = start_recount_agreement(project=project, inline=not options["detach"])
            if options["detach"]:
                return Report(f"Job {job.pk} is queued.", {"job": job.pk})
            result = run_inline(job, on_progress=self._show_progress).result
            lines.append(("counted anew", f"{result['pairs']:,} pairs, {result['wrong_counts']:,} wrong counts"))
        catch_up(project, budget_s=NO_LIMIT_S)
        rule = self._rule(project, options)
        data = agreement_report(project, rule=rule)
        if options["choose"] and rule is not None:
            choose_keep_rule(project=project, rule=rule)
            lines.append(("releases start from", describe_rule(rule.to_dict())))
        lines += self._lines(data, options)
        notes = [data["note"], f"(CoSQA reports {data['paper']} after its filter.)"]
        return Report(f"Agreement in {options['project']}", data, lines, notes)

    def _rule(self, project: Project, options: dict[str, Any]) -> Any:
        given = {name: options[name] for name in RULE_OPTIONS if options[name] is not None}
        return read_rule(**with_chosen_rule(project, given)) if given or options["choose"] else None

    def _lines(self, data: dict[str, Any], options: dict[str, Any]) -> list[tuple[str, Any]]:
        scheme, group = options["scheme"], options["by"]
        lines: list[tuple[str, Any]] = [(f"{each}, all votes", _describe(data[each])) for each in Scheme]
        lines += [(f"{group} {row['name']}: {scheme}", _describe(row[scheme])) for row in data[GROUPS[group]]]
        lines += [
            (f"{rater['name']} against the rest: {scheme}", describe_alpha(rater[scheme])) for rater in data["raters"]
        ]
        for kept in [*data["rules"], *([data["what_if"]] if "what_if" in data else [])]:
            lines.append((f"keeps {kept['kept']:,} ({kept['ones']:,} with label 1)", describe_rule(kept["rule"])))
            lines.append(("  alpha of the kept answers (selected)", describe_alpha(kept["answer_kept"])))
        if "what_if" in data:
            lines += [(f"  removed: {describe_removal(why)}", n) for why, n in data["what_if"]["removed"].items()]
        return lines


def _describe(facts: dict[str, Any]) -> str:
    """An alpha with what stands beside it."""
    if facts["percent"] is None:
        return describe_alpha(facts)
    return f"{describe_alpha(facts)}; {100 * facts['percent']:.1f} % agreeing, AC1 {facts['ac1']:.3f}"
