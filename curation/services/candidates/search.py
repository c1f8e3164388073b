"""The search of a run: by vectors (in shards where that helps), by words, by both, or from clicks."""

import contextlib
import hashlib
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from core.encoders import load_encoder
from core.encoding import Encoder
from core.index import FaissIndex, TopCodes, about, make_index, top_codes
from core.jobs import RunningJob
from core.search_shards import SEARCH_SHARD, join_shards, shard_inputs, write_search
from core.shards import ShardWork, Stage
from curation.assignment import Match
from curation.clicked import Place, Places, clicked_matches
from curation.models import CodeOccurrence, QueryClick
from curation.retrieval import HYBRIDS, Ranked, fuse, search_words
from curation.services.candidates.inputs import ROWS_AT_ONCE, Vectors, code_texts, encode_both
from curation.services.candidates.settings import CLICKED, RunSettings
from modeling.ml.bm25 import Bm25Index, tokens_of


@dataclass
class Found:
    """What a search gives: matches, the best score of every query that has one, and facts for the run's record."""

    matches: Iterable[Match]
    best: NDArray[np.float64]
    fingerprint: str
    facts: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A folder below QUARRY_HOME/tmp that goes afterwards."""
    folder = Path(settings.QUARRY_HOME, "tmp", f"{name}-{uuid.uuid4().hex[:12]}")
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def search(
    run: RunningJob,
    wanted: RunSettings,
    query_ids: list[int],
    queries: list[str],
    code_ids: list[int],
    encoder: Encoder | None = None,
) -> Found:
    """The best codes of every query as the settings ask; queries and codes are numbered by their places.

    encoder  the loaded encoder of the settings, where the caller has it already
    """
    if wanted.retriever == CLICKED:
        return _search_clicks(run, query_ids, code_ids)
    with scratch_folder("search") as folder:
        words = _word_index(run, wanted, code_ids) if wanted.needs_words else None
        if not wanted.needs_vectors:
            return _search_words(run, wanted, words, queries)
        encoder = encoder or loaded_encoder(run, wanted)
        vectors = encode_both(run, encoder, queries, code_ids, wanted.text_view, folder)
        started = time.perf_counter()
        depth = max(wanted.depth, wanted.pool) if wanted.retriever in HYBRIDS else wanted.depth
        dense, facts = _search_vectors(run, wanted, vectors, depth, folder)
        ranked = Ranked.of(dense)
        if words is not None:
            ranked = fuse(
                words,
                queries,
                vectors.queries,
                vectors.codes,
                dense,
                retriever=wanted.retriever,
                depth=wanted.depth,
                pool=wanted.pool,
                weight=wanted.weight,
                progress=_say(run, "fusing"),
            )
        facts |= {**vectors.record(), "search_s": round(time.perf_counter() - started, 3)}
    return Found(ranked.matches(), ranked.best(), vectors.encoder.fingerprint[:64], facts)


def loaded_encoder(run: RunningJob, wanted: RunSettings) -> Encoder:
    """The encoder of the settings."""
    run.progress(0, 0, f"loading the encoder {wanted.encoder}")
    return load_encoder(wanted.encoder)


def _say(run: RunningJob, what: str) -> Any:
    return lambda done, n: run.progress(min(done, n - 1), n, f"{what}: {done:,} of {n:,} queries")


def _search_vectors(
    run: RunningJob, wanted: RunSettings, vectors: Vectors, depth: int, folder: Path
) -> tuple[TopCodes, dict[str, Any]]:
    """By cosine; in shards where the settings ask for more than one or other machines can help."""
    run.progress(0, 0, "preparing the search")
    key = hashlib.blake2b(b"".join(vectors.of_codes.hashes), digest_size=12).hexdigest()
    index = make_index(
        vectors.codes,
        queries=vectors.queries,
        k=depth,
        recall=wanted.recall,
        centroids_file=Path(settings.QUARRY_HOME, "indexes", f"lists-{vectors.encoder.fingerprint[:16]}-{key}.npy"),
    )
    if wanted.shards > 1 and not isinstance(index, FaissIndex):  # a GPU's index stays where it is
        work = ShardWork(folder.name, f"tmp/{folder.name}")
        try:
            params = write_search(
                folder, vectors.queries, vectors.codes, index, k=min(depth, len(vectors.codes)), batch=0
            )
            stage = Stage("search", SEARCH_SHARD, params)
            paths = []
            for shard in work.run(stage, shard_inputs(len(vectors.queries), wanted.shards), run.check):
                paths.append(shard.path)
                run.progress(len(paths), wanted.shards + 1, f"searching: shard {len(paths):,} of {wanted.shards:,}")
            return join_shards(paths), about(index)
        finally:
            work.forget()
    return top_codes(vectors.queries, vectors.codes, k=depth, index=index, progress=_say(run, "searching")), about(
        index
    )


def _word_index(run: RunningJob, wanted: RunSettings, code_ids: list[int]) -> Bm25Index:
    def documents() -> Iterator[list[str]]:
        for place, text in enumerate(code_texts(code_ids, wanted.text_view)):
            if place % 1000 == 0:
                run.progress(place, len(code_ids), f"indexing words: {place:,} of {len(code_ids):,} codes")
            yield tokens_of(text)

    return Bm25Index(documents())


def _search_words(run: RunningJob, wanted: RunSettings, words: Bm25Index | None, queries: list[str]) -> Found:
    if words is None:
        raise AssertionError
    ranked = search_words(words, queries, depth=wanted.depth, progress=_say(run, "searching"))
    return Found(ranked.matches(), ranked.best(), "bm25-lucene-1", {"index": "BM25, inverted index"})


def _search_clicks(run: RunningJob, query_ids: list[int], code_ids: list[int]) -> Found:
    run.progress(0, 0, "reading where codes stand")
    places = Places(_places(code_ids))
    found = clicked_matches(_clicks(run, query_ids), places)
    best: dict[int, float] = {}
    for match in found.matches:
        best[match.query] = max(best.get(match.query, 0.0), match.score)
    facts = {
        "index": "clicked addresses",
        "clicks": found.n_clicks,
        "clicks_used": found.n_used,
        "clicks_elsewhere": dict(sorted(found.reasons.items())),
    }
    return Found(found.matches, np.array([best[query] for query in sorted(best)]), "clicked-1", facts)


def _places(code_ids: list[int]) -> Iterator[Place]:
    numbers = {pk: number for number, pk in enumerate(code_ids)}
    columns = ("code_id", "repository", "path", "commit", "start_line", "end_line")
    for start in range(0, len(code_ids), ROWS_AT_ONCE):
        rows = CodeOccurrence.objects.filter(code__in=code_ids[start : start + ROWS_AT_ONCE]).exclude(path="")
        for pk, *rest in rows.values_list(*columns):
            yield Place(numbers[pk], *rest)


def _clicks(run: RunningJob, query_ids: list[int]) -> Iterator[tuple[int, str, int]]:
    """(number of the query, URL, times), in the order of queries and URLs."""
    for start in range(0, len(query_ids), ROWS_AT_ONCE):
        part = query_ids[start : start + ROWS_AT_ONCE]
        numbers = {pk: number for number, pk in enumerate(part, start)}
        rows = QueryClick.objects.filter(query__in=part).order_by("query__content_hash", "url", "id")
        for pk, url, n in rows.values_list("query_id", "url", "n"):
            yield numbers[pk], url, n
        run.progress(start + len(part), len(query_ids) + 1, f"following clicks: {start + len(part):,} queries")
