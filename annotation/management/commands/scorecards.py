"""manage.py scorecards: what each annotator of a project did, how fast and how well."""

from argparse import ArgumentParser
from typing import Any

from annotation.ceiling import Accuracy
from annotation.selectors.ceiling import human_ceiling_of
from annotation.selectors.scorecards import Scorecard, scorecards
from annotation.services.board import catch_up
from core.commands import QuarryCommand, Report


class Command(QuarryCommand):
    help = "Show each annotator's votes, time, gold accuracy, agreement with the others, and what to look at."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        catch_up(project=project, budget_s=float("inf"))
        cards, ceiling = scorecards(project), human_ceiling_of(project)
        data = {"people": [card.to_dict() for card in cards], "ceiling": ceiling.to_dict()}
        lines: list[tuple[str, Any]] = [(card.name, _line(card)) for card in cards]
        notes = [f"Human ceiling (answers like the majority of the others): {_share(ceiling.all_pairs)}"]
        return Report(f"Scorecards of {project.slug}", data, lines, notes)


def _line(card: Scorecard) -> str:
    median = "no time" if card.times.median is None else f"{card.times.median:.1f} s"
    parts = [f"{card.n_votes:,} votes", median, f"as the others {_share(card.consensus_answer)}"]
    if card.gold.n:
        parts.append(f"gold {_share(card.gold)}")
    if card.findings:
        parts.append(f"look at: {', '.join(card.findings)}")
    return ", ".join(parts)


def _share(found: Accuracy) -> str:
    return "unknown" if found.share is None else f"{100 * found.share:.1f} % of {found.n:,}"
