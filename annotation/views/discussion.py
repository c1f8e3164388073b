"""Discussion: threads on pairs, the inbox of flags, questions to the guideline."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from annotation.models import Item
from annotation.selectors.discussion import (
    flags_of,
    is_staff_on,
    n_open_flags,
    n_open_questions,
    questions_of,
    shown_items,
    thread_of,
    threads_of,
)
from annotation.selectors.shown import code_parts, provenance
from annotation.services import discussion as services
from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role
from core.paging import keyset_page

SPEAKERS = (Role.ANNOTATOR, Role.ADJUDICATOR)


def is_staff_in(request: Any, project: Project) -> bool:
    """Whether the person curates or adjudicates, and so reads every thread."""
    return bool(roles_in(request.user, project) & {Role.CURATOR, Role.ADJUDICATOR})


def _tabs(request: HttpRequest, project: Project, tab: str) -> dict[str, Any]:
    is_curator = Role.CURATOR in roles_in(request.user, project)
    return {
        "project": project,
        "section": "discussion",
        "tab": tab,
        "is_curator": is_curator,
        "is_staff": is_staff_in(request, project),
        "n_flags": n_open_flags(project) if is_curator else 0,
        "n_questions": n_open_questions(project) if is_curator else 0,
    }


# --- threads --------------------------------------------------------------------------------------------------
@login_required
@require_safe
def discussions(request: HttpRequest, slug: str) -> HttpResponse:
    """Pairs that people talk about: for annotators those they have judged."""
    project = project_for(request.user, slug, *SPEAKERS)
    context = _tabs(request, project, "threads")
    threads = threads_of(project, person_of(request), is_staff=context["is_staff"], is_curator=context["is_curator"])
    context["page"] = keyset_page(threads, request, size=50, order="-last_comment")
    return render(request, "annotation/discussions.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def discussion(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The thread of one pair. Others' remarks open with the own vote."""
    project = project_for(request.user, slug, *SPEAKERS)
    context = _tabs(request, project, "thread")
    item, is_staff = readable_item(request, project, pk)
    problem = ""
    if request.method == "POST":
        try:
            return _said(request, project, item, is_staff=is_staff)
        except QuarryError as error:
            problem = str(error)
    context |= {
        "item": item,
        "thread": thread_of(item, person_of(request), is_staff=is_staff),
        "is_staff": is_staff,
        "parts": code_parts(item.pair.code) if item.pair else [],
        "provenance": provenance(item.pair.code) if item.pair else [],
        "problem": problem,
        "given": request.POST.get("text", "") if problem else "",
    }
    return render(request, "annotation/discussion.html", context, status=422 if problem else 200)


def readable_item(request: Any, project: Project, pk: int) -> tuple[Item, bool]:
    """The item, for whoever judged it, has it in hand, or may read all; and whether they are staff there.

    Raises Http404 for anybody else.
    """
    item = get_object_or_404(shown_items(project), pk=pk)
    is_curator = Role.CURATOR in roles_in(request.user, project)
    is_staff = is_staff_on(item, is_staff=is_staff_in(request, project), is_curator=is_curator)
    if is_staff or item.slots.filter(person=request.user).exists():
        return item, is_staff
    raise Http404("No such pair.")


def _said(request: HttpRequest, project: Project, item: Item, *, is_staff: bool) -> HttpResponseRedirect:
    text, person = request.POST.get("text", ""), person_of(request)
    if request.POST.get("act") == "ask":
        services.ask_question(project=project, person=person, text=text, item_id=item.pk, is_staff=is_staff)
        messages.success(request, _("Your question is with the curators. You will find the answer under Questions."))
        return redirect("annotation:questions", project.slug)
    comment = services.say(project=project, person=person, item_id=item.pk, text=text, is_staff=is_staff)
    if comment.was_masked:
        messages.warning(request, _("Your comment is kept. It seemed to hold private text: that part was masked."))
    else:
        messages.success(request, _("Your comment is kept."))
    return redirect("annotation:discussion", project.slug, item.pk)


# --- flags ----------------------------------------------------------------------------------------------------
FLAG_SHOWS = [("open", "Open"), ("resolved", "Resolved"), ("all", "All")]


