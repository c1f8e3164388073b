"""manage.py scan_privacy --project SLUG"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.services.privacy import start_scan_privacy


class Command(QuarryCommand):
    help = "Look for private text again in every query, code and path of a project, and say what changed."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        job = start_scan_privacy(project=project, inline=not options["detach"])
        job = self.follow(job, detach=options["detach"])
        if not job.result:
            return Report(f"Queued: {job.title}", {"job": job.pk})
        found = job.result
        lines: list[tuple[str, Any]] = []
        for kind in ("query", "code"):
            lines.append((f"{kind} texts looked at", found[kind]["looked_at"]))
            lines.append(("  kept as people decided", found[kind]["kept_by_decision"]))
            for name in ("newly_held", "no_longer_held", "other_reason"):
                lines += [(f"  {name.replace('_', ' ')}: {reason}", n) for reason, n in found[kind][name].items()]
        lines.append(("paths masked", found["paths_masked"]))
        return Report(f"Private text in project {project.slug}", {**found, "job": job.pk}, lines)
