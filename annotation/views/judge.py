"""The judge page and own history."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from annotation.judge_keys import ANSWERS, REASONS, TOOLS
from annotation.judge_words import judge_words
from annotation.models import NO_INTENT_REASONS, Annotator, Asked, Guideline, Reason, TextSize, VoteRevision
from annotation.selectors import queue
from annotation.selectors.empty import why_empty
from annotation.selectors.guidelines import changes_since, guideline_sections, shown_examples
from annotation.selectors.people import annotation_settings, annotator_of
from annotation.selectors.preferences import preferences_of, shown_keys
from annotation.selectors.shown import late_submissions_of, search_address, shown_pair
from annotation.services import leases, votes
from annotation.services.guidelines import current_guideline
from annotation.services.preferences import see_guideline
from annotation.services.training import feedback_for
from annotation.services.votes import ANSWER_REASONS, Judgement
from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role, User
from core.paging import keyset_page

REASONS_OF_ANSWERS = tuple(reason for reason in Reason if reason in ANSWER_REASONS)


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
            after = _act(request, project)
        except QuarryError as error:
            problem = str(error)
        else:
            return redirect(reverse("annotation:judge", args=[slug]) + after)
    stands = annotator_of(project, person_of(request))
    guideline = current_guideline(project)
    return (
        (None if problem else _between_pairs(request, project, stands, guideline))
        or _pair_on_screen(request, project, stands, guideline, problem)
        or _empty_queue(request, project, stands, problem)
    )


def _between_pairs(
    request: HttpRequest, project: Project, stands: Annotator, guideline: Guideline
) -> HttpResponse | None:
    """What has to be read before the next pair: a changed guideline, or what a training item teaches."""
    context: dict[str, Any] = {"project": project, "section": "judge", "guideline": guideline}
    after = request.GET.get("after", "")
    if after.isdecimal():
        vote = queue.history_of(project, person_of(request)).filter(pk=int(after)).first()
        if vote is not None and (feedback := feedback_for(vote)):
            return render(request, "annotation/judge_feedback.html", context | {"vote": vote, "feedback": feedback})
    if stands.guideline_seen >= guideline.version:
        return None
    changes = changes_since(project, stands.guideline_seen) if stands.guideline_seen else None
    if changes is not None and not changes.is_empty:
        return render(request, "annotation/judge_change.html", context | {"changes": changes})
    see_guideline(project=project, person=person_of(request), version=guideline.version)
    return None


def _pair_on_screen(
    request: HttpRequest, project: Project, stands: Annotator, guideline: Guideline, problem: str
) -> HttpResponse | None:
    """The judge page; None where the queue has nothing for the person."""
    person = person_of(request)
    held = leases.fill_lanes(project=project, person=person, ahead=False)
    if not held:
        return None
    last = votes.last_act(project=project, person=person)
    wanted = annotation_settings(project)
    pair = shown_pair(held[0])
    context = {
        "project": project,
        "section": "judge",
        "pair": pair,
        "progress": queue.progress_of(project, person),
        "stands": stands,
        "guideline": guideline,
        "sections": guideline_sections(guideline.text),
        "examples": shown_examples(project),
        "last_key": last.key if last else None,
        "asked": wanted.reasons,
        "is_asked": wanted.reasons != Asked.OFF,
        "reason_groups": reason_groups(has_code=pair.has_code),
        "search": search_address(wanted, pair.query),
        "search_pattern": wanted.search_url,
        "api": _api(project),
        "words": judge_words(),
        "problem": problem,
        "given": request.POST if problem else {},
        **_as_liked(person, is_asked=wanted.reasons != Asked.OFF),
    }
    return render(request, "annotation/judge.html", context, status=422 if problem else 200)


def _as_liked(person: User, *, is_asked: bool) -> dict[str, Any]:
    """The person's keys and display."""
    preferences = preferences_of(person)
    keys = shown_keys(preferences)
    acts = [*ANSWERS, *(REASONS if is_asked else ()), *TOOLS]
    return {
        "preferences": preferences,
        "keys": keys,
        "key_of": {name: key.name for name, key in keys.items()},
        "key_lines": [(act, keys[act.name]) for act in acts],
        "sizes": dict(TextSize.choices),
    }


def reason_groups(*, has_code: bool) -> list[tuple[str, list[Any]]]:
    """The reasons of a vote as a plain form offers them, by what they explain."""
    groups = [(_("No code-search intent"), list(NO_INTENT_REASONS))]
    return [*groups, (_("The answer"), list(REASONS_OF_ANSWERS))] if has_code else groups


def _empty_queue(request: HttpRequest, project: Project, stands: Annotator, problem: str) -> HttpResponse:
    context = {
        "project": project,
        "section": "judge",
        "empty": why_empty(project, person_of(request)),
        "progress": queue.progress_of(project, person_of(request)),
        "stands": stands,
        "is_curator": Role.CURATOR in roles_in(request.user, project),
        "last": votes.last_act(project=project, person=person_of(request)),
        "problem": problem,
        "api": _api(project),
        "words": judge_words(),
    }
    return render(request, "annotation/judge_empty.html", context, status=422 if problem else 200)


def _api(project: Project) -> str:
    """Where the page's script finds the project's endpoints."""
    return reverse("api-claim", args=[project.slug]).removesuffix("leases/")


def _act(request: HttpRequest, project: Project) -> str:
    """Does what the pressed button of a plain form asks for; returns what the address of the next page ends in."""
    acts = {"vote": _vote, "skip": _skip, "undo": _undo, "comment": _comment, "unskip": _unskip, "seen": _seen}
    act = acts.get(request.POST.get("act", "vote"))
    if act is None:
        raise BadInputError(problem=_("The page sent something unknown. Load it again."))
    return act(request, project, person_of(request)) or ""


