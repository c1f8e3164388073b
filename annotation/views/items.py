"""One item as the curator and adjudicators see it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from annotation.models import OWN_SLOTS, Vote
from annotation.selectors.shown import code_parts, provenance
from core.access import project_for, roles_in
from core.models import Role


@login_required
@require_GET
def item(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One pair for the curator: code, votes, comments, late submissions."""
    project = project_for(request.user, slug, Role.ADJUDICATOR, Role.CURATOR)
    items = project.items.select_related("batch", "query", "pair__code")
    if Role.CURATOR not in roles_in(request.user, project):
        items = items.exclude(purpose__in=OWN_SLOTS)  # adjudicators may be judging it themselves
    shown = get_object_or_404(items, pk=pk)
    context = {
        "project": project,
        "section": "batches",
        "item": shown,
        "parts": code_parts(shown.pair.code) if shown.pair else [],
        "provenance": provenance(shown.pair.code) if shown.pair else [],
        "votes": Vote.objects.filter(item=shown).select_related("person").order_by("id"),
        "comments": shown.comments.select_related("person"),
        "late": shown.late_submissions.select_related("person").order_by("id"),
    }
    return render(request, "annotation/item.html", context)
