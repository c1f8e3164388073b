"""Rule sets of a project: drafts and versions, the editor with its preview, differences, adoptions."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role
from core.paging import keyset_page
from curation.intent import MAX_RULE_SET_CHARS, Rule, RuleKind, RuleProfile, is_in_keyword, read_rule
from curation.models import Adoption, RuleSet
from curation.rule_text import KINDS_HELP, RuleEdit
from curation.selectors.queries import current_rule_set, rule_sets
from curation.selectors.rules import SIDES, changed_queries, hits_alone
from curation.services.rule_preview import Preview, preview_edit, preview_rule_set
from curation.services.rule_sets import (
    diff_rule_sets,
    discard_draft,
    draft_rule_set,
    edit_rule,
    edit_rule_set_text,
    import_rule_set,
    profile_of,
)
from curation.services.rules import start_adopt_rule_set

READERS = (Role.ADJUDICATOR, Role.READER)
ADOPTING = "{rule_set} is being adopted: all queries are judged by it. What changes stands below when it is done."
MAX_BYTES = 4 * MAX_RULE_SET_CHARS


class ImportForm(forms.Form):
    """A rule set from a file."""

    file = forms.FileField(label="Rule set (TOML)", help_text="As the export writes it. It becomes a draft.")
    name = forms.CharField(
        max_length=60, required=False, help_text="Small letters, digits, dot, - and _. Empty: the name in the file."
    )


@login_required
@require_http_methods(["GET", "POST"])
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """All rule sets that the project may use, its adoptions, and the ways to a new draft."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            draft = import_rule_set(
                project=project,
                text=read_upload(form.cleaned_data["file"]),
                name=form.cleaned_data["name"],
                user=_person(request),
            )
            return redirect("curation:rule_set_edit", project.slug, draft.pk)
        except QuarryError as error:
            form.add_error("name" if error.fields.get("field") == "name" else "file", str(error))
    known = list(rule_sets(project).select_related("based_on"))
    context = {
        **_context(request, project),
        "rule_sets": [(one, len(profile_of(one).rules)) for one in known],
        "adoptions": project.adoptions.select_related("rule_set", "previous", "adopted_by", "job")[:50],
        "form": form,
    }
    return render(request, "curation/rule_sets.html", context, status=400 if form.errors else 200)


def read_upload(upload: UploadedFile) -> str:
    """The text of an uploaded rule set; BadInputError when it is too big or no UTF-8."""
    if (upload.size or 0) > MAX_BYTES:
        raise BadInputError(problem=f"The file is larger than {MAX_BYTES // 1000:,} kB; that is no rule set.")
    try:
        return upload.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(problem=f"The file is no UTF-8 text ({error.reason} at byte {error.start}).") from error


def _person(request: HttpRequest) -> Any:
    return request.user


def _context(request: HttpRequest, project: Project) -> dict[str, Any]:
    return {
        "project": project,
        "section": "rules",
        "current": current_rule_set(project),
        "curates": Role.CURATOR in roles_in(request.user, project),
    }


def _rule_set(project: Project, pk: int) -> RuleSet:
    return get_object_or_404(rule_sets(project), pk=pk)


