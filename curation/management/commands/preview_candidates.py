"""manage.py preview_candidates --project SLUG [--queries 200] [--codes 2000] and the settings of propose_pairs"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.management.commands.propose_pairs import add_settings, settings_of
from curation.services.candidates import start_preview_candidates
from curation.services.candidates.preview import CODES, QUERIES


class Command(QuarryCommand):
    help = "Look at random queries before a candidate run: share that passes, examples, estimated time for all."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Short name of the project.")
        parser.add_argument("--queries", type=int, default=QUERIES, help="Random queries to look at.")
        parser.add_argument(
            "--codes", type=int, default=CODES, help="Codes to look at, beyond those encoded already; 0: all."
        )
        parser.add_argument("--seed", type=int, default=0, help="Draws queries and codes.")
        add_settings(parser)

    def report(self, **options: Any) -> Report:
        job = start_preview_candidates(
            project=self.project(options["project"]),
            n_queries=options["queries"],
            n_codes=options["codes"],
            seed=options["seed"],
            inline=not options["detach"],
            **settings_of(options),
        )
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk})
        found = job.result
        lines = [
            ("queries sampled", f"{found['sampled']:,} of {found['queries']:,}"),
            ("codes searched", f"{found['searched_codes']:,} of {found['codes']:,}"),
            ("pass the threshold", f"{found['passing']:,} ({100 * found['share_passing']:.1f} %)"),
            ("from the cache", f"{found['cached_queries']:,} queries, {found['cached_codes']:,} codes"),
            ("left to encode", f"{found['to_encode']['queries']:,} queries, {found['to_encode']['codes']:,} codes"),
            *((f"measured: {what} a second", speed) for what, speed in found["texts_per_s"].items()),
            ("estimated for all, seconds", found["estimate"]["total_s"]),
        ]
        return Report("Preview", {**found, "job": job.pk}, lines, [f"warning: {text}" for text in found["warnings"]])
