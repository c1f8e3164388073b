"""A log before it is read: how it would be read, its first rows, and the choices that change both."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from core.access import project_for
from core.errors import QuarryError
from core.models import Role
from curation.models import LogUpload
from curation.privacy import mask
from curation.reading import DELIMITERS, NONE, LogFileError, LogFormat, LogShape, Preview
from curation.services.log_uploads import chosen_shape, discard_upload, preview_upload, start_upload

FORMATS = {
    LogFormat.AUTO: "Find out",
    LogFormat.TEXT: "Text, one query a line",
    LogFormat.CSV: "CSV",
    LogFormat.TSV: "TSV",
    LogFormat.JSONL: "JSON Lines",
    LogFormat.JSON: "JSON array",
    LogFormat.PARQUET: "Parquet",
}
AUTO, NO_COLUMN = "auto", "none"
FIND_OUT = (AUTO, "Find out")
DELIMITER_LABELS = {"comma": "Comma", "semicolon": "Semicolon", "tab": "Tab", "bar": "Vertical bar"}
YES_NO = {"yes": True, "no": False}
MAX_SHOWN_NAME = 60
COLUMNS = ("column", "count_column", "user_column", "url_column")


class ShapeForm(forms.Form):
    """Every choice there is about a file; the columns and archive members are those of the file.

    A column is offered as `=name`, so that no name can be mistaken for "find out" or "none".
    """

    member = forms.ChoiceField(label="File in the archive")
    format = forms.ChoiceField(choices=[(each.value, label) for each, label in FORMATS.items()])
    delimiter = forms.ChoiceField(choices=[FIND_OUT, *DELIMITER_LABELS.items()], label="Columns cut at")
    header = forms.ChoiceField(
        choices=[FIND_OUT, ("yes", "It names the columns"), ("no", "It is a row like the others")], label="First row"
    )
    quotes = forms.ChoiceField(
        choices=[FIND_OUT, ("yes", "They hold a cell together"), ("no", "They are text like any other")]
    )
    column = forms.ChoiceField(label="Query")
    count_column = forms.ChoiceField(
        label="Count", help_text="How often the row's query was asked. Without one, each row counts once."
    )
    user_column = forms.ChoiceField(
        label="User", help_text="Kept only as a salted hash, to count how many people asked."
    )
    url_column = forms.ChoiceField(label="Clicked URL", help_text="Kept to propose the code that people went to.")

    def __init__(self, data: Any, *, before: LogShape, preview: Preview) -> None:
        self.before, self.shown = before, preview.shape
        super().__init__(data, initial=_initial(self.shown))
        names = [(f"={name}", mask(name)[:MAX_SHOWN_NAME] or "(no name)") for name in dict.fromkeys(self.shown.names)]
        members = [(f"={name}", mask(name)) for name in preview.members]
        self._offer("member", [(AUTO, "The only one" if len(members) < 2 else "Not chosen"), *members])
        self._offer("column", [FIND_OUT, *names])
        for field in COLUMNS[1:]:
            self._offer(field, [FIND_OUT, (NO_COLUMN, "None"), *names])
        wanted = ["format"]
        wanted += ["member"] if len(members) > 1 else []
        wanted += ["delimiter", "header", "quotes"] if self.shown.format in (LogFormat.CSV, LogFormat.TSV) else []
        wanted += COLUMNS if names else []
        self.fields = {name: field for name, field in self.fields.items() if name in wanted}

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def shape(self) -> LogShape:
        """What was chosen; what rests on a changed choice is left open."""
        given = {**_initial(self.shown), **self.cleaned_data}
        shape = LogShape(
            format=LogFormat(given["format"]),
            member=given["member"].removeprefix("=") if given["member"] != AUTO else "",
            delimiter=DELIMITERS.get(given["delimiter"], ""),
            header=YES_NO.get(given["header"]),
            quotes=YES_NO.get(given["quotes"]),
            column=_column(given["column"]),
            count_column=_column(given["count_column"]),
            user_column=_column(given["user_column"]),
            url_column=_column(given["url_column"]),
        )
        return chosen_shape(self.before, self.shown, shape)


def _column(choice: str) -> str:
    return choice[1:] if choice.startswith("=") else NONE if choice == NO_COLUMN else ""


def _initial(shape: LogShape) -> dict[str, str]:
    """The choices that a shape stands for."""
    words = {True: "yes", False: "no", None: AUTO}
    columns = {name: getattr(shape, name) for name in COLUMNS}
    return {
        "member": f"={shape.member}" if shape.member else AUTO,
        "format": shape.format.value,
        "delimiter": next((name for name, mark in DELIMITERS.items() if mark == shape.delimiter), AUTO),
        "quotes": words[shape.quotes],
        "header": words[shape.header],
        **{name: NO_COLUMN if column == NONE else f"={column}" if column else AUTO for name, column in columns.items()},
    }


@login_required
@require_http_methods(["GET", "POST"])
def log_upload(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """How a stored file would be read. POST looks again, starts the import, or removes the file."""
    project = project_for(request.user, slug, Role.CURATOR)
    upload = get_object_or_404(project.log_uploads, pk=pk)
    if request.method == "POST" and request.POST.get("act") == "discard":
        discard_upload(upload=upload)
        messages.success(request, f"{upload.name} was removed.")
        return redirect("curation:logs", slug)
    try:
        preview = preview_upload(upload=upload)
    except QuarryError as error:  # the file is gone
        messages.error(request, str(error))
        discard_upload(upload=upload)
        return redirect("curation:logs", slug)
    form = ShapeForm(request.POST or None, before=LogShape.from_data(upload.shape), preview=preview)
    if request.method == "POST" and form.is_valid() and (response := _act(request, upload, form)):
        return response
    return _page(request, upload, preview, form)


def _act(request: HttpRequest, upload: LogUpload, form: ShapeForm) -> HttpResponse | None:
    """Looks again or starts; None when the choice does not fit the file, with the reason on the form."""
    slug, user = upload.project.slug, request.user
    try:
        if request.POST.get("act") != "start":
            preview_upload(upload=upload, shape=form.shape())
            return redirect("curation:log_upload", slug, upload.pk)
        start = start_upload(upload=upload, shape=form.shape(), user=user)  # type: ignore[arg-type]
    except LogFileError as error:
        form.add_error(None, str(error))
        return None
    except QuarryError as error:
        messages.error(request, str(error))
        return redirect("curation:logs", slug)
    if start.job is None:
        messages.warning(request, f"{start.log_import.name} was imported before. Nothing was added.")
    return redirect("curation:log", slug, start.log_import.pk)


def _page(request: HttpRequest, upload: LogUpload, preview: Preview, form: ShapeForm) -> HttpResponse:
    context = {
        "project": upload.project,
        "section": "logs",
        "upload": upload,
        "preview": preview,
        "form": form,
        "format": "" if preview.shape.format is LogFormat.AUTO else FORMATS[preview.shape.format],
        "known_before": upload.project.log_imports.filter(sha256=upload.sha256, is_complete=True).first(),
        "n_private": sum(bool(row.private) for row in preview.rows),
        "has_people": bool(preview.shape.wanted[2]),
        "has_urls": bool(preview.shape.wanted[3]),
    }
    status = 400 if form.is_bound and not form.is_valid() else 200
    return render(request, "curation/log_upload.html", context, status=status)