@login_required
@require_POST
def draft(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Makes a draft of a rule set and opens it in the editor."""
    project = project_for(request.user, slug, Role.CURATOR)
    try:
        made = draft_rule_set(
            project=project, source=_rule_set(project, pk), name=request.POST.get("name", ""), user=_person(request)
        )
    except QuarryError as error:
        messages.error(request, str(error))
        return redirect("curation:rule_sets", project.slug)
    return redirect("curation:rule_set_edit", project.slug, made.pk)


@login_required
@require_safe
def export(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The TOML text as a file."""
    project = project_for(request.user, slug, *READERS)
    rule_set = _rule_set(project, pk)
    name = f"{rule_set.name}-v{rule_set.version}.toml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(rule_set.text, content_type="application/toml; charset=utf-8", headers=headers)


@login_required
@require_safe
def diff(request: HttpRequest, slug: str) -> HttpResponse:
    """Two rule sets side by side: what was added, removed, changed."""
    project = project_for(request.user, slug, *READERS)
    context = _context(request, project)
    after = chosen(project, request.GET.get("after", "")) or context["current"]
    before = chosen(project, request.GET.get("before", "")) or after.based_on or context["current"]
    found = diff_rule_sets(before, after)
    context |= {"before": before, "after": after, "diff": found, "rule_sets": rule_sets(project)}
    return render(request, "curation/rule_diff.html", context)


def chosen(project: Project, given: str) -> RuleSet | None:
    """The rule set of this number (404 if the project may not use it); None for an empty text."""
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise BadInputError(problem="A rule set is given by its number.")
    return _rule_set(project, int(given))


# --- the editor -------------------------------------------------------------------------------------------------------


class RuleForm(forms.Form):
    """One rule of a draft."""

    form = forms.CharField(
        max_length=70, label="Keyword", help_text="As it is printed: what is, turn ... on/off, ipv, :"
    )
    kind = forms.ChoiceField(
        choices=[(kind.value, f"{kind.value}: {KINDS_HELP[kind.value]}") for kind in RuleKind], label="How it matches"
    )
    category = forms.CharField(max_length=60, widget=forms.TextInput(attrs={"list": "categories"}))
    digits = forms.BooleanField(required=False, label="Digits may follow (exact)")
    stem = forms.BooleanField(required=False, label="The first part may go on (gap)")
    note = forms.CharField(max_length=500, required=False, help_text="Why this rule is there, for whoever reads it.")

    def rule(self) -> Rule:
        """The rule; RuleSetError when its kind cannot take its form."""
        return read_rule(self.cleaned_data)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A draft: its rules, a form for one of them, and what saving it would do."""
    project = project_for(request.user, slug, Role.CURATOR)
    rule_set = _rule_set(project, pk)
    if not rule_set.is_draft:
        return redirect(f"{reverse('curation:rules', args=[project.slug])}?rule_set={rule_set.pk}")
    old = _old_rule(profile_of(rule_set), request)
    form = RuleForm(request.POST or None, initial=_initial(profile_of(rule_set), old, request.GET))
    preview = None
    act = request.POST.get("act", "")
    if act:
        try:
            if act not in {"preview", "preview_removal"}:
                return _act(request, project, rule_set, form, old, act)
            preview = _preview(project, rule_set, _edit_of(form, old, removing=act == "preview_removal"))
        except QuarryError as error:
            form.add_error(None, str(error))
    context = {
        **_context(request, project),
        "rule_set": rule_set,
        "profile": profile_of(rule_set),
        "old": old,
        "form": form,
        "preview": preview,
        "changed": _changed_forms(rule_set),
        "whole": _preview_draft(project, rule_set) if request.GET.get("whole") else None,
    }
    return render(request, "curation/rule_edit.html", context, status=400 if form.errors else 200)


def _old_rule(profile: RuleProfile, request: HttpRequest) -> Rule | None:
    """The rule that is being changed; None for a new one. A rule that is gone is treated as new."""
    wanted = request.POST.get("old", "") or request.GET.get("rule", "")
    return next((rule for rule in profile.rules if rule.form == wanted), None)


def _initial(profile: RuleProfile, old: Rule | None, given: Mapping[str, str]) -> dict[str, Any]:
    """What the form begins with; the address may name the keyword of a new rule and its kind."""
    if old is None:
        kind = given.get("kind") if given.get("kind") in list(RuleKind) else RuleKind.STEM.value
        return {"form": given.get("form", "")[:70], "kind": kind, "category": profile.categories[0]}
    return {name: getattr(old, name) for name in ("form", "category", "note", "digits", "stem")} | {
        "kind": old.kind.value
    }


def _changed_forms(draft: RuleSet) -> set[str]:
    """Forms of the rules that the draft's origin does not have as they are."""
    if draft.based_on is None:
        return set()
    found = diff_rule_sets(draft.based_on, draft)
    return {rule.form for rule in found.added} | {change.after.form for change in found.changed}


def _edit_of(form: RuleForm, old: Rule | None, *, removing: bool = False) -> RuleEdit:
    if removing:
        if old is None:
            raise BadInputError(problem="Choose a rule of the list to remove it.")
        return RuleEdit(old.form)
    if not form.is_valid():
        raise BadInputError(problem="The rule is not complete yet.")
    return RuleEdit(old.form if old else "", form.rule())


def _act(
    request: HttpRequest, project: Project, draft: RuleSet, form: RuleForm, old: Rule | None, act: str
) -> HttpResponse:
    """What a button of the editor does; raises QuarryError."""
    here = reverse("curation:rule_set_edit", args=[project.slug, draft.pk])
    if act == "discard":
        discard_draft(draft=draft)
        messages.success(request, f"{draft} is gone.")
        return redirect("curation:rule_sets", project.slug)
    if act == "adopt":
        start_adopt_rule_set(project=project, rule_set=draft, user=_person(request))
        messages.success(request, ADOPTING.format(rule_set=f"{draft.name} v{draft.version}"))
        return redirect("curation:rule_sets", project.slug)
    if act not in {"save", "remove"}:
        raise BadInputError(problem=f"There is no act {act[:40]}.")
    change = _edit_of(form, old, removing=act == "remove")
    edit_rule(draft=draft, edit=change, seen=request.POST.get("seen", ""))
    what = f"Rule {change.rule.form if change.rule else change.old} {'saved' if change.rule else 'removed'}."
    messages.success(request, f"{what} The draft changes nothing until it is adopted.")
    return redirect(f"{here}?{urlencode({'rule': change.rule.form})}#rule" if change.rule else here)


def _preview(project: Project, draft: RuleSet, change: RuleEdit) -> Preview:
    return preview_edit(project=project, profile=profile_of(draft), edit=change, seed=draft.pk)


def _preview_draft(project: Project, draft: RuleSet) -> Preview:
    before = profile_of(current_rule_set(project))
    return preview_rule_set(project=project, before=before, after=profile_of(draft), seed=draft.pk)


@login_required
@require_safe
def preview(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What the form's rule, a removal, or the whole draft would do; a piece of the editor's page."""
    project = project_for(request.user, slug, Role.CURATOR)
    rule_set = _rule_set(project, pk)
    context: dict[str, Any] = {"project": project, "rule_set": rule_set}
    try:
        if request.GET.get("of") == "draft":
            context |= {"against": current_rule_set(project), "preview": _preview_draft(project, rule_set)}
        else:
            wanted = request.GET.get("old", "")
            old = next((rule for rule in profile_of(rule_set).rules if rule.form == wanted), None)
            removing = request.GET.get("of") == "removal"
            change = _edit_of(RuleForm(request.GET), old, removing=removing)
            context["preview"] = _preview(project, rule_set, change)
            context["is_off"] = change.rule is not None and is_in_keyword(change.rule, project.language)
    except QuarryError as error:
        context["problem"] = str(error)
    return render(request, "curation/_rule_preview.html", context)


class TextForm(forms.Form):
    """A draft's whole text."""

    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 30, "class": "mono", "spellcheck": "false"}),
        label="TOML",
        strip=False,
        help_text="[[rule]] entries with category, form, kind and, where wanted, note, digits, stem. include = "
        '["neutral"] brings the rules of a shipped set in.',
    )


