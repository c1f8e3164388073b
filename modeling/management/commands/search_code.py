"""`manage.py search_code`: answer a query from a code base with a checkpoint; needs no database."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from core.commands import QuarryCommand, Report
from modeling.ml.views import VIEWS, split_code
from modeling.words import common_words


class Command(QuarryCommand):
    help = "Rank the functions of a code base for a query."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query", help="What you look for, in your own words.")
        parser.add_argument("--checkpoint", required=True, help="A checkpoint's folder, or an encoder (minilm, bm25).")
        parser.add_argument("--code-base", required=True, metavar="FILE", help="code_idx_map.txt, or a list of codes.")
        parser.add_argument("--top", type=int, default=10, metavar="N", help="How many to print (10).")
        parser.add_argument("--max-length", type=int, metavar="N", help="Tokens read of a text; default: the model's.")
        parser.add_argument("--text-view", choices=VIEWS, help="Parts of the code read; default: the checkpoint's.")

    def report(self, **options: Any) -> Report:
        from modeling.ml.data import read_code_base
        from modeling.ml.errors import BadDataError
        from modeling.ml.matcher import load_scorer
        from modeling.ml.search import search

        if not options["query"].strip():
            raise BadDataError(place="query", problem="it is empty.")
        code_base = read_code_base(options["code_base"])
        scorer = load_scorer(options["checkpoint"], max_length=options["max_length"], view=options["text_view"])
        index = scorer.index(
            [code.text for code in code_base],
            progress=lambda done, total: self._show_progress(done, total, "encoding codes"),
        )
        hits = search(scorer, options["query"], code_base, k=options["top"], index=index)
        rows = [{**asdict(hit), "common_words": common_words(options["query"], hit.code)} for hit in hits]
        data = {
            "query": options["query"],
            "checkpoint": scorer.name,
            "codes": len(code_base),
            "max_length": scorer.max_length,
            "text_view": scorer.view,
            "results": rows,
        }
        title = f"{len(rows)} best of {len(code_base):,} functions with {scorer.name}, {_reading(scorer)}"
        return Report(title, data, notes=[_shown(row) for row in rows])


def _reading(scorer: Any) -> str:
    length = f"at most {scorer.max_length} tokens" if scorer.max_length else "whole texts"
    return f"{length}, text view {scorer.view}"


def _shown(row: dict[str, Any]) -> str:
    comment = split_code(row["code"]).comment.strip()
    first = comment.splitlines()[0].strip() if comment else ""
    words = ", ".join(row["common_words"]) or "none"
    name = row["name"] or row["code"].strip().splitlines()[0]
    indent = "\n" + " " * 16
    return f"{row['rank']:>4}  {row['score']:8.4f}  {name}{indent}{first}{indent}words in common: {words}"
