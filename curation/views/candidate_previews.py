"""The preview of a candidate run: what a sample of the queries finds, and how long all would take."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from core.access import project_for, roles_in
from core.models import Job, Role
from curation.retrieval import SCORE_NAMES
from curation.selectors.candidate_previews import preview_examples, previews
from curation.views.candidates import READERS


@login_required
@require_safe
def preview(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One preview: its progress, then its figures."""
    project = project_for(request.user, slug, *READERS)
    job: Job = get_object_or_404(previews(project), pk=pk)
    result: dict[str, Any] = job.result or {}
    wanted = job.params["settings"]
    context = {
        "project": project,
        "section": "candidates",
        "job": job,
        "result": result,
        "wanted": wanted,
        "again": {name: value for name, value in wanted.items() if name not in {"pool", "recall"}},
        "score_name": SCORE_NAMES[wanted["retriever"]],
        "examples": preview_examples(result),
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "curation/candidate_preview.html", context)
