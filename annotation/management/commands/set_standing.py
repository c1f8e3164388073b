"""Warns, pauses or reinstates a person; sets the votes of a paused person aside, or counts them again."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from annotation.models import SetAside, Standing
from annotation.services.standing import set_standing, start_restore, start_set_aside
from core.commands import QuarryCommand, Report
from core.errors import BadInputError, NotFoundError
from core.jobs import run_inline
from core.models import Job, Project, User


class Command(QuarryCommand):
    help = "Changes how a person stands in a project, on the record. --set-aside and --restore are about their votes."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--person", required=True, metavar="NAME")
        parser.add_argument("--reason", required=True, help="It stays on record, and the person reads it.")
        parser.add_argument("--standing", choices=Standing.values)
        parser.add_argument("--set-aside", action="store_true", help="Their votes no longer count; slots open again.")
        parser.add_argument("--batch", metavar="NAME", help="Only votes of this batch are set aside.")
        parser.add_argument(
            "--since", type=datetime.fromisoformat, metavar="TIME", help="Only votes from then on: 2026-05-01T00:00Z."
        )
        parser.add_argument("--restore", type=int, metavar="ID", help="Count the votes of this decision again.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        person = User.objects.filter(username=options["person"]).first()
        if person is None:
            raise NotFoundError(what="person", name=options["person"])
        acts = [options["standing"] is not None, options["set_aside"], options["restore"] is not None]
        if sum(acts) != 1:
            raise BadInputError(problem="Give one of --standing, --set-aside and --restore.")
        if options["standing"] is not None:
            row = set_standing(
                project=project, person=person, standing=options["standing"], reason=options["reason"], user=None
            )
            return Report(
                f"{person} is {row.get_standing_display().lower()} in {project.slug}",
                {"person": person.username, "standing": row.standing},
            )
        done = run_inline(self._job(project, person, options), on_progress=self._show_progress).result
        lines = [(name.replace("_", " "), value) for name, value in done.items() if name != "person"]
        return Report(f"Votes of {person} in {project.slug}", done, lines)

    def _job(self, project: Project, person: User, options: dict[str, Any]) -> Job:
        reason = options["reason"]
        if options["restore"] is not None:
            act = SetAside.objects.filter(project=project, person=person, pk=options["restore"]).first()
            if act is None:
                raise NotFoundError(what=f"decision about votes of {person}", name=options["restore"])
            return start_restore(act=act, reason=reason, user=None, inline=True)
        batch = project.batches.filter(name=options["batch"]).first() if options["batch"] else None
        if options["batch"] and batch is None:
            raise NotFoundError(what=f"batch in {project.slug}", name=options["batch"])
        since = options["since"]
        if since is not None and since.tzinfo is None:
            raise BadInputError(problem="--since needs a time zone: 2026-05-01T00:00Z.")
        return start_set_aside(
            project=project, person=person, reason=reason, user=None, batch=batch, since=since, inline=True
        )
