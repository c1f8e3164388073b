"""Search logs: what was imported, what came of it, and the form that adds one."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import project_for, roles_in
from core.errors import QuarryError
from core.models import Project, Role
from core.paging import keyset_page
from curation.selectors.queries import import_report
from curation.services.log_uploads import keep_upload, permitted_logs, store_permitted_file
from curation.services.logs import MAX_STORED_BAD_ROWS, StoredLog, start_ingest_log, start_undo_import, store_log

READERS = (Role.ADJUDICATOR, Role.READER)


class LogForm(forms.Form):
    """A search log from the person's own machine, or from a permitted folder of the server."""

    file = forms.FileField(
        label="File",
        required=False,
        allow_empty_file=True,
        help_text="Text with one query a line, CSV, TSV, JSON Lines, a JSON array or Parquet; "
        "plain, or packed as gzip, zstd, xz, bzip2 or zip.",
    )
    path = forms.ChoiceField(
        label="Or a file on the server",
        required=False,
        help_text="Files in the folders that the administrator permits.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        listed = permitted_logs()
        if listed:
            field = self.fields["path"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", "None"), *((name, name) for name in listed)]
        else:
            del self.fields["path"]
            self.fields["file"].required = True

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data
        if (given.get("file") is not None) == bool(given.get("path")) and not self.errors:
            raise forms.ValidationError("Choose one file, not two." if given.get("path") else "Choose a file.")
        return given

    def store(self) -> StoredLog:
        """Keeps a copy of the chosen file."""
        upload = self.cleaned_data.get("file")
        if upload is None:
            return store_permitted_file(self.cleaned_data["path"])
        return store_log(upload.chunks(), name=upload.name or "")


@login_required
@require_http_methods(["GET", "POST"])
def logs(request: HttpRequest, slug: str) -> HttpResponse:
    """The imports of the project and the upload form."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    form = LogForm(request.POST, request.FILES) if request.method == "POST" else LogForm()
    if form.is_bound and form.is_valid() and (response := _take(request, project, form)):
        return response
    context = {
        "project": project,
        "section": "logs",
        "form": form,
        "waiting": project.log_uploads.select_related("user"),
        "page": keyset_page(project.log_imports.select_related("job"), request),
        "totals": project.log_imports.aggregate(
            read=Sum("n_read", default=0),
            new=Sum("n_new", default=0),
            known=Sum("n_known", default=0),
            bad=Sum("n_bad", default=0),
        ),
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "curation/logs.html", context, status=200 if form.is_valid() or not form.is_bound else 400)


def _take(request: HttpRequest, project: Project, form: LogForm) -> HttpResponse | None:
    """Keeps the file and shows what it would be read as, or starts at once; None when it was refused."""
    user: Any = request.user
    try:
        if request.POST.get("act") != "import":
            upload, _ = keep_upload(project=project, stored=form.store(), user=user)
            return redirect("curation:log_upload", project.slug, upload.pk)
        start = start_ingest_log(project=project, stored=form.store(), user=user)
    except QuarryError as error:
        form.add_error(None, str(error))
        return None
    if start.job is None:
        messages.warning(request, f"{start.log_import.name} was imported before. Nothing was added.")
    return redirect("curation:log", project.slug, start.log_import.pk)


@login_required
@require_safe
def log(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One import: its numbers, and its bad rows."""
    project = project_for(request.user, slug, *READERS)
    log_import = get_object_or_404(project.log_imports.select_related("job"), pk=pk)
    context = {
        "project": project,
        "section": "logs",
        "log_import": log_import,
        "report": {**import_report(log_import), "log_text": str(log_import.pk)},
        "bad_reasons": sorted(log_import.bad_reasons.items(), key=lambda item: (-item[1], item[0])),
        "page": keyset_page(log_import.bad_rows.all(), request, order="line"),
        "max_bad_rows": MAX_STORED_BAD_ROWS,
        "runs": log_import.job is not None and not log_import.job.is_over,
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    only_numbers = request.GET.get("part") == "numbers"
    return render(request, "curation/_log_numbers.html" if only_numbers else "curation/log.html", context)


@login_required
@require_POST
def undo_import(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Queues the removal of an import; a refusal is said on its page."""
    project = project_for(request.user, slug, Role.CURATOR)
    log_import = get_object_or_404(project.log_imports, pk=pk)
    user: Any = request.user
    try:
        start_undo_import(log_import=log_import, user=user)
    except QuarryError as error:
        messages.error(request, str(error))
        return redirect("curation:log", project.slug, log_import.pk)
    messages.success(request, f"{log_import.name} is being undone. Then the same file can be imported in another way.")
    return redirect("curation:logs", project.slug)
