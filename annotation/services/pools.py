"""Test pools: for chosen queries the best k codes of several systems, opened as one batch in an order of chance.

Who judges sees a pair like any other: which system found it, at which rank, stands only in `PoolEntry`.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError

from annotation.models import Item, Pool, PoolEntry, Purpose
from annotation.selectors.pools import pool_report
from annotation.services.batches import Opening, check_numbers, fill_batch, new_batch
from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.encoders import load_encoder
from core.errors import BadInputError, ConflictError
from core.index import top_codes
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.text import query_hash
from core.vectors import VectorStore, encode_missing
from curation.models import Code, Pair, Query
from curation.selectors import proposable_codes, proposable_queries
from curation.text_views import VIEWS, code_text

BUILD_POOL = "annotation.build_pool"
BM25 = "bm25"
MAX_SYSTEMS, MAX_DEPTH, MAX_QUERIES, MAX_POOL_PAIRS = 8, 200, 10_000, 200_000
MAX_SEED = 2**31 - 1
_SYSTEM = re.compile(r"[\w.~/ -]{1,300}\Z")
AT_ONCE = 500


def start_build_pool(
    *,
    project: Project,
    name: str,
    systems: Sequence[str],
    k: int = 10,
    n_queries: int | None = 50,
    text: str = "",
    queries: Iterable[str] | None = None,
    seed: int = 0,
    overlap: int | None = None,
    max_extra: int | None = None,
    text_view: str = "full",
    user: User | None = None,
    inline: bool = False,
) -> tuple[Pool, Job]:
    """Checks the settings, settles which queries are asked, and queues the pool on the gpu queue.

    systems: `bm25`, and encoders as `propose_pairs` takes them. Queries are those that may be proposed; `queries`
    (texts) or `text` (a part of the text) narrow them, `n_queries` draws so many of them by the seed.
    Raises BadInputError that says what to change, ConflictError for a name in use.
    """
    systems = list(dict.fromkeys(system.strip() for system in systems if system.strip()))
    overlap = project.overlap if overlap is None else overlap
    max_extra = project.max_extra_votes if max_extra is None else max_extra
    _check(systems, k, seed, text_view)
    check_numbers(overlap, max_extra)
    hashes = choose_queries(project, text=text, queries=queries, n=n_queries, seed=seed)
    if len(hashes) * len(systems) * k > MAX_POOL_PAIRS:
        raise BadInputError(
            problem=f"{len(hashes):,} queries x {len(systems)} systems x {k} codes may be more than "
            f"{MAX_POOL_PAIRS:,} pairs. Take fewer queries or a smaller depth.",
            field="k",
        )
    if not proposable_codes(project).exists():
        raise ConflictError(problem="No code may be proposed yet. Add a code source first.")
    return _create(
        project,
        user,
        inline=inline,
        name=" ".join(name.split())[:100] or _next_name(project),
        systems=[{"name": system, "kind": BM25 if system == BM25 else "encoder"} for system in systems],
        k=k,
        query_hashes=hashes,
        options={
            "seed": seed,
            "overlap": overlap,
            "max_extra": max_extra,
            "text_view": text_view,
            "text": text,
            "from_file": queries is not None,
        },
    )


def _check(systems: Sequence[str], k: int, seed: int, text_view: str) -> None:
    if not 2 <= len(systems) <= MAX_SYSTEMS:
        raise BadInputError(
            problem=f"A pool joins 2 to {MAX_SYSTEMS} different systems, such as bm25 and minilm; these are "
            f"{len(systems)}. With one system alone, what the others would find counts as wrong.",
            field="systems",
        )
    for system in systems:
        if not _SYSTEM.match(system):
            raise BadInputError(problem=f"{system[:60]!r} is neither bm25 nor the name of an encoder.", field="systems")
    if not 1 <= k <= MAX_DEPTH:
        raise BadInputError(problem=f"The depth is a number from 1 to {MAX_DEPTH}, not {k}.", field="k")
    if not 0 <= seed <= MAX_SEED:
        raise BadInputError(problem=f"The seed is a whole number from 0 to {MAX_SEED:,}.", field="seed")
    if text_view not in VIEWS:
        raise BadInputError(problem=f"There is no text view {text_view}: {', '.join(VIEWS)}.", field="text_view")


def choose_queries(
    project: Project, *, text: str = "", queries: Iterable[str] | None = None, n: int | None = None, seed: int = 0
) -> list[str]:
    """Content hashes of the queries to pool, sorted. Raises BadInputError where nothing fits."""
    rows = proposable_queries(project)
    if text:
        rows = rows.filter(text__icontains=text)
    hashes = list(rows.values_list("content_hash", flat=True))
    if queries is not None:
        wanted = {query_hash(line.partition("\t")[2] or line): line for line in map(str.strip, queries) if line}
        hashes = [one for one in hashes if one in wanted]
        if missing := [line for key, line in wanted.items() if key not in set(hashes)]:
            raise BadInputError(
                problem=f"{len(missing):,} of {len(wanted):,} queries of the file may not be proposed or are not in "
                f"the project, the first: {missing[0][:80]!r}. Leave them out, or ingest and accept them first.",
                field="queries",
            )
    if not hashes:
        raise BadInputError(
            problem="No query fits. Ingest a log and apply the rules, or widen the choice.", field="text"
        )
    if n is not None and n < 1:
        raise BadInputError(problem="A pool needs at least one query.", field="n_queries")
    if n is not None and queries is None:
        hashes = sorted(hashes, key=lambda one: _draw(seed, "query", one))[:n]
    if len(hashes) > MAX_QUERIES:
        raise BadInputError(problem=f"At most {MAX_QUERIES:,} queries; these are {len(hashes):,}.", field="n_queries")
    return sorted(hashes)


def _draw(seed: int, *parts: str) -> bytes:
    return hashlib.blake2b("\0".join([str(seed), *parts]).encode(), digest_size=8).digest()


def _next_name(project: Project) -> str:
    taken = set(project.pools.values_list("name", flat=True))
    return next(name for n in range(1, len(taken) + 2) if (name := f"Test pool {n}") not in taken)


def _create(project: Project, user: User | None, *, inline: bool, **values: Any) -> tuple[Pool, Job]:
    person = user if user is not None and user.is_authenticated else None
    try:
        with write_transaction():
            pool = Pool.objects.create(project=project, created_by=person, **values)
            job = create_job(
                kind=BUILD_POOL,
                title=f"Build the pool {pool.name}"[:200],
                params={"pool_id": pool.pk},
                project=project,
                user=user,
                inline=inline,
            )
            pool.job = job
            pool.save(update_fields=["job"])
    except IntegrityError as error:
        raise ConflictError(problem=f"There is a pool called {values['name']} already; choose another name.") from error
    return pool, job


# --- the work ---------------------------------------------------------------------------------------------------------
def build_pool(*, run: RunningJob, pool: Pool) -> dict[str, Any]:
    """Asks every system for its best k, stores who found what, opens the union. A complete pool is left as it is."""
    if pool.is_complete:
        return summary(pool)
    run.progress(0, 0, "reading queries and codes")
    queries = list(
        Query.objects.filter(project=pool.project, content_hash__in=pool.query_hashes).order_by("content_hash")
    )
    queries = [query for query in queries if not query.quarantine_reason]
    codes = proposable_codes(pool.project).order_by("content_hash")
    code_rows = [
        (code.pk, code.content_hash, code_text(code, pool.options["text_view"])) for code in _with_parts(codes)
    ]
    if not queries or not code_rows:
        raise ConflictError(problem="The queries or codes of this pool are gone. Build another one.")
    PoolEntry.objects.filter(pool=pool).delete()  # of an attempt that was killed
    found: dict[tuple[int, int], str] = {}
    for place in range(len(pool.systems)):
        ranked, scores = _best_of_system(run, pool, place, queries, [text for _, _, text in code_rows])
        entries = [
            (queries[row].pk, code_rows[code][0], rank, float(score))
            for row in range(len(queries))
            for rank, (code, score) in enumerate(zip(ranked[row], scores[row], strict=True), start=1)
        ]
        _store(pool, place, entries)
        for row, of_query in enumerate(ranked):
            for code in of_query:
                pair = queries[row].pk, code_rows[code][0]
                found[pair] = _draw(pool.options["seed"], queries[row].content_hash, code_rows[code][1]).hex()
    _open(run, pool, sorted(found, key=lambda pair: found[pair]))
    return summary(pool)


def _queries(pool: Pool) -> list[Query]:
    """By content hash, as they stand in the pool; what has been quarantined since is left out."""
    found: list[Query] = []
    for start in range(0, len(pool.query_hashes), AT_ONCE):
        hashes = pool.query_hashes[start : start + AT_ONCE]
        found += Query.objects.filter(project=pool.project, content_hash__in=hashes, quarantine_reason="")
    return sorted(found, key=lambda query: query.content_hash)


def _with_parts(codes: Any) -> Iterable[Code]:
    fields = ("pk", "content_hash", "text", "header", "docstring", "body")
    found: Iterable[Code] = codes.only(*fields).iterator(chunk_size=2000)
    return found


def _best_of_system(
    run: RunningJob, pool: Pool, place: int, queries: list[Query], codes: list[str]
) -> tuple[list[list[int]], list[list[float]]]:
    """(code positions, scores) of the best k per query, best first; ties to the smaller content hash."""
    system = pool.systems[place]
    texts = [query.text for query in queries]
    if system["kind"] == BM25:
        return _best_of_bm25(run, texts, codes, pool.k)
    run.progress(0, 0, f"loading {system['name']}")
    encoder = load_encoder(system["name"])
    total = len(texts) + len(codes)

    def vectors(view: str, what: list[str], before: int) -> Any:
        store = VectorStore.of(Path(settings.QUARRY_HOME, "vectors"), encoder, view=view)
        return encode_missing(
            store,
            encoder,
            what,
            lambda done, _: run.progress(min(before + done, total - 1), total, f"encoding with {system['name']}"),
        )

    top = top_codes(vectors("query", texts, 0), vectors(pool.options["text_view"], codes, len(texts)), k=pool.k)
    pool.systems[place] = {**system, "fingerprint": encoder.fingerprint[:64]}
    return top.codes.tolist(), top.scores.tolist()


def _best_of_bm25(
    run: RunningJob, queries: list[str], codes: list[str], k: int
) -> tuple[list[list[int]], list[list[float]]]:
    """Codes without a word of the query are not found, so a query may have fewer than k."""
    from modeling.ml.bm25 import Bm25Index, best_documents, tokens_of

    run.progress(0, len(queries), "indexing for bm25")
    index = Bm25Index([tokens_of(code) for code in codes])
    ranked, scores = [], []
    for done, query in enumerate(queries):
        if done % 50 == 0:
            run.progress(done, len(queries), "searching with bm25")
        values = index.totals(tokens_of(query))
        best = best_documents(values, k)
        ranked.append(best.tolist())
        scores.append(values[best].tolist())
    return ranked, scores


def _store(pool: Pool, place: int, entries: list[tuple[int, int, int, float]]) -> None:
    def write(chunk: list[tuple[int, int, int, float]]) -> None:
        pairs = _pairs(pool, [(query, code) for query, code, _, _ in chunk])
        PoolEntry.objects.bulk_create(
            [
                PoolEntry(pool=pool, pair_id=pairs[query, code], system=place, rank=rank, score=score)
                for query, code, rank, score in chunk
            ],
            ignore_conflicts=True,
        )

    run_in_chunks(entries, write, max_rows=AT_ONCE)


def _pairs(pool: Pool, keys: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """(query id, code id) -> pair id; what the project lacks is made."""
    view = pool.options["text_view"]
    Pair.objects.bulk_create(
        [Pair(project_id=pool.project_id, query_id=query, code_id=code, text_view=view) for query, code in keys],
        ignore_conflicts=True,
    )
    found = Pair.objects.filter(project=pool.project_id, query__in={query for query, _ in keys})
    found = found.filter(code__in={code for _, code in keys})
    return {(query, code): pk for pk, query, code in found.values_list("pk", "query_id", "code_id")}


def _open(run: RunningJob, pool: Pool, keys: list[tuple[int, int]]) -> None:
    """Opens the pairs in this order; those that have a live item already keep it, and their votes count here too."""
    run.progress(0, 0, "opening the batch")
    pairs: dict[tuple[int, int], int] = {}
    for start in range(0, len(keys), AT_ONCE):
        pairs |= _pairs(pool, keys[start : start + AT_ONCE])
    others = Item.objects.filter(project=pool.project, purpose=Purpose.LIVE).exclude(batch=pool.batch_id)
    live = set(others.values_list("pair_id", flat=True))  # its own are of an attempt that was killed
    openings = [Opening(pairs[key], key[0]) for key in keys if pairs[key] not in live]
    if openings:
        options = pool.options
        if pool.batch is None:
            name = _batch_name(pool)
            pool.batch = new_batch(pool.project, name, options["overlap"], options["max_extra"], is_pilot=False)
            _keep_batch(pool)
        fill_batch(pool.batch, openings, seed=options["seed"])
    _complete(pool, len(keys))


def _batch_name(pool: Pool) -> str:
    taken = set(pool.project.batches.values_list("name", flat=True))
    names = (pool.name, *(f"{pool.name[:90]} ({n})" for n in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


@retry_when_busy()
def _keep_batch(pool: Pool) -> None:
    with write_transaction():
        pool.save(update_fields=["batch"])


@retry_when_busy()
def _complete(pool: Pool, n_pairs: int) -> None:
    pool.n_pairs, pool.is_complete = n_pairs, True
    with write_transaction():
        pool.save()


def summary(pool: Pool) -> dict[str, Any]:
    """The numbers of a pool, as its job's result, the API and the command show them."""
    return {
        "pool": pool.pk,
        "name": pool.name,
        "depth": pool.k,
        "queries": len(pool.query_hashes),
        "batch": pool.batch_id,
        "opened": pool.batch.items.count() if pool.batch else 0,
        **pool_report(pool),
    }
