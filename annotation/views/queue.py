"""The judge page and what belongs to it: own history, the guideline, the batches."""

import uuid
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.api.queue import ACTS
from annotation.models import NO_INTENT_REASONS, Guideline, Purpose, Slot, Vote
from annotation.selectors import queue
from annotation.services import leases, votes
from annotation.services.batches import MAX_OVERLAP, open_batch
from annotation.services.guidelines import MAX_CHARS, current_guideline, publish_guideline
from annotation.services.votes import Judgement
from annotation.views.plans import is_telling, planned_facts
from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, NotFoundError, QuarryError
from core.models import Project, Role, User
from core.paging import keyset_page
from curation.models import CandidateRun
from curation.selectors import pairs_to_open

SHOWN_LEASES = 20


# --- the judge page -------------------------------------------------------------------------------------
@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def judge(request: HttpRequest, slug: str) -> HttpResponse:
    """The page on which pairs are judged. Its script works over the API; without it, the forms post here."""
    project = project_for(request.user, slug, Role.ANNOTATOR)
    problem = ""
    if request.method == "POST":
        try:
            _act(request, project)
        except QuarryError as error:
            problem = str(error)
        else:
            return redirect("annotation:judge", slug)
    held = leases.fill_lanes(project=project, person=person_of(request), ahead=False)
    if not held:
        return _empty_queue(request, project, problem)
    return _judge_page(request, project, held[0], problem)


def _judge_page(request: HttpRequest, project: Project, slot: Slot, problem: str) -> HttpResponse:
    guideline = current_guideline(project)
    last = votes.last_vote(project=project, person=person_of(request))
    context = {
        "project": project,
        "section": "judge",
        "pair": queue.shown_pair(slot),
        "progress": queue.progress_of(project, person_of(request)),
        "guideline": guideline,
        "sections": guideline_sections(guideline.text),
        "last_key": last.key if last else None,
        "no_intent_reasons": NO_INTENT_REASONS,
        "api": _api(project),
        "problem": problem,
        "given": request.POST if problem else {},
    }
    return render(request, "annotation/judge.html", context, status=422 if problem else 200)


def _empty_queue(request: HttpRequest, project: Project, problem: str) -> HttpResponse:
    context = {
        "project": project,
        "section": "judge",
        "empty": queue.why_empty(project, person_of(request)),
        "progress": queue.progress_of(project, person_of(request)),
        "is_curator": Role.CURATOR in roles_in(request.user, project),
        "last": votes.last_vote(project=project, person=person_of(request)),
        "problem": problem,
        "api": _api(project),
    }
    return render(request, "annotation/judge_empty.html", context, status=422 if problem else 200)


def _api(project: Project) -> str:
    """Where the page's script finds the project's endpoints."""
    return reverse("api-claim", args=[project.slug]).removesuffix("leases/")


def _act(request: HttpRequest, project: Project) -> None:
    """What the pressed button of a plain form asks for."""
    acts = {"vote": _vote, "skip": _skip, "undo": _undo, "comment": _comment, "unskip": _unskip}
    act = acts.get(request.POST.get("act", "vote"))
    if act is None:
        raise BadInputError(problem="The page sent something unknown. Load it again.")
    act(request, project, person_of(request))


def _vote(request: HttpRequest, project: Project, person: User) -> None:
    given = request.POST
    votes.submit_vote(
        project=project,
        person=person,
        item_id=_integer(given.get("item")),
        token=_uuid(given.get("token")),
        key=_uuid(given.get("key")),
        judgement=judgement_of(given),
        guideline_version=_integer(given["guideline"]) if given.get("guideline") else None,
        ahead=False,
    )
    messages.success(request, "Saved.")


def judgement_of(given: Any) -> Judgement:
    """The radio groups of a form as a judgement; a step 2 left over from before a change of step 1 is dropped."""
    intent, answer = given.get("intent", ""), given.get("answer", "")
    if intent != "yes":
        return Judgement(intent, reason=given.get("reason", "") if intent == "no" else "")
    return Judgement("yes", int(answer) if answer in {"0", "1"} else None, code_unclear=answer == "unclear")


def _skip(request: HttpRequest, project: Project, person: User) -> None:
    votes.skip(project=project, person=person, token=_uuid(request.POST.get("token")), ahead=False)


def _undo(request: HttpRequest, project: Project, person: User) -> None:
    votes.undo(project=project, person=person, ahead=False)
    messages.success(request, "Your last vote is taken back. The pair is open again.")


def _comment(request: HttpRequest, project: Project, person: User) -> None:
    comment = votes.add_comment(
        project=project,
        person=person,
        item_id=_integer(request.POST.get("item")),
        text=request.POST.get("text", ""),
        is_flag=bool(request.POST.get("is_flag")),
    )
    if comment.was_masked:
        messages.warning(request, "Your comment is kept. It seemed to hold private text: that part was masked.")
    else:
        messages.success(request, "Your comment is kept.")


def _unskip(request: HttpRequest, project: Project, person: User) -> None:
    votes.take_back_skips(project=project, person=person)


