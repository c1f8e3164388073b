"""Candidate runs: start one, read its figures, see the rows behind its numbers."""

import math
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.menu import section_address
from core.models import Project, Role
from core.paging import keyset_page
from curation.judgements import judged_scores
from curation.models import CandidateRun, Outcome, QueryClick
from curation.retrieval import HYBRIDS, RETRIEVERS
from curation.score_curve import score_curve, suggest_threshold
from curation.selectors.candidate_comparison import frequency_curve, score_name
from curation.selectors.candidates import (
    best_matches,
    candidate_runs,
    codes_by_use,
    codes_used,
    n_to_open,
    not_searched,
    queries_per_code,
    sample_candidates,
)
from curation.selectors.code import proposable_codes
from curation.selectors.queries import proposable_count
from curation.services.candidates import start_preview_candidates, start_propose_pairs
from curation.services.candidates.settings import CLICKED, MAX_CAP, MAX_SHARDS, MAX_TOP_K
from curation.text_views import VIEWS

READERS = (Role.ADJUDICATOR, Role.READER)
POLICY_LABELS = [
    ("default", "Default: the best codes of each query, highest scores first"),
    ("cascade", "Cascade: fall back to the next code when the best is used up"),
    ("first_come", "First come: the best codes of each query, in order"),
]


class ProposeForm(forms.Form):
    """Settings of a candidate run."""

    retriever = forms.ChoiceField(
        choices=[*RETRIEVERS.items(), (CLICKED, "Clicks: codes that people opened after the query")],
        label="Source",
        required=False,
        help_text="What finds the codes of a query.",
    )
    encoder = forms.CharField(max_length=300, required=False, label="Encoder")
    top_k = forms.IntegerField(
        required=False,
        initial=1,
        min_value=1,
        max_value=MAX_TOP_K,
        label="Codes per query",
        help_text="1 is the paper's. More give a query several pairs; the cap and the threshold hold for each.",
    )
    threshold = forms.FloatField(
        required=False,
        label="Threshold",
        help_text=(
            "Lowest score that is kept. Empty: 0.5 for cosines (the paper's, for its own encoder), 0 for other scores. "
            "The preview's histogram shows what fits."
        ),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    cap = forms.IntegerField(
        initial=10, min_value=1, max_value=MAX_CAP, label="Cap", help_text="How often one code may be used (paper: 10)."
    )
    policy = forms.ChoiceField(choices=POLICY_LABELS, label="Assignment")
    text_view = forms.ChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in VIEWS.items()],
        label="Text of the code",
        help_text="What of a code is encoded.",
    )
    weight = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        label="Weight of the cosine",
        help_text="Only for the weighted sum; the words get the rest. Empty: 0.5.",
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    shards = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_SHARDS,
        label="Shards",
        help_text="Cuts the search into parts for several processes. The pairs are the same. Empty: 1.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        default = project.encoder or settings.QUARRY_ENCODER
        self.fields["encoder"].help_text = (
            "A packaged name (minilm), the folder of a model or of a training run's checkpoint, or a hub name. "
            f"Words and clicks need none. Empty: {default}."
        )

    def options(self) -> dict[str, Any]:
        """Settings for the services; what was left empty is left to them."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}


@login_required
@require_http_methods(["GET", "POST"])
def runs(request: HttpRequest, slug: str) -> HttpResponse:
    """Candidate runs of the project and the form that starts or previews one."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    form = ProposeForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid():
        try:
            return _start(request, project, form)
        except QuarryError as error:
            form.add_error(None, str(error))
    context = {
        "project": project,
        "section": "candidates",
        "page": keyset_page(candidate_runs(project), request, size=25),
        "form": form,
        "n_queries": proposable_count(project),
        "n_codes": proposable_codes(project).count(),
        "has_clicks": QueryClick.objects.filter(query__project=project).exists(),
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "curation/candidates.html", context)


def _start(request: HttpRequest, project: Project, form: ProposeForm) -> HttpResponse:
    if request.POST.get("act") == "preview":
        job = start_preview_candidates(project=project, user=person_of(request), **form.options())
        return redirect("curation:candidate_preview", project.slug, job.pk)
    run, _ = start_propose_pairs(project=project, user=person_of(request), **form.options())
    messages.success(request, "The candidate run is queued.")
    return redirect("curation:candidate_run", project.slug, run.pk)


