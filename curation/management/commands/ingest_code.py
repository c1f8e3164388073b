"""manage.py ingest_code SOURCE --project SLUG"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.services.code import start_ingest_code


class Command(QuarryCommand):
    help = "Read functions from the standard library, an installed package, a folder or a CoSQA code base."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source", help="stdlib, the name of an installed package, a folder (./name), or a CoSQA code base file"
        )
        parser.add_argument("--project", required=True, help="Short name of the project.")

    def report(self, **options: Any) -> Report:
        source, job = start_ingest_code(
            project=self.project(options["project"]), spec=options["source"], inline=not options["detach"]
        )
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk, "code_source": source.pk})
        found = job.result
        lines = [
            ("files", found["files"]),
            ("files not readable", found["unreadable_files"]),
            ("functions", found["functions"]),
            ("new codes", found["new_codes"]),
            *((f"  {reason}", n) for reason, n in found["counts"].items()),
            ("quarantined", found["quarantined"]),
        ]
        return Report(f"{found['name']} {found['version']}".strip(), {**found, "job": job.pk}, lines)
