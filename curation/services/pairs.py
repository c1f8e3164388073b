"""Ready pairs into the project: judged ones such as CoSQA's, or any (query, code) list."""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from core.db import insert_rows, retry_when_busy, write_transaction
from core.errors import BadInputError
from core.jobs import RunningJob
from core.models import Project
from core.text import code_hash, normalise_query, query_hash
from curation import privacy
from curation.code_filters import IMPORTED
from curation.extraction import split_code
from curation.models import Candidate, CandidateRun, Code, CodeOccurrence, CodeSource, Query
from curation.pair_files import PairRow
from curation.services.candidates.storing import find_pairs, store_pairs

CHUNK = 500
QUERY_COLUMNS = ("content_hash", "text", "quarantine_reason")
CODE_COLUMNS = ("content_hash", "text", "name", "header", "docstring", "body", "quarantine_reason", "n_lines")
KNOWN_AT_MOST = 200_000  # texts whose rows an import remembers
Stored = Mapping[str, tuple[int, str]]  # content hash -> (id, quarantine reason)


@dataclass
class ImportReport:
    """What an import of pairs did; rows = pairs + repeated + quarantined + problems.

    `n_new` of the pairs are such as the project lacked. `labels` holds (pair id, label) of the pairs that carry one, in
    the order of the rows.
    """

    run: CandidateRun
    n_rows: int = 0
    n_pairs: int = 0
    n_new: int = 0
    n_repeated: int = 0
    n_quarantined: int = 0
    labels: list[tuple[int, int]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    _seen: dict[int, int | None] = field(default_factory=dict)

    def note(self, row: PairRow, pair_id: int, *, is_private: bool, is_new: bool) -> None:
        """Counts one stored row; a pair with two different labels is a problem, and its first label stays."""
        if is_private:
            self.n_quarantined += 1
        elif pair_id not in self._seen:
            self._seen[pair_id] = row.label
            self.n_pairs += 1
            self.n_new += is_new
            if row.label is not None:
                self.labels.append((pair_id, row.label))
        elif row.label == self._seen[pair_id]:
            self.n_repeated += 1
        else:
            self.problems.append((row.idx, f"the same pair came before with the label {self._seen[pair_id]}"))


@dataclass(slots=True)
class _Known:
    """Rows that this import has met: texts come again and again, and each is looked up once."""

    queries: dict[str, tuple[int, str]] = field(default_factory=dict)
    codes: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, queries: Stored, codes: Stored) -> None:
        """Call after the commit: what a failed one has stored is not there."""
        for mine, new in ((self.queries, queries), (self.codes, codes)):
            if len(mine) > KNOWN_AT_MOST:
                mine.clear()
            mine.update(new)


@dataclass(frozen=True, slots=True)
class _Prepared:
    row: PairRow
    text: str
    query_hash: str
    code_hash: str


def import_pairs(
    *, project: Project, rows: Iterable[PairRow], name: str, run: RunningJob | None = None
) -> ImportReport:
    """Queries, codes and pairs of a named list, as a candidate run of origin `import`.

    The same name again is the same run, and what it has already is not added again. Queries do not pass the log, but
    privacy looks at them and at new codes: a private pair is stored quarantined and its label is left out. A row
    without query or code is a problem in the report. Codes that are new are unpaired: an import judges a pair, it does
    not vouch for proposing its code to other queries.
    """
    name = name.strip()
    if not name:
        raise BadInputError(problem="Give the import a name.")
    with write_transaction():
        candidate_run, _ = CandidateRun.objects.get_or_create(project=project, origin="import", name=name[:200])
        source, _ = CodeSource.objects.get_or_create(project=project, kind="import", name=name[:300], version="")
    report = ImportReport(candidate_run)
    prepared, known = _prepare(rows, report), _Known()
    while chunk := list(islice(prepared, CHUNK)):
        stored = _store(candidate_run, source, chunk, known)
        for item, (pair_id, is_private, is_new) in zip(chunk, stored, strict=True):
            report.note(item.row, pair_id, is_private=is_private, is_new=is_new)
        if run:
            run.progress(report.n_rows, 0, f"importing pairs: {report.n_rows:,}")
    _finish(candidate_run)
    return report


def _prepare(rows: Iterable[PairRow], report: ImportReport) -> Iterator[_Prepared]:
    for row in rows:
        report.n_rows += 1
        text = normalise_query(row.query)
        if not text or not row.code.strip():
            report.problems.append((row.idx or str(report.n_rows), "the query or the code is empty"))
            continue
        yield _Prepared(row, text, query_hash(text), code_hash(row.code))


@dataclass(slots=True)
class _Fresh:
    """What a chunk names that this import has not met: rows that the project has, and rows to make of the rest."""

    queries: Stored
    codes: Stored
    query_hashes: list[str]
    code_hashes: list[str]
    query_rows: list[tuple[Any, ...]]
    code_rows: list[tuple[Any, ...]]
    places: dict[str, tuple[str, str]]  # code hash -> (path, qualified name)


