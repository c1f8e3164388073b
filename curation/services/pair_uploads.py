"""Files of ready pairs: kept, looked at, then imported by a job. The same file again adds nothing."""

import re
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from core.errors import BadInputError, ConflictError, QuarryError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.text import code_hash, normalise_query, query_hash
from curation import privacy
from curation.models import Code, Query
from curation.pair_files import MAX_BYTES, BadPair, PairRow, pair_format, read_ready_pairs
from curation.services.candidates.storing import find_pairs
from curation.services.pairs import import_pairs
from curation.services.uploads import shown_name

IMPORT_PAIRS = "curation.import_pairs"
MAX_PROBLEMS_SHOWN = 1000
LOOKED_AT = 25_000  # rows of a file that a preview reads
SHOWN_ROWS = 5
KEPT_S = 7 * 24 * 3600.0
_AT_ONCE = 500
_TOKEN = re.compile(r"[0-9a-f]{32}\Z")


# --- files ---------------------------------------------------------------------------------------------------------
def keep_pairs_file(*, project: Project, upload: UploadedFile) -> str:
    """Stores an uploaded file under a name of our own; returns the token that names it within the project."""
    if (upload.size or 0) > MAX_BYTES:
        raise BadInputError(problem=f"The file is larger than {MAX_BYTES // 2**20} MB. Give it in parts.")
    token = uuid.uuid4().hex
    path = _place(project, token)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    try:
        pair_format(path)
    except QuarryError:
        path.unlink()
        raise
    return token


def kept_pairs_file(*, project: Project, token: str) -> Path:
    """The stored file of a token. Raises ConflictError when it is gone, or was never this project's."""
    if not _TOKEN.match(token) or not _place(project, token).is_file():
        raise ConflictError(problem="The uploaded file is gone. Upload it again.")
    return _place(project, token)


def forget_pair_files() -> int:
    """Removes files that nobody imported within a week; returns how many."""
    limit = time.time() - KEPT_S
    old = [path for path in _folder().glob("*.pairs") if path.stat().st_mtime < limit]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _folder() -> Path:
    return Path(settings.QUARRY_HOME, "uploads", "pairs")


def _place(project: Project, token: str) -> Path:
    return _folder() / f"{project.pk}-{token}.pairs"


# --- looking ---------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class PairsPreview:
    """What an import would do: read = new + known + held_back + bad, of the rows looked at."""

    format: str
    read: int = 0
    new: int = 0
    known: int = 0
    held_back: int = 0
    bad: int = 0
    with_score: int = 0
    is_whole: bool = True
    problems: list[BadPair] = field(default_factory=list)
    rows: list[PairRow] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        names = ("format", "read", "new", "known", "held_back", "bad", "with_score", "is_whole")
        return {**{name: getattr(self, name) for name in names}, "problems": _listed(self.problems)}


def look_at_pairs(*, project: Project, path: Path) -> PairsPreview:
    """Reads the first rows of a file as the import would, and changes nothing. Raises PairFileError."""
    preview = PairsPreview(pair_format(path))
    rows = read_ready_pairs(path)
    seen: set[tuple[str, str]] = set()
    while chunk := list(islice(rows, min(_AT_ONCE, LOOKED_AT - preview.read))):
        preview.read += len(chunk)
        _look(project, list(_sorted_out(chunk, preview)), preview, seen)
    preview.is_whole = next(rows, None) is None
    return preview


def _sorted_out(chunk: Iterable[PairRow | BadPair], preview: PairsPreview) -> Iterator[PairRow]:
    for row in chunk:
        if isinstance(row, PairRow):
            yield row
            continue
        preview.bad += 1
        if len(preview.problems) < MAX_PROBLEMS_SHOWN:
            preview.problems.append(row)


def _look(project: Project, rows: list[PairRow], preview: PairsPreview, seen: set[tuple[str, str]]) -> None:
    keys = [(query_hash(normalise_query(row.query)), code_hash(row.code)) for row in rows]
    queries = _known(Query, project, {query for query, _ in keys})
    codes = _known(Code, project, {code for _, code in keys})
    ids = {key: (queries[key[0]][0], codes[key[1]][0]) for key in keys if key[0] in queries and key[1] in codes}
    there = find_pairs(project, set(ids.values()))
    private = privacy.quarantine_reasons([normalise_query(row.query) for row in rows])
    for row, key, reason in zip(rows, keys, private, strict=True):
        preview.with_score += row.score is not None
        held = queries[key[0]][1] if key[0] in queries else reason
        held = held or (codes[key[1]][1] if key[1] in codes else privacy.code_reason(row.code))
        if held:
            preview.held_back += 1
            continue
        if key in seen or ids.get(key) in there:
            preview.known += 1
        else:
            preview.new += 1
            if len(preview.rows) < SHOWN_ROWS:
                preview.rows.append(row)
        seen.add(key)


def _known(model: type[Query] | type[Code], project: Project, hashes: set[str]) -> dict[str, tuple[int, str]]:
    rows = model.objects.filter(project=project, content_hash__in=hashes)
    return {key: (pk, reason) for key, pk, reason in rows.values_list("content_hash", "pk", "quarantine_reason")}


# --- importing -------------------------------------------------------------------------------------------------------
def start_import_pairs(
    *, project: Project, path: Path, name: str = "", user: User | None = None, inline: bool = False
) -> Job:
    """Checks that the file can be read at all, and queues the import under `name` (default: the file's)."""
    pair_format(path)
    title = shown_name(name or path.name)
    return create_job(
        kind=IMPORT_PAIRS,
        title=f"Import pairs: {title}",
        params={"project_id": project.pk, "path": str(path.resolve()), "name": title},
        project=project,
        user=user,
        inline=inline,
    )


def import_pair_file(*, run: RunningJob, project: Project, path: Path, name: str) -> dict[str, Any]:
    """Brings the pairs of a file into the project; rows read = new + known + held_back + bad.

    An uploaded file is removed when all of it is in. Raises PairFileError; BadInputError when no row fits.
    """
    bad = PairsPreview(pair_format(path))
    run.progress(0, 0, "reading pairs")
    report = import_pairs(project=project, rows=_sorted_out(read_ready_pairs(path), bad), name=name, run=run)
    if bad.problems and not report.n_rows:
        first = bad.problems[0]
        raise BadInputError(problem=f"No row of {name} fits. The first: line {first.line}, {first.reason}.")
    if path.parent == _folder():
        path.unlink(missing_ok=True)
    return {
        "candidate_run": report.run.pk,
        "name": name,
        "read": report.n_rows + bad.bad,
        "new": report.n_new,
        "known": report.n_pairs - report.n_new + report.n_repeated,
        "held_back": report.n_quarantined,
        "bad": bad.bad,
        "problems": _listed(bad.problems),
        "problems_left_out": bad.bad - len(bad.problems),
    }


def _listed(problems: list[BadPair]) -> list[dict[str, Any]]:
    return [{"line": problem.line, "reason": problem.reason} for problem in problems]
