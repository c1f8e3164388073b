"""manage.py guideline: the text in force, or a new version from a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.services.guidelines import current_guideline, publish_guideline
from core.commands import QuarryCommand, Report
from core.errors import BadInputError


class Command(QuarryCommand):
    help = "Print a project's annotation guideline, or put the text of a file in force as the next version."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--publish", metavar="FILE", help="A Markdown file (UTF-8).")
        parser.add_argument("--note", default="", help="What changed and why, as annotators read it.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        current = current_guideline(project)
        if options["publish"] is None:
            data = {"version": current.version, "note": current.note, "text": current.text}
            return Report(f"Guideline of {project.slug}, version {current.version}", data, notes=["", current.text])
        published = publish_guideline(project=project, text=_read(options["publish"]), note=options["note"])
        said = "is in force" if published != current else "is in force already: the text is the same"
        return Report(f"Version {published.version} of the guideline {said}.", {"version": published.version})


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(problem=f"{path} cannot be read as UTF-8 text: {error}.") from error
