"""`manage.py evaluate_search`: code search MRR of a checkpoint over a full code base; needs no database."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from modeling.ml.views import VIEWS


class Command(QuarryCommand):
    help = "Rank a whole code base for every query and print the mean reciprocal rank of the right code."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("checkpoint", help="A checkpoint folder, or an encoder as it comes (minilm, bm25).")
        parser.add_argument("--queries", required=True, metavar="FILE", help="Pairs in CoSQA shape; label 1 counts.")
        parser.add_argument("--code-base", required=True, metavar="FILE", help="code_idx_map.txt, or a list of codes.")
        parser.add_argument("--max-length", type=int, metavar="N", help="Tokens read of a text; default: the model's.")
        parser.add_argument("--text-view", choices=VIEWS, help="Parts of the code read; default: the checkpoint's.")

    def report(self, **options: Any) -> Report:
        from modeling.ml.data import read_code_base, read_pairs
        from modeling.ml.evaluation import evaluate_search
        from modeling.ml.matcher import load_scorer

        queries = read_pairs(options["queries"], split="test", labelled=False)
        code_base = read_code_base(options["code_base"])
        scorer = load_scorer(options["checkpoint"], max_length=options["max_length"], view=options["text_view"])
        metrics = evaluate_search(
            scorer, queries, code_base, progress=lambda done, total: self._show_progress(done, total, "encoding codes")
        )
        return Report(f"Code search with {metrics['checkpoint']}", metrics, _lines(metrics), _notes(metrics))


def _lines(metrics: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("MRR x100", f"{100 * metrics['mrr']:.2f} (standard error {100 * metrics['mrr_standard_error']:.2f})"),
        ("ties by order / best case", f"{100 * metrics['mrr_index']:.2f} / {100 * metrics['mrr_optimistic']:.2f}"),
        ("same text counted as right", f"{100 * metrics['mrr_merged']:.2f}"),
        *((f"recall at {k}", f"{100 * metrics[f'recall_at_{k}']:.1f} %") for k in (1, 5, 10, 50)),
        ("queries", metrics["queries"]),
        ("codes ranked", metrics["codes"]),
        ("max length", metrics["max_length"] or "whole texts"),
        ("text view", metrics["text_view"]),
        ("protocol", metrics["protocol"]),
    ]


def _notes(metrics: dict[str, Any]) -> list[str]:
    if not metrics["collapsed"]:
        return []
    return ["Warning: many scores are equal, so the order among them decides. The encoder may have collapsed."]