def _store(
    candidate_run: CandidateRun, source: CodeSource, chunk: list[_Prepared], known: _Known
) -> list[tuple[int, bool, bool]]:
    """(pair id, whether something of it is quarantined, whether the project lacked it) of every row of a chunk.

    Detectors and the splitting of code run before the write transaction, which is left short.
    """
    fresh = _look_at(candidate_run.project, chunk, known)
    new_queries, new_codes, pairs, made = _write(candidate_run, source, chunk, known, fresh)
    queries, codes = ChainMap(new_queries, known.queries), ChainMap(new_codes, known.codes)  # type: ignore[arg-type]
    stored = []
    for item in chunk:
        (query, private_query), (code, private_code) = queries[item.query_hash], codes[item.code_hash]
        is_new = (query, code) in made
        stored.append((pairs[query, code], bool(private_query or private_code), is_new))
    known.add(new_queries, new_codes)
    return stored


def _look_at(project: Project, chunk: list[_Prepared], known: _Known) -> _Fresh:
    queries = {item.query_hash: item.text for item in chunk if item.query_hash not in known.queries}
    codes = {item.code_hash: item.row for item in chunk if item.code_hash not in known.codes}
    there, codes_there = _stored(Query, project, list(queries)), _stored(Code, project, list(codes))
    new_queries = [key for key in queries if key not in there]
    new_codes = [key for key in codes if key not in codes_there]
    reasons = privacy.quarantine_reasons([queries[key] for key in new_queries])
    made = {key: _code_row(key, codes[key]) for key in new_codes}
    return _Fresh(
        queries=there,
        codes=codes_there,
        query_hashes=new_queries,
        code_hashes=new_codes,
        query_rows=[(key, queries[key], reason) for key, reason in zip(new_queries, reasons, strict=True)],
        code_rows=list(made.values()),
        places={key: (codes[key].idx[:500], str(row[2])) for key, row in made.items()},
    )


def _stored(model: type[Query] | type[Code], project: Project, hashes: list[str]) -> dict[str, tuple[int, str]]:
    """Content hash -> (id, quarantine reason) of the rows that the project has."""
    if not hashes:
        return {}
    rows = model.objects.filter(project=project, content_hash__in=hashes)
    return {key: (pk, reason) for key, pk, reason in rows.values_list("content_hash", "pk", "quarantine_reason")}


@retry_when_busy()
def _write(
    candidate_run: CandidateRun, source: CodeSource, chunk: list[_Prepared], known: _Known, fresh: _Fresh
) -> tuple[Stored, Stored, dict[tuple[int, int], int], set[tuple[int, int]]]:
    """New queries, new codes, the pairs of the chunk by (query id, code id), and which of them the project lacked."""
    project = candidate_run.project
    with write_transaction():
        insert_rows(Query, QUERY_COLUMNS, fresh.query_rows, project_id=project.pk)
        insert_rows(Code, CODE_COLUMNS, fresh.code_rows, project_id=project.pk, is_paired=False, filter_reason=IMPORTED)
        new_queries = {**fresh.queries, **_stored(Query, project, fresh.query_hashes)}
        new_codes = {**fresh.codes, **_stored(Code, project, fresh.code_hashes)}
        insert_rows(
            CodeOccurrence,
            ("code_id", "path", "qualified_name"),
            [(new_codes[key][0], *place) for key, place in fresh.places.items()],
            source_id=source.pk,
            repository=source.name,
            filter_reason=IMPORTED,
        )
        queries, codes = ChainMap(new_queries, known.queries), ChainMap(new_codes, known.codes)
        scores: dict[tuple[int, int], float | None] = {}
        for item in chunk:
            scores.setdefault((queries[item.query_hash][0], codes[item.code_hash][0]), item.row.score)
        pairs = find_pairs(project, scores)
        made = scores.keys() - pairs.keys()
        pairs |= store_pairs(project, [key for key in scores if key in made])
        claims = [(pairs[key], score) for key, score in scores.items()]
        insert_rows(Candidate, ("pair_id", "score"), claims, run_id=candidate_run.pk)
    return new_queries, new_codes, pairs, made


def _code_row(key: str, row: PairRow) -> tuple[Any, ...]:
    """A row of a code that the project lacks, as CODE_COLUMNS names it."""
    parts = split_code(row.code)
    reason = privacy.code_reason(row.code)
    name = (parts.name or "code")[:300]
    return (key, row.code, name, parts.header, parts.docstring, parts.body, reason, row.code.count("\n") + 1)


def _finish(candidate_run: CandidateRun) -> None:
    claims = candidate_run.candidates
    candidate_run.n_kept = claims.count()
    candidate_run.n_queries = claims.values("pair__query").distinct().count()
    candidate_run.n_codes = claims.values("pair__code").distinct().count()
    candidate_run.is_complete = True
    with write_transaction():
        candidate_run.save()
