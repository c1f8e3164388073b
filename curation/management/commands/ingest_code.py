"""manage.py ingest_code SOURCE --project SLUG"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.code_sources import KINDS
from curation.services.code import start_ingest_code


class Command(QuarryCommand):
    help = (
        "Read functions from the standard library, an installed package, a folder, a git checkout, an archive "
        "(zip, wheel, tar), or a file of CodeSearchNet, MBPP or CoSQA."
    )
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="stdlib, the name of an installed package, a folder (./name), or a file")
        parser.add_argument("--project", required=True, help="Short name of the project.")
        parser.add_argument("--kind", default="", choices=["", *KINDS], help="What the source is, where it is unclear.")
        parser.add_argument("--licence", default="", help="Licence where the source states none, for example MIT.")

    def report(self, **options: Any) -> Report:
        source, job = start_ingest_code(
            project=self.project(options["project"]),
            spec=options["source"],
            kind=options["kind"],
            licence=options["licence"],
            inline=not options["detach"],
        )
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk, "code_source": source.pk})
        found = job.result
        lines = [
            ("files", found["files"]),
            ("files not read, or not wholly", found["unreadable_files"]),
            ("functions", found["functions"]),
            ("new codes", found["new_codes"]),
            *((f"  {reason}", n) for reason, n in found["counts"].items()),
            ("quarantined", found["quarantined"]),
            ("near duplicates in the project", found["near_duplicates"]),
        ]
        return Report(f"{found['name']} {found['version']}".strip(), {**found, "job": job.pk}, lines)
