"""manage.py export_release: a frozen release in one format, into a folder."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.exporters import FORMAT_NAMES
from annotation.models import Release
from annotation.services.releases import start_export_release
from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from core.jobs import run_inline


class Command(QuarryCommand):
    help = "Write a frozen release in one format into a folder."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("release", metavar="SLUG/NAME")
        formats = "; ".join(f"{name}: {what}" for name, what in FORMAT_NAMES.items())
        parser.add_argument("--format", required=True, metavar="FORMAT", help=f"One of: {formats}.")
        parser.add_argument("--to", required=True, metavar="FOLDER")

    def report(self, **options: Any) -> Report:
        release = find_release(self, options["release"])
        folder = str(Path(options["to"]).expanduser().resolve())
        job = start_export_release(
            release=release, format=options["format"], folder=folder, inline=not options["detach"]
        )
        if options["detach"]:
            return Report(f"Job {job.pk} is queued.", {"job": job.pk, "release": str(release)})
        data = run_inline(job, on_progress=self._show_progress).result
        lines: list[tuple[str, Any]] = [(file["path"], f"{file['size_bytes']:,} bytes") for file in data["files"]]
        return Report(f"Release {data['release']} as {data['format']} in {data['folder']}", data, lines)


def find_release(command: QuarryCommand, address: str) -> Release:
    """The release addressed SLUG/NAME; NotFoundError names those of the project."""
    slug, _, name = address.partition("/")
    project = command.project(slug)
    release = Release.objects.filter(project=project, name=name).first()
    if release is None:
        known = ", ".join(project.releases.values_list("name", flat=True)[:10]) or "none yet: see freeze_release"
        raise NotFoundError(what="release", name=f"{address} (there are: {known})")
    return release
