"""Files of pairs with their right answers: CSV or JSON Lines. No Django; row by row.

Columns: `label` (1, 0, or empty), optionally `intent` (yes, no), `why`, and the pair: `query` and `code`, or a `task`
(QUERY_HASH:CODE_HASH, or the number of a pair). CoSQA's JSON is read too; it says no why.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.vote_files import COSQA, LABELS, BadLine, VoteLine, read_rows, read_vote_lines, sniff_format, text_of


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A row that fits. answer is None where the right intent is no."""

    line: int
    intent: str
    answer: int | None
    why: str = ""
    query: str = ""
    code: str = ""
    task: str = ""


def read_answer_lines(path: Path) -> Iterator[AnswerLine | BadLine]:
    """The rows of a file in order. Raises BadInputError where the file as a whole cannot be used."""
    form = sniff_format(path)
    if form == COSQA:
        for vote in read_vote_lines(path):
            yield vote if isinstance(vote, BadLine) else _of_vote(vote)
        return
    for number, row in read_rows(path, form):
        yield BadLine(number, row) if isinstance(row, str) else _answer(number, row)


def _of_vote(vote: VoteLine) -> AnswerLine:
    return AnswerLine(vote.line, vote.intent, vote.answer, "", vote.query, vote.code, vote.task)


def _answer(number: int, row: dict[str, Any]) -> AnswerLine | BadLine:
    """One row; what does not fit becomes a BadLine."""
    task, query, code = text_of(row, "task").strip(), text_of(row, "query"), text_of(row, "code")
    label, intent = text_of(row, "label", "answer").strip(), text_of(row, "intent").strip().lower()
    if not task and not (query.strip() and code.strip()):
        return BadLine(number, "names no pair: give task, or query and code")
    if label not in LABELS:
        return BadLine(number, f"the label is {label[:40]!r}, not 1 or 0")
    answer = LABELS[label]
    intent = intent or ("yes" if answer is not None else "")
    if (intent, answer) not in {("yes", 1), ("yes", 0), ("no", None)}:
        return BadLine(number, "no clear right answer: label 1 or 0, or intent no without a label")
    return AnswerLine(number, intent, answer, text_of(row, "why").strip(), query, code, task)
