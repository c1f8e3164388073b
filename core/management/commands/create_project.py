"""`manage.py create_project`: a project."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from core.models import Membership, Role, User
from core.services.projects import create_project


class Command(QuarryCommand):
    help = "Makes a project. Only administrators see it until it has members."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="Short name for addresses and commands: small letters, digits, - and _.")
        parser.add_argument("--title", default="", help="As people read it (default: the short name).")
        parser.add_argument(
            "--language",
            default="python",
            help="Keyword that a query must contain (default: python); '' for none.",
        )
        parser.add_argument("--curator", default="", help="Name of the user who becomes its curator.")

    def report(self, **options: Any) -> Report:
        curator = options["curator"]
        person = User.objects.filter(username=curator).first() if curator else None
        if curator and person is None:
            raise NotFoundError(what="user", name=curator)
        project = create_project(slug=options["slug"], title=options["title"], language=options["language"])
        if person is not None:
            Membership.objects.create(project=project, user=person, role=Role.CURATOR)
        return Report(
            f"Project {project.slug} is made.",
            {"slug": project.slug, "title": project.title, "language": project.language, "curator": curator},
            lines=[
                ("title", str(project)),
                ("language keyword", project.language or "none"),
                ("curator", curator or "none: administrators only"),
            ],
            notes=[f"Next: python manage.py ingest_log FILE --project {project.slug}"],
        )
