"""Writing the sorted queries of a log: in the order of their hashes, in short transactions that know their place.

Each transaction also moves the import's position on, so a kill at any moment loses and doubles nothing, and a worker
that was taken over cannot write. Verdicts of the project's rule set are written in the same pass.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import F, Model
from django.utils import timezone

from core.db import run_in_chunks
from core.jobs import JobFencedError
from core.models import Project
from curation.log_shards import ASKER_BYTES, MAX_ASKERS, QueryRow
from curation.models import LogImport, Query, QueryClick, QueryCount, RuleHit, RuleSet, Verdict
from curation.services.rule_counts import count_verdicts

MIN_CHUNK_ROWS, MAX_CHUNK_ROWS = 1000, 10_000  # the smallest takes about 40 ms of one core


class LogWriter:
    """Writes the queries of one import; `decided` holds what curators decided about private texts (hash -> reason)."""

    def __init__(self, log_import: LogImport, rule_set: RuleSet, *, job_id: int, decided: dict[str, str]) -> None:
        self.position = log_import.position
        self._import, self._rule_set, self._job_id, self._decided = log_import, rule_set, job_id, decided
        self._written_to = self.position

    def write_all(self, rows: Iterable[QueryRow], on_chunk: Callable[[int], None]) -> None:
        """Writes the rows, which come in the order of their keys, all above `position`; `on_chunk(lines written)`."""
        lines = 0

        def write(chunk: list[QueryRow]) -> None:
            nonlocal lines
            self._write(chunk)
            self._written_to = chunk[-1].key
            lines = sum(row.rows for row in chunk)

        def committed(_: int) -> None:
            self.position = self._written_to
            on_chunk(lines)

        run_in_chunks(rows, write, min_rows=MIN_CHUNK_ROWS, max_rows=MAX_CHUNK_ROWS, on_chunk=committed)

    def _write(self, chunk: list[QueryRow]) -> None:
        """One chunk, all or nothing, and only if the import still stands where the chunk begins."""
        # One import of a project at a time decides which queries are new (a no-op on SQLite, which has one writer).
        Project.objects.select_for_update(no_key=True).get(pk=self._import.project_id)
        position = LogImport.objects.values_list("position", flat=True).get(pk=self._import.pk)
        if position == chunk[-1].key:  # it was committed, only the answer got lost
            return
        if position != self.position:
            raise JobFencedError(job_id=self._job_id)
        n_new = self._write_queries(chunk)
        n_rows = sum(row.rows for row in chunk)
        LogImport.objects.filter(pk=self._import.pk).update(
            position=chunk[-1].key,
            n_read=F("n_read") + n_rows,
            n_new=F("n_new") + n_new,
            n_known=F("n_known") + n_rows - n_new,
        )

    def _write_queries(self, chunk: list[QueryRow]) -> int:
        """Upserts queries, counts, verdicts, clicks; returns how many queries the project did not have."""
        known = self._known(chunk)
        new = [row for row in chunk if row.key not in known] if known else chunk
        ids = dict(zip((row.key for row in new), _reserve(Query, len(new)), strict=True))
        self._insert_queries(new, ids)
        if known:
            _add_seen([(row.n, known[row.key][0]) for row in chunk if row.key in known])
            ids |= {key: pk for key, (pk, _, _) in known.items()}
            _add_people({known[row.key][0]: row.askers for row in chunk if row.key in known and row.askers})
        import_id = self._import.pk
        counts = [(ids[row.key], import_id, row.n, row.askers or None) for row in chunk]
        _insert(QueryCount, ("query_id", "log_import_id", "n", "askers"), counts)
        self._write_verdicts(self._to_judge(chunk, known), ids)
        clicks = [(ids[row.key], import_id, url, n) for row in chunk for url, n in row.urls]
        _insert(QueryClick, ("query_id", "log_import_id", "url", "n"), clicks)
        return len(new)

    def _known(self, chunk: list[QueryRow]) -> dict[str, tuple[int, str, str]]:
        """Hash -> id, text and quarantine reason of the chunk's queries that the project has."""
        queries = Query.objects.filter(project=self._import.project_id)
        if not queries.filter(content_hash__gte=chunk[0].key, content_hash__lte=chunk[-1].key).exists():
            return {}
        keys = [row.key for row in chunk]
        wanted = "= ANY(%s)" if _is_postgres() else f"IN ({', '.join(['%s'] * len(keys))})"
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT content_hash, id, text, quarantine_reason FROM {_table(Query)} "
                f"WHERE project_id = %s AND content_hash {wanted} ORDER BY content_hash",
                [self._import.project_id, *([keys] if _is_postgres() else keys)],
            )
            return {key: (pk, text, reason) for key, pk, text, reason in cursor.fetchall()}

    def _insert_queries(self, new: list[QueryRow], ids: dict[str, int]) -> None:
        now: Any = timezone.now()
        if not _is_postgres():
            now = connection.ops.adapt_datetimefield_value(now)
        project_id, import_id = self._import.project_id, self._import.pk
        columns = (
            "id", "project_id", "content_hash", "text", "n_seen", "n_people", "quarantine_reason", "is_left_out",
            "created_at", "first_import_id",
        )  # fmt: skip
        rows: list[tuple[Any, ...]] = [
            (
                ids[row.key],
                project_id,
                row.key,
                row.text,
                row.n,
                len(row.askers) // ASKER_BYTES,
                self._reason(row),
                False,
                now,
                import_id,
            )
            for row in new
        ]
        _insert(Query, columns, rows)

    def _reason(self, row: QueryRow) -> str:
        return self._decided.get(row.key, row.reason)

    def _to_judge(self, chunk: list[QueryRow], known: dict[str, tuple[int, str, str]]) -> list[QueryRow]:
        """Queries whose verdict is missing and whose hits are known: not private, and judged in the stored spelling."""
        if not known:
            decided = self._decided
            return [row for row in chunk if not row.reason and not decided.get(row.key)]
        ids = [pk for pk, _, _ in known.values()]
        judged = set(
            Verdict.objects.filter(query_id__in=ids, rule_set=self._rule_set).values_list("query_id", flat=True)
        )
        wanted = []
        for row in chunk:
            pk, text, reason = known.get(row.key, (0, row.text, self._reason(row)))
            if not row.reason and not reason and text == row.text and pk not in judged:
                wanted.append(row)
        return wanted

    def _write_verdicts(self, rows: list[QueryRow], ids: dict[str, int]) -> None:
        count_verdicts(self._import.project_id, self._rule_set, Counter(row.hits for row in rows))
        verdicts = _reserve(Verdict, len(rows))
        rule_set_id = self._rule_set.pk
        _insert(
            Verdict,
            ("id", "query_id", "rule_set_id", "has_intent"),
            [(pk, ids[row.key], rule_set_id, not row.hits) for pk, row in zip(verdicts, rows, strict=True)],
        )
        hits = [(pk, rule) for pk, row in zip(verdicts, rows, strict=True) for rule in row.hits]
        _insert(RuleHit, ("verdict_id", "rule"), hits)


