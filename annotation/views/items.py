"""One item as the curator and adjudicators see it."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from annotation.models import GuidelineExample, Item, Purpose, Vote
from annotation.selectors.shown import code_parts, provenance
from core.access import project_for, roles_in
from core.models import Project, Role


@login_required
@require_GET
def item(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One pair: code, votes, decisions, discussion, late submissions."""
    project = project_for(request.user, slug, Role.ADJUDICATOR, Role.CURATOR)
    items = project.items.select_related("batch", "query", "pair__code")
    if Role.CURATOR not in roles_in(request.user, project):
        items = items.exclude(purpose=Purpose.GOLD)  # adjudicators may be judging it themselves
    shown = get_object_or_404(items, pk=pk)
    return render(request, "annotation/item.html", {**item_context(request, project, shown), "section": "batches"})


def item_context(request: HttpRequest, project: Project, item: Item) -> dict[str, Any]:
    """What every page about one item shows. Who voted how is named to curators alone; others see numbers."""
    is_curator = Role.CURATOR in roles_in(request.user, project)
    votes = list(
        Vote.objects.filter(item=item)
        .select_related("person", "guideline")
        .prefetch_related("revisions")
        .order_by("id")
    )
    names: dict[int, str] = {}
    for vote in votes:
        names.setdefault(vote.person_id, f"Annotator {len(names) + 1}")
        vote.shown_name = _name(vote) if is_curator else names[vote.person_id]  # type: ignore[attr-defined]
    late = list(item.late_submissions.select_related("person").order_by("id"))
    for submission in late:
        number = names.setdefault(submission.person_id, f"Annotator {len(names) + 1}")
        submission.shown_name = submission.person.username if is_curator else number  # type: ignore[attr-defined]
    adjudications = list(item.adjudications.select_related("person").order_by("-id"))
    return {
        "project": project,
        "item": item,
        "parts": code_parts(item.pair.code) if item.pair else [],
        "provenance": provenance(item.pair.code) if item.pair else [],
        "votes": votes,
        "comments": item.comments.select_related("person", "resolution__person").order_by("id"),
        "late": late,
        "adjudications": adjudications,
        "standing": next((one for one in adjudications if one.ended_at is None), None),
        "is_example": item.pair_id is not None
        and GuidelineExample.objects.filter(project=project, pair=item.pair, until__isnull=True).exists(),
        "is_curator": is_curator,
        "can_be_decided": item.purpose == Purpose.LIVE and not item.is_held_back,
    }


def _name(vote: Vote) -> str:
    return vote.person.first_name if vote.person.is_placeholder and vote.person.first_name else vote.person.username
