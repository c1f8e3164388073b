"""Pages of jobs: what runs, what waits, what failed and why; cancel and retry."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from core.access import project_for
from core.health import is_worker_alive
from core.job_selectors import job_for, jobs_of_person, jobs_with_state, longest_running_first
from core.jobs import cancel_job, retry_job
from core.models import Job, JobQuerySet, JobState
from core.paging import keyset_page

PAGE_SIZE = 50


@login_required
@require_GET
def all_jobs(request: HttpRequest) -> HttpResponse:
    """Jobs of all projects of this person."""
    return _list(request, jobs_of_person(request.user), {"section": ""})


@login_required
@require_GET
def jobs(request: HttpRequest, slug: str) -> HttpResponse:
    """Jobs of one project."""
    project = project_for(request.user, slug)
    return _list(request, project.jobs.all(), {"project": project, "section": "jobs"})


def _list(request: HttpRequest, rows: JobQuerySet, context: dict[str, Any]) -> HttpResponse:
    rows = rows.select_related("project", "created_by")
    state = request.GET.get("state", "")
    page = keyset_page(jobs_with_state(rows, state) if state else rows.ended(), request, size=PAGE_SIZE)
    context |= {
        "unfinished": [] if state else longest_running_first(rows),
        "page": page,
        "shows_errors": any(job.error for job in page),
        "states": [("", "Ended"), *JobState.choices],
        "state": state,
    }
    return render(request, "core/jobs.html", context)


@login_required
@require_GET
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """One job: live progress while it runs, then its result or its error in plain words."""
    found = job_for(request.user, pk)
    context = {"job": found, "project": found.project, "section": "jobs", "facts": _result_facts(found)}
    return render(request, "core/job.html", context)


def _result_facts(found: Job) -> list[tuple[str, Any]]:
    """The scalar entries of the result with readable names; nested ones stay in the JSON below."""
    result = found.result if isinstance(found.result, dict) else {}
    return [(key.replace("_", " "), value) for key, value in result.items() if isinstance(value, int | float | str)]


@login_required
@require_GET
def job_card(request: HttpRequest, pk: int) -> HttpResponse:
    """The card that htmx asks for; on the job's own page the end of the job reloads the page."""
    found = job_for(request.user, pk)
    on_own_page = request.GET.get("own") == "1"
    response = render(request, "core/_job_card.html", {"job": found, "on_own_page": on_own_page})
    if found.is_over and on_own_page:
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_POST
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks the job to stop (curators of its project, and who started it)."""
    cancel_job(job=job_for(request.user, pk, to_manage=True))
    return _back(request, pk)


@login_required
@require_POST
def job_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Queues a failed or cancelled job again (curators of its project, and who started it)."""
    retry_job(job=job_for(request.user, pk, to_manage=True))
    return _back(request, pk)


def _back(request: HttpRequest, pk: int) -> HttpResponse:
    """To the page whose button was pressed."""
    came_from = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure()):
        return HttpResponseRedirect(came_from)
    return redirect("core:job", pk)


@require_GET
def worker_banner(request: HttpRequest) -> HttpResponse:
    """What every open page asks every few seconds: 204 while nothing changed. Touches no session, so it stays cheap."""
    shown = request.GET.get("shown")
    if shown not in {"0", "1"}:
        raise Http404
    if (shown == "1") != is_worker_alive():
        return HttpResponse(status=204)
    return render(request, "core/_worker_notice.html")
