"""Writes the audit log of a project as CSV."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.selectors.control import AuditFilter, audit_entries, audit_lines
from core.commands import QuarryCommand, Report


class Command(QuarryCommand):
    help = "Writes every change of a judgement or of a person's standing to a CSV file, oldest first."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--person", default="", metavar="NAME", help="Only entries about this person.")
        parser.add_argument("--act", default="", help="Only entries of this act, such as annotation.pause.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        wanted = AuditFilter(act=options["act"], person=options["person"])
        entries = audit_entries(project, wanted).order_by("id")
        path = options["file"].expanduser()
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(audit_lines(entries.iterator(chunk_size=2000)))
        n = entries.count()
        return Report(f"Audit log of {project.slug}", {"entries": n, "file": str(path)}, [("entries", n)])
