"""Code sources, the functions in them, one function, and what the project leaves out."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from core.access import project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Job, Project, Role
from core.paging import keyset_page
from core.server_files import import_folders, permitted_path
from curation.code_filters import KEPT, LICENCE, NEAR_DUPLICATE, REASONS
from curation.code_sources import KINDS
from curation.languages import LANGUAGES
from curation.models import Code, CodeSource
from curation.near_duplicates import DEFAULT_THRESHOLD
from curation.selectors.code import (
    NOT_STATED,
    browse_codes,
    code_counts,
    code_funnel,
    code_sources,
    comment_count,
    language_counts,
    licence_counts,
    near_duplicate_groups,
)
from curation.services.code import start_ingest_code
from curation.services.code_settling import (
    MIN_THRESHOLD,
    code_settings,
    set_code_settings,
    start_find_near_duplicates,
)
from curation.services.uploads import MAX_UPLOAD_BYTES, start_ingest_upload

READERS = (Role.ADJUDICATOR, Role.READER)
STATES = {"": "All", "paired": "Paired", "unpaired": "Unpaired", "quarantined": "Quarantined"}
LENGTH_BIN, LONGEST_SHOWN = 5, 125  # lines
SHOWN_PLACES = 50
SHOWN_REASONS = 3
SHOWN_ALIKE = 20


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


class LicenceField(forms.CharField):
    """The licence of a source that states none itself."""

    def __init__(self) -> None:
        super().__init__(
            max_length=100,
            required=False,
            label="Licence",
            help_text="Taken where the source itself states none, for example MIT.",
        )


class FolderForm(forms.Form):
    """A folder, archive or file on the server."""

    kind = "folder"
    path = forms.CharField(max_length=500, label="Path on the server")
    licence = LicenceField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        folders = ", ".join(str(folder) for folder in import_folders()) or "none is named yet (QUARRY_IMPORT_FOLDERS)"
        self.fields["path"].help_text = (
            "A folder of source files, a git checkout (recorded with its commit and licences), an archive, or a file "
            f"of CodeSearchNet, MBPP or CoSQA, inside a permitted folder: {folders}."
        )


class UploadForm(forms.Form):
    """An archive or file from the person's own machine."""

    kind = "upload"
    file = forms.FileField(
        label="File",
        help_text="A zip, wheel or tar archive; CodeSearchNet or MBPP as JSON Lines, packed or not; a CoSQA code base "
        f"(code_idx_map.txt); or one source file. At most {MAX_UPLOAD_BYTES // 2**20} MB.",
    )
    licence = LicenceField()


FORMS: dict[str, type[forms.Form]] = {form.kind: form for form in (StdlibForm, PackageForm, FolderForm, UploadForm)}


class CodeSettingsForm(forms.Form):
    """What the project leaves out of its code."""

    licences = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Leave out code under these licences",
        help_text="Code that also stands somewhere under another licence stays. What is left out is kept for training.",
    )
    threshold = forms.FloatField(
        min_value=MIN_THRESHOLD,
        max_value=1,
        label="Near duplicates from a similarity of",
        help_text="Share of five-token runs that two functions have in common, documentation and comments aside. "
        f"{DEFAULT_THRESHOLD} is the measured default; 1 keeps everything that differs at all.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        stored = code_settings(project)
        kwargs.setdefault(
            "initial",
            {
                "licences": [licence or NOT_STATED for licence in stored.left_out_licences],
                "threshold": stored.near_duplicate_threshold or DEFAULT_THRESHOLD,
            },
        )
        super().__init__(*args, **kwargs)
        found = {row["shown"]: f"{row['shown']} ({row['codes']:,} functions)" for row in licence_counts(project)}
        for licence in stored.left_out_licences:
            found.setdefault(licence or NOT_STATED, f"{licence or NOT_STATED} (none now)")
        self.fields["licences"].choices = list(found.items())  # type: ignore[attr-defined]

    def licence_names(self) -> list[str]:
        """The licences as they are stored."""
        return ["" if name == NOT_STATED else name for name in self.cleaned_data["licences"]]


@login_required
@require_http_methods(["GET", "POST"])
def sources(request: HttpRequest, slug: str) -> HttpResponse:
    """Code sources with their counts, and the forms that add one."""
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
        "sources": [
            (source, source.counts, _most_left_out(source), KINDS.get(source.kind, source.kind))
            for source in code_sources(project)[:100]
        ],
        "totals": code_counts(project),
        "languages": _languages(project),
        "forms": bound,
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "curation/code.html", context)


