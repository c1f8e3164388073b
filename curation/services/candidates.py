"""Candidate runs: encode, search, assign, store; everything needed to say why a pair was or was not proposed."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from core.db import run_in_chunks, write_transaction
from core.encoders import load_encoder
from core.encoding import Encoder
from core.errors import BadInputError, QuarryError
from core.index import make_index, top_codes
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.vectors import VectorStore, encode_missing
from curation.assignment import POLICIES, Assignment, Match, assign
from curation.models import BestMatch, Candidate, CandidateRun, Outcome, Pair
from curation.selectors.candidates import summary
from curation.selectors.code import proposable_codes
from curation.selectors.queries import current_rule_set, proposable_queries
from curation.text_views import VIEWS, code_text

PROPOSE_PAIRS = "curation.propose_pairs"
BIN = 0.025  # width of a bar of the histogram; 0.5 is an edge
CASCADE_DEPTH = 20  # codes per query that cascade may fall back to
HIGH_SHARE, LOW_SHARE = 0.95, 0.05
_ENCODER_NAME = re.compile(r"[\w.~/ -]{1,300}\Z")


class NothingToProposeError(QuarryError):
    """Queries or codes are missing."""

    code, status = "nothing_to_propose", 409
    template = "{problem}"


def start_propose_pairs(
    *,
    project: Project,
    encoder: str = "",
    threshold: float = 0.5,
    cap: int = 10,
    policy: str = "default",
    text_view: str = "full",
    user: User | None = None,
    inline: bool = False,
) -> tuple[CandidateRun, Job]:
    """Checks the settings and that there is something to pair, and queues a candidate run on the gpu queue."""
    name = encoder.strip() or project.encoder or settings.QUARRY_ENCODER
    _check_settings(name, threshold, cap, policy, text_view)
    rule_set = current_rule_set(project)
    if not proposable_queries(project, rule_set).exists():
        raise NothingToProposeError(
            problem="No query may be proposed yet. Ingest a search log and apply the intent rules first."
        )
    if not proposable_codes(project).exists():
        raise NothingToProposeError(problem="No code may be proposed yet. Add a code source first.")
    with write_transaction():
        run = CandidateRun.objects.create(
            project=project,
            origin="encoder",
            encoder=name,
            rule_set=rule_set,
            threshold=threshold,
            cap=cap,
            policy=policy,
            text_view=text_view,
        )
        run.job = create_job(
            kind=PROPOSE_PAIRS,
            title=f"Propose pairs with {name}"[:200],
            params={"candidate_run_id": run.pk},
            project=project,
            user=user,
            inline=inline,
        )
        run.save(update_fields=["job"])
    return run, run.job


def _check_settings(name: str, threshold: float, cap: int, policy: str, text_view: str) -> None:
    if not _ENCODER_NAME.match(name):
        raise BadInputError(problem="The encoder is a name such as minilm, the folder of a model, or a hub name.")
    if not -1 <= threshold <= 1:
        raise BadInputError(problem=f"The threshold {threshold} is no cosine: give a number from -1 to 1.")
    if not 1 <= cap <= 10_000:
        raise BadInputError(problem=f"The cap {cap} is out of bounds: a code is used 1 to 10,000 times.")
    if policy not in POLICIES:
        raise BadInputError(problem=f"There is no assignment policy {policy}. There are: {', '.join(POLICIES)}.")
    if text_view not in VIEWS:
        raise BadInputError(problem=f"There is no text view {text_view}. There are: {', '.join(VIEWS)}.")


def propose_pairs(*, run: RunningJob, candidate_run: CandidateRun) -> dict[str, Any]:
    """Finds the best code of every query and stores candidates; a run that is complete is left as it is.

    Given stored vectors the candidates depend on nothing but queries, codes and settings: both are taken in the order
    of their content hashes, scores are exact (core.index), ties go to the smaller hash.
    """
    if candidate_run.is_complete:
        return summary(candidate_run)
    run.progress(0, 0, "reading queries and codes")
    query_ids, query_texts = _texts(
        proposable_queries(candidate_run.project, candidate_run.rule_set).order_by("content_hash")
    )
    codes = proposable_codes(candidate_run.project)
    code_ids, code_texts = _code_texts(codes, candidate_run.text_view)
    if not query_ids or not code_ids:
        raise NothingToProposeError(problem="The queries or codes of this run are gone. Start a new one.")
    run.progress(0, 0, f"loading the encoder {candidate_run.encoder}")
    encoder = load_encoder(candidate_run.encoder)
    total = len(query_ids) + len(code_ids)
    query_rows = _encode(run, encoder, "query", query_texts, before=0, total=total, what="queries")
    code_rows = _encode(
        run, encoder, candidate_run.text_view, code_texts, before=len(query_ids), total=total, what="codes"
    )
    best, assignment = _search(run, candidate_run, query_rows, code_rows)
    _store(run, candidate_run, assignment, query_ids, code_ids)
    _complete(candidate_run, encoder, best, assignment, len(code_ids))
    return summary(candidate_run)


def _texts(queries: Any) -> tuple[list[int], list[str]]:
    ids, texts = [], []
    for pk, text in queries.values_list("pk", "text").iterator(chunk_size=5000):
        ids.append(pk)
        texts.append(text)
    return ids, texts


def _code_texts(codes: Any, view: str) -> tuple[list[int], list[str]]:
    ids, texts = [], []
    for code in codes.only("pk", "text", "header", "docstring", "body").iterator(chunk_size=2000):
        ids.append(code.pk)
        texts.append(code_text(code, view))
    return ids, texts


def _encode(
    run: RunningJob, encoder: Encoder, view: str, texts: Sequence[str], *, before: int, total: int, what: str
) -> NDArray[np.float32]:
    store = VectorStore.of(Path(settings.QUARRY_HOME, "vectors"), encoder, view=view)
    return encode_missing(
        store,
        encoder,
        texts,
        lambda done, n: run.progress(min(before + done, total - 1), total, f"encoding {what}: {done:,} of {n:,}"),
    )


def _search(
    run: RunningJob, candidate_run: CandidateRun, queries: NDArray[np.float32], codes: NDArray[np.float32]
) -> tuple[NDArray[np.float64], Assignment]:
    """(best cosine of every query, what became of it)."""
    index = make_index(codes)
    candidate_run.params = {**candidate_run.params, "index": index.name}
    depth = CASCADE_DEPTH if candidate_run.policy == "cascade" else 1
    top = top_codes(
        queries,
        codes,
        k=depth,
        index=index,
        progress=lambda done, n: run.progress(min(done, n - 1), n, f"searching: {done:,} of {n:,} queries"),
    )
    matches = (
        Match(query, int(code), float(score))
        for query in range(len(queries))
        for code, score in zip(top.codes[query], top.scores[query], strict=True)
    )
    return top.scores[:, 0], assign(
        matches, threshold=candidate_run.threshold, cap=candidate_run.cap, policy=candidate_run.policy
    )


def _store(
    run: RunningJob, candidate_run: CandidateRun, assignment: Assignment, query_ids: list[int], code_ids: list[int]
) -> None:
    """Best matches, pairs and candidates; what an attempt that was killed left behind goes first."""
    _forget(run, candidate_run)
    outcomes = (
        (Outcome.KEPT, assignment.kept),
        (Outcome.BELOW, assignment.below),
        (Outcome.OVER_CAP, assignment.over_cap),
    )
    rows = (
        BestMatch(
            run=candidate_run,
            query_id=query_ids[match.query],
            code_id=code_ids[match.code],
            score=match.score,
            outcome=outcome,
        )
        for outcome, matches in outcomes
        for match in matches
    )
    total = sum(len(matches) for _, matches in outcomes) + len(assignment.kept)
    done = run_in_chunks(
        rows,
        lambda chunk: BestMatch.objects.bulk_create(chunk, ignore_conflicts=True),
        on_chunk=lambda n: run.progress(n, total + 1, "storing best matches"),
    )
    pairs = ((query_ids[match.query], code_ids[match.code], match.score) for match in assignment.kept)
    run_in_chunks(
        pairs,
        lambda chunk: _store_candidates(candidate_run, chunk),
        on_chunk=lambda n: run.progress(done + n, total + 1, "storing pairs"),
    )


def _forget(run: RunningJob, candidate_run: CandidateRun) -> None:
    """Removes the rows of an earlier attempt, a chunk at a time."""
    for rows in (Candidate.objects.filter(run=candidate_run), BestMatch.objects.filter(run=candidate_run)):
        ids = list(rows.values_list("pk", flat=True))
        run_in_chunks(
            ids, partial(_delete, rows.model), on_chunk=lambda _: run.progress(0, 0, "removing an earlier attempt")
        )


def _delete(model: type[Candidate] | type[BestMatch], ids: list[int]) -> None:
    model.objects.filter(pk__in=ids).delete()


def _store_candidates(candidate_run: CandidateRun, chunk: Sequence[tuple[int, int, float | None]]) -> None:
    """Pairs (shared by all runs of the project) and this run's claim on them."""
    keys = [(query, code) for query, code, _ in chunk]
    pairs = store_pairs(candidate_run.project, keys, candidate_run.text_view)
    Candidate.objects.bulk_create(
        [Candidate(run=candidate_run, pair_id=pairs[query, code], score=score) for query, code, score in chunk],
        ignore_conflicts=True,
    )