def _uuid(text: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(text or "")
    except ValueError as error:
        raise BadInputError(problem="The page sent an unreadable name of the pair. Load it again.") from error


def _integer(text: str | None) -> int:
    if not (text or "").isdecimal():
        raise BadInputError(problem="The page sent an unreadable number. Load it again.")
    return int(text or "")


# --- own history -----------------------------------------------------------------------------------------
@login_required
@require_http_methods(["GET", "POST"])
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """Own votes, newest first; each can be corrected while its batch is open."""
    project = project_for(request.user, slug, Role.ANNOTATOR)
    if request.method == "POST":
        votes.correct_vote(
            project=project,
            person=person_of(request),
            vote_id=_integer(request.POST.get("vote")),
            judgement=judgement_of(request.POST),
        )
        messages.success(request, "Your vote is corrected; the old one stays on record.")
        return redirect(request.get_full_path())
    page = keyset_page(queue.history_of(project, person_of(request)), request, size=25)
    return render(
        request,
        "annotation/history.html",
        {
            "project": project,
            "section": "history",
            "page": page,
            "progress": queue.progress_of(project, person_of(request)),
        },
    )


@login_required
@require_GET
def own_vote(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One own vote: the pair as it was shown, the earlier values, the comments, and the form that corrects it."""
    project = project_for(request.user, slug, Role.ANNOTATOR)
    vote = get_object_or_404(queue.history_of(project, person_of(request)).select_related("guideline"), pk=pk)
    slot = leases.slots_to_show().get(pk=vote.slot_id)
    context = {
        "project": project,
        "section": "history",
        "vote": vote,
        "pair": queue.shown_pair(slot),
        "revisions": vote.revisions.order_by("id"),
        "no_intent_reasons": NO_INTENT_REASONS,
        "comments": queue.comments_for(
            vote.item, person_of(request), is_curator=Role.CURATOR in roles_in(request.user, project)
        ),
    }
    return render(request, "annotation/own_vote.html", context)


# --- the guideline -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class GuidelineSection:
    """A second-level section; `step` is 1 or 2 where it explains that step."""

    text: str
    step: int | None


def guideline_sections(text: str) -> list[GuidelineSection]:
    """The guideline cut at its second-level headings, so that the page can mark the step at hand."""
    parts = ("\n" + text).split("\n## ")
    heads = [parts[0].strip(), *(f"## {part}" for part in parts[1:])]
    return [
        GuidelineSection(part, next((n for n in (1, 2) if part.lower().startswith(f"## step {n}")), None))
        for part in heads
        if part
    ]


class GuidelineForm(forms.Form):
    text = forms.CharField(
        label="Text",
        max_length=MAX_CHARS,
        help_text="Markdown. Sections headed “Step 1…” and “Step 2…” are marked while the step is at hand.",
        widget=forms.Textarea(attrs={"rows": 30, "spellcheck": "true"}),
    )


@login_required
@require_GET
def guideline(request: HttpRequest, slug: str) -> HttpResponse:
    """The guideline to read: the newest version, or the one of ?version=."""
    project = project_for(request.user, slug)
    newest = current_guideline(project)
    wanted = request.GET.get("version", "")
    shown = project.guidelines.filter(version=wanted).first() if wanted.isdecimal() else newest
    if shown is None:
        raise NotFoundError(what="version of the guideline", name=wanted)
    context = {
        "project": project,
        "section": "guideline",
        "guideline": shown,
        "newest": newest,
        "versions": project.guidelines.all(),
        "is_curator": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "annotation/guideline.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def edit_guideline(request: HttpRequest, slug: str) -> HttpResponse:
    """Writes the next version."""
    project = project_for(request.user, slug, Role.CURATOR)
    newest = current_guideline(project)
    form = GuidelineForm(request.POST or None, initial={"text": newest.text})
    if request.method == "POST" and form.is_valid():
        return _publish(request, project, newest, form.cleaned_data["text"])
    return render(
        request,
        "annotation/guideline_edit.html",
        {"project": project, "section": "guideline", "form": form, "newest": newest},
    )


def _publish(request: HttpRequest, project: Project, newest: Guideline, text: str) -> HttpResponseRedirect:
    published = publish_guideline(project=project, text=text)
    if published == newest:
        messages.info(request, "The text is the same; there is no new version.")
    else:
        messages.success(request, f"Version {published.version} is in force. Votes from now on are stamped with it.")
    return redirect("annotation:guideline", project.slug)


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


@login_required
@require_GET
def item(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One pair for the curator: code, votes, comments, late submissions."""
    project = project_for(request.user, slug, Role.ADJUDICATOR, Role.CURATOR)
    items = project.items.select_related("batch", "query", "pair__code")
    if Role.CURATOR not in roles_in(request.user, project):
        items = items.exclude(purpose=Purpose.GOLD)  # adjudicators may be judging it themselves
    shown = get_object_or_404(items, pk=pk)
    context = {
        "project": project,
        "section": "batches",
        "item": shown,
        "parts": queue.code_parts(shown.pair.code) if shown.pair else [],
        "provenance": queue.provenance(shown.pair.code) if shown.pair else [],
        "votes": Vote.objects.filter(item=shown).select_related("person").order_by("id"),
        "comments": shown.comments.select_related("person"),
        "late": shown.late_submissions.select_related("person").order_by("id"),
    }
    return render(request, "annotation/item.html", context)
