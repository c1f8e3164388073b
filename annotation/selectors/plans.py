"""What a plan is made from: candidates of runs, queries asked before, the measured pace, scores beside judgements."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Avg, Count, F, QuerySet

from annotation.consensus import Tally, verdict
from annotation.models import COUNTED, Batch, Item, Purpose, RaterKind, Vote
from annotation.planning import BELOW, KEPT, OVER_CAP, Row
from annotation.selectors.adjudication import LABEL_OF, adjudicated_pairs
from annotation.selectors.votes import counted_votes
from core.models import Membership, Project, Role, User
from curation.models import BestMatch, Candidate, CandidateRun, Pair
from curation.near_queries import Asked, near_key

ASSUMED_SECONDS = 30.0
ASSUMED_EXTRA = 0.25
PACE_OF_VOTES = 1000
MIN_FINISHED = 20  # items, before their extra votes say something of the next ones
READ_AT_ONCE = 5000


# --- the measured pace --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per vote and extra votes per pair; `..._from` says in words whether they are measured or assumed."""

    seconds: float
    seconds_from: str
    extra: float
    extra_from: str


def measured_pace(project: Project, *, max_extra: int | None = None) -> Pace:
    """The median of the latest human votes and the mean of extra votes on finished pairs; assumptions without them."""
    latest = Vote.objects.filter(COUNTED, project=project, seconds__gt=0).order_by("-id")
    people = latest.filter(rater_kind=RaterKind.HUMAN)
    seconds = list(people.values_list("seconds", flat=True)[:PACE_OF_VOTES])
    if seconds:
        pace, pace_from = round(statistics.median(seconds), 1), f"median of the latest {len(seconds):,} votes"
    else:
        pace, pace_from = ASSUMED_SECONDS, "an assumption: nobody has voted here yet"
    most = project.max_extra_votes if max_extra is None else max_extra
    finished = project.items.filter(purpose=Purpose.LIVE, done__gte=F("target"), batch__max_extra_votes__gt=0)
    found = finished.aggregate(n=Count("id"), extra=Avg("n_extra"))
    if found["n"] >= MIN_FINISHED:
        extra, extra_from = round(found["extra"], 2), f"mean of {found['n']:,} finished pairs"
    else:
        extra, extra_from = ASSUMED_EXTRA, f"an assumption: fewer than {MIN_FINISHED} pairs are finished"
    return Pace(pace, pace_from, min(extra, float(most)), extra_from)


def annotators_of(project: Project) -> QuerySet[User]:
    """People who may judge: active members with the role."""
    members = Membership.objects.filter(project=project, role=Role.ANNOTATOR).values("user")
    return User.objects.filter(pk__in=members, is_active=True)


# --- candidates -----------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class CandidateRows:
    """Candidates as planning reads them, and the pairs that exist already: (query id, code id) -> pair id."""

    rows: list[Row] = field(default_factory=list)
    pair_of: dict[tuple[int, int], int] = field(default_factory=dict)


def candidate_rows(project: Project, runs: Sequence[CandidateRun], *, near_score: float | None = None) -> CandidateRows:
    """Every candidate of the runs, and every best match that did not become one, with what became of it.

    near_score: what scores are compared with (`Row.margin`); None takes each run's own threshold.
    """
    found = CandidateRows()
    live = Item.objects.filter(project=project, purpose=Purpose.LIVE)
    opened = set(live.values_list("query_id", "pair__code_id").iterator(chunk_size=READ_AT_ONCE))
    keys: dict[int, str] = {}
    for place, run in enumerate(runs):
        centre = run.threshold if near_score is None else near_score
        candidates = _values(Candidate.objects.filter(run=run), "pair__").values_list("pair_id", *_fields("pair__"))
        for pair, score, *facts in candidates.iterator(chunk_size=READ_AT_ONCE):
            row = _row(facts, score, KEPT, place, centre, opened, keys, project.language)
            found.rows.append(row)
            found.pair_of[row.ids] = pair
        others = BestMatch.objects.filter(run=run, outcome__in=[BELOW, OVER_CAP])
        for outcome, score, *facts in others.values_list("outcome", *_fields("")).iterator(chunk_size=READ_AT_ONCE):
            found.rows.append(_row(facts, score, outcome, place, centre, opened, keys, project.language))
    return found


def _values(rows: QuerySet[Candidate], prefix: str) -> QuerySet[Candidate]:
    return rows.order_by(f"{prefix}query__content_hash", f"{prefix}code__content_hash")


