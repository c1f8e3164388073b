"""Queries by verdict, rule and quarantine; the rule sets, their effect, and their measurement."""

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from core.access import project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role
from core.paging import Page, keyset_page
from curation.intent import LANGUAGE_CATEGORY, missing_language_form
from curation.models import Query, RuleSet, Verdict
from curation.rule_quality import PAPER_ACCURACY, PAPER_F1, PAPER_QUERIES, RuleQuality, read_labelled
from curation.selectors.queries import (
    ORDERS,
    VERDICTS,
    QueryFilter,
    RuleCounts,
    current_rule_set,
    filtered_queries,
    only_rule_counts,
    quarantine_counts,
    rule_counts,
    rule_sets,
    shown_text,
)
from curation.services.rule_sets import profile_of
from curation.services.rules import evaluate_rules, start_apply_rules

READERS = (Role.ADJUDICATOR, Role.READER)
MAX_LABELLED_BYTES = 20 * 2**20
SHOWN_BARS = 25


def chosen_rule_set(project: Project, given: str) -> RuleSet:
    """The rule set of this number if the project may use it (else 404), or the current one."""
    if not given:
        return current_rule_set(project)
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise BadInputError(problem="A rule set is given by its number.")
    return get_object_or_404(rule_sets(project), pk=int(given))


def chosen_order(given: str) -> str:
    """The field to sort by."""
    if given and given not in ORDERS:
        raise BadInputError(problem=f"There is no order {given[:40]}. There are: {', '.join(ORDERS)}.")
    return ORDERS[given or "popular"]


@login_required
@require_safe
def queries(request: HttpRequest, slug: str) -> HttpResponse:
    """Distinct queries under a filter, with their verdicts, and what the rules did in all."""
    project = project_for(request.user, slug, *READERS)
    rule_set = chosen_rule_set(project, request.GET.get("rule_set", ""))
    wanted = QueryFilter.parse(request.GET)
    order = chosen_order(request.GET.get("order", ""))
    page = keyset_page(filtered_queries(project, rule_set, wanted), request, order=order)
    is_first = not (request.GET.get("after") or request.GET.get("before"))
    with_bars = is_first and set(wanted.as_params()) <= {"verdict"}
    counts = rule_counts(project, rule_set, with_rules=with_bars)
    context = {
        "project": project,
        "section": "queries",
        "with_bars": with_bars and counts.rejected,
        "rule_set": rule_set,
        "wanted": wanted,
        "order": request.GET.get("order", ""),
        "page": page,
        "rows": query_rows(page, rule_set, may_see_masked=_curates(request, project)),
        "counts": counts,
        "verdicts": VERDICTS,
        "categories": [*profile_of(rule_set).categories, LANGUAGE_CATEGORY],
        "reasons": quarantine_counts(project),
        "log": project.log_imports.filter(pk=wanted.log or wanted.new_in or 0).first(),
        **_bars(project, rule_set, counts),
    }
    return render(request, "curation/queries.html", context)


def _curates(request: HttpRequest, project: Project) -> bool:
    return Role.CURATOR in roles_in(request.user, project)


def query_rows(page: Page, rule_set: RuleSet, *, may_see_masked: bool) -> list[dict[str, Any]]:
    """What a list shows of each query: text (of a quarantined one masked, or nothing), verdict and rules hit."""
    ids = [query.pk for query in page]
    verdicts = Verdict.objects.filter(rule_set=rule_set, query_id__in=ids).prefetch_related("hits")
    by_query = {verdict.query_id: verdict for verdict in verdicts}
    return [_query_row(query, by_query.get(query.pk), may_see_masked) for query in page]


def _query_row(query: Query, verdict: Verdict | None, may_see_masked: bool) -> dict[str, Any]:
    hidden = bool(query.quarantine_reason) and not may_see_masked
    # Rules hit by a quarantined text would tell of its words.
    shown = verdict if verdict and not query.quarantine_reason else None
    return {
        "query": query,
        "text": "" if hidden else shown_text(query),
        "has_intent": shown.has_intent if shown else None,
        "hits": sorted(hit.rule for hit in shown.hits.all()) if shown else [],
    }


def _bars(project: Project, rule_set: RuleSet, counts: RuleCounts) -> dict[str, Any]:
    """Bars of rejected queries by category and by rule, each linked to its rows."""
    address = reverse("curation:queries", args=[project.slug])

    def link(**params: Any) -> str:
        return f"{address}?{urlencode({'rule_set': rule_set.pk, **params})}"

    by_category = [(name, n, link(category=name)) for name, n in counts.by_category.items()]
    by_rule = [(rule, n, link(rule=rule)) for rule, n in list(counts.by_rule.items())[:SHOWN_BARS]]
    return {"category_bars": by_category, "rule_bars": by_rule, "more_rules": max(0, len(counts.by_rule) - SHOWN_BARS)}


@login_required
@require_safe
def query(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One query: where it comes from, and what each rule set says of it."""
    project = project_for(request.user, slug, *READERS)
    found = project.queries.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such query in this project.")
    may_see_masked = _curates(request, project)
    context = {
        "project": project,
        "section": "queries",
        "query": found,
        "text": shown_text(found) if may_see_masked or not found.quarantine_reason else "",
        "counts": found.counts.select_related("log_import").order_by("-n")[:50],
        "n_askers": found.askers.count(),
        "verdicts": _verdicts(found),
        "n_pairs": found.pairs.count(),
    }
    return render(request, "curation/query.html", context)


def _verdicts(found: Query) -> list[dict[str, Any]]:
    if found.quarantine_reason:
        return []
    rows = found.verdicts.select_related("rule_set").prefetch_related("hits").order_by("rule_set__name", "-id")
    return [
        {
            "rule_set": verdict.rule_set,
            "has_intent": verdict.has_intent,
            "hits": [
                (hit.rule, profile_of(verdict.rule_set).category_of(hit.rule)) for hit in verdict.hits.order_by("rule")
            ],
        }
        for verdict in rows
    ]


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
    context = {
        "project": project,
        "section": "rules",
        "rule_set": rule_set,
        "rule_set_text": str(rule_set.pk),
        "rule_sets": rule_sets(project),
        "profile": profile_of(rule_set),
        "counts": (counts := rule_counts(project, rule_set)),
        "categories": _categories(project, rule_set, counts),
        "form": form,
        "quality": quality,
        "paper": {"f1": PAPER_F1, "accuracy": PAPER_ACCURACY, "n": PAPER_QUERIES},
        "curates": _curates(request, project),
        "missing": missing_language_form(project.language),
    }
    return render(request, "curation/rules.html", context, status=400 if form.errors else 200)


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


def _categories(project: Project, rule_set: RuleSet, counts: RuleCounts) -> list[dict[str, Any]]:
    """Rules by category with how many queries each rejects, in all and alone."""
    profile, alone = profile_of(rule_set), only_rule_counts(project, rule_set)
    return [
        {
            "name": category,
            "n": counts.by_category.get(category, 0),
            "rules": [
                {"rule": rule, "n": counts.by_rule.get(rule.form, 0), "alone": alone.get(rule.form, 0)}
                for rule in profile.rules
                if rule.category == category
            ],
        }
        for category in profile.categories
    ]
