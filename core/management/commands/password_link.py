"""`manage.py password_link`: the way back for somebody who lost their password, administrators too."""

from argparse import ArgumentParser
from typing import Any

from core.audit import record
from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from core.management.commands.invite import ORIGIN
from core.models import User
from core.services.people import password_link


class Command(QuarryCommand):
    help = "Makes a link with which a person chooses a new password. It works once, for a day."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="Whose password is lost.")
        parser.add_argument("--origin", default=ORIGIN, help=f"Where people reach this server (default: {ORIGIN}).")

    def report(self, **options: Any) -> Report:
        name = options["username"]
        person = User.objects.filter(username=name, is_active=True, is_placeholder=False).first()
        if person is None:
            raise NotFoundError(what="person who can log in", name=name)
        record("core.make_password_link", person=person, subject=person)
        link = options["origin"].rstrip("/") + password_link(person)
        return Report(f"A link for {name}.", {"username": name, "link": link}, lines=[("link", link)])
