"""manage.py dashboard: progress, finishing date, pace and the queue of a project."""

from argparse import ArgumentParser
from typing import Any

from annotation.api.board import facts_of
from annotation.forecast import DONE, NO_PACE, TOO_EARLY, TOO_FAR, Forecast
from annotation.selectors.board import board_of, live_of, state_of
from annotation.services.board import catch_up
from core.commands import QuarryCommand, Report
from core.errors import ConflictError

WORDS = {
    DONE: "nothing is left",
    TOO_EARLY: "told after three full days with people at work",
    NO_PACE: "no vote in the last full days",
    TOO_FAR: "more than ten years away at this pace",
}


class Command(QuarryCommand):
    help = "Show how the annotation of a project goes: votes given and left, the finishing date, pace, queue, people."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        catch_up(project=project, budget_s=float("inf"))
        state = state_of(project)
        if state is None or state.counted_at is None:
            raise ConflictError(problem="Somebody else counts this project just now. Try again in a minute.")
        board = board_of(project, state, live_of(project), days=None)
        lines: list[tuple[str, Any]] = [
            ("votes given", board.totals["n_wanted"]),
            ("votes left, extra votes expected", board.forecast.left),
            ("items finished", f"{board.totals['n_finished']:,} of {board.totals['n_items']:,}"),
            ("finished about", _date(board.forecast)),
            ("median seconds per vote", _number(board.totals["median_s"])),
            ("alpha of answer, before filtering", _number(board.alpha[1], 3)),
            ("people at work now", board.n_online),
            ("pairs in hand", board.live.leases),
        ]
        return Report(f"Annotation of {project.slug}", facts_of(board), lines)


def _number(value: float | None, digits: int = 1) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"


def _date(found: Forecast) -> str:
    if found.finish is None:
        return WORDS[found.reason]
    return f"{found.finish} (80 %: {found.earliest} to {found.latest or 'no end in sight'})"
