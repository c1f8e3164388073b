"""Code sources into the project: start the job, read the source in parallel, keep every function with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, Min, Q

from core.db import run_in_chunks, write_transaction
from core.errors import ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, JobState, Project, User
from core.text import code_hash
from curation import privacy
from curation.code_filters import DUPLICATE, KEPT, NEAR_DUPLICATE
from curation.code_reading import FoundFunction, Problem, Unit
from curation.code_sources import OpenSource, open_source
from curation.code_workers import ReadingPool
from curation.models import Code, CodeOccurrence, CodeSource, TextKind
from curation.selectors.privacy import decided_reasons
from curation.services.code_settling import recount, settle_code
from curation.services.privacy import recorded_path

INGEST_CODE = "curation.ingest_code"
MAX_PROBLEMS = 200  # listed; all are counted


def start_ingest_code(
    *,
    project: Project,
    spec: str,
    kind: str = "",
    name: str = "",
    licence: str = "",
    user: User | None = None,
    inline: bool = False,
) -> tuple[CodeSource, Job]:
    """Checks that the source can be read and queues the reading of it.

    The same source in the same version is the same row: read again, it adds nothing. `licence` is what holds where the
    source states none. Raises CodeSourceError, and ConflictError while the same source is being read.
    """
    opened = open_source(spec, kind=kind, name=name, licence=licence, in_a_hurry=True)
    with write_transaction():
        source, _ = CodeSource.objects.get_or_create(
            project=project,
            kind=opened.kind,
            name=privacy.mask(opened.name, privacy.PATH)[:300],
            version=opened.version[:100],
            defaults={"licence": opened.licence[:100], "remote": privacy.mask(opened.remote)[:300]},
        )
        if source.job is not None and source.job.state in {JobState.QUEUED, JobState.RUNNING}:
            raise ConflictError(problem=f"{source.name} is being read already (job {source.job.pk}).")
        source.job = create_job(
            kind=INGEST_CODE,
            title=f"Read code: {source.name}",
            params={"code_source_id": source.pk, "spec": spec, "name": name, "licence": licence},
            project=project,
            user=user,
            inline=inline,
        )
        source.save(update_fields=["job"])
    return source, source.job


def ingest_code(
    *, run: RunningJob, code_source: CodeSource, spec: str, name: str = "", licence: str = ""
) -> dict[str, Any]:
    """Reads a source into codes and occurrences, then settles licences and near duplicates of the project.

    A run that was cut short goes on where its rows end; one that was not finds everything there and changes nothing.
    """
    opened = open_source(spec, kind=code_source.kind, name=name, licence=licence)
    reader = _Reader(opened, code_source, run)
    with ReadingPool(settings.CODE_PROCESSES) as pool:
        run_in_chunks(
            reader.rows(pool),
            lambda rows: _store(code_source, opened, rows, reader),
            on_chunk=reader.on_chunk,
        )
    _finish(code_source, reader)
    settled = settle_code(project=code_source.project, run=run)
    return _report(code_source, reader, settled)


@dataclass(frozen=True, slots=True)
class _Row:
    """A function on its way into the database, and how many pieces of the source are wholly read before its own."""

    found: FoundFunction
    content_hash: str
    reason: str
    units_before: int


@dataclass
class _Reader:
    """Streams the functions of a source with their reasons, telling duplicates within it; counts as it goes."""

    opened: OpenSource
    source: CodeSource
    run: RunningJob
    n_units: int = 0
    n_files: int = 0  # opened, of earlier attempts too; a file of records counts once, however many blocks it has
    n_problems: int = 0
    problems: list[tuple[int, list[str]]] = field(default_factory=list)  # with the number of their piece
    n_functions: int = 0
    is_first: bool = True  # nothing of the source was stored when its reading began, so it can go on after a cut
    new_state: dict[str, Any] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)
    _kept: set[bytes] = field(default_factory=set)

    def rows(self, pool: ReadingPool) -> Iterator[_Row]:
        """Every function of the pieces that were not stored before, in the order of the source."""
        skipped = self._resume()
        for _, found in pool.read(self._pieces(skipped), self.report):
            for one in found:
                if isinstance(one, Problem):
                    self._note(one)
                else:
                    self.n_functions += 1
                    yield self._row(one)
            self.n_units += 1
            self.report()

    def state(self, units: int, last: int) -> dict[str, Any]:
        """How far the source is stored: its first `units` pieces wholly, their rows up to the occurrence `last`."""
        return {
            "units": units,
            "last": last,
            "problems": [problem for number, problem in self.problems if number < units],
            "n_problems": self.n_problems,
        }

    def _pieces(self, skipped: int) -> Iterator[Unit | Problem]:
        before = ""
        for number, piece in enumerate(self.opened.units()):
            self.n_files += isinstance(piece, Unit) and piece.path != before
            before = piece.path
            if number >= skipped:
                yield piece
            elif number % 100 == 0:
                self.run.check()

    def _resume(self) -> int:
        """How many pieces an earlier, cut-off run has stored; takes up its counts and its known codes.

        Rows of the piece that it was cut off in are removed and come again, else they would count as duplicates.
        """
        self.source.refresh_from_db(fields=["state"])
        state = self.source.state
        if not state:
            self.is_first = not self.source.occurrences.exists()
            return 0
        self.new_state = state
        with write_transaction():
            self.source.occurrences.filter(pk__gt=state["last"]).delete()
        self.n_units = state["units"]
        self.problems = [(0, problem) for problem in state["problems"]]
        self.n_problems = state["n_problems"]
        there = self.source.occurrences.values_list("code__content_hash", "filter_reason")
        for hashed, reason in there.iterator(chunk_size=5000):
            self.n_functions += 1
            self._seen.add(bytes.fromhex(hashed))
            if not reason:
                self._kept.add(bytes.fromhex(hashed))
        return int(state["units"])

    def _row(self, found: FoundFunction) -> _Row:
        hashed = code_hash(found.function.text)
        key = bytes.fromhex(hashed)
        is_duplicate = key in self._seen if found.reason else key in self._kept
        self._seen.add(key)
        if not found.reason:
            self._kept.add(key)
        return _Row(found, hashed, DUPLICATE if is_duplicate else found.reason, self.n_units)

    def _note(self, problem: Problem) -> None:
        self.n_problems += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append((self.n_units, [privacy.mask(problem.path, privacy.PATH)[:300], problem.reason[:200]]))

    def on_chunk(self, _: int) -> None:
        """After a commit: what it stored of the state holds, then the report."""
        self.source.state = self.new_state
        self.report()

    def report(self) -> None:
        """Progress by files, where their number is known; it also stops a cancelled job."""
        self.run.progress(self.n_units, self.opened.n_files, f"{self.n_functions:,} functions")


def _store(source: CodeSource, opened: OpenSource, rows: list[_Row], reader: _Reader) -> None:
    """Codes that are new, occurrences, the pairing of codes that passed for the first time, and how far this came."""
    first: dict[str, _Row] = {}
    for row in rows:
        if row.content_hash not in first or (first[row.content_hash].found.reason and not row.found.reason):
            first[row.content_hash] = row
    known = Code.objects.filter(project=source.project, content_hash__in=first)
    there = set(known.values_list("content_hash", flat=True))
    decided = decided_reasons(source.project, TextKind.CODE, first.keys() - there)
    new = [row for row in first.values() if row.content_hash not in there]
    Code.objects.bulk_create([_code(source.project, row, decided) for row in new], ignore_conflicts=True)
    ids = dict(known.values_list("content_hash", "id"))
    passed = [ids[row.content_hash] for row in rows if not row.found.reason and row.content_hash in there]
    _pair(passed)
    stored = rows[-1].units_before
    _store_places(source, opened, [row for row in rows if row.units_before < stored], ids)
    if reader.is_first:
        last = source.occurrences.aggregate(last=Max("id"))["last"] or 0
        if source.state.get("units") != stored:
            reader.new_state = reader.state(stored, last)
            CodeSource.objects.filter(pk=source.pk).update(state=reader.new_state)
    _store_places(source, opened, [row for row in rows if row.units_before == stored], ids)


def _store_places(source: CodeSource, opened: OpenSource, rows: list[_Row], ids: dict[str, int]) -> None:
    occurrences = [_occurrence(source, opened, row, ids[row.content_hash]) for row in rows]
    CodeOccurrence.objects.bulk_create(
        {(place.code_id, place.path, place.start_line): place for place in occurrences}.values(),
        update_conflicts=True,
        unique_fields=["code", "source", "path", "start_line"],
        update_fields=["end_line", "qualified_name", "filter_reason", "licence", "commit", "repository"],
    )


def _pair(ids: list[int]) -> None:
    """Codes that passed every filter here; what the whole project decides (near duplicates) is decided later."""
    codes = Code.objects.filter(pk__in=ids, is_paired=False)
    codes.exclude(filter_reason=NEAR_DUPLICATE).update(is_paired=True, filter_reason="")


def _code(project: Project, row: _Row, decided: dict[str, str]) -> Code:
    function = row.found.function
    return Code(
        project=project,
        content_hash=row.content_hash,
        text=function.text,
        language=function.language,
        name=function.name[:300],
        header=function.header,
        docstring=function.docstring,
        body=function.body,
        is_paired=not row.found.reason,
        filter_reason=row.found.reason,
        quarantine_reason=decided.get(row.content_hash, row.found.private),
        n_lines=function.text.count("\n") + 1,
        comments=[[comment.start_line, comment.end_line, comment.text] for comment in function.comments],
        n_comments=len(function.comments),
    )


def _occurrence(source: CodeSource, opened: OpenSource, row: _Row, code_id: int) -> CodeOccurrence:
    found = row.found
    return CodeOccurrence(
        code_id=code_id,
        source=source,
        repository=privacy.mask(found.repository or opened.name, privacy.PATH)[:300],
        path=recorded_path(found.path),
        commit=(found.commit or opened.version)[:64],
        start_line=found.function.start_line,
        end_line=found.function.end_line,
        qualified_name=found.function.name[:300],
        licence=found.licence[:100],
        filter_reason=row.reason,
    )


def _finish(source: CodeSource, reader: _Reader) -> None:
    """Counts from what is stored, so that a run that was killed and repeated counts nothing twice."""
    first_seen = (
        CodeOccurrence.objects.filter(code__in=source.occurrences.values("code"))
        .values("code")
        .annotate(first=Min("source"))
        .filter(first=source.pk)
    )
    source.n_new = first_seen.count()
    source.problems = [problem for _, problem in reader.problems]
    source.n_problems = reader.n_problems
    source.lengths = _lengths(source)
    source.licence = reader.opened.licence[:100]
    source.state = {}
    source.save(update_fields=["licence", "n_new", "problems", "n_problems", "lengths", "state"])
    recount(source)


def _lengths(source: CodeSource) -> list[list[int]]:
    """[lines, how many functions of the source are so long], in order of lines."""
    found = source.occurrences.values(lines=F("code__n_lines")).annotate(n=Count("id")).order_by("lines")
    return [[row["lines"], row["n"]] for row in found]


def _report(source: CodeSource, reader: _Reader, settled: dict[str, Any]) -> dict[str, Any]:
    source.refresh_from_db()
    codes = Code.objects.filter(occurrences__source=source).distinct()
    return {
        "code_source": source.pk,
        "name": source.name,
        "version": source.version,
        "files": reader.n_files,
        "unreadable_files": reader.n_problems,
        "functions": source.n_functions,
        "new_codes": source.n_new,
        "kept": source.counts.get(KEPT, 0),
        "counts": source.counts,
        "quarantined": codes.filter(~Q(quarantine_reason="")).count(),
        **settled,
    }
