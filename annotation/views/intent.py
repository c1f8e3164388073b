"""Intent judged alone: samples, what they say of the rules, keyword suggestions, the second opinion."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from annotation.intent_classifier import MIN_PER_CLASS
from annotation.intent_samples import DEFAULT_BANDS, DEFAULT_MINIMUM, DEFAULT_N, DEFAULT_SECONDS, MAX_N
from annotation.models import IntentClassifier, IntentSample
from annotation.selectors.intent import (
    CELLS,
    SIDES,
    STATES,
    Measured,
    RowFilter,
    SampleReport,
    judged_queries,
    keywords_of,
    labels_of,
    measure,
    order_of,
    progress_of_sample,
    rows_behind,
    sample_report,
    second_opinions,
)
from annotation.services.batches import MAX_OVERLAP
from annotation.services.imports import save_upload
from annotation.services.intent_classifier import start_score_intent, start_train_intent_classifier
from annotation.services.intent_samples import (
    SampleSettings,
    find_sample,
    plan_intent_sample,
    start_sample_intent,
)
from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.menu import WATCHERS
from core.models import Project, Role
from core.paging import keyset_page
from curation.models import RuleSet
from curation.rule_quality import PAPER_ACCURACY, PAPER_F1, PAPER_QUERIES
from curation.selectors import current_rule_set, rule_sets
from curation.services.rule_sets import draft_rule_set

SECTION = "intent"
EXAMPLES = 5
MAX_LABELLED_BYTES = 20 * 2**20
MEASURES = [
    ("accuracy", "Accuracy", PAPER_ACCURACY / 100),
    ("f1_no_intent", "F1, no intent as positive (primary)", PAPER_F1 / 100),
    ("f1_intent", "F1, intent as positive", None),
]
LOG_FIGURES = [
    ("accepted_without_intent_share", "Accepted queries that have no intent", "accepted_without_intent"),
    ("good_lost_share", "Queries with intent that the rules reject", "good_lost"),
    ("no_intent_share", "Queries without intent in the log", ""),
    ("accuracy_log", "Accuracy over the log", ""),
    ("f1_no_intent_log", "F1 over the log, no intent as positive", ""),
    ("f1_intent_log", "F1 over the log, intent as positive", ""),
]


def _base(request: HttpRequest, project: Project) -> dict[str, Any]:
    return {"project": project, "section": SECTION, "curates": Role.CURATOR in roles_in(request.user, project)}


# --- all samples ---------------------------------------------------------------------------------------------
@login_required
@require_safe
def intent(request: HttpRequest, slug: str) -> HttpResponse:
    """The samples of the project with their progress, and where the rest is."""
    project = project_for(request.user, slug, *WATCHERS)
    samples = list(project.intent_samples.select_related("batch", "rule_set")[:50])
    rule_set = current_rule_set(project)
    rows = [_sample_row(sample, rule_set) for sample in samples]
    classifier = project.intent_classifiers.filter(is_complete=True).first()
    context = {**_base(request, project), "rows": rows, "rule_set": rule_set, "classifier": classifier}
    return render(request, "annotation/intent.html", context)


def _sample_row(sample: IntentSample, rule_set: RuleSet) -> dict[str, Any]:
    judged = judged_queries(sample)
    return {
        "sample": sample,
        "progress": progress_of_sample(sample, judged),
        "measured": measure(sample, judged, rule_set),
    }


# --- the sampling wizard -----------------------------------------------------------------------------------
class SampleForm(forms.Form):
    """What to draw; every field has a default."""

    n = forms.IntegerField(
        label="Queries", min_value=1, max_value=MAX_N, initial=DEFAULT_N, help_text="The paper judged 250."
    )
    rejected = forms.IntegerField(
        label="Share of rejected queries, per cent",
        min_value=0,
        max_value=100,
        required=False,
        help_text="Empty: as in the log. More of them measures the rules' costs more exactly; the estimates for the "
        "log are weighted back either way.",
    )
    minimum = forms.IntegerField(
        label="At least from each stratum", min_value=0, max_value=MAX_N, initial=DEFAULT_MINIMUM
    )
    bands = forms.CharField(
        label="Popularity bands begin at",
        required=False,
        max_length=60,
        initial=", ".join(map(str, DEFAULT_BANDS)),
        help_text="Times asked, rising, with commas. Empty: popularity is not looked at.",
    )
    overlap = forms.IntegerField(label="Votes per query", min_value=1, max_value=MAX_OVERLAP, initial=3)
    max_extra = forms.IntegerField(
        label="Extra votes at most",
        min_value=0,
        max_value=MAX_OVERLAP,
        initial=2,
        help_text="Opened one by one for a tie, or in place of a vote that could not judge.",
    )
    seconds = forms.FloatField(
        label="Seconds per query", min_value=0.5, max_value=600, initial=DEFAULT_SECONDS, help_text="For the estimate."
    )
    seed = forms.IntegerField(
        label="Seed", min_value=0, max_value=2**31 - 1, initial=0, help_text="The same seed draws the same queries."
    )
    name = forms.CharField(label="Name of the batch", max_length=100, required=False, help_text="Empty: a number.")
    comes_first = forms.BooleanField(
        label="Judge it before whatever else is open",
        required=False,
        initial=True,
        help_text="Otherwise after the pairs that were opened before it.",
    )
    opinion = forms.BooleanField(
        label="Also by whether the second opinion agrees with the rules",
        required=False,
        help_text="Makes sure that some of the queries on which they differ are judged.",
    )

    def __init__(self, data: Any, *, project: Project, classifier: IntentClassifier | None) -> None:
        super().__init__(data, initial={"overlap": project.overlap, "max_extra": project.max_extra_votes})
        if classifier is None:
            del self.fields["opinion"]

    def clean_bands(self) -> tuple[int, ...]:
        parts = [part.strip() for part in self.cleaned_data["bands"].split(",") if part.strip()]
        if not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
            raise forms.ValidationError("Give whole numbers with commas between them, such as 2, 10, 100.")
        return tuple(map(int, parts))

    def settings(self) -> SampleSettings:
        """The settings of valid data."""
        given = self.cleaned_data
        return SampleSettings(
            n=given["n"],
            rejected_share=None if given["rejected"] is None else given["rejected"] / 100,
            minimum=given["minimum"],
            bands=given["bands"],
            seed=given["seed"],
            overlap=given["overlap"],
            max_extra=given["max_extra"],
            comes_first=given["comes_first"],
        )


@login_required
@require_http_methods(["GET", "POST"])
def sample_wizard(request: HttpRequest, slug: str) -> HttpResponse:
    """What a sample would hold and cost, and opening it."""
    project = project_for(request.user, slug, Role.CURATOR)
    classifier = project.intent_classifiers.filter(is_complete=True, n_scored__gt=0).first()
    form = SampleForm(_given(request, project, classifier), project=project, classifier=classifier)
    plan = None
    if form.is_valid():
        chosen = classifier if form.cleaned_data.get("opinion") else None
        try:
            if request.method == "POST":
                return _open_sample(request, project, form, chosen)
            plan = plan_intent_sample(
                project=project, settings=form.settings(), classifier=chosen, seconds=form.cleaned_data["seconds"]
            )
        except QuarryError as error:
            form.add_error(None, str(error))
    context = {
        **_base(request, project),
        "form": form,
        "plan": plan,
        "rule_set": current_rule_set(project),
        "has_queries": project.queries.exists(),
        "chosen": [(name, value) for name in form.fields if (value := form.data.get(name)) not in (None, "", False)],
    }
    return render(request, "annotation/intent_wizard.html", context, status=400 if form.errors else 200)


def _given(request: HttpRequest, project: Project, classifier: IntentClassifier | None) -> Any:
    """What was asked for; at first the defaults, so that the page shows a plan at once."""
    if request.method == "POST":
        return request.POST
    if request.GET:
        return request.GET
    blank = SampleForm(None, project=project, classifier=classifier)
    return {name: blank.get_initial_for_field(field, name) for name, field in blank.fields.items()}


def _open_sample(
    request: HttpRequest, project: Project, form: SampleForm, classifier: IntentClassifier | None
) -> HttpResponse:
    sample, _ = start_sample_intent(
        project=project,
        settings=form.settings(),
        classifier=classifier,
        name=form.cleaned_data["name"],
        user=person_of(request),
    )
    messages.success(request, f"{sample.batch.name} is being drawn. Annotators find it in their queue.")
    return redirect("annotation:intent-sample", project.slug, sample.pk)


# --- a sample, measured ----------------------------------------------------------------------------------------
def _sample_of(project: Project, pk: int) -> IntentSample:
    return find_sample(project, pk)


def chosen_rules(project: Project, given: str) -> RuleSet | None:
    """The rule set of this number, drafts included, if the project may use it (else 404); None for no number."""
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise BadInputError(problem="A rule set is given by its number.")
    return get_object_or_404(rule_sets(project), pk=int(given))


@login_required
@require_safe
def sample(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Rules measured on the majority's labels, with what remains open."""
    project = project_for(request.user, slug, *WATCHERS)
    shown = _sample_of(project, pk)
    rule_set = chosen_rules(project, request.GET.get("rule_set", "")) or current_rule_set(project)
    report = sample_report(shown, rule_set, against=chosen_rules(project, request.GET.get("against", "")))
    context = {
        **_base(request, project),
        "sample": shown,
        "report": report,
        "measured": report.measured,
        "rule_set": rule_set,
        "rule_sets": rule_sets(project),
        "alpha": report.alpha.to_dict(),
        "rows_url": _rows_url(shown, rule_set),
        "measures": _measures(report),
        "log_figures": _log_figures(report.measured),
        "cells": _cells(report.measured),
        "rule_rows": _rule_rows(report.measured),
        "paper": {"f1": PAPER_F1, "accuracy": PAPER_ACCURACY, "n": PAPER_QUERIES},
        "category_chart": [
            (one.label, one.queries, f"{_rows_url(shown, rule_set)}&reason={one.key}") for one in report.categories
        ],
    }
    return render(request, "annotation/intent_sample.html", context)


