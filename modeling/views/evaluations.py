"""The page of evaluations: a table and a form that starts another."""

from dataclasses import replace

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotation.selectors.ceiling import human_ceiling_of
from core.access import project_for
from core.errors import QuarryError
from core.models import Role
from core.paging import keyset_page
from modeling.comparisons import reading_of
from modeling.forms import EvaluationForm
from modeling.services.evaluations import start_evaluation
from modeling.views.runs import WATCHERS, base_context


@login_required
@require_http_methods(["GET", "POST"])
def evaluations(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything measured in this project, newest first."""
    project = project_for(request.user, slug, *([Role.CURATOR] if request.method == "POST" else WATCHERS))
    form = EvaluationForm(request.POST or None, project=project, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        try:
            start_evaluation(project=project, user=request.user, **form.evaluation())
        except QuarryError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The evaluation is queued; its figures appear in the table.")
            return redirect("modeling:evaluations", slug)
    rows = project.evaluations.select_related("run", "release", "job")
    page = keyset_page(rows, request)
    page = replace(page, rows=[reading_of(one) for one in page])
    context = base_context(request, project, "evaluations") | {
        "form": form,
        "page": page,
        "human_ceiling": human_ceiling_of(project),
    }
    return render(request, "modeling/evaluations.html", context, status=422 if form.errors else 200)
