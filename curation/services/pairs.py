"""Ready pairs into the project: judged ones such as CoSQA's, or any (query, code) list."""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from django.db import connection

from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError
from core.jobs import RunningJob
from core.models import Project
from core.text import code_hash, normalise_query, query_hash
from curation import privacy
from curation.code_filters import IMPORTED
from curation.extraction import split_code
from curation.models import CandidateRun, Code, CodeOccurrence, CodeSource, Query
from curation.pair_files import PairRow
from curation.services.candidates import store_pairs

CHUNK = 500
KNOWN_AT_MOST = 200_000  # texts whose rows an import remembers
Stored = Mapping[str, tuple[int, str]]  # content hash -> (id, quarantine reason)


@dataclass
class ImportReport:
    """What an import of pairs did; rows = pairs + repeated + quarantined + problems.

    `labels` holds (pair id, label) of the pairs that carry one, in the order of the rows.
    """

    run: CandidateRun
    n_rows: int = 0
    n_pairs: int = 0
    n_repeated: int = 0
    n_quarantined: int = 0
    labels: list[tuple[int, int]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    _seen: dict[int, int | None] = field(default_factory=dict)

    def note(self, row: PairRow, pair_id: int, *, is_private: bool) -> None:
        """Counts one stored row; a pair with two different labels is a problem, and its first label stays."""
        if is_private:
            self.n_quarantined += 1
        elif pair_id not in self._seen:
            self._seen[pair_id] = row.label
            self.n_pairs += 1
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
        for item, (pair_id, is_private) in zip(chunk, stored, strict=True):
            report.note(item.row, pair_id, is_private=is_private)
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


@retry_when_busy()
def _store(
    candidate_run: CandidateRun, source: CodeSource, chunk: list[_Prepared], known: _Known
) -> list[tuple[int, bool]]:
    """(pair id, whether something of it is quarantined) of every row of a chunk."""
    project = candidate_run.project
    with write_transaction():
        new_queries = _store_queries(project, [item for item in chunk if item.query_hash not in known.queries])
        new_codes = _store_codes(project, source, [item for item in chunk if item.code_hash not in known.codes])
        queries, codes = ChainMap(new_queries, known.queries), ChainMap(new_codes, known.codes)
        keys = [(queries[item.query_hash][0], codes[item.code_hash][0]) for item in chunk]
        pairs = store_pairs(project, keys)
        _store_claims(candidate_run, [pairs[key] for key in dict.fromkeys(keys)])
    stored = [
        (pairs[key], bool(queries[item.query_hash][1] or codes[item.code_hash][1]))
        for item, key in zip(chunk, keys, strict=True)
    ]
    known.add(new_queries, new_codes)
    return stored


def _store_claims(candidate_run: CandidateRun, pair_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO curation_candidate (run_id, pair_id, rank) VALUES (%s, %s, 1) ON CONFLICT DO NOTHING",
            [(candidate_run.pk, pair_id) for pair_id in pair_ids],
        )


def _store_queries(project: Project, chunk: list[_Prepared]) -> dict[str, tuple[int, str]]:
    """Content hash -> (id, quarantine reason)."""
    chunk = list({item.query_hash: item for item in chunk}.values())
    if not chunk:
        return {}
    Query.objects.bulk_create(
        [
            Query(
                project=project,
                content_hash=item.query_hash,
                text=item.text,
                quarantine_reason=privacy.quarantine_reason(item.text),
            )
            for item in chunk
        ],
        ignore_conflicts=True,
    )
    rows = Query.objects.filter(project=project, content_hash__in={item.query_hash for item in chunk})
    return {key: (pk, reason) for key, pk, reason in rows.values_list("content_hash", "pk", "quarantine_reason")}


def _store_codes(project: Project, source: CodeSource, chunk: list[_Prepared]) -> dict[str, tuple[int, str]]:
    """Content hash -> (id, quarantine reason); codes that are new get an occurrence in the import."""
    if not chunk:
        return {}
    rows = Code.objects.filter(project=project, content_hash__in={item.code_hash for item in chunk})
    known = set(rows.values_list("content_hash", flat=True))
    fresh = {item.code_hash: item.row for item in chunk if item.code_hash not in known}
    Code.objects.bulk_create([_code(project, key, row) for key, row in fresh.items()], ignore_conflicts=True)
    found = {
        key: (pk, reason, name)
        for key, pk, reason, name in rows.values_list("content_hash", "pk", "quarantine_reason", "name")
    }
    CodeOccurrence.objects.bulk_create(
        [
            CodeOccurrence(
                code_id=found[key][0],
                source=source,
                repository=source.name,
                path=row.idx[:500],
                qualified_name=found[key][2],
                filter_reason=IMPORTED,
            )
            for key, row in fresh.items()
        ],
        ignore_conflicts=True,
    )
    return {key: (pk, reason) for key, (pk, reason, _) in found.items()}


def _code(project: Project, key: str, row: PairRow) -> Code:
    parts = split_code(row.code)
    return Code(
        project=project,
        content_hash=key,
        text=row.code,
        name=(parts.name or "code")[:300],
        header=parts.header,
        docstring=parts.docstring,
        body=parts.body,
        is_paired=False,
        filter_reason=IMPORTED,
        quarantine_reason=privacy.code_reason(row.code),
        n_lines=row.code.count("\n") + 1,
    )


def _finish(candidate_run: CandidateRun) -> None:
    claims = candidate_run.candidates
    candidate_run.n_kept = claims.count()
    candidate_run.n_queries = claims.values("pair__query").distinct().count()
    candidate_run.n_codes = claims.values("pair__code").distinct().count()
    candidate_run.is_complete = True
    with write_transaction():
        candidate_run.save()