def _languages(project: Project, source: CodeSource | None = None) -> list[dict[str, Any]]:
    """Languages with their counts and the addresses of their rows; none where all code is of one."""
    rows = language_counts(project, source)
    own = {"source": source.pk} if source else {}
    return [
        {
            "title": LANGUAGES[row["language"]].title if row["language"] in LANGUAGES else row["language"],
            "n": row["n"],
            "query": urlencode({**own, "language": row["language"]}),
        }
        for row in rows
    ]


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
        return start_ingest_upload(project=project, upload=given["file"], licence=given["licence"], user=user)
    if isinstance(form, FolderForm):
        place = permitted_path(given["path"])
        kind = "folder" if place.is_dir() else ""
        return start_ingest_code(project=project, spec=str(place), kind=kind, licence=given["licence"], user=user)
    if isinstance(form, PackageForm):
        return start_ingest_code(project=project, spec=given["package"], kind="package", user=user)
    return start_ingest_code(project=project, spec="stdlib", kind="stdlib", user=user)


def _most_left_out(source: CodeSource) -> list[dict[str, Any]]:
    """The reasons that took most functions of a source, with the address of the rows behind each."""
    reasons = [(reason, n) for reason, n in source.counts.items() if reason != KEPT][:SHOWN_REASONS]
    return [
        {"reason": reason, "n": n, "query": urlencode({"source": source.pk, "reason": reason})} for reason, n in reasons
    ]


