"""Scores beside judgements: a page of its own, and a part of others."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from annotation.selectors.curves import run_curve
from core.access import project_for
from core.models import Role


@login_required
@require_safe
def score_curve(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The scores of a candidate run against what people judged, of all its batches or of one (?batch=).

    ?part=1 gives the charts alone, for another page.
    """
    project = project_for(request.user, slug, Role.READER, Role.CURATOR)
    run = get_object_or_404(project.candidate_runs, pk=pk)
    wanted = request.GET.get("batch", "")
    batch = get_object_or_404(project.batches, pk=int(wanted)) if wanted.isdecimal() and len(wanted) < 19 else None
    context = {
        "project": project,
        "section": "candidates",
        "run": run,
        "judged": run_curve(run, batch),
        "batch": batch,
    }
    is_part = request.GET.get("part") == "1"
    return render(request, f"annotation/{'_score_curve' if is_part else 'score_curve'}.html", context)
