"""Code sources into the project: start the job, read the source, keep every function with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, Min

from core.db import run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, JobState, Project, User
from core.text import HASH_CHARS, code_hash, content_hash
from curation import privacy
from curation.code_filters import DUPLICATE, KEPT
from curation.code_sources import FoundFunction, OpenSource, Problem, open_source
from curation.models import Code, CodeOccurrence, CodeSource

INGEST_CODE = "curation.ingest_code"
MAX_PROBLEMS = 200  # listed; all are counted
# Long numbers and things shaped like phone numbers are constants in code, not people.
PRIVATE_IN_CODE = frozenset(
    {privacy.URL_LOGIN, privacy.EMAIL, privacy.SECRET, privacy.IBAN, privacy.CARD, privacy.USER_PATH}
)


class SourceNotPermittedError(BadInputError):
    """A server path that pages and the API may not read."""

    code = "source_not_permitted"


def source_roots() -> list[Path]:
    """Folders that pages and the API may read code from; commands may read any."""
    return [Path(settings.QUARRY_HOME, "uploads"), *map(Path, settings.SOURCE_ROOTS)]


def permitted_path(text: str) -> Path:
    """A server path inside a permitted folder, links resolved; raises SourceNotPermittedError."""
    roots = [root.resolve() for root in source_roots()]
    if "\0" in text:
        raise SourceNotPermittedError(problem="A path holds no NUL character.")
    place = Path(text)
    candidates = [place] if place.is_absolute() else [root / place for root in roots]
    for candidate in candidates:
        resolved = candidate.resolve()
        if any(resolved.is_relative_to(root) for root in roots) and resolved.exists():
            return resolved
    raise SourceNotPermittedError(
        problem=f"{text} is no folder or file that this server may read. Put it below {roots[0]}, or ask the "
        "administrator to name its folder in QUARRY_SOURCE_ROOTS."
    )


def start_ingest_code(
    *, project: Project, spec: str, kind: str = "", name: str = "", user: User | None = None, inline: bool = False
) -> tuple[CodeSource, Job]:
    """Checks that the source can be read and queues the reading of it.

    The same source in the same version is the same row: read again, it adds nothing. Raises CodeSourceError, and
    ConflictError while the same source is being read.
    """
    opened = open_source(spec, kind=kind, name=name)
    with write_transaction():
        source, _ = CodeSource.objects.get_or_create(
            project=project,
            kind=opened.kind,
            name=opened.name[:300],
            version=opened.version[:100],
            defaults={"licence": opened.licence[:100]},
        )
        if source.job is not None and source.job.state in {JobState.QUEUED, JobState.RUNNING}:
            raise ConflictError(problem=f"{source.name} is being read already (job {source.job.pk}).")
        source.job = create_job(
            kind=INGEST_CODE,
            title=f"Read code: {source.name}",
            params={"code_source_id": source.pk, "spec": spec, "name": name},
            project=project,
            user=user,
            inline=inline,
        )
        source.save(update_fields=["job"])
    return source, source.job


def ingest_code(*, run: RunningJob, code_source: CodeSource, spec: str, name: str = "") -> dict[str, Any]:
    """Reads a source into codes and occurrences; a second run finds everything there and changes nothing."""
    opened = open_source(spec, kind=code_source.kind, name=name)
    reader = _Reader(opened, run)
    run_in_chunks(reader, lambda rows: _store(code_source, opened, rows), on_chunk=lambda _: reader.report())
    return _finish(code_source, reader)


@dataclass(frozen=True, slots=True)
class _Row:
    """A function on its way into the database."""

    found: FoundFunction
    content_hash: str
    reason: str


@dataclass
class _Reader:
    """Streams the functions of a source with their reasons, telling duplicates within it; counts as it goes."""

    opened: OpenSource
    run: RunningJob
    n_files: int = 0
    n_problems: int = 0
    problems: list[list[str]] = field(default_factory=list)
    n_functions: int = 0
    _seen: set[bytes] = field(default_factory=set)
    _kept: set[bytes] = field(default_factory=set)

    def __iter__(self) -> Iterator[_Row]:
        for path, place in self.opened.files:
            for found in self.opened.read(path, place):
                if isinstance(found, Problem):
                    self._note(found)
                else:
                    self.n_functions += 1
                    yield self._row(found)
            self.n_files += 1
            self.report()

    def _row(self, found: FoundFunction) -> _Row:
        hashed = code_hash(found.function.text)
        key = bytes.fromhex(hashed)
        is_duplicate = key in self._seen if found.reason else key in self._kept
        self._seen.add(key)
        if not found.reason:
            self._kept.add(key)
        return _Row(found, hashed, DUPLICATE if is_duplicate else found.reason)

    def _note(self, problem: Problem) -> None:
        self.n_problems += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append([privacy.mask(problem.path)[:300], problem.reason[:200]])

    def report(self) -> None:
        """Progress by files, as their number is known; it also stops a cancelled job."""
        self.run.progress(self.n_files, self.opened.n_files, f"{self.n_functions:,} functions")


def _store(source: CodeSource, opened: OpenSource, rows: list[_Row]) -> None:
    """Codes that are new, occurrences, and the pairing of codes that passed for the first time."""
    first: dict[str, _Row] = {}
    for row in rows:
        if row.content_hash not in first or (first[row.content_hash].found.reason and not row.found.reason):
            first[row.content_hash] = row
    known = Code.objects.filter(project=source.project, content_hash__in=first)
    there = set(known.values_list("content_hash", flat=True))
    Code.objects.bulk_create(
        [_code(source.project, row) for row in first.values() if row.content_hash not in there], ignore_conflicts=True
    )
    ids = dict(known.values_list("content_hash", "id"))
    passed = [ids[row.content_hash] for row in rows if not row.found.reason and row.content_hash in there]
    Code.objects.filter(pk__in=passed, is_paired=False).update(is_paired=True, filter_reason="")
    occurrences = [_occurrence(source, opened, row, ids[row.content_hash]) for row in rows]
    CodeOccurrence.objects.bulk_create(
        {(place.code_id, place.path, place.start_line): place for place in occurrences}.values(),
        update_conflicts=True,
        unique_fields=["code", "source", "path", "start_line"],
        update_fields=["end_line", "qualified_name", "filter_reason"],
    )


def _code(project: Project, row: _Row) -> Code:
    function = row.found.function
    return Code(
        project=project,
        content_hash=row.content_hash,
        text=function.text,
        language="python",
        name=function.name[:300],
        header=function.header,
        docstring=function.docstring,
        body=function.body,
        is_paired=not row.found.reason,
        filter_reason=row.found.reason,
        quarantine_reason=private_reason(function.text),
    )


def private_reason(text: str) -> str:
    """Why privacy holds a code back; empty when it may be shown."""
    return next((found.reason for found in privacy.find_private(text) if found.reason in PRIVATE_IN_CODE), "")


def _occurrence(source: CodeSource, opened: OpenSource, row: _Row, code_id: int) -> CodeOccurrence:
    found = row.found
    return CodeOccurrence(
        code_id=code_id,
        source=source,
        repository=opened.name[:300],
        path=_recorded_path(found.path),
        commit=opened.version[:64],
        start_line=found.function.start_line,
        end_line=found.function.end_line,
        qualified_name=found.function.name[:300],
        licence=opened.licence[:100],
        filter_reason=row.reason,
    )


def _recorded_path(path: str) -> str:
    """The path as kept: private parts masked, and a path beyond the column cut to one that stays its own."""
    masked = privacy.mask(path)
    if len(masked) <= 500:
        return masked
    return masked[: 499 - HASH_CHARS] + "~" + content_hash(path)


def _finish(source: CodeSource, reader: _Reader) -> dict[str, Any]:
    """Counts from what is stored, so that a run that was killed and repeated counts nothing twice."""
    found = source.occurrences.values("filter_reason").annotate(n=Count("id"))
    counts = {row["filter_reason"] or KEPT: row["n"] for row in found}
    first_seen = (
        CodeOccurrence.objects.filter(code__in=source.occurrences.values("code"))
        .values("code")
        .annotate(first=Min("source"))
        .filter(first=source.pk)
    )
    source.counts = dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
    source.n_functions = sum(counts.values())
    source.n_new = first_seen.count()
    source.problems = reader.problems
    source.save(update_fields=["counts", "n_functions", "n_new", "problems"])
    codes = Code.objects.filter(occurrences__source=source).distinct()
    return {
        "code_source": source.pk,
        "name": source.name,
        "version": source.version,
        "files": reader.n_files,
        "unreadable_files": reader.n_problems,
        "functions": source.n_functions,
        "new_codes": source.n_new,
        "kept": counts.get(KEPT, 0),
        "counts": source.counts,
        "quarantined": codes.exclude(quarantine_reason="").count(),
    }
