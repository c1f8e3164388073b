"""Consensus of all judged pairs by three methods side by side; raw votes are read and never touched."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from django.utils import timezone

from annotation.consensus import MIN_ANSWERS, Outcome, Tally, verdict
from annotation.models import Consensus, ConsensusLabel, ConsensusRun, RaterCompetence
from annotation.selectors.votes import counted_votes
from annotation.services.adjudication import recheck_contested
from core.db import run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User

COMPUTE_CONSENSUS = "annotation.compute_consensus"
MAX_RESTARTS, MAX_SEED = 100, 2**31 - 1
DEFAULT_RESTARTS = 10
LABELS = [ConsensusLabel.ZERO.value, ConsensusLabel.ONE.value, ConsensusLabel.NO_INTENT.value]
METHODS = ("majority", "dawid_skene", "mace")
DELETE_AT_ONCE = 2000


class NoVotesToJoinError(ConflictError):
    """There is no pair with two votes that say something."""

    code = "no_votes_to_join"
    template = "No pair has two votes yet that say something of it. Consensus needs people to compare."


def start_compute_consensus(
    *,
    project: Project,
    seed: int = 0,
    restarts: int = DEFAULT_RESTARTS,
    user: User | None = None,
    inline: bool = False,
) -> tuple[ConsensusRun, Job]:
    """Queues the computation. Raises BadInputError for numbers out of range, NoVotesToJoinError without votes."""
    if not 0 <= seed <= MAX_SEED:
        raise BadInputError(problem=f"The seed is a number from 0 to {MAX_SEED:,}, not {seed}.", field="seed")
    if not 1 <= restarts <= MAX_RESTARTS:
        problem = f"MACE is started 1 to {MAX_RESTARTS} times, not {restarts}."
        raise BadInputError(problem=problem, field="restarts")
    if not counted_votes(project).filter(item__done__gte=MIN_ANSWERS).exists():
        raise NoVotesToJoinError
    with write_transaction():
        run = ConsensusRun.objects.create(project=project, seed=seed, restarts=restarts, created_by=user)
        run.job = create_job(
            kind=COMPUTE_CONSENSUS,
            title="Consensus by majority, Dawid-Skene and MACE",
            params={"run_id": run.pk},
            project=project,
            user=user,
            inline=inline,
        )
        run.save(update_fields=["job"])
    return run, run.job


def compute_consensus(*, run: RunningJob, consensus: ConsensusRun) -> dict[str, Any]:
    """Computes all three, stores a row per pair, and takes the place of the last computation.

    Same votes, seed and restarts: same labels. Run a second time (after a kill) it starts over with its own rows.
    """
    run.progress(0, 0, "reading votes")
    tallies, rows = _read(consensus.project)
    kept = {item for item, (_, tally) in tallies.items() if tally.n_valid >= MIN_ANSWERS}
    if not kept:
        raise NoVotesToJoinError
    labels, raters, facts = _aggregate(run, consensus, [row for row in rows if row[0] in kept])
    made = list(_rows_of(consensus, tallies, labels))
    _clear(consensus)
    run_in_chunks(
        made,
        Consensus.objects.bulk_create,
        on_chunk=lambda n: run.progress(n, len(made), "storing labels"),
    )
    run.progress(len(made), len(made), "comparing the marks of contested pairs with the votes")
    n_marks = recheck_contested(consensus.project)
    report = {**facts, **_compared(made), "marks_corrected": n_marks}
    _put_in_force(consensus, raters, report)
    return report


Row = tuple[int, int, int]  # item, person, number of the label


def _read(project: Project) -> tuple[dict[int, tuple[int, Tally]], list[Row]]:
    """Item -> (query, tally); and the votes that say something. Votes that cannot judge are missing data."""
    of_item: dict[int, tuple[int, Counter[str]]] = {}
    rows: list[Row] = []
    votes = counted_votes(project).order_by("item_id", "id")
    for item, query, person, intent, answer in votes.values_list(
        "item_id", "item__query_id", "person_id", "intent", "answer"
    ).iterator(chunk_size=5000):
        counts = of_item.setdefault(item, (query, Counter()))[1]
        counts[f"{intent}{'' if answer is None else answer}"] += 1
        if intent == "no":
            rows.append((item, person, 2))
        elif answer is not None:
            rows.append((item, person, answer))
    return {item: (query, _tally(counts)) for item, (query, counts) in of_item.items()}, rows


def _tally(counts: Counter[str]) -> Tally:
    ones, zeros = counts["yes1"], counts["yes0"]
    return Tally(counts["yes"] + ones + zeros, counts["no"], counts["unclear"], ones, zeros)


Labels = dict[str, dict[int, tuple[str, float]]]  # method -> item -> (label, share)


def _aggregate(run: RunningJob, consensus: ConsensusRun, rows: list[Row]) -> tuple[Labels, list[Any], dict[str, Any]]:
    """Both models over the votes: labels by item, (person, votes, Dawid-Skene, MACE) of each rater, and how it went."""
    from annotation.aggregation import MACE_ROUNDS, as_votes, best_labels, dawid_skene, mace

    votes, items, people = as_votes(rows, len(LABELS))
    total = MACE_ROUNDS * consensus.restarts
    run.progress(0, total, "Dawid-Skene")
    by_ds = dawid_skene(votes, on_round=lambda done: run.progress(0, total, f"Dawid-Skene, round {done}"))
    by_mace = mace(
        votes,
        seed=consensus.seed,
        restarts=consensus.restarts,
        on_round=lambda done: run.progress(done, total, f"MACE, start {done // MACE_ROUNDS + 1}"),
    )
    labels: Labels = {}
    for name, found in (("dawid_skene", by_ds), ("mace", by_mace)):
        numbers, shares = best_labels(found.posterior)
        labels[name] = {
            item: (LABELS[number], round(float(share), 6))
            for item, number, share in zip(items, numbers.tolist(), shares.tolist(), strict=True)
        }
    n_votes = Counter(person for _, person, _ in rows)
    raters = [
        (person, n_votes[person], round(float(ds), 6), round(float(trust), 6))
        for person, ds, trust in zip(people, by_ds.competence, by_mace.competence, strict=True)
    ]
    facts = {
        "votes": len(rows),
        "raters": len(people),
        "methods": {
            name: {
                "rounds": found.rounds,
                "has_converged": found.has_converged,
                "log_likelihood": round(found.log_likelihood, 3),
            }
            for name, found in (("dawid_skene", by_ds), ("mace", by_mace))
        },
    }
    return labels, raters, facts


def _rows_of(consensus: ConsensusRun, tallies: dict[int, tuple[int, Tally]], labels: Labels) -> Iterator[Consensus]:
    pools: dict[int, Tally] = defaultdict(Tally)
    for query, tally in tallies.values():
        pools[query] += tally
    for item, (ds, ds_share) in sorted(labels["dawid_skene"].items()):
        query, tally = tallies[item]
        majority, share = _majority(tally, pools[query])
        by_mace, mace_share = labels["mace"][item]
        yield Consensus(
            run=consensus,
            item_id=item,
            n_votes=tally.n_valid,
            majority=majority,
            majority_share=share,
            dawid_skene=ds,
            dawid_skene_share=ds_share,
            mace=by_mace,
            mace_share=mace_share,
            differs=len({ds, by_mace, majority or ds}) > 1,
        )


def _majority(tally: Tally, pool: Tally) -> tuple[str, float | None]:
    """The label that a release would give, and the share of the votes that carry it."""
    reached = verdict(tally, query=pool)
    if reached.outcome == Outcome.NO_INTENT:
        return ConsensusLabel.NO_INTENT.value, round(pool.n_no / (pool.n_no + pool.n_yes), 6)
    if reached.label is None:
        return ConsensusLabel.NONE.value, None
    return str(reached.label), round(reached.votes_for / reached.votes_of, 6)


def _compared(rows: list[Consensus]) -> dict[str, Any]:
    """Labels by method, and how many pairs each two methods label alike."""
    return {
        "pairs": len(rows),
        "differing": sum(row.differs for row in rows),
        "labels": {
            method: dict(sorted(Counter(getattr(row, method) or "none" for row in rows).items())) for method in METHODS
        },
        "alike": {
            f"{one} {other}": sum(getattr(row, one) == getattr(row, other) for row in rows)
            for one, other in combinations(METHODS, 2)
        },
    }


def _clear(consensus: ConsensusRun) -> None:
    """Removes rows, a few at a time so that votes get in between."""
    while ids := list(consensus.rows.values_list("pk", flat=True)[:DELETE_AT_ONCE]):
        with write_transaction():
            Consensus.objects.filter(pk__in=ids).delete()
    with write_transaction():
        consensus.raters.all().delete()


def _put_in_force(consensus: ConsensusRun, raters: list[Any], report: dict[str, Any]) -> None:
    earlier = consensus.project.consensus_runs.filter(finished_at__isnull=False).exclude(pk=consensus.pk)
    with write_transaction():
        RaterCompetence.objects.bulk_create(
            RaterCompetence(run=consensus, person_id=person, n_votes=n, dawid_skene=ds, mace=trust)
            for person, n, ds, trust in raters
        )
        consensus.project.consensus_runs.filter(is_current=True).update(is_current=False)
        consensus.report, consensus.finished_at, consensus.is_current = report, timezone.now(), True
        consensus.save(update_fields=["report", "finished_at", "is_current"])
    for run in earlier.filter(rows__isnull=False).distinct():
        _clear(run)
