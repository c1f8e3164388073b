"""manage.py export_votes --project SLUG [--batch NAME] --format jsonl|csv [--long] [--to FILE]"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from annotation.models import Batch
from annotation.selectors.export import FORMATS, LONG, PAIRS, export_votes
from core.commands import QuarryCommand, Report
from core.errors import BadInputError, NotFoundError
from core.models import Project


class Command(QuarryCommand):
    help = (
        "Write every judged pair with its votes as they stand now. What privacy holds back is left out. Without --to "
        "it goes to standard output and the report to standard error."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--batch", default="", metavar="NAME", help="Only pairs of this batch.")
        parser.add_argument("--format", choices=list(FORMATS), default="jsonl", help="Default: %(default)s.")
        parser.add_argument("--long", action="store_true", help="A row per vote instead of a row per pair.")
        parser.add_argument("--to", type=Path, metavar="FILE", help="Must not exist yet.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        pieces = export_votes(
            project,
            batch=_batch(project, options["batch"]),
            file_format=options["format"],
            shape=LONG if options["long"] else PAIRS,
        )
        target: Path | None = options["to"]
        if target is None:
            size = _write(pieces, partial(self.stdout.write, ending=""))
            self.stdout = self.stderr  # the report must not end up in the data
            return Report(f"{size:,} characters written", {"characters": size})
        try:
            with target.expanduser().open("x", encoding="utf-8", newline="") as file:
                size = _write(pieces, file.write)
        except OSError as error:
            raise BadInputError(problem=f"{target}: {error.strerror or error}.") from error
        return Report(f"Votes of {project.slug} written to {target}", {"characters": size, "file": str(target)})


def _batch(project: Project, name: str) -> Batch | None:
    if not name:
        return None
    batch = project.batches.filter(name=name).first()
    if batch is None:
        raise NotFoundError(what="batch", name=name)
    return batch


def _write(pieces: Iterator[str], write: Callable[[str], Any]) -> int:
    """Writes as it comes; returns the characters."""
    size = 0
    for piece in pieces:
        write(piece)
        size += len(piece)
    return size
