"""Queries and codes of a run, in the order of their content hashes, and their vectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from core.encoding import Encoder, FloatArray
from core.errors import ConflictError
from core.jobs import RunningJob
from core.vectors import Encoded, VectorStore, encode_stream
from curation.models import Code, Query
from curation.text_views import code_text

ROWS_AT_ONCE = 1000
QUERY_VIEW = "query"


def vector_store(encoder: Encoder, view: str) -> VectorStore:
    """Where the vectors of an encoder stand: codes under their text view, queries under `query`."""
    return VectorStore.of(Path(settings.QUARRY_HOME, "vectors"), encoder, view=view)


def query_rows(queries: QuerySet[Query]) -> tuple[list[int], list[str]]:
    """(ids, texts) in the order of the content hashes."""
    ids, texts = [], []
    for pk, text in queries.order_by("content_hash").values_list("pk", "text").iterator(chunk_size=5000):
        ids.append(pk)
        texts.append(text)
    return ids, texts


def code_ids(codes: QuerySet[Code]) -> list[int]:
    """Ids in the order of the content hashes."""
    return list(codes.order_by("content_hash").values_list("pk", flat=True))


def code_texts(ids: list[int], view: str) -> Iterator[str]:
    """The texts of codes in the order of the ids, a few at a time; no cursor stays open between them."""
    rows = Code.objects.only("pk", "text", "header", "docstring", "body")
    for start in range(0, len(ids), ROWS_AT_ONCE):
        part = ids[start : start + ROWS_AT_ONCE]
        found = rows.in_bulk(part)
        if len(found) < len(part):
            raise ConflictError(problem="Codes were removed while the run read them. Start it again.")
        for pk in part:
            yield code_text(found[pk], view)


@dataclass
class Vectors:
    """The vectors of queries and codes under one encoder, and what it took to have them."""

    encoder: Encoder
    queries: FloatArray
    codes: FloatArray
    of_queries: Encoded
    of_codes: Encoded

    def record(self) -> dict[str, object]:
        """For the record of a run: what came from the cache and how long the rest took to encode."""
        return {
            "dim": self.encoder.dim,
            "max_length": self.encoder.max_length,
            "cached_queries": self.of_queries.n_cached,
            "cached_codes": self.of_codes.n_cached,
            "encoded_queries": self.of_queries.n_encoded,
            "encoded_codes": self.of_codes.n_encoded,
            "encoding_queries_s": round(self.of_queries.seconds, 3),
            "encoding_codes_s": round(self.of_codes.seconds, 3),
        }


def encode_both(
    run: RunningJob, encoder: Encoder, queries: list[str], ids: list[int], view: str, folder: Path
) -> Vectors:
    """Vectors of queries and codes; only what is not stored is encoded. Large matrices lie in `folder`."""
    total = len(queries) + len(ids)

    def report(before: int, what: str, done: int, n: int) -> None:
        run.progress(min(before + done, total - 1), total, f"encoding {what}: {done:,} of {n:,}")

    query_store, code_store = vector_store(encoder, QUERY_VIEW), vector_store(encoder, view)
    of_queries = encode_stream(
        query_store, encoder, queries, len(queries), lambda done, n: report(0, "queries", done, n)
    )
    of_codes = encode_stream(
        code_store,
        encoder,
        code_texts(ids, view),
        len(ids),
        lambda done, n: report(len(queries), "codes", done, n),
    )
    return Vectors(
        encoder,
        query_store.matrix(of_queries.hashes, folder / "queries.npy"),
        code_store.matrix(of_codes.hashes, folder / "codes.npy"),
        of_queries,
        of_codes,
    )