def _rows_url(sample: IntentSample, rule_set: RuleSet) -> str:
    address = reverse("annotation:intent-queries", args=[sample.project.slug, sample.pk])
    return f"{address}?{urlencode({'rule_set': rule_set.pk})}"


def _measures(report: SampleReport) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "here": report.measured.intervals[name],
            "other": report.against.intervals[name] if report.against else None,
            "difference": report.differences.get(name),
            "paper": paper,
        }
        for name, label, paper in MEASURES
    ]


def _log_figures(measured: Measured) -> list[dict[str, Any]]:
    figures = measured.log.figures
    return [
        {"label": label, "estimate": figures[name], "count": figures.get(count)}
        for name, label, count in LOG_FIGURES
        if name in figures
    ]


def _rule_rows(measured: Measured) -> list[dict[str, Any]]:
    """The rules that hit, each with the change of F1 in points were it left out."""
    now = measured.quality.confusion.f1_no_intent
    changes = [(score, 100 * (score.f1_without - now)) for score in measured.quality.rules]
    return [
        {"score": score, "change": f"{change:+.2f}".replace("-", "−") if abs(change) >= 0.005 else "0"}
        for score, change in changes
    ]


def _cells(measured: Measured) -> list[dict[str, Any]]:
    """The four cells with some examples each."""
    outcomes = measured.quality.outcomes
    cells = []
    for cell, label in CELLS.items():
        held = [outcome for outcome in outcomes if outcome.cell == cell]
        cells.append({"cell": cell, "label": label, "n": len(held), "examples": held[:EXAMPLES]})
    return cells