def _vote(request: HttpRequest, project: Project, person: User) -> str:
    given = request.POST
    receipt = votes.submit_vote(
        project=project,
        person=person,
        item_id=_integer(given.get("item")),
        token=_uuid(given.get("token")),
        key=_uuid(given.get("key")),
        judgement=judgement_of(given),
        guideline_version=_integer(given["guideline"]) if given.get("guideline") else None,
        ahead=False,
    )
    if feedback_for(receipt.vote):
        return f"?after={receipt.vote.pk}"
    messages.success(request, _("Saved."))
    return ""


def judgement_of(given: Any) -> Judgement:
    """The radio groups of a form as a judgement; what is left over from before a change of step 1 is dropped."""
    intent, answer, reason = given.get("intent", ""), given.get("answer", ""), given.get("reason", "")
    if intent != "yes":
        return Judgement(intent, reason=reason if intent == "no" and reason in NO_INTENT_REASONS else "")
    return Judgement(
        "yes",
        int(answer) if answer in {"0", "1"} else None,
        code_unclear=answer == "unclear",
        reason=reason if reason in ANSWER_REASONS and answer in {"0", "1"} else "",
    )


def _skip(request: HttpRequest, project: Project, person: User) -> None:
    votes.skip(project=project, person=person, token=_uuid(request.POST.get("token")), ahead=False)


def _undo(request: HttpRequest, project: Project, person: User) -> None:
    votes.undo(project=project, person=person, ahead=False)
    messages.success(request, _("Your last one is taken back. The pair is open again."))


def _comment(request: HttpRequest, project: Project, person: User) -> None:
    comment = votes.add_comment(
        project=project,
        person=person,
        item_id=_integer(request.POST.get("item")),
        text=request.POST.get("text", ""),
        is_flag=bool(request.POST.get("is_flag")),
    )
    if comment.was_masked:
        messages.warning(request, _("Your comment is kept. It seemed to hold private text: that part was masked."))
    else:
        messages.success(request, _("Your comment is kept."))


def _unskip(request: HttpRequest, project: Project, person: User) -> None:
    votes.take_back_skips(project=project, person=person)


def _seen(request: HttpRequest, project: Project, person: User) -> None:
    version = min(_integer(request.POST.get("version")), current_guideline(project).version)
    see_guideline(project=project, person=person, version=version)


def _uuid(text: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(text or "")
    except ValueError as error:
        raise BadInputError(problem=_("The page sent an unreadable name of the pair. Load it again.")) from error


def _integer(text: str | None) -> int:
    if not (text or "").isdecimal():
        raise BadInputError(problem=_("The page sent an unreadable number. Load it again."))
    return int(text or "")


# --- own history -----------------------------------------------------------------------------------------
SHOWN = {
    "": Q(),
    "no": Q(intent="no"),
    "one": Q(answer=1),
    "zero": Q(answer=0),
    "unclear": Q(intent="unclear") | Q(code_unclear=True),
    "corrected": Q(Exists(VoteRevision.objects.filter(vote=OuterRef("pk")))),
}


@login_required
@require_http_methods(["GET", "POST"])
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """Own votes, newest first; each can be corrected while its batch is open."""
    project = project_for(request.user, slug, Role.ANNOTATOR)
    person = person_of(request)
    if request.method == "POST":
        return _correct(request, project, person)
    show = request.GET.get("show", "")
    is_late = show == "late"
    chosen = queue.history_of(project, person).filter(SHOWN.get(show, Q()))
    late = late_submissions_of(project, person)
    context = {
        "project": project,
        "section": "history",
        "page": keyset_page(late if is_late else chosen, request, size=25),
        "show": show if is_late or show in SHOWN else "",
        "is_late": is_late,
        "n_late": late.count(),
        "progress": queue.progress_of(project, person),
        "api": _api(project),
        "words": judge_words(),
    }
    return render(request, "annotation/history.html", context)


def _correct(request: HttpRequest, project: Project, person: User) -> HttpResponse:
    vote_id = _integer(request.POST.get("vote"))
    try:
        votes.correct_vote(project=project, person=person, vote_id=vote_id, judgement=judgement_of(request.POST))
    except BadInputError as error:
        return _own_vote(request, project, vote_id, str(error))
    messages.success(request, _("Your vote is corrected; the old one stays on record."))
    return redirect(request.get_full_path())


@login_required
@require_GET
def own_vote(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One own vote: the pair as it was shown, the earlier values, the comments, and the form that corrects it."""
    return _own_vote(request, project_for(request.user, slug, Role.ANNOTATOR), pk)


def _own_vote(request: HttpRequest, project: Project, pk: int, problem: str = "") -> HttpResponse:
    person = person_of(request)
    vote = get_object_or_404(queue.history_of(project, person).select_related("guideline"), pk=pk)
    pair = shown_pair(leases.slots_to_show().get(pk=vote.slot_id))
    context = {
        "project": project,
        "section": "history",
        "vote": vote,
        "pair": pair,
        "problem": problem,
        "revisions": vote.revisions.order_by("id"),
        "reason_groups": reason_groups(has_code=pair.has_code),
        "asked": annotation_settings(project).reasons,
        "comments": queue.comments_for(vote.item, person, is_curator=Role.CURATOR in roles_in(request.user, project)),
        "preferences": preferences_of(person),
    }
    return render(request, "annotation/own_vote.html", context, status=422 if problem else 200)
