"""manage.py compare_runs --project SLUG A B [--seed 0]"""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import NotFoundError
from core.models import Project
from curation.models import CandidateRun
from curation.selectors.candidate_comparison import SideBySide, compare_runs


class Command(QuarryCommand):
    help = "Compare two candidate runs: common pairs, differing settings, random queries side by side."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Short name of the project.")
        parser.add_argument("runs", nargs=2, type=int, metavar="RUN", help="Numbers of the two runs.")
        parser.add_argument("--seed", type=int, default=0, help="Draws the queries that are shown.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        a, b = (_run(project, number) for number in options["runs"])
        found = compare_runs(a, b, seed=options["seed"])
        share = found.share_common
        lines: list[tuple[str, Any]] = [
            ("in both", found.both),
            (f"only in {a.pk}", found.only_a),
            (f"only in {b.pk}", found.only_b),
            ("in both, of all", "undefined" if share is None else f"{100 * share:.1f} %"),
            *((f"{name} differs", f"{one} / {other}") for name, one, other in found.settings),
        ]
        return Report(
            f"Candidate runs {a.pk} and {b.pk}", found.as_data(), lines, [_line(one) for one in found.examples]
        )


def _run(project: Project, number: int) -> CandidateRun:
    run = CandidateRun.objects.filter(project=project, pk=number).first()
    if run is None:
        raise NotFoundError(what="candidate run", name=str(number))
    return run


def _line(one: SideBySide) -> str:
    names = [candidate.pair.code.name if candidate else "no pair" for candidate in (one.a, one.b)]
    return f"{one.query}: {names[0]} / {names[1]}"
