"""Adjudication: the list of pairs that wait for a decision, the page on which one is decided, and the consensus."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from annotation.models import Adjudication, Cause, Consensus, ConsensusRun, Decision, Item, Purpose
from annotation.selectors.adjudication import (
    Waiting,
    case_of,
    consensus_rows,
    current_consensus,
    decisions_of,
    new_votes_since,
    next_waiting,
    rater_competence,
    waiting_counts,
    waiting_items,
    with_votes,
)
from annotation.services.adjudication import MAX_REASON_CHARS, adjudicate, may_be_decided, take_back_adjudication
from annotation.services.consensus import DEFAULT_RESTARTS, MAX_RESTARTS, MAX_SEED, start_compute_consensus
from annotation.services.guidelines import add_example
from annotation.views.items import item_context
from core.access import person_of, project_for, roles_in
from core.errors import QuarryError
from core.menu import WATCHERS
from core.models import Project, Role
from core.paging import keyset_page

SHOWS = [
    (Waiting.ALL.value, "All that wait"),
    (Waiting.SPLIT.value, "Split"),
    (Waiting.ASIDE.value, "Could not be judged"),
    (Waiting.DIFFERS.value, "Methods differ"),
]
DECIDED = "decided"
KEYS = {Decision.ONE: "1", Decision.ZERO: "0", Decision.NO_INTENT: "n", Decision.UNUSABLE: "x"}
EXAMPLE, TRAINING = "example", "training"
LABEL_WORDS = {"1": "answers", "0": "does not answer", "no": "no intent", "": "no majority"}


# --- the list -------------------------------------------------------------------------------------------------
@login_required
@require_safe
def adjudication(request: HttpRequest, slug: str) -> HttpResponse:
    """Pairs that wait for a decision, by reason, and those that are decided."""
    project = project_for(request.user, slug, Role.ADJUDICATOR)
    show = request.GET.get("show", "")
    counts = waiting_counts(project)
    decided = decisions_of(project)
    context: dict[str, Any] = {
        "project": project,
        "section": "adjudication",
        "show": show,
        "tabs": [(key, label, counts[key]) for key, label in SHOWS] + [(DECIDED, "Decided", decided.count())],
        "run": current_consensus(project),
    }
    if show == DECIDED:
        context["page"] = keyset_page(decided, request, size=50)
    else:
        context["page"] = keyset_page(with_votes(waiting_items(project, show)), request, size=50, order="id")
        context["first"] = waiting_items(project, show).order_by("pk").values_list("pk", flat=True).first()
    return render(request, "annotation/adjudication.html", context)


# --- one pair -------------------------------------------------------------------------------------------------
class DecisionForm(forms.Form):
    """An adjudicator's decision."""

    decision = forms.ChoiceField(choices=Decision.choices, widget=forms.RadioSelect, label="Decision")
    reason = forms.CharField(
        label="Reason",
        max_length=MAX_REASON_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One or two sentences. It stays with the label for good; private text in it is masked.",
    )
    cause = forms.ChoiceField(
        choices=[("", "Not said"), *Cause.choices],
        required=False,
        label="Why people differed",
        help_text="Adds up to what the guideline should say more clearly.",
    )
    also = forms.MultipleChoiceField(
        choices=[(EXAMPLE, "Show it as an example beside the guideline"), (TRAINING, "Make it a training item")],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Also",
        help_text="With the reason as the explanation. An example makes a new version of the guideline.",
    )

    def __init__(self, data: Any, *, is_curator: bool, standing: Adjudication | None) -> None:
        known = {"decision": standing.decision, "reason": standing.reason, "cause": standing.cause} if standing else {}
        super().__init__(data, initial=known)
        if not is_curator:
            del self.fields["also"]


@login_required
@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One pair with all that bears on it, and the form that decides it. Then comes the next pair of the list."""
    project = project_for(request.user, slug, Role.ADJUDICATOR)
    item = _pair(project, pk)
    is_curator = Role.CURATOR in roles_in(request.user, project)
    case = case_of(item, person_of(request))
    form = DecisionForm(request.POST or None, is_curator=is_curator, standing=case.standing)
    if request.method == "POST" and form.is_valid():
        try:
            return _decided(request, project, item, form.cleaned_data)
        except QuarryError as error:
            field = error.fields.get("field")
            form.add_error(field if field in form.fields else None, str(error))
    show = request.GET.get("show", "")
    after = next_waiting(project, show, after=item.pk)
    context = {
        **item_context(request, project, item),
        "section": "adjudication",
        "case": case,
        "form": form,
        "show": show,
        "keys": KEYS,
        "options": [(value, label, KEYS[Decision(value)]) for value, label in Decision.choices],
        "next": after,
        "n_waiting": waiting_items(project, show).count(),
        "is_ready": may_be_decided(item),
    }
    return render(request, "annotation/adjudicate.html", context, status=422 if form.errors else 200)


def _pair(project: Project, pk: int) -> Item:
    items = project.items.select_related("batch", "query", "pair__code").filter(purpose=Purpose.LIVE)
    return get_object_or_404(items.filter(query__quarantine_reason="", pair__code__quarantine_reason=""), pk=pk)


def _decided(request: HttpRequest, project: Project, item: Item, given: dict[str, Any]) -> HttpResponseRedirect:
    seen = request.POST.get("replaces", "")
    made = adjudicate(
        project=project,
        item_id=item.pk,
        person=person_of(request),
        decision=given["decision"],
        reason=given["reason"],
        cause=given["cause"],
        replaces=int(seen) if seen.isdecimal() else None,
    )
    messages.success(request, f"Decided: {made.get_decision_display()}, for “{item.query}”.")
    for use in given.get("also", []):
        _use(request, project, made, use)
    show = request.GET.get("show", "")
    after = next_waiting(project, show, after=item.pk)
    if after is None:
        messages.info(request, "No other pair of this list waits for a decision.")
        return redirect("annotation:item", project.slug, item.pk)
    return redirect(case_address(project, after.pk, show))


def case_address(project: Project, item_id: int, show: str) -> str:
    """Address of the page on which a pair is decided, within one of the lists."""
    address = reverse("annotation:adjudicate", args=[project.slug, item_id])
    return f"{address}?{urlencode({'show': show})}" if show else address


@login_required
@require_http_methods(["POST"])
def take_back(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Ends the decision in force on a pair."""
    project = project_for(request.user, slug, Role.ADJUDICATOR)
    item = _pair(project, pk)
    take_back_adjudication(
        project=project, item_id=item.pk, person=person_of(request), reason=request.POST.get("reason", "")
    )
    messages.success(request, "The decision is taken back; it stays on record, and the votes alone speak again.")
    return redirect("annotation:adjudicate", slug, pk)


