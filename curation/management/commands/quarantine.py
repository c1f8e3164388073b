"""manage.py quarantine --project SLUG: what is held back, or decisions about texts."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError, NotFoundError
from core.models import Project, User
from curation.models import TextKind
from curation.selectors.privacy import HAND_REASONS, counts_of_quarantine, held_back
from curation.services.privacy import quarantine_texts, release_texts


class Command(QuarryCommand):
    help = "Say what privacy holds back in a project; with --hold or --release, decide about texts."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--kind", choices=TextKind.values, default=TextKind.QUERY.value)
        parser.add_argument("--hold", nargs="+", type=int, metavar="ID", help="Hold these texts back; with --reason.")
        parser.add_argument("--release", nargs="+", type=int, metavar="ID", help="Release these texts.")
        parser.add_argument("--reason", default="", help=f"For --hold: {', '.join(HAND_REASONS)}.")
        parser.add_argument("--release-reason", default="", metavar="REASON", help="Release all texts of a reason.")
        parser.add_argument("--note", default="", help="Why; kept on record.")
        parser.add_argument("--by", default="", metavar="USERNAME", help="Who decides; kept on record.")

    def report(self, **options: Any) -> Report:
        project, kind = self.project(options["project"]), TextKind(options["kind"])
        if not (options["hold"] or options["release"] or options["release_reason"]):
            return _counts(project)
        if bool(options["hold"]) + bool(options["release"]) + bool(options["release_reason"]) > 1:
            raise BadInputError(problem="Choose one of --hold, --release and --release-reason.")
        how = {"project": project, "kind": kind, "note": options["note"], "person": _person(options["by"])}
        if options["hold"]:
            changed = quarantine_texts(ids=options["hold"], reason=options["reason"], **how)
            return Report(f"Held back: {changed:,}", {"held_back": changed})
        ids = options["release"] or held_back(project, kind, options["release_reason"]).values_list("pk", flat=True)
        changed = release_texts(ids=ids, **how)
        return Report(f"Released: {changed:,}", {"released": changed})


def _counts(project: Project) -> Report:
    counts = counts_of_quarantine(project)
    lines: list[tuple[str, Any]] = []
    for name, by_reason in (("queries", counts.queries), ("codes", counts.codes)):
        lines.append((name, sum(by_reason.values())))
        lines += [(f"  {reason}", n) for reason, n in by_reason.items()]
    lines.append(("paths with a masked part", counts.masked_paths))
    lines += [(f"on record: {act}", n) for act, n in counts.acts.items()]
    return Report(f"Quarantine of project {project.slug}", counts.as_data(), lines)


def _person(username: str) -> User | None:
    if not username:
        return None
    person = User.objects.filter(username=username).first()
    if person is None:
        raise NotFoundError(what="person", name=username)
    return person
