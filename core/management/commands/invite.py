"""`manage.py invite`: an invitation link."""

from argparse import ArgumentParser
from typing import Any

from django.urls import reverse

from core.commands import QuarryCommand, Report
from core.models import Role
from core.services.invitations import make_invitation

ORIGIN = "http://127.0.0.1:8000"


class Command(QuarryCommand):
    help = "Makes a link that lets people into a project. It is printed once and stored nowhere."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Short name of the project.")
        parser.add_argument(
            "--role",
            action="append",
            choices=Role.values,
            help="A role they get; may be repeated (default: annotator).",
        )
        parser.add_argument("--uses", type=int, default=1, help="How many people can come in by it (default: 1).")
        parser.add_argument("--days", type=int, default=7, help="After so many days it ends (default: 7).")
        parser.add_argument("--note", default="", help="For whom it is; curators see it.")
        parser.add_argument("--origin", default=ORIGIN, help=f"Where people reach this server (default: {ORIGIN}).")

    def report(self, **options: Any) -> Report:
        made = make_invitation(
            project=self.project(options["project"]),
            roles=options["role"] or [Role.ANNOTATOR],
            max_uses=options["uses"],
            days=options["days"],
            note=options["note"],
        )
        link = options["origin"].rstrip("/") + reverse("core:invited", args=[made.secret])
        return Report(
            "The invitation is made.",
            {"link": link, "roles": made.invitation.roles, "uses": options["uses"], "days": options["days"]},
            lines=[("link", link), ("roles", made.invitation.role_names), ("uses", options["uses"])],
        )
