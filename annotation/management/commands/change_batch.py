"""Changes a batch while it is judged."""

from argparse import ArgumentParser
from typing import Any

from annotation.models import Batch
from annotation.services.batch_changes import invite_to_batch, start_change_batch, uninvite_from_batch
from annotation.services.batches import close_batch, pause_batch, reopen_batch, resume_batch
from core.commands import QuarryCommand, Report
from core.errors import BadInputError, NotFoundError
from core.models import User

ACTS = {"pause": pause_batch, "resume": resume_batch, "close": close_batch, "reopen": reopen_batch}
NUMBERS = {
    "priority": ("priority", "Lower comes first."),
    "overlap": ("overlap", "Votes per pair: opens or closes places; votes stay."),
    "max-extra": ("max_extra_votes", "Extra votes at most."),
    "lease": ("min_lease_s", "Shortest lease, seconds."),
}
LIMITS = {
    "per-person": ("max_votes_per_person", "Votes of one person at most; 0: no limit."),
    "per-day": ("max_votes_per_day", "Votes of one person a day at most (UTC); 0: no limit."),
}


class Command(QuarryCommand):
    help = "Changes a batch while it is judged: votes per pair, priority, limits, people; pauses, closes."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--batch", required=True, metavar="NAME")
        for option, (_, text) in (NUMBERS | LIMITS).items():
            parser.add_argument(f"--{option}", type=int, metavar="N", help=text)
        parser.add_argument("--name", dest="new_name", help="A new name.")
        parser.add_argument("--pilot", choices=["yes", "no"], help="Whether its votes stay out of releases.")
        parser.add_argument("--invited-only", choices=["yes", "no"], help="Whether only invited people judge it.")
        parser.add_argument("--invite", action="append", default=[], metavar="USERNAME", help="May be repeated.")
        parser.add_argument("--uninvite", action="append", default=[], metavar="USERNAME", help="May be repeated.")
        parser.add_argument("--act", choices=list(ACTS), help="Pause, resume, close or reopen it.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        batch = project.batches.select_related("project").filter(name=options["batch"]).first()
        if batch is None:
            raise NotFoundError(what=f"batch in {project.slug}", name=options["batch"])
        changes = _changes(options)
        if not (changes or options["invite"] or options["uninvite"] or options["act"]):
            raise BadInputError(problem="Say what to change; --help lists it.")
        _, job = start_change_batch(batch=batch, changes=changes, inline=not options["detach"])
        if job is not None:
            self.follow(job, detach=options["detach"])
        invite_to_batch(batch=batch, people=[_person(name) for name in options["invite"]])
        for name in options["uninvite"]:
            uninvite_from_batch(batch=batch, person=_person(name))
        if options["act"]:
            ACTS[options["act"]](batch=batch)
        data = _facts(batch)
        return Report(f"{batch.name} of {project.slug}", data, list(data.items()))


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    """The columns that the options name."""
    given = {column: options[option.replace("-", "_")] for option, (column, _) in (NUMBERS | LIMITS).items()}
    changes = {column: value for column, value in given.items() if value is not None}
    for column, _ in LIMITS.values():
        if changes.get(column) == 0:
            changes[column] = None
    for option, column in (("pilot", "is_pilot"), ("invited_only", "is_invited_only")):
        if options[option] is not None:
            changes[column] = options[option] == "yes"
    return changes | ({"name": options["new_name"]} if options["new_name"] else {})


def _person(username: str) -> User:
    person = User.objects.filter(username=username).first()
    if person is None:
        raise NotFoundError(what="person", name=username)
    return person


def _facts(batch: Batch) -> dict[str, Any]:
    return {
        "state": "closed" if batch.is_closed else "paused" if batch.is_paused else "open",
        "votes per pair": batch.overlap,
        "extra at most": batch.max_extra_votes,
        "priority": batch.priority,
        "per person": batch.max_votes_per_person or "no limit",
        "per person and day": batch.max_votes_per_day or "no limit",
        "shortest lease (s)": batch.min_lease_s,
        "pilot": batch.is_pilot,
        "invited": ", ".join(sorted(member.person.username for member in batch.members.select_related("person")))
        if batch.is_invited_only
        else "everybody",
    }
