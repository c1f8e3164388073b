"""Training and qualification batches out of a file of pairs with their right answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotation.answer_files import AnswerLine, read_answer_lines
from annotation.services.gold import GoldPair
from annotation.services.imports import MAX_PROBLEMS_SHOWN, is_number, pairs_by_hash, pairs_by_number
from annotation.services.training import MAX_ITEMS, check_kind, open_known
from annotation.vote_files import BadLine, sniff_format
from core.errors import BadInputError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.text import code_hash, normalise_query, query_hash
from curation.pair_files import PairRow
from curation.services.pairs import import_pairs

OPEN_KNOWN_FILE = "annotation.open_known_file"
FROM_FILE = "file"


def start_open_known_file(
    *,
    project: Project,
    kind: str,
    path: Path,
    file_name: str = "",
    name: str = "",
    user: User | None = None,
    spare_present: bool = True,
    inline: bool = False,
) -> Job:
    """Checks that the file can be read at all, and queues opening its pairs as a training or qualification batch."""
    check_kind(kind)
    sniff_format(path)
    return create_job(
        kind=OPEN_KNOWN_FILE,
        title=f"Open {kind} items: {file_name or path.name}",
        params={
            "project_id": project.pk,
            "kind": kind,
            "path": str(path.resolve()),
            "file_name": file_name or path.name,
            "name": name,
            "user_id": user.pk if user is not None else None,
            "spare_present": spare_present,
        },
        project=project,
        user=user,
        inline=inline,
    )


def open_known_file(
    *,
    run: RunningJob,
    project_id: int,
    kind: str,
    path: Path,
    file_name: str,
    name: str,
    user_id: int | None,
    spare_present: bool,
) -> dict[str, Any]:
    """Brings pairs that the project lacks, and opens all of the file as one batch; every row that does not fit is told.

    Raises BadInputError for a file without a row that fits, or with more rows than one batch holds.
    """
    project = Project.objects.get(pk=project_id)
    user = User.objects.filter(pk=user_id or 0).first()
    if (done := project.batches.filter(kind=kind, name=name).first()) is not None and name:
        return {"batch": done.pk, "name": done.name, "items": done.items.count(), "problems": []}
    problems: list[dict[str, Any]] = []
    rows = list(_fitting(path, problems))
    if not rows:
        first = f" The first row: line {problems[0]['line']}, {problems[0]['reason']}." if problems else ""
        raise BadInputError(problem=f"No row of {file_name} fits.{first}")
    if len(rows) > MAX_ITEMS:
        raise BadInputError(problem=f"{file_name} holds {len(rows):,} pairs; a batch takes at most {MAX_ITEMS}.")
    run.progress(0, len(rows), "reading pairs")
    brought = [PairRow(row.query, row.code, None, f"line {row.line}") for row in rows if not row.task]
    if brought:
        import_pairs(project=project, rows=brought, name=file_name, run=run)
    known = list(_known(project, rows, problems))
    if not known:
        raise BadInputError(problem=f"No pair of {file_name} can be shown: {problems[0]['reason']}.")
    batch = open_known(project=project, kind=kind, known=known, name=name, user=user, spare_present=spare_present)
    run.progress(len(rows), len(rows), "open")
    return {"batch": batch.pk, "name": batch.name, "items": batch.items.count(), "problems": problems}


def _fitting(path: Path, problems: list[dict[str, Any]]) -> Iterator[AnswerLine]:
    for row in read_answer_lines(path):
        if not isinstance(row, BadLine):
            yield row
        elif len(problems) < MAX_PROBLEMS_SHOWN:
            problems.append({"line": row.line, "reason": row.reason})


def _known(project: Project, rows: list[AnswerLine], problems: list[dict[str, Any]]) -> Iterator[GoldPair]:
    tasks = {row.line: row.task or f"{query_hash(normalise_query(row.query))}:{code_hash(row.code)}" for row in rows}
    by_hash = pairs_by_hash(project, [task for task in tasks.values() if ":" in task])
    by_number = pairs_by_number(project, [int(task) for task in tasks.values() if is_number(task)])
    for row in rows:
        task = tasks[row.line]
        pair = by_hash.get(task) or (by_number.get(int(task)) if is_number(task) else None)
        if pair is None:
            problems.append({"line": row.line, "reason": f"the project has no pair {task[:80]}"})
        elif pair.is_quarantined:
            problems.append({"line": row.line, "reason": "the pair is held back for privacy"})
        else:
            yield GoldPair(pair.pair_id, pair.query_id, row.intent, row.answer, FROM_FILE, row.why)
