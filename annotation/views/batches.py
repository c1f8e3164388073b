"""Batches: opening, watching, changing, pausing, closing."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.api.batches import ACTS
from annotation.models import Batch
from annotation.selectors import queue
from annotation.services.batch_changes import (
    CHANGEABLE,
    LEASES_S,
    PRIORITIES,
    invite_to_batch,
    may_be_invited,
    start_change_batch,
    uninvite_from_batch,
)
from annotation.services.batches import MAX_OVERLAP, open_batch
from annotation.services.opening import is_big, opening_of, start_go_on_opening, start_open_batch
from annotation.views.plans import is_telling, planned_facts
from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role, User
from core.paging import keyset_page
from curation.models import CandidateRun
from curation.selectors import pairs_to_open

SHOWN_LEASES = 20


# --- batches -------------------------------------------------------------------------------------------------
def _whole(label: str, bounds: range, help_text: str = "", *, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=bounds.start, max_value=bounds.stop - 1, required=required, help_text=help_text
    )


def _limit(label: str, help_text: str = "Empty: no limit.") -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=1, required=False, help_text=help_text)


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
    priority = _whole("Priority", PRIORITIES, "Lower comes first: before other open batches.", required=False)
    max_votes_per_person = _limit("Votes of one person at most")
    max_votes_per_day = _limit("Votes of one person a day at most", "From midnight UTC on. Empty: no limit.")
    is_invited_only = forms.BooleanField(
        label="For invited people only", required=False, help_text="Name them on the batch's settings page."
    )

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
    """Opens the batch, a big one by a job; a refusal goes into the form."""
    given = dict(form.cleaned_data)
    run = given.pop("run")
    try:
        if is_big(project, run=run, limit=given["limit"]):
            batch, _ = start_open_batch(project=project, run=run, user=person_of(request), **given)
            messages.success(request, f"{batch.name} is being opened. Its pairs are handed out as they come.")
        else:
            batch = open_batch(project=project, pairs=pairs_to_open(project, run=run), user=person_of(request), **given)
            messages.success(
                request, f"{batch.name} is open: {batch.items.count():,} pairs, {batch.overlap} votes each."
            )
    except QuarryError as error:
        form.add_error(None, str(error))
        return None
    return redirect("annotation:batch", project.slug, batch.pk)


@login_required
@require_GET
def batch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One batch: progress, who is at work, its pairs with the number of their votes."""
    project = project_for(request.user, slug, Role.ADJUDICATOR, Role.READER)
    shown = get_object_or_404(queue.batches_of(project), pk=pk)
    roles = roles_in(request.user, project)
    show = request.GET.get("show", "")
    is_curator = Role.CURATOR in roles
    if is_telling(show, roles) or (show == "late" and not is_curator):
        raise BadInputError(problem="This list is not for people who may judge.")
    rows = queue.late_votes_of(shown) if show == "late" else queue.items_of(shown, show)
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
            *([("late", "Late votes")] if is_curator else []),
        ],
        "page": keyset_page(rows, request, size=50, order="id"),
        "leases": queue.live_leases(shown)[:SHOWN_LEASES],
        "n_late": queue.late_votes_of(shown).count(),
        "n_invited": shown.members.count() if shown.is_invited_only else None,
        "opening": opening_of(shown),
        "is_curator": is_curator,
        **planned_facts(shown, roles),
    }
    return render(request, "annotation/batch.html", context)


