"""Batches: opening, watching, pausing, closing."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.api.batches import ACTS
from annotation.selectors import queue
from annotation.services.batches import MAX_OVERLAP, open_batch
from annotation.views.plans import is_telling, planned_facts
from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role
from core.paging import keyset_page
from curation.models import CandidateRun
from curation.selectors import pairs_to_open

SHOWN_LEASES = 20


# --- batches -------------------------------------------------------------------------------------------------
class OpenBatchForm(forms.Form):
    """What a new batch needs; every field has a default."""

    run: forms.ModelChoiceField = forms.ModelChoiceField(
        label="Pairs of",
        queryset=CandidateRun.objects.none(),
        required=False,
        empty_label="every candidate run, best score first",
    )
    limit = forms.IntegerField(label="How many pairs", min_value=1, required=False, help_text="Empty: all of them.")
    overlap = forms.IntegerField(
        label="Votes per pair", min_value=1, max_value=MAX_OVERLAP, help_text="By different people, exactly."
    )
    max_extra = forms.IntegerField(
        label="Extra votes at most",
        min_value=0,
        max_value=MAX_OVERLAP,
        help_text="Opened one by one for a pair on which the votes do not settle.",
    )
    name = forms.CharField(label="Name", max_length=100, required=False, help_text="Empty: a number.")
    is_pilot = forms.BooleanField(label="Pilot: leave its votes out of releases", required=False)

    def __init__(self, data: Any, *, project: Project) -> None:
        initial = {"overlap": project.overlap, "max_extra": project.max_extra_votes, "limit": 200}
        super().__init__(data, initial=initial)
        self.fields["run"].queryset = project.candidate_runs.all()  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "POST"])
def batches(request: HttpRequest, slug: str) -> HttpResponse:
    """The batches with their progress, and the form that opens one."""
    project = project_for(request.user, slug, Role.ADJUDICATOR, Role.READER)
    is_curator = Role.CURATOR in roles_in(request.user, project)
    form = OpenBatchForm(request.POST or None, project=project)
    if request.method == "POST":
        project_for(request.user, slug, Role.CURATOR)
        if form.is_valid() and (answer := _open(request, project, form)):
            return answer
    context = {
        "project": project,
        "section": "batches",
        "form": form,
        "page": keyset_page(queue.batches_of(project), request, size=50),
        "is_curator": is_curator,
        "has_pairs": pairs_to_open(project).exists() if is_curator else False,
    }
    return render(request, "annotation/batches.html", context)


def _open(request: HttpRequest, project: Project, form: OpenBatchForm) -> HttpResponse | None:
    """Opens the batch; a refusal goes into the form."""
    given = dict(form.cleaned_data)
    try:
        batch = open_batch(
            project=project, pairs=pairs_to_open(project, run=given.pop("run")), user=person_of(request), **given
        )
    except QuarryError as error:
        form.add_error(None, str(error))
        return None
    messages.success(request, f"{batch.name} is open: {batch.items.count():,} pairs, {batch.overlap} votes each.")
    return redirect("annotation:batch", project.slug, batch.pk)


@login_required
@require_GET
def batch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One batch: progress, who is at work, its pairs with the number of their votes."""
    project = project_for(request.user, slug, Role.ADJUDICATOR, Role.READER)
    shown = get_object_or_404(queue.batches_of(project), pk=pk)
    roles = roles_in(request.user, project)
    show = request.GET.get("show", "")
    if is_telling(show, roles):
        raise BadInputError(problem="This list is not for people who may judge.")
    context = {
        "project": project,
        "section": "batches",
        "batch": shown,
        "show": show,
        "shows": [
            ("", "All"),
            ("open", "Open"),
            ("finished", "Finished"),
            ("extra", "With extra votes"),
            ("aside", "Set aside"),
            ("flagged", "Flagged"),
        ],
        "page": keyset_page(queue.items_of(shown, show), request, size=50, order="id"),
        "leases": queue.live_leases(shown)[:SHOWN_LEASES],
        "n_late": project.items.filter(batch=shown, late_submissions__isnull=False).count(),
        "is_curator": Role.CURATOR in roles,
        **planned_facts(shown, roles),
    }
    return render(request, "annotation/batch.html", context)


@login_required
@require_POST
def change_batch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Pauses, resumes, closes or reopens."""
    project = project_for(request.user, slug, Role.CURATOR)
    act = ACTS.get(request.POST.get("act", ""))
    if act is None:
        raise BadInputError(problem="A batch can be paused, resumed, closed or reopened.")
    changed = act(batch=get_object_or_404(project.batches, pk=pk))
    state = "closed" if changed.is_closed else "paused" if changed.is_paused else "open"
    messages.success(request, f"{changed.name} is {state}.")
    return redirect("annotation:batch", slug, pk)
