"""Opening big batches by a job: what to open is written down first, so that a job that was killed goes on with it."""

from collections.abc import Sequence
from typing import Any

from annotation.models import Batch, BatchOpening, GoldAnswer, Item, Purpose
from annotation.services.batches import Opening, check_numbers, fill_batch, new_batch, open_pairs, openable
from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from curation.models import CandidateRun, Pair
from curation.selectors import pairs_to_open

OPEN_BATCH = "annotation.open_batch"
OPEN_WITHOUT_JOB = 2000  # pairs that a page opens while one waits, in about a second
PAIRS_AT_ONCE = 500


def is_big(project: Project, *, run: CandidateRun | None, limit: int | None) -> bool:
    """Whether so many pairs would be opened that a job should do it."""
    return (limit is None or limit > OPEN_WITHOUT_JOB) and _count(project, run) > OPEN_WITHOUT_JOB


def _count(project: Project, run: CandidateRun | None) -> int:
    return pairs_to_open(project, run=run).order_by().count()


def start_open_batch(
    *,
    project: Project,
    run: CandidateRun | None = None,
    name: str = "",
    overlap: int | None = None,
    max_extra: int | None = None,
    is_pilot: bool = False,
    limit: int | None = None,
    user: User | None = None,
    inline: bool = False,
    **limits: Any,
) -> tuple[Batch, Job]:
    """Makes the batch, and queues opening the best pairs that may be opened (of a run, or of all).

    Options as for `batches.open_batch`. The batch hands out pairs while it fills. Raises BadInputError when nothing is
    left to open or a number is out of range, ConflictError for a name in use.
    """
    overlap = project.overlap if overlap is None else overlap
    max_extra = project.max_extra_votes if max_extra is None else max_extra
    check_numbers(overlap, max_extra, limit)
    n = _count(project, run)
    if n == 0:
        raise BadInputError(
            problem="There is no pair left to open: every proposed pair is in a batch already, or none is proposed yet."
        )
    n = n if limit is None else min(n, limit)
    batch = new_batch(project, name, overlap, max_extra, is_pilot, **limits)
    source = {"run": run.pk if run is not None else None, "limit": limit}
    return batch, _start(_new_opening(batch, user, n=n, source=source), user, inline=inline)


def start_fill_batch(
    *,
    batch: Batch,
    live: Sequence[tuple[int, int, str, str]],
    gold: Sequence[tuple[int, int, str, int | None, str]] = (),
    seed: int = 0,
    user: User | None = None,
    inline: bool = False,
) -> Job:
    """Queues opening these pairs in a new batch, in this order.

    live: (query, code, text view, stratum); gold: (pair, query, intent, answer, origin).
    """
    chosen = {"live": [list(one) for one in live], "gold": [list(one) for one in gold]}
    return _start(_new_opening(batch, user, n=len(live), seed=seed, chosen=chosen), user, inline=inline)


@retry_when_busy()
def _new_opening(batch: Batch, user: User | None, **values: Any) -> BatchOpening:
    with write_transaction():
        person = user if user is not None and user.is_authenticated else None
        return BatchOpening.objects.create(batch=batch, created_by=person, **values)


def _start(opening: BatchOpening, user: User | None, *, inline: bool) -> Job:
    job = create_job(
        kind=OPEN_BATCH,
        title=f"Open {opening.n:,} pairs in {opening.batch.name}",
        params={"opening_id": opening.pk},
        project=opening.batch.project,
        user=user,
        inline=inline,
    )
    opening.job = job
    opening.save(update_fields=["job"])
    return job


def start_go_on_opening(*, batch: Batch, user: User | None = None, inline: bool = False) -> Job:
    """Queues the rest of an opening whose job broke off. Raises ConflictError where nothing is left, or one runs."""
    opening = BatchOpening.objects.select_related("batch__project", "job").filter(batch=batch).first()
    if opening is None or opening.is_complete:
        raise ConflictError(problem=f"All pairs of {batch.name} are open.")
    if opening.job is not None and not opening.job.is_over:
        raise ConflictError(problem=f"The pairs of {batch.name} are being opened; wait for the job to end.")
    return _start(opening, user, inline=inline)


