"""The judge page and own history."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from annotation.models import NO_INTENT_REASONS, Slot
from annotation.selectors import queue
from annotation.selectors.guidelines import guideline_sections
from annotation.selectors.shown import shown_pair
from annotation.services import leases, votes
from annotation.services.guidelines import current_guideline
from annotation.services.votes import Judgement
from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role, User
from core.paging import keyset_page


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
        "pair": shown_pair(slot),
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
        "pair": shown_pair(slot),
        "revisions": vote.revisions.order_by("id"),
        "no_intent_reasons": NO_INTENT_REASONS,
        "comments": queue.comments_for(
            vote.item, person_of(request), is_curator=Role.CURATOR in roles_in(request.user, project)
        ),
    }
    return render(request, "annotation/own_vote.html", context)
