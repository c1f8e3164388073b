"""Code sources, the functions in them, and one function."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from core.access import project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Job, Project, Role
from core.paging import keyset_page
from curation.code_filters import KEPT, REASONS
from curation.models import Code, CodeSource
from curation.selectors.code import browse_codes, code_counts, code_sources
from curation.services.code import permitted_path, source_roots, start_ingest_code
from curation.services.uploads import start_ingest_upload

READERS = (Role.ADJUDICATOR, Role.READER)
STATES = {"": "All", "paired": "Paired", "unpaired": "Unpaired", "quarantined": "Quarantined"}


class StdlibForm(forms.Form):
    """The standard library needs no choice."""

    kind = "stdlib"


class PackageForm(forms.Form):
    """An installed package."""

    kind = "package"
    package = forms.CharField(
        max_length=100,
        label="Package",
        help_text="As it is installed on this server, for example requests. Version and licence are recorded.",
    )


class FolderForm(forms.Form):
    """A folder or CoSQA file on the server."""

    kind = "folder"
    path = forms.CharField(max_length=500, label="Path on the server")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roots = ", ".join(str(root) for root in source_roots())
        self.fields["path"].help_text = (
            f"A folder of Python files, or a CoSQA code base, inside a permitted folder: {roots}. "
            "A git checkout is recorded with its commit and licence."
        )


class UploadForm(forms.Form):
    """A CoSQA code base from the person's own machine."""

    kind = "upload"
    file = forms.FileField(
        label="File",
        help_text="One JSON object, code text to number, as code_idx_map.txt. Every entry is taken as a code.",
    )


FORMS: dict[str, type[forms.Form]] = {form.kind: form for form in (StdlibForm, PackageForm, FolderForm, UploadForm)}


@login_required
@require_http_methods(["GET", "POST"])
def sources(request: HttpRequest, slug: str) -> HttpResponse:
    """Code sources with their counts by reason, and the forms that add one."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    bound = {kind: form(prefix=kind) for kind, form in FORMS.items()}
    if request.method == "POST":
        kind = request.POST.get("kind", "")
        if kind not in FORMS:
            raise BadInputError(problem="Choose what kind of code source to add.")
        form = bound[kind] = FORMS[kind](request.POST, request.FILES, prefix=kind)
        if form.is_valid() and (source := _start(request, project, form)):
            messages.success(request, f"{source.name} is being read. The counts appear here as soon as it is done.")
            return redirect("curation:code", project.slug)
    context = {
        "project": project,
        "section": "code",
        "sources": [(source, _counts(project, source)) for source in code_sources(project)[:100]],
        "totals": code_counts(project),
        "forms": bound,
        "curates": Role.CURATOR in roles_in(request.user, project),
        "kept": KEPT,
    }
    return render(request, "curation/code.html", context)


def _start(request: HttpRequest, project: Project, form: forms.Form) -> CodeSource | None:
    """The source whose reading was queued; None when it was refused, with the reason on the form."""
    try:
        return _source_of(request, project, form)[0]
    except QuarryError as error:
        form.add_error(None, str(error))
        return None


def _source_of(request: HttpRequest, project: Project, form: forms.Form) -> tuple[CodeSource, Job]:
    user: Any = request.user
    given = form.cleaned_data
    if isinstance(form, UploadForm):
        return start_ingest_upload(project=project, upload=given["file"], user=user)
    if isinstance(form, FolderForm):
        place = permitted_path(given["path"])
        kind = "folder" if place.is_dir() else "cosqa"
        return start_ingest_code(project=project, spec=str(place), kind=kind, user=user)
    if isinstance(form, PackageForm):
        return start_ingest_code(project=project, spec=given["package"], kind="package", user=user)
    return start_ingest_code(project=project, spec="stdlib", kind="stdlib", user=user)


def _counts(project: Project, source: CodeSource) -> list[dict[str, Any]]:
    """Reasons of a source with their numbers, what they mean, and the address of the rows behind them."""
    return [
        {
            "reason": reason,
            "n": n,
            "help": REASONS.get(reason, ""),
            "query": f"source={source.pk}&reason={reason.replace(' ', '+')}",
        }
        for reason, n in source.counts.items()
    ]


@login_required
@require_safe
def functions(request: HttpRequest, slug: str) -> HttpResponse:
    """Codes by state, reason, source and text."""
    project = project_for(request.user, slug, *READERS)
    chosen, source = read_filters(project, request.GET)
    rows = browse_codes(project, source=source.pk if source else None, **chosen)
    context = {
        "project": project,
        "section": "code",
        "page": keyset_page(rows.defer("text", "body"), request, order="id"),
        "chosen": chosen,
        "source": source,
        "sources": code_sources(project)[:100],
        "states": STATES,
        "reasons": [KEPT, *REASONS],
        "any_code": Code.objects.filter(project=project).exists(),
    }
    return render(request, "curation/functions.html", context)


def read_filters(project: Project, given: Any) -> tuple[dict[str, str], CodeSource | None]:
    """State, reason, text and source of a browse request; an unknown one is refused, a foreign source is a 404."""
    state, reason = given.get("state", ""), given.get("reason", "")
    text, source = given.get("q", "").strip(), given.get("source", "")
    if state not in STATES:
        raise BadInputError(problem=f"There is no state {state[:40]}. There are: paired, unpaired, quarantined.")
    if reason and reason != KEPT and reason not in REASONS:
        raise BadInputError(problem=f"There is no filter reason {reason[:40]}.")
    if len(text) > 200 or "\0" in text:
        raise BadInputError(problem="Search for at most 200 characters, without NUL.")
    if source and not (source.isascii() and source.isdigit() and len(source) < 18):
        raise BadInputError(problem="The code source is given by its number.")
    found = get_object_or_404(CodeSource, project=project, pk=int(source)) if source else None
    return {"state": state, "reason": reason, "text": text}, found


@login_required
@require_safe
def function(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One code: highlighted text and where it stands. A quarantined text is not shown."""
    project = project_for(request.user, slug, *READERS)
    code = Code.objects.filter(project=project, pk=pk).first()
    if code is None:
        raise Http404("There is no such code in this project.")
    context = {
        "project": project,
        "section": "code",
        "code": code,
        "why": REASONS.get(code.filter_reason, ""),
        "occurrences": code.occurrences.select_related("source").order_by("id")[:50],
        "n_occurrences": code.occurrences.count(),
        "n_pairs": code.pairs.count(),
    }
    return render(request, "curation/function.html", context)