# --- the work -------------------------------------------------------------------------------------------------------
def open_batch_pairs(*, run: RunningJob, opening: BatchOpening) -> dict[str, Any]:
    """Opens what is not open yet of an opening. One that is complete is left as it is."""
    if not opening.is_complete:
        if opening.chosen:
            _open_chosen(run, opening)
        else:
            _open_best(run, opening)
        opening.chosen, opening.is_complete = {}, True
        opening.save(update_fields=["chosen", "is_complete"])
    batch = opening.batch
    live = batch.items.exclude(purpose=Purpose.GOLD)
    return {"batch": batch.pk, "name": batch.name, "pairs": live.count(), "overlap": batch.overlap}


def _open_best(run: RunningJob, opening: BatchOpening) -> None:
    """Pairs that are open already, here or elsewhere, are no longer among those to open."""
    batch, project = opening.batch, opening.batch.project
    run.progress(0, opening.n, "choosing pairs")
    candidates = CandidateRun.objects.filter(project=project, pk=opening.source["run"]).first()
    if candidates is None and opening.source["run"] is not None:
        raise ConflictError(problem="The candidate run of this batch is gone. Close it, and open another.")
    opened, limit = batch.items.count(), opening.source["limit"]
    if limit is not None and opened >= limit:
        return
    pairs = pairs_to_open(project, run=candidates).values_list("pk", flat=True)
    ids = list(pairs if limit is None else pairs[: limit - opened])
    wanted = openable(project, ids, None)
    open_pairs(batch, wanted, on_chunk=lambda done: run.progress(opened + done, opening.n, "opening pairs"))


def _open_chosen(run: RunningJob, opening: BatchOpening) -> None:
    batch = opening.batch
    live = [(query, code, view, stratum) for query, code, view, stratum in opening.chosen["live"]]
    gold = opening.chosen["gold"]
    run.progress(0, opening.n, "making pairs")
    pairs = _pairs_of(run, batch.project, live)
    items = fill_batch(
        batch,
        [Opening(pairs[query, code], query, stratum) for query, code, _, stratum in live],
        gold=[Opening(pair, query, purpose=Purpose.GOLD) for pair, query, *_ in gold],
        seed=opening.seed,
        on_chunk=lambda done: run.progress(done, opening.n, "opening pairs"),
    )
    answers = [
        GoldAnswer(item=item, intent=intent, answer=answer, origin=origin)
        for item, (_, _, intent, answer, origin) in zip(items, gold, strict=True)
    ]
    run_in_chunks(answers, lambda chunk: GoldAnswer.objects.bulk_create(chunk, ignore_conflicts=True))


def _pairs_of(
    run: RunningJob, project: Project, live: Sequence[tuple[int, int, str, str]]
) -> dict[tuple[int, int], int]:
    """(query id, code id) -> pair id; what the project lacks is made."""
    known: dict[tuple[int, int], int] = {}

    def look_up(chunk: Sequence[tuple[int, int, str, str]]) -> list[tuple[int, int, str, str]]:
        found = Pair.objects.filter(project=project, query__in={query for query, *_ in chunk})
        known.update({(query, code): pk for pk, query, code in found.values_list("pk", "query_id", "code_id")})
        return [one for one in chunk if one[:2] not in known]

    missing: list[tuple[int, int, str, str]] = []
    for start in range(0, len(live), PAIRS_AT_ONCE):
        missing += look_up(live[start : start + PAIRS_AT_ONCE])
        run.check()

    def make(chunk: list[tuple[int, int, str, str]]) -> None:
        rows = (Pair(project=project, query_id=query, code_id=code, text_view=view) for query, code, view, _ in chunk)
        Pair.objects.bulk_create(rows, ignore_conflicts=True)
        look_up(chunk)

    run_in_chunks(missing, make, max_rows=PAIRS_AT_ONCE)
    return known


def opening_of(batch: Batch) -> BatchOpening | None:
    """The opening of a batch that is not complete; None where all its pairs are open."""
    return BatchOpening.objects.filter(batch=batch, is_complete=False).select_related("job").first()


def n_open(batch: Batch) -> int:
    """Pairs of the batch that are open by now, gold left out."""
    return Item.objects.filter(batch=batch).exclude(purpose=Purpose.GOLD).count()