@login_required
@require_http_methods(["POST"])
def use(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Makes a decided pair an example of the guideline or a training item, with the reason as the explanation."""
    project = project_for(request.user, slug, Role.CURATOR)
    item = _pair(project, pk)
    standing = get_object_or_404(item.adjudications.filter(ended_at__isnull=True))
    _use(request, project, standing, request.POST.get("use", ""))
    return redirect("annotation:item", slug, pk)


def _use(request: HttpRequest, project: Project, made: Adjudication, use: str) -> None:
    """A refusal here leaves the decision standing and is said beside it."""
    uses = {EXAMPLE: _use_as_example, TRAINING: _use_for_training}
    try:
        if use in uses:
            messages.success(request, uses[use](request, project, made))
    except QuarryError as error:
        messages.error(request, str(error))


def _use_as_example(request: HttpRequest, project: Project, made: Adjudication) -> str:
    example = add_example(
        project=project,
        item=made.item,
        intent=made.intent,
        answer=made.label,
        why=made.reason,
        user=person_of(request),
    )
    return f"The pair is an example of the guideline from version {example.since.version} on."


def _use_for_training(request: HttpRequest, project: Project, made: Adjudication) -> str:
    from annotation.services.training import add_training_item

    assert made.item.pair is not None  # only pairs are decided
    add_training_item(
        project=project,
        pair=made.item.pair,
        intent=made.intent,
        answer=made.label,
        why=made.reason,
        user=person_of(request),
    )
    return "The pair is a training item now."


# --- consensus ------------------------------------------------------------------------------------------------
class ConsensusForm(forms.Form):
    """What the computation may be told."""

    seed = forms.IntegerField(
        min_value=0, max_value=MAX_SEED, initial=0, label="Seed", help_text="The same seed gives the same labels."
    )
    restarts = forms.IntegerField(
        min_value=1,
        max_value=MAX_RESTARTS,
        initial=DEFAULT_RESTARTS,
        label="Starts of MACE",
        help_text="MACE may end in a poor place; of so many starts the likeliest counts.",
    )


@login_required
@require_http_methods(["GET", "POST"])
def consensus(request: HttpRequest, slug: str) -> HttpResponse:
    """Labels by majority, Dawid-Skene and MACE side by side; curators compute them anew."""
    project = project_for(request.user, slug, *(WATCHERS if request.method != "POST" else ()), Role.CURATOR)
    form = ConsensusForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            start_compute_consensus(project=project, user=person_of(request), **form.cleaned_data)
            return redirect("annotation:consensus", slug)
        except QuarryError as error:
            form.add_error(None, str(error))
    run = current_consensus(project)
    context = {
        "project": project,
        "section": "consensus",
        "form": form,
        "run": run,
        "is_curator": Role.CURATOR in roles_in(request.user, project),
        **(_consensus_facts(request, project, run) if run else {}),
    }
    return render(request, "annotation/consensus.html", context, status=422 if form.errors else 200)


METHOD_NAMES = {"majority": "Majority", "dawid_skene": "Dawid-Skene", "mace": "MACE"}


def _consensus_facts(request: HttpRequest, project: Project, run: ConsensusRun) -> dict[str, Any]:
    report, only = run.report, request.GET.get("show", "differs") != "all"
    is_curator = Role.CURATOR in roles_in(request.user, project)
    return {
        "labels": [
            (name, {key or "none": report["labels"][method].get(key or "none", 0) for key in LABEL_WORDS})
            for method, name in METHOD_NAMES.items()
        ],
        "balance": [(name, report["labels"][method].get("1", 0)) for method, name in METHOD_NAMES.items()],
        "alike": [
            (" and ".join(METHOD_NAMES[one] for one in pair.split()), n, n / report["pairs"])
            for pair, n in report["alike"].items()
        ],
        "raters": [
            (rater.person.username if is_curator else f"Annotator {number}", rater)
            for number, rater in enumerate(rater_competence(run), start=1)
        ],
        "page": _worded(keyset_page(consensus_rows(run, only_differing=only), request, size=50, order="id")),
        "only_differing": only,
        "n_new": new_votes_since(run),
    }


def _worded(page: Any) -> Any:
    row: Consensus
    for row in page.rows:
        row.worded = [  # type: ignore[attr-defined]
            (LABEL_WORDS[row.majority], row.majority_share),
            (LABEL_WORDS[row.dawid_skene], row.dawid_skene_share),
            (LABEL_WORDS[row.mace], row.mace_share),
        ]
    return page
