"""The rule sets, their effect, and their measurement."""

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from core.access import project_for
from core.errors import BadInputError, QuarryError
from core.models import Project, Role
from curation.intent import LANGUAGE_CATEGORY, missing_language_form
from curation.models import RuleSet, VerdictCount
from curation.rule_quality import PAPER_ACCURACY, PAPER_F1, PAPER_QUERIES, RuleQuality, read_labelled
from curation.selectors.queries import (
    RuleCounts,
    current_rule_set,
    rule_counts,
    rule_sets,
)
from curation.services.rule_counts import current_counts
from curation.services.rule_sets import profile_of
from curation.services.rules import evaluate_rules, start_apply_rules
from curation.views.queries import chosen_rule_set, curates

READERS = (Role.ADJUDICATOR, Role.READER)
MAX_LABELLED_BYTES = 20 * 2**20
SHOWN_BARS = 25


class LabelledForm(forms.Form):
    """A labelled file to measure a rule set on."""

    file = forms.FileField(
        label="Labelled queries",
        allow_empty_file=True,
        help_text="CSV or JSON Lines with the columns query and label; 1 = has intent, 0 = has none. It is not kept.",
    )


@login_required
@require_http_methods(["GET", "POST"])
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    """A rule set with the effect of each rule; applying it, and measuring it on a labelled file."""
    project = project_for(request.user, slug, *(READERS if request.method == "GET" else ()), Role.CURATOR)
    rule_set = chosen_rule_set(project, request.POST.get("rule_set", "") or request.GET.get("rule_set", ""))
    if request.POST.get("act") == "apply":
        return _apply(request, project, rule_set)
    form = LabelledForm(request.POST or None, request.FILES or None)
    quality = _measure(project, rule_set, form) if request.method == "POST" and form.is_valid() else None
    counts, kept = rule_counts(project, rule_set), current_counts(project, rule_set)
    context = {
        "project": project,
        "section": "rules",
        "rule_set": rule_set,
        "current": current_rule_set(project),
        "rule_sets": rule_sets(project),
        "profile": profile_of(rule_set),
        "counts": counts,
        "judged_language": kept.language if kept.accepted + kept.rejected else project.language,
        "category_bars": _category_bars(project, rule_set, counts),
        "sort": (sort := chosen_sort(request.GET.get("sort", ""))),
        "sorts": SORTS,
        "rows": _rule_rows(project, rule_set, kept, sort),
        "form": form,
        "quality": quality,
        "paper": {"f1": PAPER_F1, "accuracy": PAPER_ACCURACY, "n": PAPER_QUERIES},
        "curates": curates(request, project),
    }
    return render(request, "curation/rules.html", context, status=400 if form.errors else 200)


SORTS = {"form": "Rule", "category": "Category", "kind": "Kind", "rejected": "Rejected", "alone": "Alone"}


def chosen_sort(given: str) -> str:
    """The column to sort rules by."""
    if given and given not in SORTS:
        raise BadInputError(problem=f"There is no order {given[:40]}. There are: {', '.join(SORTS)}.")
    return given or "rejected"


def _rule_rows(project: Project, rule_set: RuleSet, counts: VerdictCount, sort: str) -> list[dict[str, Any]]:
    """Every rule, and the language keyword, with how many queries it rejects, in all and alone."""
    profile = profile_of(rule_set)
    off = set(profile.rules_off(project.language))
    rows: list[dict[str, Any]] = [
        {"form": rule.form, "category": rule.category, "kind": rule.kind.value, "note": rule.note, "off": rule in off}
        for rule in profile.rules
    ]
    if project.language:
        note = "Every query must hold the keyword."
        form = missing_language_form(project.language)
        rows.append({"form": form, "category": LANGUAGE_CATEGORY, "kind": "keyword", "note": note, "off": False})
    for row in rows:
        row |= {"rejected": counts.by_rule.get(row["form"], 0), "alone": counts.alone.get(row["form"], 0)}
    numbers = sort in {"rejected", "alone"}
    return sorted(rows, key=lambda row: (-row[sort] if numbers else row[sort], row["form"]))


def _category_bars(project: Project, rule_set: RuleSet, counts: RuleCounts) -> list[tuple[str, int, str]]:
    address = reverse("curation:queries", args=[project.slug])
    return [
        (name, n, f"{address}?{urlencode({'rule_set': rule_set.pk, 'category': name})}")
        for name, n in counts.by_category.items()
    ]


def _apply(request: HttpRequest, project: Project, rule_set: RuleSet) -> HttpResponse:
    user: Any = request.user
    try:
        start_apply_rules(project=project, rule_set=rule_set, user=user)
    except QuarryError as error:
        messages.error(request, str(error))
    return redirect(f"{reverse('curation:rules', args=[project.slug])}?rule_set={rule_set.pk}")


def _measure(project: Project, rule_set: RuleSet, form: LabelledForm) -> RuleQuality | None:
    try:
        return measure_upload(project, rule_set, form.cleaned_data["file"])
    except QuarryError as error:
        form.add_error("file", str(error))
        return None


def measure_upload(project: Project, rule_set: RuleSet, upload: UploadedFile) -> RuleQuality:
    """Measures a rule set on an uploaded labelled file, which is removed again."""
    if (upload.size or 0) > MAX_LABELLED_BYTES:
        raise BadInputError(problem=f"The file is larger than {MAX_LABELLED_BYTES // 2**20} MB; a sample is enough.")
    folder = Path(settings.QUARRY_HOME, "tmp")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for chunk in upload.chunks():
            file.write(chunk)
        file.flush()
        labelled = read_labelled(Path(file.name), name=upload.name or "the file")
    return evaluate_rules(rule_set=rule_set, queries=labelled, language=project.language)
