"""manage.py consensus: labels by majority, Dawid-Skene and MACE side by side."""

from argparse import ArgumentParser
from typing import Any

from annotation.services.consensus import DEFAULT_RESTARTS, start_compute_consensus
from core.commands import QuarryCommand, Report

NAMES = {"majority": "majority", "dawid_skene": "Dawid-Skene", "mace": "MACE"}


class Command(QuarryCommand):
    help = (
        "Compute the consensus of a project's votes by majority, Dawid-Skene and MACE. Where they differ, the pair "
        "waits for an adjudicator. Votes are not changed; the same votes and seed give the same labels."
    )
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--seed", type=int, default=0, help="Of MACE's starts (default: 0).")
        parser.add_argument("--restarts", type=int, default=DEFAULT_RESTARTS, help="Starts of MACE (default: 10).")

    def report(self, **options: Any) -> Report:
        _, job = start_compute_consensus(
            project=self.project(options["project"]),
            seed=options["seed"],
            restarts=options["restarts"],
            inline=not options["detach"],
        )
        job = self.follow(job, detach=options["detach"])
        if options["detach"]:
            return Report(f"Job {job.pk} is queued.", {"job": job.pk})
        data = job.result
        lines: list[tuple[str, Any]] = [(name, data[name]) for name in ("pairs", "votes", "raters", "differing")]
        for method, name in NAMES.items():
            counts = data["labels"][method]
            lines.append((f"{name}: 1, 0, no intent, none", _counts(counts)))
        for pair, n in data["alike"].items():
            lines.append((" and ".join(NAMES[one] for one in pair.split()) + " alike", n))
        return Report(f"Consensus in {options['project']}", data, lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts.get(key, 0):,}" for key in ("1", "0", "no", "none"))
