"""Pages of training runs: list, start, one run live, its checkpoint."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.selectors.ceiling import human_ceiling_of
from core.access import project_for, roles_in
from core.errors import QuarryError
from core.menu import section_address
from core.models import Project, Role
from core.paging import keyset_page
from modeling import selectors
from modeling.comparisons import comparisons, kept_note, key_figures
from modeling.forms import RunForm
from modeling.models import TrainingRun
from modeling.services import runs as services
from modeling.services.checkpoints import use_as_encoder, zip_checkpoint

# Annotators stay blind to labels and models until their votes are in.
WATCHERS = (Role.ADJUDICATOR, Role.READER)


def can_train(request: HttpRequest, project: Project) -> bool:
    """Runs, evaluations and indexes are started by curators."""
    return Role.CURATOR in roles_in(request.user, project)


def base_context(request: HttpRequest, project: Project, section: str) -> dict[str, Any]:
    """What every page of this stage needs."""
    return {
        "project": project,
        "section": section,
        "can_train": can_train(request, project),
        "releases": selectors.usable_releases(project),
        "releases_href": section_address("annotation:releases", project),
    }


@login_required
@require_GET
def run_list(request: HttpRequest, slug: str) -> HttpResponse:
    """All runs with their key figures."""
    project = project_for(request.user, slug, *WATCHERS)
    page = keyset_page(selectors.training_runs(project), request)
    page = replace(page, rows=[{"run": run, **key_figures(run)} for run in page])
    context = {
        "page": page,
        "new_href": reverse("modeling:run_new", args=[slug]),
        "human_ceiling": human_ceiling_of(project),
    }
    return render(request, "modeling/runs.html", base_context(request, project, "runs") | context)


@login_required
@require_http_methods(["GET", "POST"])
def run_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The form of a new run; a good one leads to the run's page."""
    project = project_for(request.user, slug, Role.CURATOR)
    form = RunForm(request.POST or None, project=project, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        try:
            job = services.start_training(project=project, user=request.user, **form.training())
        except QuarryError as error:
            form.add_refusal(error)
        else:
            run = get_object_or_404(project.training_runs, job=job)
            return redirect("modeling:run", slug, run.name)
    context = {"form": form, "recipes": form.recipes()}
    status = 422 if form.errors else 200
    return render(request, "modeling/run_new.html", base_context(request, project, "runs") | context, status=status)


@login_required
@require_GET
def run_detail(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """One run: progress, figures, curves, settings."""
    project, run = _project_and_run(request, slug, name)
    context = _run_context(request, project, run) | {"human_ceiling": human_ceiling_of(project)}
    return render(request, "modeling/run.html", context)


@login_required
@require_GET
def run_live(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The part of the run's page that changes while it trains."""
    project, run = _project_and_run(request, slug, name)
    return render(request, "modeling/_run_live.html", _run_context(request, project, run))


@login_required
@require_POST
def run_cancel(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Asks the training to stop."""
    _, run = _project_and_run(request, slug, name, Role.CURATOR)
    services.cancel_training(run=run)
    return redirect("modeling:run", slug, name)


@login_required
@require_POST
def run_resume(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Goes on from the last saved step."""
    _, run = _project_and_run(request, slug, name, Role.CURATOR)
    services.resume_training(run=run, user=request.user)
    return redirect("modeling:run", slug, name)


@login_required
@require_POST
def run_use(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Makes the run's checkpoint the project's encoder."""
    project, run = _project_and_run(request, slug, name, Role.CURATOR)
    use_as_encoder(run=run)
    messages.success(request, f"{run.name} is now the encoder of {project}. The next candidate run will use it.")
    return redirect("modeling:run", slug, name)


@login_required
@require_GET
def run_checkpoint(request: HttpRequest, slug: str, name: str) -> FileResponse:
    """The checkpoint as a zip."""
    _, run = _project_and_run(request, slug, name)
    return FileResponse(
        zip_checkpoint(run), as_attachment=True, filename=f"{slug}-{run.name}.zip", content_type="application/zip"
    )


def _project_and_run(request: HttpRequest, slug: str, name: str, *roles: Role) -> tuple[Project, TrainingRun]:
    project = project_for(request.user, slug, *(roles or WATCHERS))
    return project, get_object_or_404(selectors.training_runs(project), name=name)


def _run_context(request: HttpRequest, project: Project, run: TrainingRun) -> dict[str, Any]:
    trained = selectors.is_trained(run)
    return base_context(request, project, "runs") | {
        "run": run,
        "trained": trained,
        "has_vectors": selectors.has_vectors(run),
        "is_live": run.job is not None and not run.job.is_over,
        "is_project_encoder": project.encoder == selectors.checkpoint_name(run),
        "checkpoint_key": f"{selectors.RUN_PREFIX}{run.name}",
        "comparisons": comparisons(run),
        "kept_note": kept_note(run),
        "charts": selectors.charts(run),
        "log": selectors.log_tail(run),
        "settings": [(key.replace("_", " "), _shown(value)) for key, value in sorted(run.config.items())],
    }


def _shown(value: Any) -> str:
    """A setting as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
