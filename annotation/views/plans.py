"""Planning a batch: what it costs, which pairs it takes, and opening it."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from annotation.budget import estimate
from annotation.models import Batch, BatchPlan, Purpose
from annotation.planning import BANDS, MIXES, ORDERS
from annotation.selectors.curves import run_curve
from annotation.selectors.gold import gold_results
from annotation.selectors.plans import measured_pace, runs_of_batch, runs_to_plan
from annotation.services.batches import MAX_OVERLAP
from annotation.services.gold import IMPORTED, JUDGED, label_sources
from annotation.services.plans import (
    MAX_SEED,
    Plan,
    PlanChangedError,
    default_settings,
    make_plan,
    read_settings,
    start_plan_batch,
)
from core.access import person_of, project_for
from core.errors import QuarryError
from core.menu import section_address
from core.models import Project, Role
from curation.models import CandidateRun, Code

PLANNERS = {Role.CURATOR, Role.READER}
SHOWN_GROUPS = 30


def _percent_field(label: str, help_text: str = "") -> forms.DecimalField:
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.DecimalField(
        label=label, min_value=0, max_value=100, required=False, help_text=help_text, widget=widget
    )


def _number_field(label: str, help_text: str = "", **options: Any) -> forms.DecimalField:
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.DecimalField(label=label, help_text=help_text, widget=widget, **options)


class PlanForm(forms.Form):
    """What a planned batch needs. The service reads and checks the values; here they only get their shape."""

    budget = _number_field("Budget", "Money for this batch. Empty: as many pairs as named.", required=False)
    pairs = forms.IntegerField(
        label="Pairs at most", required=False, min_value=1, help_text="Empty: as many as the budget pays for."
    )
    overlap = forms.IntegerField(label="Votes per pair", min_value=1, max_value=MAX_OVERLAP)
    max_extra = forms.IntegerField(label="Extra votes at most", min_value=0, max_value=MAX_OVERLAP)
    seconds = _number_field("Seconds per vote")
    extra = _number_field("Extra votes expected per pair")
    wage = _number_field("Wage per hour", "In the money of the budget.")
    people = forms.IntegerField(label="Annotators", min_value=1)
    hours = _number_field("Hours of judging a day", "Per person.")
    runs: forms.ModelMultipleChoiceField = forms.ModelMultipleChoiceField(
        label="Candidates of",
        queryset=CandidateRun.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="Where two runs propose the same pair, the earlier run's score counts.",
    )
    group_near = forms.BooleanField(
        label="Ask one of several near-duplicate queries",
        required=False,
        help_text="Same content words, whatever order and endings; the most asked one is kept.",
    )
    per_query = forms.IntegerField(label="Pairs per query at most", min_value=1, max_value=100)
    near_score = _number_field("Threshold that “near” means", "Empty: the threshold of the pair's run.", required=False)
    order = forms.ChoiceField(label="Order in which pairs come up", choices=list(ORDERS.items()))
    gold_share = _percent_field("Share of gold", "Per cent of what each person gets. Nobody can tell it from live.")
    gold_source = forms.ChoiceField(label="Gold comes from")
    seed = forms.IntegerField(
        label="Seed", min_value=0, max_value=MAX_SEED, help_text="The same plan and seed give the same pairs."
    )
    name = forms.CharField(label="Name", max_length=100, required=False, help_text="Empty: a number.")
    is_pilot = forms.BooleanField(label="Pilot: leave its votes out of releases", required=False)

    def __init__(self, data: Any, *, project: Project) -> None:
        super().__init__(data, initial=default_settings(project))
        pace = measured_pace(project)
        self.fields["seconds"].help_text = _told(pace.seconds, pace.seconds_from)
        self.fields["extra"].help_text = _told(pace.extra, pace.extra_from)
        self.fields["runs"].queryset = runs_to_plan(project)  # type: ignore[attr-defined]
        self.fields["gold_source"].choices = [  # type: ignore[attr-defined]
            (JUDGED, "pairs of this project that at least three people judged all alike"),
            (IMPORTED, "imported labels, of any file"),
            *((f"{IMPORTED}:{name}", f"imported labels of {name}") for name in label_sources(project)),
        ]
        for name, meaning in BANDS.items():
            self.fields[f"band_{name}"] = _percent_field(f"{name.capitalize()} (%)", meaning.capitalize() + ".")
        for name, meaning in MIXES.items():
            self.fields[f"mix_{name}"] = _percent_field(f"{name.capitalize()} (%)", meaning.capitalize() + ".")

    def given(self) -> dict[str, Any]:
        """The values as the service reads them."""
        return {**self.cleaned_data, "runs": [run.pk for run in self.cleaned_data.get("runs", [])]}

    def add_refusal(self, error: QuarryError) -> None:
        """Puts a refusal at its field, or above the form."""
        field = error.fields.get("field")
        self.add_error(field if field in self.fields else None, str(error))

    def bound(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def money(self) -> list[forms.BoundField]:
        return self.bound("budget", "pairs", "overlap", "max_extra", "seconds", "extra", "wage", "people", "hours")

    @property
    def sources(self) -> list[forms.BoundField]:
        return self.bound("runs", "group_near", "per_query")

    @property
    def bands(self) -> list[forms.BoundField]:
        return self.bound(*(f"band_{name}" for name in BANDS))

    @property
    def mix(self) -> list[forms.BoundField]:
        return self.bound(*(f"mix_{name}" for name in MIXES))

    @property
    def opening(self) -> list[forms.BoundField]:
        return self.bound("near_score", "order", "gold_share", "gold_source", "seed", "name", "is_pilot")


def _told(value: float, source: str) -> str:
    return f"{value:g}: {source}."


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """The form; posted, a preview of the batch, or the batch itself."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = PlanForm(request.POST or None, project=project)
    context: dict[str, Any] = {"project": project, "section": "batches", "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            settings = read_settings(project, form.given())
            if request.POST.get("act") == "open":
                previewed = request.POST.get("previewed", "")
                batch, job = start_plan_batch(
                    project=project, settings=settings, user=person_of(request), expected=previewed
                )
                state = "is being opened" if job is not None else "is open"
                messages.success(request, f"{batch.name} {state}. Its plan is kept with it.")
                return redirect("annotation:batch", project.slug, batch.pk)
            context |= _shown(project, make_plan(project=project, settings=settings))
        except PlanChangedError as error:
            form.add_refusal(error)
            context |= _shown(project, make_plan(project=project, settings=settings))
        except QuarryError as error:
            form.add_refusal(error)
    elif request.method == "GET":
        _suggest(project, form, request.GET.get("run", ""))
        context |= _estimate_of(project, form.initial)
    context["has_runs"] = runs_to_plan(project).exists()
    context["candidates"] = section_address("curation:candidates", project)
    return render(request, "annotation/plan.html", context, status=422 if form.errors else 200)


def _suggest(project: Project, form: PlanForm, wanted: str) -> None:
    """Puts the run that the address names, and the threshold that judgements suggest for it, into the fresh form."""
    run = runs_to_plan(project).filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 19 else None
    if run is not None:
        form.initial["runs"] = [run.pk]
    chosen = runs_to_plan(project).filter(pk__in=form.initial["runs"]).first()
    found = run_curve(chosen).suggestion if chosen is not None and project.votes.exists() else None
    if found is not None:
        form.initial["near_score"] = round(found.threshold, 3)
        form.fields[
            "near_score"
        ].help_text = (
            f"{found.threshold:.3f} is suggested by {found.n_above:,} judged pairs above it. Empty: the run's own."
        )


def _estimate_of(project: Project, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"estimate": estimate(read_settings(project, given).terms).to_dict()}
    except QuarryError as error:
        return {"refusal": str(error)}


def _shown(project: Project, made: Plan) -> dict[str, Any]:
    examples = made.examples()
    codes = Code.objects.filter(project=project, pk__in=[one.row.ids[1] for one in examples])
    names = dict(codes.values_list("pk", "name"))
    return {
        "plan": made,
        "estimate": made.estimate.to_dict(),
        "chosen_estimate": made.cost_of_chosen.to_dict(),
        "examples": [(one, names.get(one.row.ids[1], "")) for one in examples],
        "groups": made.selection.groups[:SHOWN_GROUPS],
        "bands": made.selection.band_bounds.items(),
        "mixes": MIXES,
    }


@login_required
@require_POST
def plan_estimate(request: HttpRequest, slug: str) -> HttpResponse:
    """The arithmetic alone, as a fragment: asked again while somebody types."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = PlanForm(request.POST, project=project)
    if form.is_valid():
        context = _estimate_of(project, form.given())
    else:
        field, problems = next(iter(form.errors.items()))
        context = {"refusal": f"{form[field].label if field in form.fields else 'Plan'}: {problems[0]}"}
    return render(request, "annotation/_plan_estimate.html", context)


# --- on the batch's own page ------------------------------------------------------------------------------------------
def is_telling(show: str, roles: set[Role]) -> bool:
    """Whether a list of a batch's pairs would tell somebody who may judge them what they should not know."""
    return (show == "gold" and Role.CURATOR not in roles) or (show.startswith("stratum:") and not roles & PLANNERS)


def planned_facts(batch: Batch, roles: set[Role]) -> dict[str, Any]:
    """The plan that the batch was opened by and the runs that scored it; for curators also how people did on its gold.

    Nothing of it for adjudicators, who judge what stays split.
    """
    if not roles & PLANNERS:
        return {}
    shown = BatchPlan.objects.filter(batch=batch).select_related("created_by").first()
    facts: dict[str, Any] = {"batch_plan": shown, "scored_by": runs_of_batch(batch)}
    if shown is not None:
        options = shown.options
        facts["plan_runs"] = CandidateRun.objects.filter(project=batch.project_id, pk__in=options["runs"])
        facts["plan_shares"] = [(name, _shares_text(options[name])) for name in ("mix", "bands")]
        facts["plan_terms"] = {name: float(Fraction(options[name])) for name in ("seconds", "extra", "wage", "hours")}
    if Role.CURATOR in roles and batch.gold_share:
        facts["gold"] = gold_results(batch.project, batch)
        facts["n_gold"] = batch.items.filter(purpose=Purpose.GOLD).count()
    return facts


def _shares_text(shares: dict[str, str]) -> str:
    """{"low": "1/5"} -> low 20 %."""
    return ", ".join(f"{name} {100 * float(Fraction(share)):g} %" for name, share in shares.items())