def store_pairs(
    project: Project, keys: Iterable[tuple[int, int]], text_view: str = "full"
) -> dict[tuple[int, int], int]:
    """(query id, code id) -> pair id; pairs that the project lacks are made. At most a chunk of keys."""
    keys = list(dict.fromkeys(keys))
    Pair.objects.bulk_create(
        [Pair(project=project, query_id=query, code_id=code, text_view=text_view) for query, code in keys],
        ignore_conflicts=True,
    )
    found = Pair.objects.filter(
        project=project, query__in={query for query, _ in keys}, code__in={code for _, code in keys}
    )
    wanted = set(keys)
    return {
        (query, code): pk for pk, query, code in found.values_list("pk", "query", "code") if (query, code) in wanted
    }


def _complete(
    candidate_run: CandidateRun,
    encoder: Encoder,
    best: NDArray[np.float64],
    assignment: Assignment,
    n_codes: int,
) -> None:
    candidate_run.fingerprint = encoder.fingerprint[:64]
    candidate_run.params = {**candidate_run.params, "dim": encoder.dim, "max_length": encoder.max_length}
    candidate_run.n_queries = len(best)
    candidate_run.n_codes = n_codes
    candidate_run.n_kept = len(assignment.kept)
    candidate_run.n_below_threshold = len(assignment.below)
    candidate_run.n_over_cap = len(assignment.over_cap)
    candidate_run.histogram = histogram_of(best)
    candidate_run.code_frequency = code_frequency(assignment)
    candidate_run.warnings = warnings_about(best, candidate_run.threshold)
    candidate_run.is_complete = True
    with write_transaction():
        candidate_run.save()


