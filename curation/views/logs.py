"""Search logs: what was imported, what came of it, and the form that adds one."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from core.access import project_for, roles_in
from core.errors import QuarryError
from core.models import Project, Role
from core.paging import keyset_page
from curation.reading import LogFormat, LogShape
from curation.selectors.queries import import_report
from curation.services.logs import MAX_STORED_BAD_ROWS, IngestStart, start_ingest_log, store_log

READERS = (Role.ADJUDICATOR, Role.READER)
FORMATS = {
    LogFormat.AUTO: "Find out",
    LogFormat.TEXT: "Text, one query a line",
    LogFormat.CSV: "CSV",
    LogFormat.TSV: "TSV",
    LogFormat.JSONL: "JSON Lines",
}


class LogForm(forms.Form):
    """A search log from the person's own machine."""

    file = forms.FileField(
        label="File",
        allow_empty_file=True,
        help_text="Text with one query a line, CSV, TSV or JSON Lines; plain or as gzip.",
    )
    format = forms.ChoiceField(choices=[(each.value, label) for each, label in FORMATS.items()], required=False)
    column = forms.CharField(
        max_length=100,
        required=False,
        label="Column of the query",
        help_text="A name, or a number from 1. Empty: found by the usual names (query, text, title, ...).",
    )
    count_column = forms.CharField(
        max_length=100,
        required=False,
        label="Column of the count",
        help_text="How often it was asked. Empty: a column named count.",
    )
    user_column = forms.CharField(
        max_length=100,
        required=False,
        label="Column of the user",
        help_text="Only a salted hash is kept, to count how many people asked. Empty: a column named user.",
    )

    def shape(self) -> LogShape:
        """How the person says the file is to be read."""
        given = self.cleaned_data
        return LogShape(
            LogFormat(given["format"] or LogFormat.AUTO),
            given["column"].strip(),
            given["count_column"].strip(),
            given["user_column"].strip(),
        )


@login_required
@require_http_methods(["GET", "POST"])
def logs(request: HttpRequest, slug: str) -> HttpResponse:
    """The imports of the project and the upload form."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    form = LogForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (start := _start(request, project, form)):
        if start.job is None:
            messages.warning(request, f"{start.log_import.name} was imported before. Nothing was added.")
        return redirect("curation:log", project.slug, start.log_import.pk)
    context = {
        "project": project,
        "section": "logs",
        "form": form,
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


def _start(request: HttpRequest, project: Project, form: LogForm) -> IngestStart | None:
    """The import that was queued; None when it was refused, with the reason on the form."""
    user: Any = request.user
    upload = form.cleaned_data["file"]
    try:
        stored = store_log(upload.chunks(), name=upload.name or "")
        return start_ingest_log(project=project, stored=stored, shape=form.shape(), user=user)
    except QuarryError as error:
        form.add_error(None, str(error))
        return None


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
    }
    return render(request, "curation/log.html", context)
