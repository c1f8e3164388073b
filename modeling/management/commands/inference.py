"""`manage.py inference`: the process that answers searches (started by `up`, or as a service of its own)."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from modeling.inference import run_inference


class Command(QuarryCommand):
    help = "Serve searches on a local socket: one encoder and one index, loaded on first use, released when idle."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--idle", type=float, default=600.0, metavar="SECONDS", help="Release the model after this rest (600)."
        )

    def report(self, **options: Any) -> Report:
        run_inference(idle_s=options["idle"])
        return Report("The inference process has ended.", {"ended": True})
