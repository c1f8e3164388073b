"""What a run leaves: best matches with their outcomes, pairs, and its claims on them."""

from collections.abc import Iterable, Sequence
from functools import partial

from django.db import connection
from django.utils import timezone

from core.db import run_in_chunks
from core.jobs import RunningJob
from core.models import Project
from curation.assignment import Assignment
from curation.models import BestMatch, Candidate, CandidateRun


def store_assignment(
    run: RunningJob, candidate_run: CandidateRun, assignment: Assignment, query_ids: list[int], code_ids: list[int]
) -> None:
    """Best matches, pairs and candidates; what an attempt that was killed left behind goes first."""
    _forget(run, candidate_run)
    rows = (
        BestMatch(
            run=candidate_run,
            query_id=query_ids[slot.match.query],
            code_id=code_ids[slot.match.code],
            slot=slot.number,
            rank=slot.match.rank,
            score=slot.match.score,
            outcome=slot.outcome,
        )
        for slot in assignment.slots()
    )
    kept = len(assignment.kept)
    total = 2 * kept + len(assignment.below) + len(assignment.over_cap)
    done = run_in_chunks(
        rows,
        lambda chunk: BestMatch.objects.bulk_create(chunk, ignore_conflicts=True),
        on_chunk=lambda n: run.progress(n, total + 1, "storing best matches"),
    )
    claims = (
        (query_ids[match.query], code_ids[match.code], match.score, match.rank)
        for match in sorted(assignment.kept, key=lambda match: (match.query, match.rank))
    )
    run_in_chunks(
        claims,
        lambda chunk: store_candidates(candidate_run, chunk),
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


def store_candidates(candidate_run: CandidateRun, chunk: Sequence[tuple[int, int, float, int]]) -> None:
    """Pairs (shared by all runs of the project) and this run's claims on them: (query id, code id, score, rank)."""
    pairs = store_pairs(candidate_run.project, [(query, code) for query, code, *_ in chunk], candidate_run.text_view)
    Candidate.objects.bulk_create(
        [
            Candidate(run=candidate_run, pair_id=pairs[query, code], score=score, rank=rank)
            for query, code, score, rank in chunk
        ],
        ignore_conflicts=True,
    )


def store_pairs(
    project: Project, keys: Iterable[tuple[int, int]], text_view: str = "full"
) -> dict[tuple[int, int], int]:
    """(query id, code id) -> pair id; pairs that the project lacks are made. At most a chunk of keys."""
    keys = list(dict.fromkeys(keys))
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:  # a model object for each costs many times what its insertion does
        cursor.executemany(
            "INSERT INTO curation_pair (project_id, query_id, code_id, text_view, created_at)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(project.pk, query, code, text_view, now) for query, code in keys],
        )
    return find_pairs(project, keys)


def find_pairs(project: Project, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """(query id, code id) -> pair id, of the pairs that the project has. At most a chunk of keys."""
    wanted = ", ".join(f"({int(query)}, {int(code)})" for query, code in keys)
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH wanted(query_id, code_id) AS (VALUES {wanted})"
            " SELECT p.query_id, p.code_id, p.id FROM wanted w"
            " JOIN curation_pair p ON p.project_id = %s AND p.query_id = w.query_id AND p.code_id = w.code_id",
            [project.pk],
        )
        return {(query, code): pk for query, code, pk in cursor.fetchall()}
