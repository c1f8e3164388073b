"""Training and qualification batches: opening, reading, editing."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from annotation.models import Batch, BatchKind, Item
from annotation.selectors import control
from annotation.selectors.people import annotation_settings
from annotation.selectors.shown import code_parts
from annotation.services.batches import close_batch, reopen_batch
from annotation.services.imports import save_upload
from annotation.services.training import MAX_ITEMS, change_item, known_answers, open_known, take_out_item
from annotation.services.training_files import OPEN_KNOWN_FILE, start_open_known_file
from annotation.views.control import gold_sources
from core.access import person_of, project_for
from core.errors import BadInputError, QuarryError
from core.models import Project, Role

FILE = "file"
ANSWERS = {"yes-1": ("yes", 1), "yes-0": ("yes", 0), "no": ("no", None)}
ANSWER_WORDS = [("yes-1", "intent, answers (1)"), ("yes-0", "intent, does not answer (0)"), ("no", "no intent")]


class OpenKnownForm(forms.Form):
    """A new training or qualification batch."""

    kind = forms.ChoiceField(
        label="Kind",
        choices=[
            (BatchKind.TRAINING, "Training: the right answer and why after each vote"),
            (BatchKind.QUALIFICATION, "Qualification: no feedback, and a bar to reach"),
        ],
        widget=forms.RadioSelect,
        initial=BatchKind.TRAINING,
    )
    source = forms.ChoiceField(label="Pairs come from")
    n = forms.IntegerField(label="How many", min_value=1, max_value=MAX_ITEMS, initial=10, required=False)
    file = forms.FileField(
        label="File",
        required=False,
        help_text="CSV or JSON Lines with the columns label (1, 0, or empty), intent (yes, no), why, and query and "
        "code, or task; or CoSQA's JSON. All its rows are taken.",
    )
    seed = forms.IntegerField(label="Seed", min_value=0, initial=0, required=False, help_text="For drawing the pairs.")
    name = forms.CharField(label="Name", max_length=100, required=False, help_text="Empty: after its kind.")
    spare_present = forms.BooleanField(
        label="Whoever has judged live pairs already need not go through it", required=False, initial=True
    )

    def __init__(self, data: Any, files: Any, *, project: Project) -> None:
        super().__init__(data, files)
        self.fields["source"].choices = [*gold_sources(project), (FILE, "a file")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("source") == FILE and not cleaned.get("file"):
            self.add_error("file", "Choose the file.")
        if cleaned.get("source") != FILE and not cleaned.get("n"):
            self.add_error("n", "How many pairs?")
        return cleaned


@login_required
@require_http_methods(["GET", "POST"])
def training(request: HttpRequest, slug: str) -> HttpResponse:
    """The batches that come before live work, and the form that opens one."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = OpenKnownForm(request.POST or None, request.FILES or None, project=project)
    if request.method == "POST" and form.is_valid():
        try:
            return _open(request, project, form.cleaned_data)
        except QuarryError as error:
            field = error.fields.get("field")
            form.add_error(field if field in form.fields else None, str(error))
    context = {
        "project": project,
        "section": "people",
        "tab": "training",
        "batches": control.gate_batches(project),
        "wanted": annotation_settings(project),
        "form": form,
        "job_kind": OPEN_KNOWN_FILE,
        "attempts_chart": control.attempt_results(project),
    }
    return render(request, "annotation/training.html", context, status=422 if form.errors else 200)


def _open(request: HttpRequest, project: Project, given: dict[str, Any]) -> HttpResponse:
    options = {"kind": given["kind"], "name": given["name"], "spare_present": given["spare_present"]}
    if given["source"] == FILE:
        start_open_known_file(
            project=project,
            path=save_upload(given["file"]),
            file_name=given["file"].name,
            user=person_of(request),
            **options,
        )
        messages.success(request, "The file is being read; its pairs open when that is done.")
        return redirect("annotation:training", project.slug)
    seed = given["seed"] or 0
    known = known_answers(project, source=given["source"], n=given["n"], seed=seed)
    batch = open_known(project=project, known=known, seed=seed, user=person_of(request), **options)
    messages.success(request, f"{batch.name} is open with {len(known):,} items. Look through them and say why.")
    return redirect("annotation:training-batch", project.slug, batch.pk)


@login_required
@require_http_methods(["GET", "POST"])
def training_batch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The items of one batch with their right answers; each can be changed or taken out."""
    project = project_for(request.user, slug, Role.CURATOR)
    batch = get_object_or_404(control.gate_batches(project), pk=pk)
    problem, at = "", 0
    if request.method == "POST":
        try:
            _act(request, project, batch)
            return redirect("annotation:training-batch", slug, pk)
        except QuarryError as error:
            problem = str(error)
            at = _number(request.POST.get("item")) or 0
    items = control.gate_items(batch)
    context = {
        "project": project,
        "section": "people",
        "tab": "training",
        "batch": batch,
        "rows": [_row(one, request.POST if one.item.pk == at else {}) for one in items],
        "answers": ANSWER_WORDS,
        "problem": problem,
        "at": at,
        "chart": control.hardest_first(items),
    }
    return render(request, "annotation/training_batch.html", context, status=422 if problem else 200)


def _row(one: control.GateItem, given: Any) -> dict[str, Any]:
    """An item with its code and what its form holds: what was sent, where that was refused."""
    known = one.known
    answer = next(name for name, value in ANSWERS.items() if value == (known.intent, known.answer))
    pair = one.item.pair
    return {
        "one": one,
        "item": one.item,
        "parts": code_parts(pair.code) if pair else [],
        "answer": given.get("answer", answer),
        "why": given.get("why", known.why),
        "place": given.get("place", one.item.priority),
    }


def _act(request: HttpRequest, project: Project, batch: Batch) -> None:
    given, user = request.POST, person_of(request)
    act = given.get("act", "")
    if act in {"close", "reopen"}:
        (close_batch if act == "close" else reopen_batch)(batch=project.batches.get(pk=batch.pk), user=user)
        done = "closed: nobody has to go through it" if act == "close" else "open again"
        messages.success(request, f"{batch.name} is {done}.")
        return
    item = get_object_or_404(_items(project, batch), pk=_number(given.get("item")) or 0)
    if act == "change":
        intent, answer = ANSWERS.get(given.get("answer", ""), ("", None))
        change_item(
            item=item,
            intent=intent,
            answer=answer,
            why=given.get("why", ""),
            place=_number(given.get("place")),
            user=user,
        )
        messages.success(request, f"“{item.query}” is changed.")
    elif act in {"out", "in"}:
        take_out_item(item=item, is_out=act == "out", user=user)
        messages.success(request, f"“{item.query}” is {'taken out' if act == 'out' else 'shown again'}.")
    else:
        raise BadInputError(problem="The page sent something unknown. Load it again.")


def _items(project: Project, batch: Batch) -> Any:
    return Item.objects.filter(project=project, batch=batch).select_related("batch", "project", "query", "gold")


def _number(text: str | None) -> int | None:
    """A number from a form; None where it is none, or too large to be a place or an id."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
