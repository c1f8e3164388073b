"""manage.py train_intent_classifier: a second opinion on intent, learned from judged queries."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.services.intent_classifier import start_train_intent_classifier
from annotation.services.intent_samples import find_sample
from core.commands import QuarryCommand, Report
from core.errors import BadInputError


class Command(QuarryCommand):
    help = "Train a classifier of intent from judged samples and/or a labelled file. It never replaces the rules."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--sample", type=int, action="append", metavar="ID", help="Default: all of the project's.")
        parser.add_argument("--file", type=Path, help="CSV or JSON Lines with the columns query and label.")
        parser.add_argument("--encoder", default="", help="Default: the project's.")
        parser.add_argument("--seed", type=int, default=0)

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        file: Path | None = options["file"]
        if file is not None and not file.is_file():
            raise BadInputError(problem=f"{file} is no file.")
        samples = [find_sample(project, pk) for pk in options["sample"]] if options["sample"] else None
        classifier, job = start_train_intent_classifier(
            project=project,
            samples=samples,
            labelled=file.resolve() if file else None,
            encoder=options["encoder"],
            seed=options["seed"],
            inline=not options["detach"],
        )
        self.follow(job, detach=options["detach"])
        classifier.refresh_from_db()
        data = {"classifier": classifier.pk, "job": job.pk, **classifier.report}
        return Report(f"Second opinion {classifier.pk}", data, _lines(classifier.report))


def _lines(found: dict[str, Any]) -> list[tuple[str, Any]]:
    if not found:
        return []
    lines: list[tuple[str, Any]] = [("judged queries", found["n"]), ("features in use", found["variant"])]
    for name in ("accuracy", "f1_no_intent", "f1_intent"):
        model, rules, gain = found["model"][name], found["rules"][name], found["difference"][name]
        lines.append((f"{name}: classifier, out of fold", _percent(model)))
        lines.append((f"{name}: rules, same queries", _percent(rules)))
        lines.append((f"{name}: difference, paired", _percent(gain)))
    lines.append(("Brier score", f"{found['brier']:.4f} (base rate alone: {found['brier_of_base_rate']:.4f})"))
    return lines


def _percent(figure: dict[str, float | None]) -> str:
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None:
        return "undefined"
    return f"{100 * value:.2f} %" + (f" ({100 * low:.1f} to {100 * high:.1f})" if low is not None and high else "")