@login_required
@require_safe
def source(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One source: the funnel from functions seen to functions kept, lengths, licences, languages, problems."""
    project = project_for(request.user, slug, *READERS)
    found = get_object_or_404(CodeSource.objects.select_related("job"), project=project, pk=pk)
    address = f"{_functions_address(project)}?source={found.pk}"
    steps = [
        {**step, "query": urlencode({"source": found.pk, "reason": step["reason"]})} for step in code_funnel(found)
    ]
    edges, counts = length_histogram(found.lengths)
    context = {
        "project": project,
        "section": "code",
        "source": found,
        "kind": KINDS.get(found.kind, found.kind),
        "addresses": {"all": address, "kept": f"{address}&reason={KEPT}"},
        "steps": steps,
        "bars": _bars(found, steps, address),
        "n_kept": found.n_kept,
        "edges": edges,
        "lengths": counts,
        "licences": [
            {**row, "query": urlencode({"source": found.pk, "licence": row["shown"]})}
            for row in licence_counts(project, found)
        ],
        "languages": _languages(project, found),
        "comments": comment_count(project, found),
    }
    return render(request, "curation/code_source.html", context)


def _functions_address(project: Project) -> str:
    return reverse("curation:functions", args=[project.slug])


def _bars(source: CodeSource, steps: list[dict[str, Any]], address: str) -> list[tuple[str, int, str]]:
    """The funnel as bars: all, what each filter leaves out, what is kept."""
    taken = [(step["reason"], step["n"], f"{address}&reason={step['reason'].replace(' ', '+')}") for step in steps]
    kept = source.counts.get(KEPT, 0)
    return [("functions seen", source.n_functions, address), *taken, (KEPT, kept, f"{address}&reason={KEPT}")]


def length_histogram(lengths: list[list[int]]) -> tuple[list[int], list[int]]:
    """(edges, counts) of function lengths in bins of LENGTH_BIN lines; the last bin holds all that are longer."""
    if not lengths:
        return [], []
    longest = min(max(lines for lines, _ in lengths), LONGEST_SHOWN)
    n_bins = longest // LENGTH_BIN + 1
    counts = [0] * n_bins
    for lines, n in lengths:
        counts[min(lines // LENGTH_BIN, n_bins - 1)] += n
    return [LENGTH_BIN * number for number in range(n_bins + 1)], counts


@login_required
@require_safe
def functions(request: HttpRequest, slug: str) -> HttpResponse:
    """Codes by state, reason, source, language, licence, near-duplicate group and text."""
    project = project_for(request.user, slug, *READERS)
    chosen, source = read_filters(project, request.GET)
    rows = browse_codes(project, source=source.pk if source else None, **chosen)
    group = Code.objects.filter(project=project, pk=chosen["group"]).first() if chosen["group"] else None
    context = {
        "project": project,
        "section": "code",
        "page": keyset_page(rows.defer("text", "body", "comments"), request, order="id"),
        "chosen": chosen,
        "source": source,
        "group": group,
        "sources": code_sources(project)[:100],
        "states": STATES,
        "reasons": [KEPT, *REASONS],
        "languages": LANGUAGES.values(),
        "licences": [row["shown"] for row in licence_counts(project)[:50]],
        "any_code": Code.objects.filter(project=project).exists(),
    }
    return render(request, "curation/functions.html", context)


def read_filters(project: Project, given: Any) -> tuple[dict[str, Any], CodeSource | None]:
    """The filters of a browse request; an unknown one is refused, a foreign source is a 404."""
    state, reason, language = given.get("state", ""), given.get("reason", ""), given.get("language", "")
    text, licence = given.get("q", "").strip(), given.get("licence", "").strip()
    if state not in STATES:
        raise BadInputError(problem=f"There is no state {state[:40]}. There are: paired, unpaired, quarantined.")
    if reason and reason != KEPT and reason not in REASONS:
        raise BadInputError(problem=f"There is no filter reason {reason[:40]}.")
    if language and language not in LANGUAGES:
        raise BadInputError(problem=f"There is no language {language[:40]}. There are: {', '.join(LANGUAGES)}.")
    if len(text) > 200 or "\0" in text or len(licence) > 100 or "\0" in licence:
        raise BadInputError(problem="Search for at most 200 characters (a licence: 100), without NUL.")
    source, group = (_number(given.get(name, ""), name) for name in ("source", "group"))
    found = get_object_or_404(CodeSource, project=project, pk=source) if source else None
    chosen = {"state": state, "reason": reason, "text": text, "language": language, "licence": licence, "group": group}
    return chosen, found


def _number(text: str, name: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) < 18):
        raise BadInputError(problem=f"The {name} is given by its number.")
    return int(text) if text else None


@login_required
@require_safe
def function(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One code: highlighted text, where it stands, what is almost the same. A quarantined text is not shown."""
    project = project_for(request.user, slug, *READERS)
    code = Code.objects.filter(project=project, pk=pk).select_related("near_duplicate_of").first()
    if code is None:
        raise Http404("There is no such code in this project.")
    kept = code.near_duplicate_of or code
    alike = Code.objects.filter(near_duplicate_of=kept).exclude(pk=code.pk).defer("text", "body", "comments")
    context = {
        "project": project,
        "section": "code",
        "code": code,
        "language": LANGUAGES[code.language].title if code.language in LANGUAGES else code.language,
        "why": REASONS.get(code.filter_reason, ""),
        "occurrences": code.occurrences.select_related("source").order_by("id")[:SHOWN_PLACES],
        "n_occurrences": code.occurrences.count(),
        "n_pairs": code.pairs.count(),
        "kept_instead": code.near_duplicate_of,
        "alike": alike.order_by("-near_duplicate_score", "content_hash")[:SHOWN_ALIKE],
        "n_alike": alike.count(),
        "group": kept,
    }
    return render(request, "curation/function.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def left_out(request: HttpRequest, slug: str) -> HttpResponse:
    """Licences and near duplicates: what the project leaves out, and the groups that were found."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    form = CodeSettingsForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid() and _sort_anew(request, project, form):
        messages.success(request, "Saved. The project's code is being sorted anew; the counts change when it is done.")
        return redirect("curation:code_left_out", project.slug)
    codes = Code.objects.filter(project=project)
    context = {
        "project": project,
        "section": "code",
        "form": form,
        "licences": licence_counts(project),
        "page": keyset_page(near_duplicate_groups(project), request, order="-n_alike", size=30),
        "n_near": codes.filter(filter_reason=NEAR_DUPLICATE).count(),
        "n_licence": codes.filter(filter_reason=LICENCE).count(),
        "left_out": [licence or NOT_STATED for licence in code_settings(project).left_out_licences],
        "curates": Role.CURATOR in roles_in(request.user, project),
        "any_code": codes.exists(),
    }
    return render(request, "curation/code_left_out.html", context)


def _sort_anew(request: HttpRequest, project: Project, form: CodeSettingsForm) -> bool:
    """Stores what is left out and queues the sorting; False with the reason on the form when that cannot be."""
    user: Any = request.user
    threshold = form.cleaned_data["threshold"]
    set_code_settings(project=project, left_out_licences=form.licence_names(), near_duplicate_threshold=threshold)
    try:
        start_find_near_duplicates(project=project, user=user)
    except QuarryError as error:
        form.add_error(None, f"Saved, but not applied yet: {error}")
        return False
    return True
