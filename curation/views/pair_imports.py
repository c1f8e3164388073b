"""Ready pairs from a file: upload, look at what would happen, import, and the report."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from core.access import person_of, project_for
from core.errors import QuarryError
from core.menu import section_address
from core.models import Job, Project, Role
from curation.services.pair_uploads import (
    IMPORT_PAIRS,
    keep_pairs_file,
    kept_pairs_file,
    look_at_pairs,
    start_import_pairs,
)
from curation.services.uploads import shown_name

SHOWN_PROBLEMS = 50


class PairsForm(forms.Form):
    """A file of ready pairs."""

    file = forms.FileField(
        label="File",
        allow_empty_file=True,
        help_text="CSV or JSON Lines with query (or doc) and code, and score if there is one; or CoSQA JSON.",
    )
    name = forms.CharField(
        label="Name of the import",
        max_length=100,
        required=False,
        help_text="Empty: the file's name. The same name again adds to the same import.",
    )


@login_required
@require_http_methods(["GET", "POST"])
def import_pairs(request: HttpRequest, slug: str) -> HttpResponse:
    """The upload form; an uploaded file is looked at first, and imported when the curator says so."""
    project = project_for(request.user, slug, Role.CURATOR)
    if request.method == "POST" and request.POST.get("act") == "start":
        return _start(request, project)
    form = PairsForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"project": project, "section": "candidates", "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            context |= _looked_at(project, form)
        except QuarryError as error:
            form.add_error("file", str(error))
    return render(request, "curation/pair_import.html", context, status=422 if form.errors else 200)


def _looked_at(project: Project, form: PairsForm) -> dict[str, Any]:
    upload = form.cleaned_data["file"]
    token = keep_pairs_file(project=project, upload=upload)
    path = kept_pairs_file(project=project, token=token)
    try:
        preview = look_at_pairs(project=project, path=path)
    except QuarryError:
        path.unlink()
        raise
    return {
        "token": token,
        "name": shown_name(form.cleaned_data["name"] or upload.name),
        "preview": preview,
        "problems": preview.problems[:SHOWN_PROBLEMS],
    }


def _start(request: HttpRequest, project: Project) -> HttpResponse:
    try:
        path = kept_pairs_file(project=project, token=request.POST.get("token", ""))
        job = start_import_pairs(
            project=project, path=path, name=shown_name(request.POST.get("name", "")), user=person_of(request)
        )
    except QuarryError as error:
        messages.error(request, str(error))
        return redirect("curation:import_pairs", project.slug)
    return redirect("curation:pair_import", project.slug, job.pk)


@login_required
@require_safe
def pair_import(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One import: its progress, then what came of it."""
    project = project_for(request.user, slug, Role.CURATOR)
    job = get_object_or_404(Job.objects.filter(project=project, kind=IMPORT_PAIRS), pk=pk)
    result: dict[str, Any] = job.result or {}
    context = {
        "project": project,
        "section": "candidates",
        "job": job,
        "result": result,
        "problems": result.get("problems", [])[:SHOWN_PROBLEMS],
        "open_batch": section_address("annotation:batches", project),
    }
    return render(request, "curation/pair_import_report.html", context)