@login_required
@require_POST
def change_batch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Pauses, resumes, closes or reopens; goes on with an opening that broke off."""
    project = project_for(request.user, slug, Role.CURATOR)
    batch = get_object_or_404(project.batches, pk=pk)
    if request.POST.get("act") == "go_on":
        start_go_on_opening(batch=batch, user=person_of(request))
        messages.success(request, f"The rest of {batch.name} is being opened.")
        return redirect("annotation:batch", slug, pk)
    act = ACTS.get(request.POST.get("act", ""))
    if act is None:
        raise BadInputError(problem="A batch can be paused, resumed, closed or reopened.")
    changed = act(batch=batch, user=person_of(request))
    state = "closed" if changed.is_closed else "paused" if changed.is_paused else "open"
    messages.success(request, f"{changed.name} is {state}.")
    return redirect("annotation:batch", slug, pk)


# --- settings of one batch -----------------------------------------------------------------------------------
class BatchSettingsForm(forms.Form):
    """What can be changed of a batch at any time. The service checks; here the values get their shape."""

    name = forms.CharField(label="Name", max_length=100)
    priority = _whole("Priority", PRIORITIES, "Lower comes first: before other open batches.")
    overlap = _whole(
        "Votes per pair",
        range(1, MAX_OVERLAP + 1),
        "More opens places, fewer closes those that nobody has. Votes stay, and who has a pair may finish it.",
    )
    max_extra_votes = _whole(
        "Extra votes at most", range(MAX_OVERLAP + 1), "Opened one by one for a pair on which the votes do not settle."
    )
    max_votes_per_person = _limit("Votes of one person at most")
    max_votes_per_day = _limit("Votes of one person a day at most", "From midnight UTC on. Empty: no limit.")
    min_lease_s = _whole(
        "Shortest lease, seconds",
        LEASES_S,
        "How long a pair is kept for who has it on screen; three times the usual time on a pair where that is longer.",
    )
    is_pilot = forms.BooleanField(label="Pilot: leave its votes out of releases", required=False)
    is_invited_only = forms.BooleanField(
        label="For invited people only",
        required=False,
        help_text="Pairs that others hold now go back to the queue; their votes stay.",
    )

    def __init__(self, data: Any, *, batch: Batch) -> None:
        super().__init__(data, initial={name: getattr(batch, name) for name in CHANGEABLE})


class InvitedForm(forms.Form):
    """Who may judge an invited-only batch."""

    people: forms.ModelMultipleChoiceField = forms.ModelMultipleChoiceField(
        label="Invited people", queryset=User.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: Any, *, batch: Batch) -> None:
        super().__init__(data, initial={"people": list(batch.members.values_list("person", flat=True))})
        self.fields["people"].queryset = may_be_invited(batch.project).order_by("username")  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "POST"])
def batch_settings(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The settings of a batch, and the people invited to it."""
    project = project_for(request.user, slug, Role.CURATOR)
    batch = get_object_or_404(project.batches.select_related("project"), pk=pk)
    act = request.POST.get("act", "")
    form = BatchSettingsForm(request.POST if act == "settings" else None, batch=batch)
    invited = InvitedForm(request.POST if act == "people" else None, batch=batch)
    title = batch.name  # as stored, whatever the form holds
    saved = {"settings": _save_settings, "people": _save_people}.get(act)
    if saved is not None and saved(request, batch, form if act == "settings" else invited):
        return redirect("annotation:batch-settings", slug, pk)
    context = {
        "project": project,
        "section": "batches",
        "batch": batch,
        "title": title,
        "form": form,
        "invited": invited,
        "has_people": invited.fields["people"].queryset.exists(),  # type: ignore[attr-defined]
    }
    has_errors = form.errors or invited.errors
    return render(request, "annotation/batch_settings.html", context, status=422 if has_errors else 200)


def _save_settings(request: HttpRequest, batch: Batch, form: forms.Form) -> bool:
    """Stores the settings; whether they were taken. A refusal goes to its field."""
    if not form.is_valid():
        return False
    try:
        _, job = start_change_batch(batch=batch, changes=form.cleaned_data, user=person_of(request))
    except QuarryError as error:
        field = error.fields.get("field")
        form.add_error(field if field in form.fields else None, str(error))
        return False
    if job is not None:
        messages.success(request, f"Saved. Places of {batch.name} are being opened or closed by job {job.pk}.")
    else:
        messages.success(request, "Saved.")
    return True


def _save_people(request: HttpRequest, batch: Batch, form: forms.Form) -> bool:
    """Makes the list of invited people what was ticked."""
    if not form.is_valid():
        return False
    wanted = set(form.cleaned_data["people"])
    for member in batch.members.select_related("person"):
        if member.person not in wanted:
            uninvite_from_batch(batch=batch, person=member.person, user=person_of(request))
    invite_to_batch(batch=batch, people=wanted, user=person_of(request))
    messages.success(request, f"Saved: {len(wanted):,} invited.")
    return True
