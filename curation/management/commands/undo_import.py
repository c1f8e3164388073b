"""manage.py undo_import: take the import of a search log back."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from curation.services.logs import start_undo_import


class Command(QuarryCommand):
    help = (
        "Remove an import of a search log: its counts and clicks, and the queries that only it brought. "
        "Refused where pairs or items use these queries."
    )
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("log_import", metavar="NUMBER", type=int, help="The import, as its page's address says.")
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        log_import = project.log_imports.filter(pk=options["log_import"]).first()
        if log_import is None:
            known = ", ".join(f"{pk} ({name})" for pk, name in project.log_imports.values_list("pk", "name")[:10])
            raise NotFoundError(what="import", name=f"{options['log_import']} (there are: {known or 'none'})")
        detach = options["detach"]
        job = self.follow(start_undo_import(log_import=log_import, inline=not detach), detach=detach)
        if detach:
            return Report(title=f"Job {job.pk} is queued.", data={"job": job.pk, "log_import": log_import.pk})
        lines = [("counts removed", job.result["counts"]), ("queries removed", job.result["queries_removed"])]
        return Report(title=f"The import of {log_import.name} is undone.", data=job.result, lines=lines)
