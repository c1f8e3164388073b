"""Quality control by the curator: people and how they stand, settings, and the audit log."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from annotation.models import AnnotationSettings, Asked, Batch, BatchKind, GoldAct, Purpose, SetAside, Standing
from annotation.selectors import control
from annotation.selectors.people import annotation_settings
from annotation.services.gold import ADJUDICATED, IMPORTED, JUDGED, label_sources
from annotation.services.planting import plant_gold, share_of
from annotation.services.settings import change_settings
from annotation.services.standing import (
    RESTORE_VOTES,
    SET_ASIDE_VOTES,
    set_standing,
    start_restore,
    start_set_aside,
)
from annotation.services.training import grant_attempt, let_through, send_back
from core.access import person_of, project_for
from core.errors import BadInputError, QuarryError
from core.models import Project, Role, User
from core.paging import keyset_page

SHARES = ("qualification_bar", "gold_bar", "repeat_share")
SHOWN_VOTES = 50


def gold_sources(project: Project) -> list[tuple[str, str]]:
    """Where pairs with a known answer come from: (value, words)."""
    return [
        (JUDGED, "pairs of this project that at least three people judged all alike"),
        (ADJUDICATED, "pairs of this project that were adjudicated"),
        (IMPORTED, "imported labels, of any file"),
        *((f"{IMPORTED}:{name}", f"imported labels of {name}") for name in label_sources(project)),
    ]


# --- people -----------------------------------------------------------------------------------------------------------
class PlantForm(forms.Form):
    """Gold for an open batch."""

    batch: forms.ModelChoiceField = forms.ModelChoiceField(label="Batch", queryset=Batch.objects.none())
    share = forms.IntegerField(
        label="Share of gold (%)",
        min_value=0,
        max_value=50,
        initial=5,
        help_text="Of what each person gets from now on. 0 ends it.",
    )
    source = forms.ChoiceField(label="Gold comes from")

    def __init__(self, data: Any, *, project: Project) -> None:
        super().__init__(data)
        live = project.batches.filter(kind=BatchKind.LIVE, is_closed=False)
        self.fields["batch"].queryset = live  # type: ignore[attr-defined]
        self.fields["source"].choices = gold_sources(project)  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "POST"])
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Everybody who judges: training, qualification, gold, standing; and the form that hides gold in a batch."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = PlantForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            n = plant_gold(
                batch=given["batch"],
                share=share_of(given["share"]),
                source=given["source"],
                user=person_of(request),
            )
        except QuarryError as error:
            field = error.fields.get("field")
            form.add_error(field if field in form.fields else None, str(error))
        else:
            told = f"{given['batch']} has {n:,} gold pairs, {given['share']} % of what each person gets."
            messages.success(request, told if given["share"] else f"{given['batch']} hands out no more gold.")
            return redirect("annotation:people", slug)
    shown = control.people_at_work(project)
    context = {
        "project": project,
        "section": "people",
        "tab": "people",
        "people": shown,
        "gates": control.open_gates(project),
        "wanted": annotation_settings(project),
        "form": form,
        "can_plant": form.fields["batch"].queryset.exists(),  # type: ignore[attr-defined]
        "gold_chart": _gold_chart(shown, annotation_settings(project)),
        "attempts_chart": control.attempt_results(project),
    }
    return render(request, "annotation/people.html", context, status=422 if form.errors else 200)


def _gold_chart(shown: list[control.PersonAtWork], wanted: AnnotationSettings) -> list[tuple[str, int]]:
    """Per cent right of each person, below the bar itself, which gives the scale; empty without gold."""
    rows = [
        (one.person.username, round(100 * one.gold.share))
        for one in shown
        if one.gold is not None and one.gold.share is not None
    ]
    return [("the bar", round(100 * wanted.gold_bar)), *rows] if rows else []


class ActForm(forms.Form):
    """What a curator decides about a person; each act is a button of its own."""

    act = forms.ChoiceField(
        choices=[(act, act) for act in ("warn", "pause", "reinstate", "pass", "send_back", "attempt", "aside", "back")]
    )
    reason = forms.CharField(
        label="Reason",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="It stays on record, and the person reads it.",
    )
    kind = forms.ChoiceField(
        label="From where on",
        required=False,
        choices=[(BatchKind.TRAINING, "training"), (BatchKind.QUALIFICATION, "qualification")],
    )
    batch: forms.ModelChoiceField = forms.ModelChoiceField(
        label="Votes in", queryset=Batch.objects.none(), required=False, empty_label="every batch"
    )
    since = forms.DateTimeField(
        label="Given from",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty: from the first one on.",
    )
    decision: forms.ModelChoiceField = forms.ModelChoiceField(queryset=SetAside.objects.none(), required=False)

    def __init__(self, data: Any, *, project: Project, person: User) -> None:
        super().__init__(data, auto_id=False)
        self.fields["batch"].queryset = project.batches.all()  # type: ignore[attr-defined]
        self.fields["decision"].queryset = control.set_asides_of(project, person)  # type: ignore[attr-defined]


STANDINGS = {"warn": Standing.WARNED, "pause": Standing.PAUSED, "reinstate": Standing.ACTIVE}


@login_required
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """One person: why they stand as they do, what they did on known answers, and what the curator may decide."""
    project = project_for(request.user, slug, Role.CURATOR)
    shown = control.person_at_work(project, username)
    if shown is None:
        raise Http404(f"Nobody called {username} judges in this project.")
    problem = ""
    form = ActForm(request.POST or None, project=project, person=shown.person)
    if request.method == "POST":
        try:
            if not form.is_valid():
                raise BadInputError(problem=_first_problem(form))
            messages.success(request, _decide(project, shown.person, form.cleaned_data, person_of(request)))
            return redirect("annotation:person", slug, username)
        except QuarryError as error:
            problem = str(error)
    gold = control.known_answer_votes(project, shown.person, Purpose.GOLD)
    context = {
        "project": project,
        "section": "people",
        "tab": "people",
        "shown": shown,
        "form": form,
        "problem": problem,
        "given": form.data if problem else {},
        "gates": control.open_gates(project),
        "n_counted": control.counted_votes_of(project, shown.person),
        "set_asides": control.set_asides_of(project, shown.person),
        "batches": project.batches.filter(items__votes__person=shown.person).distinct(),
        "gold_votes": [(vote, vote.item.gold.is_met_by(vote)) for vote in gold[:SHOWN_VOTES]],
        "missed": set(shown.row.evidence.get("items", [])),
        "entries": _shown_entries(control.audit_entries(project, control.AuditFilter(person=username))[:10]),
        "jobs_of": (SET_ASIDE_VOTES, RESTORE_VOTES),
    }
    return render(request, "annotation/person.html", context, status=422 if problem else 200)


def _first_problem(form: forms.Form) -> str:
    field, problems = next(iter(form.errors.items()))
    name = form.fields[field].label or field if field in form.fields else ""
    return f"{name}: {problems[0]}" if name else str(problems[0])


def _decide(project: Project, person: User, given: dict[str, Any], user: User) -> str:
    """Does what the button asks for; the sentence that says so."""
    act, reason = given["act"], given["reason"]
    about: dict[str, Any] = {"project": project, "person": person, "reason": reason, "user": user}
    if act in STANDINGS:
        row = set_standing(**about, standing=STANDINGS[act])
        return f"{person} is {row.get_standing_display().lower()}."
    if act == "pass":
        let_through(**about, kind=BatchKind.QUALIFICATION)
        return f"{person} gets live pairs."
    if act == "send_back":
        send_back(**about, kind=given["kind"] or BatchKind.QUALIFICATION)
        return f"{person} goes through {given['kind'] or 'qualification'} again, on items that are new to them."
    if act == "attempt":
        grant_attempt(**about)
        return f"{person} has another attempt."
    if act == "aside":
        start_set_aside(**about, batch=given["batch"], since=given["since"])
        return f"The votes of {person} are being set aside."
    if given["decision"] is None:
        raise BadInputError(problem="Name the decision that is to be taken back.")
    start_restore(act=given["decision"], reason=reason, user=user)
    return f"The votes of {person} are being counted again."


# --- settings ---------------------------------------------------------------------------------------------------------
def _share_field(label: str, name: str, top: int = 100) -> forms.DecimalField:
    model_field = AnnotationSettings._meta.get_field(name)
    return forms.DecimalField(
        label=f"{label} (%)",
        min_value=0,
        max_value=top,
        decimal_places=1,
        help_text=str(getattr(model_field, "help_text", "")),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )


def _number_field(label: str, name: str, low: int, high: int, help_text: str = "") -> forms.IntegerField:
    told = help_text or str(getattr(AnnotationSettings._meta.get_field(name), "help_text", ""))
    return forms.IntegerField(label=label, min_value=low, max_value=high, help_text=told)


class SettingsForm(forms.Form):
    """All settings, shares in per cent."""

    reasons = forms.ChoiceField(
        label="Reason categories",
        choices=Asked.choices,
        help_text=str(AnnotationSettings._meta.get_field("reasons").help_text),
    )
    search_url = forms.CharField(
        label="Web search",
        required=False,
        max_length=200,
        help_text=str(AnnotationSettings._meta.get_field("search_url").help_text),
    )
    qualification_bar = _share_field("Qualification bar", "qualification_bar")
    qualification_size = _number_field("Items of an attempt", "qualification_size", 1, 500)
    qualification_attempts = _number_field("Attempts", "qualification_attempts", 1, 20)
    gold_act = forms.ChoiceField(
        label="When somebody misses the bar on gold",
        choices=GoldAct.choices,
        help_text="It takes the failures below, anew after each warning, and a curator can take it back.",
    )
    gold_bar = _share_field("Bar on gold", "gold_bar")
    gold_window = _number_field("Window", "gold_window", 2, 500)
    gold_min_failures = _number_field("Failures at least", "gold_min_failures", 2, 500)
    repeat_share = _share_field("Silent repeats", "repeat_share", top=50)
    repeat_after_days = _number_field(
        "Days until a repeat", "repeat_after_days", 1, 365, "A pair comes again when its vote is this old."
    )

    def add_refusal(self, error: QuarryError) -> None:
        field = error.fields.get("field")
        self.add_error(field if field in self.fields else None, str(error))

    def given(self) -> dict[str, Any]:
        """The values as the service takes them."""
        return {name: float(value) / 100 if name in SHARES else value for name, value in self.cleaned_data.items()}

    def bound(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def page(self) -> list[forms.BoundField]:
        return self.bound("reasons", "search_url")

    @property
    def qualification(self) -> list[forms.BoundField]:
        return self.bound("qualification_bar", "qualification_size", "qualification_attempts")

    @property
    def gold(self) -> list[forms.BoundField]:
        return self.bound("gold_act", "gold_bar", "gold_window", "gold_min_failures")

    @property
    def repeats(self) -> list[forms.BoundField]:
        return self.bound("repeat_share", "repeat_after_days")


def _initial(row: AnnotationSettings) -> dict[str, Any]:
    return {name: _shown_value(row, name) for name in SettingsForm.base_fields}


def _shown_value(row: AnnotationSettings, name: str) -> Any:
    """A share in per cent, without the digits that binary numbers leave: 0.665 -> 66.5."""
    value = getattr(row, name)
    return f"{100 * value:.6g}" if name in SHARES else value


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """What annotators are asked for, and what gold, qualification and repeats do."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = SettingsForm(request.POST or None, initial=_initial(annotation_settings(project)))
    if request.method == "POST" and form.is_valid():
        try:
            change_settings(project=project, given=form.given(), user=person_of(request))
        except QuarryError as error:
            form.add_refusal(error)
        else:
            messages.success(request, "The settings are in force.")
            return redirect("annotation:settings", slug)
    context = {"project": project, "section": "people", "tab": "settings", "form": form}
    return render(request, "annotation/settings.html", context, status=422 if form.errors else 200)


