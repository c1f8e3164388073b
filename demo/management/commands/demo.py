"""manage.py demo: the whole road, unattended, with progress."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from demo.cosqa import PAPER, walk_cosqa
from demo.road import Road
from demo.walk import Walk, walk_sample
from modeling.ml.recipes import parse_overrides


class Command(QuarryCommand):
    help = "Walk the whole road on the sample data with simulated annotators, or on CoSQA's files with --cosqa FOLDER."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--cosqa", metavar="FOLDER", type=Path, help="Folder with cosqa-dev.json and its code base."
        )
        parser.add_argument("--seed", type=int, default=0, help="Seed of votes, splits and training (0).")
        parser.add_argument("--encoder", default="minilm", help="Encoder of proposal and training (minilm).")
        parser.add_argument(
            "--code", default="stdlib", metavar="SOURCE", help="Code source of the sample road (stdlib)."
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="A setting of the training recipe."
        )

    def report(self, **options: Any) -> Report:
        road = Road(lambda text: self.stderr.write(text))
        walk = Walk(
            road=road,
            on_progress=self._show_progress,
            seed=options["seed"],
            encoder=options["encoder"],
            model=options["encoder"],
            code=options["code"],
            settings=tuple(parse_overrides(options["set"]).items()),
        )
        project = walk_cosqa(walk, options["cosqa"]) if options["cosqa"] else walk_sample(walk)
        title = f"\nThe whole road, project {project.slug}"
        notes = [
            road.table(),
            *([PAPER] if options["cosqa"] else []),
            "",
            "Start the product with `make run` and open the addresses above to look around.",
        ]
        return Report(title, {"project": project.slug, "steps": road.data()}, [], notes)
