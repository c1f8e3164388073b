"""The list of queries, one query, what a curator does with many of them, saved filters and export."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from core.access import person_of, project_for, roles_in
from core.errors import BadInputError, QuarryError
from core.models import Project, Role
from curation.intent import LANGUAGE_CATEGORY
from curation.models import Query, RuleSet, TextKind, Verdict
from curation.selectors.privacy import HAND_REASONS, acts_on, reason_counts
from curation.selectors.queries import RuleCounts, current_rule_set, rule_counts, rule_sets, shown_text
from curation.selectors.query_browse import FoundQueries, browse_queries, exact_count
from curation.selectors.query_filter import ORDER_LABELS, VERDICTS, QueryFilter, chosen_order, filtered_queries
from curation.services.queries import (
    BULK_ACTS,
    DIRECT_ROWS,
    EXPORT_FORMATS,
    act_on_queries,
    delete_filter,
    export_queries,
    save_filter,
    start_bulk_queries,
)
from curation.services.rule_sets import profile_of

READERS = (Role.ADJUDICATOR, Role.READER)
SHOWN_BARS = 25
SHOWN_CLICKS = 20
MAX_TICKED = 1000
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson; charset=utf-8"}


def chosen_rule_set(project: Project, given: str) -> RuleSet:
    """The rule set of this number if the project may use it (else 404), or the current one."""
    if not given:
        return current_rule_set(project)
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise BadInputError(problem="A rule set is given by its number.")
    return get_object_or_404(rule_sets(project), pk=int(given))


def curates(request: HttpRequest, project: Project) -> bool:
    """Whether the person may see masked text and decide."""
    return Role.CURATOR in roles_in(request.user, project)


@login_required
@require_safe
def queries(request: HttpRequest, slug: str) -> HttpResponse:
    """Distinct queries under a filter, with their verdicts, and what the rules did in all."""
    project = project_for(request.user, slug, *READERS)
    rule_set = chosen_rule_set(project, request.GET.get("rule_set", ""))
    wanted = QueryFilter.parse(request.GET)
    found = browse_queries(
        project, rule_set, wanted, request, order=chosen_order(order := request.GET.get("order", ""))
    )
    is_first = not (request.GET.get("after") or request.GET.get("before"))
    with_bars = is_first and set(wanted.as_params()) <= {"verdict"}
    counts = rule_counts(project, rule_set, with_rules=with_bars, with_withheld=False)
    may_decide = curates(request, project)
    context = {
        "project": project,
        "section": "queries",
        "with_bars": with_bars and counts.rejected,
        "rule_set": rule_set,
        "wanted": wanted,
        "in_use": {**wanted.as_params(), **({"order": order} if order else {})},
        "order": order,
        "orders": ORDER_LABELS,
        "found": found,
        "page": found.page,
        "count_text": count_text(found),
        "rows": query_rows(found, rule_set, may_see_masked=may_decide),
        "counts": counts,
        "verdicts": VERDICTS,
        "categories": [*profile_of(rule_set).categories, LANGUAGE_CATEGORY],
        "reasons": reason_counts(project, TextKind.QUERY),
        "log": project.log_imports.filter(pk=wanted.log or wanted.new_in or 0).first(),
        "curates": may_decide,
        "acts": BULK_ACTS,
        "saved": saved_filters(project),
        **_bars(project, rule_set, counts),
    }
    return render(request, "curation/queries.html", context)


def count_text(found: FoundQueries) -> str:
    """How many queries the filter finds, as said to people."""
    if found.count is None:
        return "more than are counted at once"
    return f"more than {found.count:,}" if found.is_more else f"{found.count:,}"


def saved_filters(project: Project) -> list[dict[str, Any]]:
    """The project's saved filters with their addresses."""
    address = reverse("curation:queries", args=[project.slug])
    return [
        {"filter": saved, "href": f"{address}?{urlencode(sorted(saved.params.items()))}"}
        for saved in project.saved_filters.select_related("created_by")
    ]


def query_rows(found: Any, rule_set: RuleSet, *, may_see_masked: bool) -> list[dict[str, Any]]:
    """What a list shows of each query: text (of a quarantined one masked, or nothing), verdict and rules hit."""
    # The rule set is compared here: SQLite would otherwise walk through all of its verdicts.
    verdicts = Verdict.objects.filter(query_id__in=[query.pk for query in found]).prefetch_related("hits")
    by_query = {verdict.query_id: verdict for verdict in verdicts if verdict.rule_set_id == rule_set.pk}
    return [_query_row(query, by_query.get(query.pk), may_see_masked) for query in found]


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
    """One query: where it comes from, what each rule set says of it, and what a curator may do with it."""
    project = project_for(request.user, slug, *READERS)
    found = project.queries.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such query in this project.")
    may_decide = curates(request, project)
    context = {
        "project": project,
        "section": "queries",
        "query": found,
        "text": shown_text(found) if may_decide or not found.quarantine_reason else "",
        "counts": found.counts.select_related("log_import").defer("askers").order_by("-n")[:50],
        "clicks": _clicks(found),
        "n_askers": found.n_people,
        "verdicts": _verdicts(found),
        "n_pairs": found.pairs.count(),
        "curates": may_decide,
        "hand_reasons": HAND_REASONS,
        "decisions": acts_on(project, TextKind.QUERY, found.content_hash)[:20] if may_decide else [],
    }
    return render(request, "curation/query.html", context)


