"""Candidate runs: start one, read its histogram, see the pairs behind its numbers."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.menu import section_address
from core.models import Project, Role
from core.paging import keyset_page
from curation.models import Outcome
from curation.selectors.candidates import (
    best_matches,
    candidate_runs,
    codes_used,
    pairs_to_open,
    queries_per_code,
    sample_candidates,
)
from curation.selectors.code import proposable_codes
from curation.selectors.queries import proposable_queries
from curation.services.candidates import start_propose_pairs
from curation.text_views import VIEWS

READERS = (Role.ADJUDICATOR, Role.READER)
POLICY_LABELS = [
    ("default", "Default: the best code of each query, highest scores first"),
    ("cascade", "Cascade: fall back to the next code when the best is used up"),
    ("first_come", "First come: the best code of each query, in order"),
]


class ProposeForm(forms.Form):
    """Settings of a candidate run."""

    encoder = forms.CharField(max_length=300, required=False, label="Encoder")
    threshold = forms.FloatField(
        initial=0.5,
        min_value=-1,
        max_value=1,
        label="Threshold",
        help_text=(
            "Lowest cosine that is kept. 0.5 is the paper's, for its own encoder; the histogram shows what fits yours."
        ),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    cap = forms.IntegerField(
        initial=10, min_value=1, max_value=10_000, label="Cap", help_text="How often one code may be used (paper: 10)."
    )
    policy = forms.ChoiceField(choices=POLICY_LABELS, label="Assignment")
    text_view = forms.ChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in VIEWS.items()],
        label="Text of the code",
        help_text="What of a code is encoded.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        default = project.encoder or settings.QUARRY_ENCODER
        self.fields[
            "encoder"
        ].help_text = f"A packaged name (minilm), the folder of a model or checkpoint, or a hub name. Empty: {default}."


@login_required
@require_http_methods(["GET", "POST"])
def runs(request: HttpRequest, slug: str) -> HttpResponse:
    """Candidate runs of the project and the form that starts one."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    form = ProposeForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid():
        try:
            run, _ = start_propose_pairs(project=project, user=person_of(request), **form.cleaned_data)
        except QuarryError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The candidate run is queued.")
            return redirect("curation:candidate_run", project.slug, run.pk)
    context = {
        "project": project,
        "section": "candidates",
        "page": keyset_page(candidate_runs(project), request, size=25),
        "form": form,
        "n_queries": proposable_queries(project).count(),
        "n_codes": proposable_codes(project).count(),
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "curation/candidates.html", context)


@login_required
@require_safe
def run_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One run: what was kept and why, the histogram, how often codes were used, pairs from high to low."""
    project = project_for(request.user, slug, *READERS)
    run = get_object_or_404(candidate_runs(project), pk=pk)
    batches = section_address("annotation:batches", project)
    context = {
        "project": project,
        "section": "candidates",
        "run": run,
        "codes_used": codes_used(run),
        "per_code": f"{mean:.2f} queries each; paper 3.29" if (mean := queries_per_code(run)) else "",
        "frequency": [(f"{n} ×", codes) for n, codes in run.code_frequency.items()],
        "sample": sample_candidates(run) if run.is_complete else [],
        "n_to_open": pairs_to_open(project, run).count() if run.is_complete else 0,
        "open_batch": f"{batches}?run={run.pk}" if batches else "",
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "curation/candidate_run.html", context)


@login_required
@require_safe
def run_matches(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Every query of a run with its best code, by what became of it."""
    project = project_for(request.user, slug, *READERS)
    run = get_object_or_404(candidate_runs(project), pk=pk)
    outcome = request.GET.get("outcome", "")
    if outcome and outcome not in Outcome.values:
        raise BadInputError(problem=f"There is no outcome {outcome[:40]}. There are: {', '.join(Outcome.values)}.")
    context = {
        "project": project,
        "section": "candidates",
        "run": run,
        "outcome": outcome,
        "outcomes": [("", "All"), *Outcome.choices],
        "page": keyset_page(best_matches(run, outcome), request, order="-score"),
    }
    return render(request, "curation/candidate_matches.html", context)
