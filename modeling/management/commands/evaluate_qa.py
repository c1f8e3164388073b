"""`manage.py evaluate_qa`: code QA accuracy of a checkpoint on judged pairs; needs no database."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from modeling.ml.views import VIEWS


class Command(QuarryCommand):
    help = "Say of every pair whether its code answers its query, and print the share that is right."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("checkpoint", help="A checkpoint's folder, or an encoder to measure untrained (minilm).")
        parser.add_argument("--pairs", required=True, metavar="FILE", help="Judged pairs in CoSQA's shape.")
        parser.add_argument("--choose-on", metavar="FILE", help="Other judged pairs to choose the threshold on.")
        parser.add_argument("--threshold", type=float, metavar="X", help="Answer 1 above this score.")
        parser.add_argument("--max-length", type=int, metavar="N", help="Tokens read of a text; default: the model's.")
        parser.add_argument("--text-view", choices=VIEWS, help="Parts of the code read; default: the checkpoint's.")

    def report(self, **options: Any) -> Report:
        from modeling.ml.data import read_pairs
        from modeling.ml.evaluation import evaluate_qa
        from modeling.ml.matcher import load_scorer

        pairs = read_pairs(options["pairs"], split="test")
        choose_on = read_pairs(options["choose_on"], split="dev") if options["choose_on"] else []
        scorer = load_scorer(options["checkpoint"], max_length=options["max_length"], view=options["text_view"])
        metrics = evaluate_qa(scorer, pairs, threshold=options["threshold"], choose_on=choose_on)
        return Report(f"Code QA with {metrics['checkpoint']}", metrics, _lines(metrics))


def _lines(metrics: dict[str, Any]) -> list[tuple[str, Any]]:
    error = 100 * metrics["accuracy_standard_error"]
    constants = f"{100 * metrics['accuracy_all_1']:.2f} / {100 * metrics['accuracy_all_0']:.2f}"
    return [
        ("accuracy x100", f"{100 * metrics['accuracy']:.2f} (standard error {error:.2f})"),
        ("always 1 / always 0", constants),
        ("F1 of answer 1", f"{100 * metrics['f1']:.2f}"),
        ("AUC", "undefined: one label is absent" if metrics["auc"] is None else f"{metrics['auc']:.4f}"),
        ("threshold", f"{metrics['threshold']:.4f}, {metrics['threshold_from']}"),
        ("pairs", metrics["pairs"]),
        ("max length", metrics["max_length"] or "whole texts"),
        ("text view", metrics["text_view"]),
    ]
