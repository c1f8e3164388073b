"""The guideline: reading it and its history, writing its next version, keeping its examples."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.guideline_changes import compare_guidelines
from annotation.models import Guideline, GuidelineQuestion
from annotation.selectors.guidelines import changes_between, shown_examples
from annotation.services.discussion import adopt_answer, text_with_answer
from annotation.services.guidelines import (
    MAX_CHARS,
    MAX_NOTE_CHARS,
    GuidelineMovedError,
    cleaned_text,
    current_guideline,
    publish_guideline,
    remove_example,
)
from core.access import person_of, project_for, roles_in
from core.errors import NotFoundError, QuarryError
from core.models import Project, Role


# --- reading ------------------------------------------------------------------------------------------------
@login_required
@require_GET
def guideline(request: HttpRequest, slug: str) -> HttpResponse:
    """The guideline to read: the newest version, or the one of ?version=."""
    project = project_for(request.user, slug)
    newest = current_guideline(project)
    shown = _version(project, request.GET.get("version", ""), newest)
    context = {
        "project": project,
        "section": "guideline",
        "guideline": shown,
        "newest": newest,
        "versions": project.guidelines.select_related("author"),
        "examples": shown_examples(project, version=shown.version, limit=None),
        "is_curator": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "annotation/guideline.html", context)


def _version(project: Project, wanted: str, newest: Guideline) -> Guideline:
    """The version named in the address, the newest without one."""
    shown: Guideline | None = newest
    if wanted.isdecimal():
        shown = project.guidelines.select_related("author").filter(version=int(wanted) % 2**31).first()
    if shown is None:
        raise NotFoundError(what="version of the guideline", name=wanted)
    return shown


@login_required
@require_GET
def guideline_changes(request: HttpRequest, slug: str) -> HttpResponse:
    """What changed between two versions: ?from= (the one before) and ?to= (the newest)."""
    project = project_for(request.user, slug)
    newest = current_guideline(project)
    to = _version(project, request.GET.get("to", ""), newest).version
    since = request.GET.get("from", "")
    old = min(int(since), 2**31 - 1) if since.isdecimal() else to - 1
    if old > to:
        old, to = to, old
    context = {
        "project": project,
        "section": "guideline",
        "changes": changes_between(project, old, to) if old != to else None,
        "old": old,
        "new": to,
        "versions": project.guidelines.all(),
    }
    return render(request, "annotation/guideline_changes.html", context)


# --- writing ------------------------------------------------------------------------------------------------
class GuidelineForm(forms.Form):
    """The next version. `based_on` travels along so that nobody writes over somebody else's change unseen."""

    text = forms.CharField(
        label="Text",
        max_length=MAX_CHARS,
        help_text="Markdown. Sections headed “Step 1…” and “Step 2…” are marked while the step is at hand.",
        widget=forms.Textarea(attrs={"rows": 30, "spellcheck": "true"}),
    )
    note = forms.CharField(
        label="What changed, and why",
        max_length=MAX_NOTE_CHARS,
        required=False,
        help_text="A sentence. Annotators read it, with the changes, before their next pair.",
    )
    based_on = forms.IntegerField(widget=forms.HiddenInput, required=False)
    question = forms.IntegerField(widget=forms.HiddenInput, required=False)


@login_required
@require_http_methods(["GET", "POST"])
def edit_guideline(request: HttpRequest, slug: str) -> HttpResponse:
    """Writes the next version; ?question= starts from a text with that question and its answer in it."""
    project = project_for(request.user, slug, Role.CURATOR)
    newest = current_guideline(project)
    form = GuidelineForm(request.POST or None, initial=_prefilled(project, newest, request.GET.get("question", "")))
    preview = None
    if request.method == "POST" and form.is_valid():
        try:
            text = cleaned_text(form.cleaned_data["text"])
            if request.POST.get("act") == "preview":
                preview = compare_guidelines(newest.text, text)
            else:
                return _publish(request, project, newest, form.cleaned_data)
        except GuidelineMovedError as error:
            form.add_error(None, str(error))
            preview = compare_guidelines(newest.text, text)
            form.data = {**form.data.dict(), "based_on": newest.version}  # type: ignore[attr-defined]
        except QuarryError as error:
            form.add_error(None, str(error))
    context = {
        "project": project,
        "section": "guideline",
        "form": form,
        "newest": newest,
        "preview": preview,
        "question": _question(project, str(form["question"].value() or "")),
    }
    return render(request, "annotation/guideline_edit.html", context, status=422 if form.errors else 200)


def _question(project: Project, wanted: str) -> GuidelineQuestion | None:
    """An answered question that no version holds yet."""
    if not wanted.isdecimal():
        return None
    waiting = project.guideline_questions.filter(answered_at__isnull=False, adopted__isnull=True)
    return waiting.filter(pk=int(wanted) % 2**63).first()


def _prefilled(project: Project, newest: Guideline, wanted: str) -> dict[str, Any]:
    question = _question(project, wanted)
    if question is None:
        return {"text": newest.text, "based_on": newest.version}
    return {
        "text": text_with_answer(newest.text, question),
        "note": "Answers a question.",
        "based_on": newest.version,
        "question": question.pk,
    }


def _publish(request: HttpRequest, project: Project, newest: Guideline, given: dict[str, Any]) -> HttpResponseRedirect:
    text, note, based_on = given["text"], given["note"], given["based_on"]
    person = person_of(request)
    if given["question"]:
        published = adopt_answer(
            project=project, question_id=given["question"], user=person, text=text, note=note, based_on=based_on
        )
    else:
        published = publish_guideline(project=project, text=text, author=person, note=note, based_on=based_on)
    if published == newest:
        messages.info(request, "The text is the same; there is no new version.")
    else:
        messages.success(request, f"Version {published.version} is in force. Votes from now on are stamped with it.")
    return redirect("annotation:guideline", project.slug)


@login_required
@require_POST
def adopt(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Puts the answer to a question into the guideline at once, at the end of its section of answers."""
    project = project_for(request.user, slug, Role.CURATOR)
    get_object_or_404(project.guideline_questions, pk=pk)
    published = adopt_answer(project=project, question_id=pk, user=person_of(request))
    messages.success(request, f"Version {published.version} of the guideline holds the answer.")
    return redirect("annotation:questions", slug)


@login_required
@require_POST
def drop_example(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Takes an example out of the guideline."""
    project = project_for(request.user, slug, Role.CURATOR)
    example = remove_example(project=project, example_id=pk, user=person_of(request))
    assert example.until is not None  # just set
    messages.success(request, f"The example is gone from version {example.until.version} on.")
    return redirect("annotation:guideline", slug)