@login_required
@require_safe
def sample_queries(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The judged queries behind a number."""
    project = project_for(request.user, slug, *WATCHERS)
    shown = _sample_of(project, pk)
    rule_set = chosen_rules(project, request.GET.get("rule_set", "")) or current_rule_set(project)
    wanted = RowFilter.parse(request.GET.dict())
    judged = judged_queries(shown)
    outcomes = measure(shown, judged, rule_set).quality.outcomes
    found = {query.pk: (query, outcome) for query, outcome in rows_behind(judged, outcomes, wanted)}
    page = keyset_page(shown.queries.filter(pk__in=list(found)), request, size=50, order="id")
    context = {
        **_base(request, project),
        "sample": shown,
        "rule_set": rule_set,
        "wanted": wanted,
        "cells": CELLS,
        "states": STATES,
        "n": len(found),
        "page": page,
        "rows": [found[row.pk] for row in page],
    }
    return render(request, "annotation/intent_queries.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def keywords(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Terms that could become rules, with what each would cost; posting one opens it in the rule editor."""
    project = project_for(request.user, slug, *WATCHERS)
    shown = _sample_of(project, pk)
    rule_set = chosen_rules(project, request.GET.get("rule_set", "")) or current_rule_set(project)
    if request.method == "POST":
        project_for(request.user, slug, Role.CURATOR)
        return redirect(_editor_address(request, project, rule_set))
    context = {
        **_base(request, project),
        "sample": shown,
        "rule_set": rule_set,
        "rule_sets": rule_sets(project),
        "keywords": keywords_of(shown, rule_set),
    }
    return render(request, "annotation/intent_keywords.html", context)


def _editor_address(request: HttpRequest, project: Project, rule_set: RuleSet) -> str:
    """The editor of the project's newest draft (made from the rules at hand where there is none), with the keyword."""
    draft = project.rule_sets.filter(is_draft=True).order_by("-pk").first()
    if draft is None:
        draft = draft_rule_set(project=project, source=rule_set, user=person_of(request))
    given = {name: request.POST.get(name, "")[:70] for name in ("form", "kind")}
    return f"{reverse('curation:rule_set_edit', args=[project.slug, draft.pk])}?{urlencode(given)}#rule"


# --- the second opinion --------------------------------------------------------------------------------------
class TrainForm(forms.Form):
    """What to learn from."""

    file = forms.FileField(
        label="Labelled queries",
        required=False,
        help_text="CSV or JSON Lines with the columns query and label (1 = has intent), beside the judged samples. "
        "It is removed after the training.",
    )
    encoder = forms.CharField(
        label="Encoder", max_length=300, required=False, help_text="A name or folder; empty: the project's."
    )
    seed = forms.IntegerField(label="Seed", min_value=0, max_value=2**31 - 1, initial=0)


@login_required
@require_http_methods(["GET", "POST"])
def second_opinion(request: HttpRequest, slug: str) -> HttpResponse:
    """The trained classifier with its honest figures, and training a new one."""
    project = project_for(request.user, slug, *WATCHERS)
    form = TrainForm()
    if request.method == "POST":
        project_for(request.user, slug, Role.CURATOR)
        if request.POST.get("act") == "score":
            return _score(request, project)
        form = TrainForm(request.POST, request.FILES)
        if form.is_valid() and (answer := _train(request, project, form)):
            return answer
    classifier = project.intent_classifiers.filter(is_complete=True).select_related("rule_set").first()
    context = {
        **_base(request, project),
        "form": form,
        "classifier": classifier,
        "minimum": MIN_PER_CLASS,
        "rows": _opinion_measures(classifier),
        "reliability": _reliability(classifier),
        "has_samples": project.intent_samples.exists(),
        "unscored": project.queries.filter(quarantine_reason="").count() - (classifier.n_scored if classifier else 0),
    }
    return render(request, "annotation/intent_opinion.html", context, status=400 if form.errors else 200)


def _opinion_measures(classifier: IntentClassifier | None) -> list[dict[str, Any]]:
    if classifier is None:
        return []
    report = classifier.report
    return [
        {"label": label, "model": report["model"][name], "rules": report["rules"][name],
         "difference": report["difference"][name]}
        for name, label, _ in MEASURES
    ]  # fmt: skip


def _reliability(classifier: IntentClassifier | None) -> list[dict[str, Any]]:
    if classifier is None:
        return []
    points = [(row["said"], row["was"]) for row in classifier.report["reliability"]]
    return [{"name": "this classifier", "points": points}, {"name": "perfectly calibrated", "points": [(0, 0), (1, 1)]}]


def _train(request: HttpRequest, project: Project, form: TrainForm) -> HttpResponse | None:
    upload = form.cleaned_data["file"]
    if upload and (upload.size or 0) > MAX_LABELLED_BYTES:
        form.add_error("file", f"The file is larger than {MAX_LABELLED_BYTES // 2**20} MB; a sample is enough.")
        return None
    path = save_upload(upload) if upload else None
    try:
        start_train_intent_classifier(
            project=project,
            labelled=path,
            labelled_name=upload.name if upload else "",
            encoder=form.cleaned_data["encoder"],
            seed=form.cleaned_data["seed"],
            user=person_of(request),
        )
    except QuarryError as error:
        if path:
            path.unlink(missing_ok=True)
        form.add_error(None, str(error))
        return None
    messages.success(request, "The training is queued. Its figures appear here.")
    return redirect("annotation:intent-opinion", project.slug)


def _score(request: HttpRequest, project: Project) -> HttpResponse:
    classifier = get_object_or_404(project.intent_classifiers, pk=request.POST.get("classifier") or 0)
    start_score_intent(project=project, classifier=classifier, user=person_of(request))
    messages.success(request, "Every query without a score will get one.")
    return redirect("annotation:intent-opinion", project.slug)


def _wizard_query(project: Project) -> str:
    """The wizard with its defaults and the second opinion among the strata."""
    blank = SampleForm(None, project=project, classifier=None)
    given = {name: blank.get_initial_for_field(field, name) for name, field in blank.fields.items()}
    return urlencode({name: value for name, value in given.items() if value is not None} | {"opinion": "on"})


@login_required
@require_safe
def opinions(request: HttpRequest, slug: str) -> HttpResponse:
    """Queries on which rules and second opinion differ, the widest difference first."""
    project = project_for(request.user, slug, *WATCHERS)
    side = request.GET.get("side", "accepted")
    if side not in SIDES:
        raise BadInputError(problem=f"There is no side {side[:40]}. There are: {', '.join(SIDES)}.")
    rule_set = current_rule_set(project)
    classifier = project.intent_classifiers.filter(is_complete=True, n_scored__gt=0).first()
    context = {
        **_base(request, project),
        "side": side,
        "sides": SIDES,
        "rule_set": rule_set,
        "classifier": classifier,
        "wizard_query": _wizard_query(project),
    }
    if classifier is not None:
        page = keyset_page(second_opinions(classifier, rule_set, side), request, size=50, order=order_of(side))
        labels = labels_of(score.query_id for score in page)
        context["page"] = page
        context["rows"] = [{"score": score, "label": labels.get(score.query_id)} for score in page]
    return render(request, "annotation/intent_opinions.html", context)
