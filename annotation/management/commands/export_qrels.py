"""manage.py export_qrels: every judged pair of a test pool."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.selectors.pools import pools_of, qrels_of
from core.commands import QuarryCommand, Report
from core.errors import BadInputError, NotFoundError


class Command(QuarryCommand):
    help = "Write the judged pairs of a test pool: TREC qrels, and JSON with texts and the pool's depth."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--pool", required=True, metavar="NAME", help="Name or number of the pool.")
        parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="For qrels.txt and qrels.json.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        wanted = options["pool"]
        pool = pools_of(project).filter(name=wanted).first()
        if pool is None and wanted.isascii() and wanted.isdigit():
            pool = pools_of(project).filter(pk=int(wanted)).first()
        if pool is None:
            raise NotFoundError(what=f"pool in {project.slug}", name=wanted)
        qrels = qrels_of(project, [pool])
        try:
            options["to"].mkdir(parents=True, exist_ok=True)
            (options["to"] / "qrels.txt").write_text(qrels.text(), encoding="utf-8")
            (options["to"] / "qrels.json").write_text(qrels.json(), encoding="utf-8")
        except OSError as error:
            raise BadInputError(problem=f"{options['to']} cannot be written: {error.strerror}.") from error
        facts = qrels.facts
        lines = [(name.replace("_", " "), n) for name, n in facts.items() if name != "pools"]
        data = {**facts, "folder": str(options["to"])}
        return Report(f"Qrels of {pool.name}, depth {pool.k}", data, [*lines, ("folder", data["folder"])])