def histogram_of(best: NDArray[np.float64]) -> dict[str, list[float]]:
    """Best cosines in bars of width BIN from the lowest to 1; the last bar includes 1."""
    low = min(int(np.floor(best.min() / BIN + 1e-9)), round(0.9 / BIN))
    edges = [round(step * BIN, 3) for step in range(low, round(1 / BIN) + 1)]
    counts, _ = np.histogram(np.minimum(best, 1.0), bins=np.array(edges) - 1e-9)
    counts[-1] += len(best) - int(counts.sum())
    return {"edges": edges, "counts": counts.tolist()}


def code_frequency(assignment: Assignment) -> dict[str, int]:
    """How often a code was used -> number of codes used that often (keys are text: JSON)."""
    uses = Counter(match.code for match in assignment.kept)
    return {str(n): codes for n, codes in sorted(Counter(uses.values()).items())}


def warnings_about(best: NDArray[np.float64], threshold: float) -> list[str]:
    """A threshold belongs to an encoder (DECISIONS, vectors): says when it lets nearly all or nearly none pass."""
    share = float((best >= threshold).mean())
    if share > HIGH_SHARE:
        return [
            f"{100 * share:.1f} % of the best cosines reach the threshold {threshold:g}: it separates next to nothing "
            "with this encoder. Choose a higher one from the histogram."
        ]
    if share < LOW_SHARE:
        return [
            f"Only {100 * share:.1f} % of the best cosines reach the threshold {threshold:g}: nearly all queries are "
            "dropped. Choose a lower one from the histogram, or check that the code covers what people ask."
        ]
    return []
