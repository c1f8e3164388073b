"""Candidate encoders, measured on judged pairs."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core.access import person_of, project_for, roles_in
from core.errors import QuarryError
from core.models import Job, JobState, Role
from curation.judgements import judged_pairs
from curation.services.encoder_quality import EVALUATE_ENCODERS, start_evaluate_encoders
from curation.text_views import VIEWS
from curation.views.candidates import READERS

SHOWN = 5


class EncodersForm(forms.Form):
    """Which encoders to compare."""

    encoders = forms.CharField(
        initial="minilm\nbm25",
        label="Encoders",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One a line: a name (minilm), the folder of a model or of a training run's checkpoint, or bm25.",
    )
    text_view = forms.ChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in VIEWS.items()], label="Text of the code"
    )


@login_required
@require_http_methods(["GET", "POST"])
def encoders(request: HttpRequest, slug: str) -> HttpResponse:
    """The latest comparisons and the form that starts one."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    form = EncodersForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given: dict[str, Any] = form.cleaned_data
        try:
            start_evaluate_encoders(
                project=project,
                encoders=given["encoders"].splitlines(),
                text_view=given["text_view"],
                user=person_of(request),
            )
            return redirect("curation:candidate_encoders", project.slug)
        except QuarryError as error:
            form.add_error(None, str(error))
    done = Job.objects.filter(project=project, kind=EVALUATE_ENCODERS, state=JobState.DONE).order_by("-id")
    context = {
        "project": project,
        "section": "candidates",
        "form": form,
        "n_judged": len(judged_pairs(project)),
        "comparisons": done[:SHOWN],
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "curation/candidate_encoders.html", context)
