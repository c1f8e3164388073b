"""manage.py sample_intent: draw queries at random and open them for judging their intent alone."""

from argparse import ArgumentParser
from typing import Any

from annotation.intent_samples import DEFAULT_BANDS, DEFAULT_MINIMUM, DEFAULT_N, DEFAULT_SECONDS
from annotation.services.intent_classifier import find_classifier
from annotation.services.intent_samples import SampleSettings, plan_intent_sample, start_sample_intent
from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.services.rule_sets import find_rule_set


class Command(QuarryCommand):
    help = "Draw a stratified random sample of queries and open it as a batch in which people judge intent alone."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--n", type=int, default=DEFAULT_N, help=f"Queries ({DEFAULT_N}).")
        parser.add_argument("--rejected", type=float, metavar="SHARE", help="Share of rejected; default: the log's.")
        parser.add_argument(
            "--minimum", type=int, default=DEFAULT_MINIMUM, help=f"At least from each stratum ({DEFAULT_MINIMUM})."
        )
        parser.add_argument(
            "--bands", default=",".join(map(str, DEFAULT_BANDS)), help="Where popularity bands begin; '' for none."
        )
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--overlap", type=int, help="Votes per query; default: the project's (3).")
        parser.add_argument("--max-extra", type=int, help="Extra votes at most; default: the project's (2).")
        parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="Per query, for the estimate.")
        parser.add_argument("--rule-set", default="", metavar="NAME", help="Whose verdicts; default: the current one.")
        parser.add_argument("--opinion", action="store_true", help="Stratify by the second opinion too.")
        parser.add_argument("--last", action="store_true", help="Judge it after what is open, not before.")
        parser.add_argument("--name", default="", help="Name of the batch; default: a number.")
        parser.add_argument("--plan", action="store_true", help="Say what it would hold and cost; open nothing.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        names = ("n", "minimum", "seed", "overlap", "max_extra")
        settings = SampleSettings(
            **{name: options[name] for name in names},
            comes_first=not options["last"],
            rejected_share=options["rejected"],
            bands=_bands(options["bands"]),
        )
        chosen: dict[str, Any] = {
            "project": project,
            "settings": settings,
            "rule_set": find_rule_set(project, options["rule_set"]) if options["rule_set"] else None,
            "classifier": find_classifier(project) if options["opinion"] else None,
        }
        plan = plan_intent_sample(**chosen, seconds=options["seconds"])
        lines: list[tuple[str, Any]] = [
            (" ".join(filter(None, (one.key.side, one.band_name, one.key.opinion))), f"{one.drawn:,} of {one.size:,}")
            for one in plan.strata
        ]
        lines += [("votes needed", plan.votes), ("hours of people's time", f"{plan.hours:.1f}")]
        if options["plan"]:
            return Report(f"A sample of {plan.n:,} queries would hold", plan.as_data(), lines)
        sample, job = start_sample_intent(**chosen, name=options["name"], inline=not options["detach"])
        job = self.follow(job, detach=options["detach"])
        data = {**plan.as_data(), "sample": sample.pk, "batch": sample.batch_id, "job": job.pk}
        return Report(f"{sample.batch.name}: {plan.n:,} queries, intent only", data, lines)


def _bands(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise BadInputError(problem=f"--bands takes whole numbers with commas between them, not {text!r}.")
    return tuple(map(int, parts))