def _clicks(found: Query) -> Sequence[Any]:
    """The URLs clicked most after a query that is not held back, over all logs."""
    if found.quarantine_reason:
        return []
    clicks = found.clicks.order_by().values("url").annotate(n=Sum("n"))
    return list(clicks.order_by("-n", "url")[:SHOWN_CLICKS])


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


# --- many at once -------------------------------------------------------------------------------------------------


@login_required
@require_POST
def bulk_queries(request: HttpRequest, slug: str) -> HttpResponseBase:
    """First POST: shows what would be done to how many. With `confirm` it is done, as a job when they are many."""
    project = project_for(request.user, slug, Role.CURATOR)
    given = request.POST
    rule_set = chosen_rule_set(project, given.get("rule_set", ""))
    wanted, ids = QueryFilter.parse(given), ticked(given.getlist("query"))
    act, for_all = given.get("act", ""), given.get("which") == "all"
    back = f"{reverse('curation:queries', args=[slug])}?{urlencode({**wanted.as_params(), 'rule_set': rule_set.pk})}"
    if act.startswith("export-"):
        return export_response(project, rule_set, wanted, None if for_all else ids, act.removeprefix("export-"))
    if act not in BULK_ACTS:
        raise BadInputError(problem=f"There is no act {act[:40]}. There are: {', '.join(BULK_ACTS)}.")
    n = exact_count(project, rule_set, wanted) if for_all else project.queries.filter(pk__in=ids).count()
    if not n:
        messages.warning(request, "Tick at least one query, or choose everything that the filter finds.")
        return redirect(back)
    if not given.get("confirm"):
        context = {
            "project": project,
            "section": "queries",
            "act": act,
            "act_label": BULK_ACTS[act],
            "n": n,
            "for_all": for_all,
            "is_job": for_all and n > DIRECT_ROWS,
            "ids": ids,
            "rule_set": rule_set,
            "in_use": wanted.as_params(),
            "hand_reasons": HAND_REASONS,
            "back": back,
        }
        return render(request, "curation/queries_confirm.html", context)
    how = {"reason": given.get("held_for", ""), "note": given.get("note", "")}
    try:
        _act(request, project, rule_set, act, wanted=wanted, ids=None if for_all else ids, n=n, **how)
    except QuarryError as error:
        messages.error(request, str(error))
    return redirect(back)


def _act(
    request: HttpRequest,
    project: Project,
    rule_set: RuleSet,
    act: str,
    *,
    wanted: QueryFilter,
    ids: list[int] | None,
    n: int,
    reason: str,
    note: str,
) -> None:
    person = person_of(request)
    if ids is None and n > DIRECT_ROWS:
        job = start_bulk_queries(
            project=project, rule_set=rule_set, act=act, wanted=wanted, reason=reason, note=note, user=person
        )
        messages.success(request, f"{job.title}: the job is queued.")
        return
    if ids is None:
        ids = all_ids(project, rule_set, wanted)
    changed = act_on_queries(project=project, act=act, ids=ids, reason=reason, note=note, person=person)
    messages.success(request, f"{BULK_ACTS[act]}: {changed:,} of {len(ids):,} queries changed.")


def all_ids(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> list[int]:
    """Ids of everything the filter finds, where that is few."""
    return list(filtered_queries(project, rule_set, wanted).values_list("pk", flat=True)[: DIRECT_ROWS + 1])


def ticked(given: list[str]) -> list[int]:
    """The numbers of the ticked rows."""
    if len(given) > MAX_TICKED or not all(one.isascii() and one.isdigit() and len(one) < 19 for one in given):
        raise BadInputError(problem=f"Queries are given by their numbers, at most {MAX_TICKED:,}.")
    return [int(one) for one in given]


def export_response(
    project: Project, rule_set: RuleSet, wanted: QueryFilter, ids: list[int] | None, file_format: str
) -> StreamingHttpResponse:
    """The chosen queries as a file, streamed."""
    pieces = export_queries(project=project, rule_set=rule_set, wanted=wanted, ids=ids, file_format=file_format)
    response = StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[file_format])
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-queries.{file_format}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@login_required
@require_safe
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Everything that the filter finds, as CSV or JSON Lines."""
    project = project_for(request.user, slug, *READERS)
    file_format = request.GET.get("format", "csv")
    if file_format not in EXPORT_FORMATS:
        raise BadInputError(problem=f"There is no format {file_format[:20]}. There are: {', '.join(EXPORT_FORMATS)}.")
    rule_set = chosen_rule_set(project, request.GET.get("rule_set", ""))
    return export_response(project, rule_set, QueryFilter.parse(request.GET), None, file_format)


# --- saved filters ------------------------------------------------------------------------------------------------


@login_required
@require_POST
def save_query_filter(request: HttpRequest, slug: str) -> HttpResponse:
    """Keeps the filter of the list under a name."""
    project = project_for(request.user, slug, Role.CURATOR)
    address = reverse("curation:queries", args=[slug])
    given = request.POST
    wanted, order = QueryFilter.parse(given), given.get("order", "")
    try:
        saved = save_filter(
            project=project, name=given.get("name", ""), wanted=wanted, order=order, person=person_of(request)
        )
    except QuarryError as error:
        messages.error(request, str(error))
        return redirect(f"{address}?{urlencode(wanted.as_params())}")
    messages.success(request, f"The filter {saved.name} is saved for all curators.")
    return redirect(f"{address}?{urlencode(saved.params)}")


@login_required
@require_POST
def delete_query_filter(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Removes a saved filter."""
    project = project_for(request.user, slug, Role.CURATOR)
    delete_filter(project=project, pk=pk)
    messages.success(request, "The saved filter is removed.")
    return redirect("curation:queries", slug)
