"""Releases: the list, freezing one, one release with its files, publishing and withdrawing."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.card import describe_removal, describe_rule
from annotation.criteria import read_criteria
from annotation.exporters import FORMAT_NAMES
from annotation.models import Release
from annotation.selectors.agreement import chosen_rule, rule_fields
from annotation.selectors.releases import find_release, open_file, read_card, visible_releases
from annotation.services.releases import (
    publish_release,
    start_export_release,
    start_freeze_release,
    withdraw_release,
)
from annotation.views.quality import RULE_FIELDS, KeepRuleForm
from core.access import project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.menu import WATCHERS, section_address
from core.models import Project, Role
from core.paging import keyset_page
from curation.selectors import NOT_STATED, licence_counts


class FreezeForm(KeepRuleForm):
    """Everything that decides what a release holds."""

    name = forms.CharField(
        max_length=60,
        label="Name",
        help_text="Letters, digits, '.', '-' and '_'. Commands address it PROJECT/NAME.",
    )
    include_imported = forms.BooleanField(
        required=False,
        initial=True,
        label="Include imported single labels",
        help_text="Pairs whose label came from elsewhere, raters unknown. They count in no agreement figure.",
    )
    dev = forms.CharField(
        initial="1/10", max_length=20, label="Dev split", help_text="A share (10 %, 1/10) or a number of pairs (604)."
    )
    test = forms.CharField(
        initial="1/10", max_length=20, label="Test split", help_text="A share or a number of pairs; 0 for none."
    )
    split_by = forms.ChoiceField(
        choices=[("group", "Connected groups: nothing leaks"), ("code", "Code: pairs between the sides are dropped")],
        label="Split by",
        help_text="Pairs that share a query or a code never stand on two sides.",
    )
    seed = forms.CharField(initial="0", max_length=10, label="Seed", help_text="Same votes, same seed: same bytes.")

    left_out_licences = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Leave out code under these licences",
        help_text="Code that also stands somewhere under another licence stays in.",
    )

    field_order = ["name", *RULE_FIELDS, "include_imported", "left_out_licences", "dev", "test", "split_by", "seed"]

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**rule_fields(chosen_rule(project)), **self.initial}
        found = [(row["shown"], f"{row['shown']} ({row['codes']:,} functions)") for row in licence_counts(project)]
        self.fields["left_out_licences"].choices = found  # type: ignore[attr-defined]
        if not found:
            del self.fields["left_out_licences"]

    def clean_left_out_licences(self) -> list[str]:
        return ["" if name == NOT_STATED else name for name in self.cleaned_data["left_out_licences"]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            try:
                cleaned["criteria"] = read_criteria(**cleaned)
            except BadInputError as error:
                self.add_error(error.fields.get("field"), str(error))
        return cleaned


@login_required
@require_http_methods(["GET", "POST"])
def releases(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's releases and the form that freezes one."""
    project = project_for(request.user, slug, *(WATCHERS if request.method == "GET" else ()), Role.CURATOR)
    form = FreezeForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid():
        try:
            start_freeze_release(
                project=project,
                name=form.cleaned_data["name"],
                criteria=form.cleaned_data["criteria"],
                user=request.user,  # type: ignore[arg-type]
            )
        except QuarryError as error:
            form.add_error(error.fields.get("field"), str(error))
        else:
            messages.success(request, "The release is being frozen.")
            return redirect("annotation:releases", slug)
    context = {
        "project": project,
        "section": "releases",
        "page": keyset_page(visible_releases(project, request.user).select_related("job"), request, size=25),  # type: ignore[arg-type]
        "form": form,
        "curates": _curates(request, project),
    }
    return render(request, "annotation/releases.html", context, status=422 if form.errors else 200)


def _curates(request: HttpRequest, project: Project) -> bool:
    return Role.CURATOR in roles_in(request.user, project)


@login_required
@require_safe
def release(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """One release: numbers, files, card, and what may be done with it."""
    project = project_for(request.user, slug, *WATCHERS)
    found = find_release(project, request.user, name)  # type: ignore[arg-type]
    context = {
        "project": project,
        "section": "releases",
        "release": found,
        "facts": found.stats,
        "files": found.files.all(),
        "card": read_card(found),
        "curates": _curates(request, project),
        "formats": FORMAT_NAMES.items(),
        "runs_new": section_address("modeling:run_new", project),
        **_charts(found.stats),
    }
    return render(request, "annotation/release.html", context)


def _charts(facts: dict[str, Any]) -> dict[str, Any]:
    if not facts:
        return {}
    statistics = facts["statistics"]
    return {
        "rule": describe_rule(facts["criteria"]["keep_rule"]),
        "uses": [(f"{times} ×", n) for times, n in statistics["codes"]["uses"]],
        "patterns": list(statistics["answer_patterns"].items()),
        "removed": [(describe_removal(reason), n) for reason, n in facts["removed"].items()],
        "n_removed": sum(facts["removed"].values()),
        "licences": list(statistics["licences"].items()),
    }


@login_required
@require_safe
def release_file(request: HttpRequest, slug: str, name: str, pk: int) -> FileResponse:
    """A file of a release as a download; named by its row, never by a path in the address."""
    project = project_for(request.user, slug, *WATCHERS)
    found = find_release(project, request.user, name)  # type: ignore[arg-type]
    file = get_object_or_404(found.files, pk=pk)
    return download(open_file(found, file), f"{project.slug}-{found.name}-{file.path}")


def download(opened: Any, filename: str) -> FileResponse:
    """An answer that browsers save and never show."""
    response = FileResponse(opened, as_attachment=True, filename=filename, content_type="application/octet-stream")
    response["X-Content-Type-Options"] = "nosniff"
    return response


@login_required
@require_POST
def change_release(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Publishes, withdraws or exports a release."""
    project = project_for(request.user, slug, Role.CURATOR)
    found = find_release(project, request.user, name)  # type: ignore[arg-type]
    act = request.POST.get("act", "")
    try:
        messages.success(request, _act(request, found, act))
    except QuarryError as error:
        messages.error(request, str(error))
    return redirect("annotation:release", slug, name)


def _act(request: HttpRequest, release: Release, act: str) -> str:
    if act == "publish":
        publish_release(release=release)
        return f"{release.name} is published. It never changes from now on."
    if act == "withdraw":
        withdraw_release(release=release, reason=request.POST.get("reason", ""))
        return f"{release.name} is withdrawn. Its files are gone; hashes and reason stay."
    if act == "export":
        start_export_release(release=release, format=request.POST.get("format", ""), user=request.user)  # type: ignore[arg-type]
        return "The export is queued."
    raise BadInputError(problem="Choose to publish, withdraw or export.")