def _fields(prefix: str) -> list[str]:
    names = ["query_id", "code_id", "query__content_hash", "code__content_hash", "query__text", "query__n_seen"]
    return ["score", *(prefix + name for name in [*names, "query__quarantine_reason", "code__quarantine_reason"])]


def _row(
    facts: list[Any],
    score: float | None,
    outcome: str,
    run: int,
    centre: float,
    opened: set[tuple[int, int]],
    keys: dict[int, str],
    language: str,
) -> Row:
    query_id, code_id, query, code, text, n_seen, query_reason, code_reason = facts
    is_hidden = bool(query_reason or code_reason)
    if query_id not in keys:
        keys[query_id] = "" if is_hidden else near_key(text, language)
    return Row(
        query=query,
        code=code,
        score=score or 0.0,  # pairs that came from a file have none
        margin=(score or 0.0) - centre,
        outcome=outcome,
        text="" if is_hidden else text,
        n_seen=n_seen,
        near=keys[query_id],
        is_hidden=is_hidden,
        is_open=(query_id, code_id) in opened,
        run=run,
        ids=(query_id, code_id),
    )


def asked_queries(project: Project) -> list[Asked]:
    """Queries of which a pair has been opened, by content hash."""
    live = Item.objects.filter(project=project, purpose=Purpose.LIVE, query__quarantine_reason="")
    rows = live.order_by("query__content_hash").values_list("query__content_hash", "query__text", "query__n_seen")
    return [Asked(key, text, n, near_key(text, project.language)) for key, text, n in rows.distinct()]


def runs_to_plan(project: Project) -> QuerySet[CandidateRun]:
    """Candidate runs that can be planned from: complete ones, newest first."""
    return project.candidate_runs.filter(is_complete=True).order_by("-id")


# --- scores beside judgements ---------------------------------------------------------------------------------------
def judged_scores(run: CandidateRun, *, batch: Batch | None = None) -> list[tuple[float, int]]:
    """(score in this run, label) of every judged pair that the run scored, of one batch or of all.

    An adjudicator's label goes before that of the votes. Pairs below the threshold that a plan opened are among them.
    Pairs without a label (no intent, unresolved) are not.
    """
    votes = counted_votes(run.project)
    pools: dict[int, Tally] = defaultdict(Tally)
    pairs: dict[int, list[Any]] = {}
    rows = votes.values_list("item__pair_id", "item__query_id", "item__batch_id", "intent", "answer")
    for pair, query, batch_id, intent, answer in rows.iterator(chunk_size=READ_AT_ONCE):
        tally = _tally(intent, answer)
        pools[query] += tally
        known = pairs.setdefault(pair, [query, batch_id, Tally()])
        known[2] += tally
    labels = {
        pair: label
        for pair, (query, batch_id, tally) in pairs.items()
        if (batch is None or batch_id == batch.pk) and (label := verdict(tally, query=pools[query]).label) is not None
    }
    chosen = [pair for pair, (_, batch_id, _) in pairs.items() if batch is None or batch_id == batch.pk]
    for pair, decision in adjudicated_pairs(run.project, chosen).items():
        labels.pop(pair, None)
        if (label := LABEL_OF[decision]) is not None:
            labels[pair] = label
    return sorted((score, labels[pair]) for pair, score in _scores(run, list(labels)).items())


def _tally(intent: str, answer: int | None) -> Tally:
    return Tally(
        n_yes=int(intent == "yes"),
        n_no=int(intent == "no"),
        n_unclear=int(intent == "unclear"),
        n_one=int(answer == 1),
        n_zero=int(answer == 0),
    )


def _scores(run: CandidateRun, pairs: Sequence[int]) -> dict[int, float]:
    """Pair id -> its score in the run, as a candidate or as a best match."""
    scores: dict[int, float] = {}
    for start in range(0, len(pairs), 500):
        chunk = pairs[start : start + 500]
        matches = BestMatch.objects.filter(run=run, query__pairs__in=chunk, query__pairs__code=F("code"))
        scores.update(matches.values_list("query__pairs", "score"))
        candidates = Candidate.objects.filter(run=run, pair__in=chunk, score__isnull=False)
        scores.update((pair, score) for pair, score in candidates.values_list("pair_id", "score") if score is not None)
    return scores


def runs_of_batch(batch: Batch) -> list[CandidateRun]:
    """Candidate runs that scored pairs of the batch, the most pairs first."""
    pairs = Pair.objects.filter(items__batch=batch)
    runs = CandidateRun.objects.filter(project=batch.project_id, is_complete=True, candidates__pair__in=pairs)
    return list(runs.annotate(n=Count("candidates")).order_by("-n", "-id")[:5])
