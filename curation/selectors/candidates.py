"""Reads of candidate runs and pairs."""

from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet

from core.models import Project
from curation.models import BestMatch, Candidate, CandidateRun, Code, Pair, Query
from curation.selectors.queries import proposable_queries

MANY = 20_000  # pairs of a run beyond which nothing lists them all


def pairs_to_open(project: Project, run: CandidateRun | None = None) -> QuerySet[Pair]:
    """Pairs that may be opened for annotation: nothing of them quarantined, no live item yet, best score first.

    Without a run: pairs that any run but an import proposed (imported pairs carry a label already).
    Rows have `best_score`.
    """
    claims = Candidate.objects.filter(pair=OuterRef("pk"))
    chosen = Q(candidates__run=run) if run else ~Q(candidates__run__origin="import")
    claims = claims.filter(run=run) if run else claims.exclude(run__origin="import")
    live = Pair.objects.filter(pk=OuterRef("pk"), items__purpose="live")
    return (
        Pair.objects.filter(Exists(claims), project=project, query__quarantine_reason="", code__quarantine_reason="")
        .exclude(Exists(live))
        .annotate(best_score=Max("candidates__score", filter=chosen))
        .order_by(F("best_score").desc(nulls_last=True), "query__content_hash", "id")
    )


def shown_pairs(project: Project, run: CandidateRun | None = None) -> QuerySet[Pair]:
    """Pairs with their texts, of one run if given; a pair with something quarantined is left out."""
    pairs = Pair.objects.filter(project=project, query__quarantine_reason="", code__quarantine_reason="")
    if run is not None:
        pairs = pairs.filter(Exists(Candidate.objects.filter(pair=OuterRef("pk"), run=run)))
    return pairs.select_related("query", "code")


def summary(run: CandidateRun) -> dict[str, Any]:
    """The numbers of a run, as its job's result, the API and the command show them."""
    return {
        "candidate_run": run.pk,
        "encoder": run.encoder,
        "retriever": run.retriever,
        "top_k": run.top_k,
        "threshold": run.threshold,
        "cap": run.cap,
        "policy": run.policy,
        "text_view": run.text_view,
        "max_length": run.params.get("max_length"),
        "index": run.params.get("index", ""),
        "recall": run.params.get("recall"),
        "cached": run.params.get("cached_queries", 0) + run.params.get("cached_codes", 0),
        "encoded": run.params.get("encoded_queries", 0) + run.params.get("encoded_codes", 0),
        "queries": run.n_queries,
        "codes": run.n_codes,
        "kept": run.n_kept,
        "queries_kept": run.n_queries_kept,
        "below_threshold": run.n_below_threshold,
        "over_cap": run.n_over_cap,
        "not_searched": run.n_not_searched,
        "codes_used": codes_used(run),
        "queries_per_code": queries_per_code(run),
        "warnings": run.warnings,
    }


def codes_used(run: CandidateRun) -> int:
    """Distinct codes among a run's candidates."""
    return sum(run.code_frequency.values())


def queries_per_code(run: CandidateRun) -> float | None:
    """Mean number of candidates of a code that has any; the paper's dataset has 3.29 after annotation."""
    used = codes_used(run)
    return round(run.n_kept / used, 3) if used else None


def best_matches(
    run: CandidateRun, outcome: str = "", *, by_query: bool = False, low: float | None = None, high: float | None = None
) -> QuerySet[BestMatch]:
    """Matches of a run, by outcome if one is named, with a score from `low` to below `high`.

    `by_query`: one row per query, the one that says what became of it; with scores, the best of each query.
    """
    rows = BestMatch.objects.filter(run=run).select_related("query", "code")
    if low is not None or high is not None:
        rows = rows.filter(rank=1)
    elif by_query:
        rows = rows.filter(slot=1)
    if low is not None:
        rows = rows.filter(score__gte=low)
    if high is not None:
        rows = rows.filter(score__lt=high)
    return rows.filter(outcome=outcome) if outcome else rows


def not_searched(run: CandidateRun) -> QuerySet[Query]:
    """Queries that the run could not search: no click led to a code, or no word stands in any code.

    As the queries are now; those that were accepted after the run are among them.
    """
    return proposable_queries(run.project, run.rule_set).exclude(
        Exists(BestMatch.objects.filter(run=run, query=OuterRef("pk")))
    )


def codes_by_use(run: CandidateRun, uses: int | None = None) -> QuerySet[Code]:
    """Codes among a run's candidates with `n_uses`, those used `uses` times if given."""
    rows = Code.objects.filter(project=run.project, pairs__candidates__run=run).annotate(
        n_uses=Count("pairs__candidates", filter=Q(pairs__candidates__run=run))
    )
    return rows.filter(n_uses=uses) if uses is not None else rows


def sample_candidates(run: CandidateRun, size: int = 20) -> list[Candidate]:
    """A spread of a run's candidates from the highest to the lowest score, always the same.

    Evenly spaced ranks; in a run of more than MANY pairs, where counting ranks takes long, evenly spaced scores.
    """
    if run.n_kept > MANY:
        chosen = _spread_over_scores(run, size)
    else:
        ranked = list(run.candidates.order_by("-score", "id").values_list("pk", flat=True))
        step = max(1, len(ranked) / size)
        chosen = [ranked[int(place * step)] for place in range(min(size, len(ranked)))]
    return list(
        Candidate.objects.filter(pk__in=chosen, pair__query__quarantine_reason="", pair__code__quarantine_reason="")
        .select_related("pair__query", "pair__code")
        .order_by("-score", "id")
    )


def _spread_over_scores(run: CandidateRun, size: int) -> list[int]:
    """Ids of the candidates next below evenly spaced scores; each is one look into an index."""
    ranked = run.candidates.exclude(score=None).order_by("-score", "id")
    ends = ranked.aggregate(low=Min("score"), high=Max("score"))
    if ends["low"] is None:
        return list(run.candidates.order_by("id").values_list("pk", flat=True)[:size])
    step = (ends["high"] - ends["low"]) / (size - 1)
    targets = [ends["high"] - place * step for place in range(size)]
    found = [ranked.filter(score__lte=target).values_list("pk", flat=True).first() for target in targets]
    return [pk for pk in dict.fromkeys(found) if pk is not None]


def n_to_open(run: CandidateRun) -> int:
    """How many of a run's pairs have no live item yet; see `pairs_to_open`."""
    live = Pair.objects.filter(pk=OuterRef("pair"), items__purpose="live")
    shown = run.candidates.filter(pair__query__quarantine_reason="", pair__code__quarantine_reason="")
    return shown.exclude(Exists(live)).count()


def candidate_runs(project: Project) -> QuerySet[CandidateRun]:
    """Candidate runs of a project, newest first, with their jobs."""
    return CandidateRun.objects.filter(project=project).select_related("job")