# --- both engines -------------------------------------------------------------------------------------------------


def _is_postgres() -> bool:
    return connection.vendor == "postgresql"


def _table(model: type[Model]) -> str:
    return model._meta.db_table


def _reserve(model: type[Model], n: int) -> Sequence[int]:
    """`n` ids for new rows, ascending. Called inside a transaction; on SQLite nobody else can insert meanwhile."""
    if not n:
        return ()
    with connection.cursor() as cursor:
        if _is_postgres():
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [_table(model), n]
            )
            return [pk for (pk,) in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_table(model)])
        row = cursor.fetchone()
    first = (row[0] if row else 0) + 1
    return range(first, first + n)


def _insert(model: type[Model], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows as fast as the engine can: COPY on PostgreSQL, one prepared statement on SQLite."""
    if not rows:
        return
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if not _is_postgres():
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {_table(model)} ({names}) VALUES ({places})", rows)
            return
        with cursor.copy(f"COPY {_table(model)} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _add_seen(amounts: list[tuple[int, int]]) -> None:
    """Adds to `n_seen` of queries that the project has: (amount, id)."""
    table = _table(Query)
    with connection.cursor() as cursor:
        if not _is_postgres():
            cursor.executemany(f"UPDATE {table} SET n_seen = n_seen + %s WHERE id = %s", amounts)
            return
        cursor.execute(
            f"UPDATE {table} SET n_seen = n_seen + more.n FROM unnest(%s::bigint[], %s::bigint[]) AS more (n, id) "
            f"WHERE {table}.id = more.id",
            [[n for n, _ in amounts], [pk for _, pk in amounts]],
        )


def _add_people(askers: dict[int, bytes]) -> None:
    """Counts the people of queries that the project has: those who ask now and those of earlier imports, each once."""
    if not askers:
        return
    held = {pk: {packed} for pk, packed in askers.items()}
    rows = QueryCount.objects.filter(query_id__in=list(askers), askers__isnull=False)
    for pk, packed in rows.values_list("query_id", "askers"):
        held[pk].add(bytes(packed or b""))
    set_people({pk: n_people(packed) for pk, packed in held.items()})


def n_people(packed: Iterable[bytes]) -> int:
    """Distinct people in some runs of packed hashes, counted up to MAX_ASKERS."""
    people = {run[at : at + ASKER_BYTES] for run in packed for at in range(0, len(run), ASKER_BYTES)}
    return min(MAX_ASKERS, len(people))


def set_people(numbers: dict[int, int]) -> None:
    """Writes the number of people of queries (id -> number)."""
    if numbers:
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {_table(Query)} SET n_people = %s WHERE id = %s", [(n, pk) for pk, n in numbers.items()]
            )
