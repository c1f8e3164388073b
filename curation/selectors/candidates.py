"""Reads of candidate runs and pairs."""

from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from core.models import Project
from curation.models import BestMatch, Candidate, CandidateRun, Pair


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
        "threshold": run.threshold,
        "cap": run.cap,
        "policy": run.policy,
        "text_view": run.text_view,
        "max_length": run.params.get("max_length"),
        "index": run.params.get("index", ""),
        "queries": run.n_queries,
        "codes": run.n_codes,
        "kept": run.n_kept,
        "below_threshold": run.n_below_threshold,
        "over_cap": run.n_over_cap,
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


def best_matches(run: CandidateRun, outcome: str = "") -> QuerySet[BestMatch]:
    """Every query's best code in a run, by outcome if one is named."""
    rows = BestMatch.objects.filter(run=run).select_related("query", "code")
    return rows.filter(outcome=outcome) if outcome else rows


def sample_candidates(run: CandidateRun, size: int = 20) -> list[Candidate]:
    """A spread of a run's candidates from the highest to the lowest score: evenly spaced ranks, so always the same."""
    ranked = list(run.candidates.order_by("-score", "id").values_list("pk", flat=True))
    step = max(1, len(ranked) / size)
    chosen = [ranked[int(place * step)] for place in range(min(size, len(ranked)))]
    return list(
        Candidate.objects.filter(pk__in=chosen, pair__query__quarantine_reason="", pair__code__quarantine_reason="")
        .select_related("pair__query", "pair__code")
        .order_by("-score", "id")
    )


def candidate_runs(project: Project) -> QuerySet[CandidateRun]:
    """Candidate runs of a project, newest first, with their jobs."""
    return CandidateRun.objects.filter(project=project).select_related("job")