@login_required
@require_safe
def run_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One run: the funnel, the histogram, how often codes were used, score against judgement, pairs, settings."""
    project = project_for(request.user, slug, *READERS)
    run = get_object_or_404(candidate_runs(project), pk=pk)
    batches = section_address("annotation:batches", project)
    context = {
        "project": project,
        "section": "candidates",
        "run": run,
        "curates": Role.CURATOR in roles_in(request.user, project),
        "score_name": score_name(run),
        "is_hybrid": run.retriever in HYBRIDS,
    }
    if run.is_complete:
        context |= _figures(project, run) | {
            "sample": sample_candidates(run),
            "n_to_open": n_to_open(run),
            "open_batch": f"{batches}?run={run.pk}" if batches else "",
        }
    return render(request, "curation/candidate_run.html", context)


def _figures(project: Project, run: CandidateRun) -> dict[str, Any]:
    matches = reverse("curation:candidate_matches", args=[project.slug, run.pk])
    codes = reverse("curation:candidate_codes", args=[project.slug, run.pk])
    missing = reverse("curation:candidate_not_searched", args=[project.slug, run.pk])
    funnel = [
        ("Queries", run.n_queries, f"{matches}?by=query" if not run.n_not_searched else ""),
        ("with a pair", run.n_queries_kept, f"{matches}?by=query&outcome=kept"),
        ("best code below the threshold", run.n_below_threshold, f"{matches}?by=query&outcome=below"),
        ("codes used up (over the cap)", run.n_over_cap, f"{matches}?by=query&outcome=over_cap"),
        ("not searched", run.n_not_searched, missing),
    ]
    edges, counts = run.histogram.get("edges", []), run.histogram.get("counts", [])
    bars = [
        (f"{low:g} to {high:g}", count, f"{matches}?low={low}" + (f"&high={high}" if place + 1 < len(counts) else ""))
        for place, (low, high, count) in enumerate(zip(edges, edges[1:], counts, strict=False))
        if count
    ]
    frequency = [(f"{n} ×", number, f"{codes}?uses={n}") for n, number in run.code_frequency.items()]
    mean = queries_per_code(run)
    return {
        "funnel": funnel,
        "bars": bars,
        "frequency": frequency if len(frequency) <= 20 else [],
        "uses": [{"name": "codes", "points": frequency_curve(run)}] if len(frequency) > 2 else [],
        "codes_used": codes_used(run),
        "per_code": f"{mean:.2f} pairs each; paper 3.29 queries" if mean else "",
        "cached": run.params.get("cached_queries", 0) + run.params.get("cached_codes", 0),
        "to_have": run.n_queries + run.n_codes,
        **_judged(run),
    }


def _judged(run: CandidateRun) -> dict[str, Any]:
    """Score against judgement, where people have judged pairs of the run."""
    judged = judged_scores(run) if run.is_searched else []
    if not judged:
        return {}
    scores, labels = [pair.score for pair in judged], [pair.label for pair in judged]
    return {"curve": score_curve(scores, labels), "suggestion": suggest_threshold(scores, labels)}


@login_required
@require_safe
def run_matches(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The best codes of a run's queries, by what became of them or by score."""
    project = project_for(request.user, slug, *READERS)
    run = get_object_or_404(candidate_runs(project), pk=pk)
    outcome = request.GET.get("outcome", "")
    if outcome and outcome not in Outcome.values:
        raise BadInputError(problem=f"There is no outcome {outcome[:40]}. There are: {', '.join(Outcome.values)}.")
    low, high = _score(request, "low"), _score(request, "high")
    by_query = request.GET.get("by") == "query" or not (outcome or request.GET.get("low") or request.GET.get("high"))
    rows = best_matches(run, outcome, by_query=by_query, low=low, high=high)
    context = {
        "project": project,
        "section": "candidates",
        "run": run,
        "score_name": score_name(run),
        "outcome": outcome,
        "by_query": by_query,
        "low": low,
        "high": high,
        "outcomes": [("", "All"), *Outcome.choices],
        "page": keyset_page(rows, request, order="-score"),
    }
    return render(request, "curation/candidate_matches.html", context)


def _score(request: HttpRequest, name: str) -> float | None:
    given = request.GET.get(name, "")
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInputError(problem=f"{given[:40]} is no score; `{name}` takes a number.")
    return value


@login_required
@require_safe
def run_codes(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Codes that a run proposes, all or those used a given number of times."""
    project = project_for(request.user, slug, *READERS)
    run = get_object_or_404(candidate_runs(project), pk=pk)
    given = request.GET.get("uses", "")
    if given and not (given.isascii() and given.isdigit() and len(given) < 9):
        raise BadInputError(problem=f"{given[:40]} is no number of uses.")
    context = {
        "project": project,
        "section": "candidates",
        "run": run,
        "uses": int(given) if given else None,
        "page": keyset_page(codes_by_use(run, int(given) if given else None), request, order="id"),
    }
    return render(request, "curation/candidate_codes.html", context)


@login_required
@require_safe
def run_not_searched(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Queries for which a run had nothing to score."""
    project = project_for(request.user, slug, *READERS)
    run = get_object_or_404(candidate_runs(project), pk=pk)
    context = {
        "project": project,
        "section": "candidates",
        "run": run,
        "page": keyset_page(not_searched(run), request, order="id"),
    }
    return render(request, "curation/candidate_not_searched.html", context)