@login_required
@require_http_methods(["GET", "POST"])
def text(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A draft as TOML text."""
    project = project_for(request.user, slug, Role.CURATOR)
    rule_set = get_object_or_404(rule_sets(project), pk=pk, is_draft=True)
    form = TextForm(request.POST or None, initial={"text": rule_set.text})
    if request.method == "POST" and form.is_valid():
        try:
            edit_rule_set_text(draft=rule_set, text=form.cleaned_data["text"], seen=request.POST.get("seen", ""))
            messages.success(request, "The text is saved. The draft changes nothing until it is adopted.")
            return redirect("curation:rule_set_edit", project.slug, rule_set.pk)
        except QuarryError as error:
            form.add_error("text", str(error))
    context = {**_context(request, project), "rule_set": rule_set, "form": form}
    return render(request, "curation/rule_text.html", context, status=400 if form.errors else 200)


# --- adoptions --------------------------------------------------------------------------------------------------------


@login_required
@require_POST
def adopt(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Takes a rule set into use."""
    project = project_for(request.user, slug, Role.CURATOR)
    rule_set = _rule_set(project, pk)
    try:
        start_adopt_rule_set(project=project, rule_set=rule_set, user=_person(request))
        messages.success(
            request, f"{rule_set.name} v{rule_set.version} is being adopted: all queries are judged by it."
        )
    except QuarryError as error:
        messages.error(request, str(error))
    return redirect("curation:rule_sets", project.slug)


@login_required
@require_safe
def adoption(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What an adoption changed."""
    project = project_for(request.user, slug, *READERS)
    found = get_object_or_404(project.adoptions.select_related("rule_set", "previous", "adopted_by"), pk=pk)
    sides = [_side(project, found, name) for name in SIDES] if found.report else []
    context = {**_context(request, project), "adoption": found, "sides": sides}
    return render(request, "curation/adoption.html", context)


def _side(project: Project, found: Adoption, name: str) -> dict[str, Any]:
    """One side of the report: bars of rules that link to their queries, and examples that may be shown."""
    report = found.report[name]
    address = reverse("curation:adoption_queries", args=[project.slug, found.pk])
    examples = {one["query"]: one["rules"] for one in report["examples"]}
    shown = project.queries.filter(pk__in=examples, quarantine_reason="")
    return {
        "name": name,
        "n": report["n"],
        "href": f"{address}?{urlencode({'side': name})}",
        "bars": [
            (form, n, f"{address}?{urlencode({'side': name, 'rule': form})}") for form, n in report["by_rule"].items()
        ][:25],
        "examples": [(query, examples[query.pk]) for query in shown],
    }


@login_required
@require_safe
def adoption_queries(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The queries that an adoption moved to one side, by rule if one is named."""
    project = project_for(request.user, slug, *READERS)
    found = get_object_or_404(project.adoptions.select_related("rule_set", "previous"), pk=pk)
    side, rule = request.GET.get("side", "") or SIDES[0], request.GET.get("rule", "")
    rows = changed_queries(found, side=side, rule=rule)
    page = keyset_page(rows, request, order="-id")
    context = {**_context(request, project), "adoption": found, "side": side, "rule": rule, "page": page}
    return render(request, "curation/adoption_queries.html", context)


@login_required
@require_safe
def rule_alone(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The queries that one rule of a rule set rejects alone."""
    project = project_for(request.user, slug, *READERS)
    rule_set, rule = _rule_set(project, pk), request.GET.get("rule", "")
    page = keyset_page(hits_alone(project, rule_set, rule), request, order="-verdict_id")
    context = {**_context(request, project), "rule_set": rule_set, "rule": rule, "page": page}
    return render(request, "curation/rule_alone.html", context)