# --- the audit log ----------------------------------------------------------------------------------------------------
class AuditForm(forms.Form):
    """Which entries; everything is optional."""

    act = forms.ChoiceField(label="Act", required=False)
    person = forms.CharField(label="About", required=False, max_length=150)
    actor = forms.CharField(label="Done by", required=False, max_length=150)
    first = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, data: Any, *, project: Project) -> None:
        super().__init__(data)
        acts = [(act, control.words_of(act)) for act in control.acts_on_record(project)]
        self.fields["act"].choices = [("", "Every act"), *acts]  # type: ignore[attr-defined]


def _wanted(form: AuditForm) -> control.AuditFilter:
    """The filter that a valid form asks for; one that is not valid asks for nothing."""
    return control.AuditFilter(**form.cleaned_data) if form.is_valid() else control.AuditFilter()


def _shown_entries(entries: Any) -> list[dict[str, Any]]:
    return [
        {"entry": entry, "words": control.words_of(entry.act), "changes": control.changes_of(entry)}
        for entry in entries
    ]


@login_required
@require_GET
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """Every change of a judgement or of a person's standing, with before and after."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = AuditForm(request.GET, project=project)
    page = keyset_page(control.audit_entries(project, _wanted(form)), request, size=50)
    asked = {name: value for name, value in request.GET.items() if name in form.fields and value}
    context = {
        "project": project,
        "section": "audit",
        "form": form,
        "page": page,
        "entries": _shown_entries(page.rows),
        "is_filtered": bool(asked),
        "query": request.GET.urlencode(),
    }
    return render(request, "annotation/audit.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def audit_export(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """The entries that the filter leaves, oldest first, as CSV; formulas are made harmless."""
    project = project_for(request.user, slug, Role.CURATOR)
    entries = control.audit_entries(project, _wanted(AuditForm(request.GET, project=project))).order_by("id")
    rows = control.audit_lines(entries.iterator(chunk_size=2000))
    answer = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    name = f"{project.slug}-audit-{timezone.now():%Y%m%d}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
