"""manage.py propose_pairs --project SLUG [--retriever dense] [--encoder NAME] [--threshold 0.5] [--top-k 1]"""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from core.commands import QuarryCommand, Report
from curation.assignment import POLICIES
from curation.retrieval import POOL, RETRIEVERS
from curation.services.candidates import start_propose_pairs
from curation.services.candidates.settings import CLICKED
from curation.text_views import VIEWS


def add_settings(parser: ArgumentParser) -> None:
    """The settings of a run, as options."""
    parser.add_argument(
        "--retriever", choices=[*RETRIEVERS, CLICKED], default="dense", help="What finds the codes of a query."
    )
    parser.add_argument("--encoder", default="", help="Name or folder; default: the project's, else QUARRY_ENCODER.")
    parser.add_argument("--top-k", type=int, default=1, help="Codes per query at most (paper: 1).")
    parser.add_argument(
        "--threshold", type=float, help="Lowest score that is kept (inclusive); default: 0.5 for cosines, else 0."
    )
    parser.add_argument("--cap", type=int, default=10, help="How often a code may be used at most.")
    parser.add_argument("--policy", choices=POLICIES, default="default", help="How codes are assigned.")
    parser.add_argument("--view", choices=list(VIEWS), default="full", help="Which text of the code is encoded.")
    parser.add_argument("--weight", type=float, default=0.5, help="hybrid_sum: weight of the cosine.")
    parser.add_argument("--pool", type=int, default=POOL, help="Hybrids: codes of each list that are looked at.")


def settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `add_settings` for the services."""
    names = ("retriever", "encoder", "top_k", "threshold", "cap", "policy", "weight", "pool")
    return {**{name: options[name] for name in names}, "text_view": options["view"]}


class Command(QuarryCommand):
    help = "Find the best codes of every accepted query and keep the pairs that reach the threshold."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Short name of the project.")
        add_settings(parser)
        parser.add_argument(
            "--recall", type=float, default=0.99, help="Share of the best codes that an inexact index must find."
        )
        parser.add_argument("--shards", type=int, default=1, help="Parts of the search; the pairs are the same.")

    def report(self, **options: Any) -> Report:
        candidate_run, job = start_propose_pairs(
            project=self.project(options["project"]),
            recall=options["recall"],
            shards=options["shards"],
            inline=not options["detach"],
            **settings_of(options),
        )
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk, "candidate_run": candidate_run.pk})
        found = job.result
        lines = [
            ("encoder", found["encoder"] or found["retriever"]),
            ("index", found["index"]),
            ("queries", found["queries"]),
            ("codes", found["codes"]),
            ("vectors from the cache", found["cached"]),
            ("pairs kept", found["kept"]),
            ("queries with a pair", found["queries_kept"]),
            ("below the threshold", found["below_threshold"]),
            ("over the cap", found["over_cap"]),
            ("not searched", found["not_searched"]),
            ("distinct codes used", found["codes_used"]),
        ]
        notes = [f"warning: {text}" for text in found["warnings"]]
        if found["recall"]:
            notes.insert(0, f"the index finds {100 * found['recall']['reached']:.2f} % of the best codes of a sample")
        return Report(f"Candidate run {candidate_run.pk}", {**found, "job": job.pk}, lines, notes)
