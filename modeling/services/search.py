"""Search a project's code base with a checkpoint, and keep the index that this needs."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from annotation.selectors.labels import labels_of_query
from core.db import write_transaction
from core.errors import BadInputError, ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, Project
from core.text import normalise_query, query_hash
from curation.selectors import proposable_codes
from modeling.inference_client import ask
from modeling.models import CodeIndex
from modeling.selectors import Checkpoint, code_base_size, find_checkpoint, index_state
from modeling.words import common_words

MAX_QUERY_CHARS = 2_000
MAX_TOP = 200


class NoIndexError(ConflictError):
    code = "no_index"
    template = (
        "There is no search index for {checkpoint} in {project} yet. Build it on the search page or with "
        "POST .../search/index/; it takes about two minutes per 6,000 functions on a CPU."
    )


class NoVectorsError(ConflictError):
    code = "no_vectors"
    template = (
        "{checkpoint} compares words, not vectors, so no index can be built for it. The command search_code takes it."
    )


@dataclass(frozen=True)
class SearchResult:
    """One ranked function with what is known about it."""

    rank: int
    score: float
    code: Any
    words: list[str]
    label: int | None
    place: str

    @property
    def summary(self) -> str:
        """First line of its docstring."""
        return next((line.strip() for line in self.code.docstring.splitlines() if line.strip()), "")


@dataclass(frozen=True)
class SearchAnswer:
    """The ranked functions, and by what they were ranked."""

    query: str
    checkpoint: Checkpoint
    n_codes: int
    max_length: int
    milliseconds: float
    results: list[SearchResult]


def search(*, project: Project, query: str, checkpoint: Checkpoint, top: int = 10) -> SearchAnswer:
    """The `top` best functions of the code base for a query, as of its index.

    Codes that were quarantined since the index was built are left out. Raises NoIndexError, and the inference client's
    errors (not running, no answer in time).
    """
    state = index_state(project, checkpoint)
    if state.index is None or not state.is_built:
        raise NoIndexError(checkpoint=checkpoint.key, project=project.slug)
    answer = ask(
        {"op": "search", "query": query, "checkpoint": checkpoint.location, "index": state.index.path, "top": top}
    )
    return SearchAnswer(
        query=query,
        checkpoint=checkpoint,
        n_codes=answer["n_codes"],
        max_length=answer["max_length"],
        milliseconds=answer["milliseconds"],
        results=_results(project, query, answer["results"]),
    )


def _results(project: Project, query: str, ranked: list[tuple[int, float]]) -> list[SearchResult]:
    ids = [code_id for code_id, _ in ranked]
    codes = proposable_codes(project).prefetch_related("occurrences").in_bulk(ids)
    labels = labels_of_query(project, query_hash=query_hash(normalise_query(query)), code_ids=ids)
    return [
        SearchResult(
            rank=rank,
            score=score,
            code=codes[code_id],
            words=common_words(query, codes[code_id].text),
            label=labels.get(code_id),
            place=_place(codes[code_id]),
        )
        for rank, (code_id, score) in enumerate(ranked, start=1)
        if code_id in codes
    ]


def _place(code: Any) -> str:
    """Path and lines of the first occurrence."""
    found = next(iter(code.occurrences.all()), None)
    if found is None or not found.path:
        return ""
    return f"{found.path}:{found.start_line}" if found.start_line else found.path


def start_index(*, project: Project, checkpoint: Checkpoint, user: Any = None) -> Job:
    """Queues the build of a checkpoint's index; an unfinished build is returned as it is."""
    if not checkpoint.has_vectors:
        raise NoVectorsError(checkpoint=checkpoint.key)
    n_codes, _ = code_base_size(project)
    if not n_codes:
        raise BadInputError(problem=f"Project {project.slug} has no code to search yet. Add a code source first.")
    with write_transaction():
        index, _ = CodeIndex.objects.select_for_update().get_or_create(project=project, checkpoint=checkpoint.key)
        if index.job is not None and not index.job.is_over:
            return index.job
        index.job = create_job(
            kind="modeling.build_index",
            title=f"Build the search index of {n_codes:,} functions for {checkpoint.key}",
            params={"index_id": index.pk},
            project=project,
            user=user,
        )
        index.save(update_fields=["job"])
    return index.job


def build_index(*, run: RunningJob, index_id: int) -> dict[str, Any]:
    """Encodes the functions that have no stored vector yet and writes the index; the old one serves until then."""
    from modeling.code_index import remove_index, write_index

    index = CodeIndex.objects.select_related("project").get(pk=index_id)
    checkpoint = find_checkpoint(index.project, index.checkpoint)
    built = write_index(
        index.project,
        checkpoint.location,
        progress=lambda done, total: run.progress(done, total, "encoding functions"),
    )
    CodeIndex.objects.filter(pk=index.pk).update(
        path=built.path, n_codes=built.n_codes, last_code_id=built.last_code_id, built_at=timezone.now()
    )
    remove_index(index.path)
    return {"n_codes": built.n_codes, "checkpoint": index.checkpoint}