@login_required
@require_http_methods(["GET", "POST"])
def flags(request: HttpRequest, slug: str) -> HttpResponse:
    """The inbox: what annotators flagged, each to be resolved with a note."""
    project = project_for(request.user, slug, Role.CURATOR)
    problem, at = "", 0
    if request.method == "POST":
        at = int(request.POST["flag"]) if request.POST.get("flag", "").isdecimal() else 0
        try:
            return _flagged(request, project, at)
        except QuarryError as error:
            problem = str(error)
    show = request.GET.get("show", "open")
    context = {
        **_tabs(request, project, "flags"),
        "page": keyset_page(flags_of(project, show), request, size=25),
        "show": show,
        "shows": FLAG_SHOWS,
        "problem": problem,
        "at": at,
        "given": request.POST.get("note", "") if problem else "",
    }
    return render(request, "annotation/flags.html", context, status=422 if problem else 200)


def _flagged(request: HttpRequest, project: Project, flag: int) -> HttpResponseRedirect:
    person = person_of(request)
    if request.POST.get("act") == "reopen":
        services.reopen_flag(project=project, comment_id=flag, user=person)
        messages.success(request, "The flag is open again.")
    else:
        services.resolve_flag(project=project, comment_id=flag, note=request.POST.get("note", ""), user=person)
        messages.success(request, "The flag is resolved. Whoever raised it reads your note.")
    return redirect(request.get_full_path())


# --- questions ------------------------------------------------------------------------------------------------
class QuestionForm(forms.Form):
    """A question to the guideline."""

    text = forms.CharField(
        label=gettext_lazy("Your question"),
        max_length=services.MAX_TEXT_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Ask about the rule, not about the pair: everybody reads question and answer later."),
    )


QUESTION_SHOWS = [
    ("", gettext_lazy("All")),
    ("open", gettext_lazy("Not answered yet")),
    ("answered", gettext_lazy("Answered")),
    ("adopted", gettext_lazy("In the guideline")),
]


@login_required
@require_http_methods(["GET", "POST"])
def questions(request: HttpRequest, slug: str) -> HttpResponse:
    """Questions to the guideline: asked by anybody who judges, answered by curators, then read by all."""
    is_answering = request.method == "POST" and request.POST.get("act") == "answer"
    project = project_for(request.user, slug, *(() if is_answering else SPEAKERS), Role.CURATOR)
    context = _tabs(request, project, "questions")
    is_asking = request.method == "POST" and not is_answering
    form = QuestionForm(request.POST if is_asking else None)
    problem, at = "", 0
    if request.method == "POST" and (not is_asking or form.is_valid()):
        at = int(request.POST["question"]) if request.POST.get("question", "").isdecimal() else 0
        try:
            return _asked(request, project) if is_asking else _answered(request, project, at)
        except QuarryError as error:
            if is_asking:
                form.add_error(None, str(error))
            problem = str(error)
    show = request.GET.get("show", "")
    found = questions_of(project, person_of(request), is_curator=context["is_curator"], show=show)
    context |= {
        "form": form,
        "page": keyset_page(found, request, size=25),
        "show": show,
        "shows": QUESTION_SHOWS,
        "problem": problem,
        "at": at,
        "given": request.POST.get("answer", "") if problem else "",
    }
    return render(request, "annotation/questions.html", context, status=422 if problem or form.errors else 200)


def _asked(request: HttpRequest, project: Project) -> HttpResponseRedirect:
    item = request.POST.get("item", "")
    services.ask_question(
        project=project,
        person=person_of(request),
        text=request.POST.get("text", ""),
        item_id=int(item) % 2**63 if item.isdecimal() else None,
        is_staff=is_staff_in(request, project),
    )
    messages.success(request, _("Your question is with the curators. You will find the answer here."))
    return redirect(request.get_full_path())


def _answered(request: HttpRequest, project: Project, question: int) -> HttpResponseRedirect:
    if not question:
        raise BadInputError(problem="The page sent an unreadable number. Load it again.")
    services.answer_question(
        project=project, question_id=question, answer=request.POST.get("answer", ""), user=person_of(request)
    )
    messages.success(request, "Everybody reads the answer now. Put it into the guideline, so that nobody asks again.")
    return redirect(request.get_full_path())
