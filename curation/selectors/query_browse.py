"""Pages of the query list that stay quick at a million queries, whatever the filter and the order.

Two ways, and the filter decides. Where some part of the filter has an index of its own and finds few queries, those
are fetched and sorted here. Else matches are frequent, or only reading can find them: then the list is walked in its
order, a bounded stretch for each page, and a page that was not filled says how far it looked and goes on from there.
So no request reads more than a bounded number of rows, and nothing is passed over in silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from core.models import Project
from core.paging import Page, beyond, cursor_of, read_cursor
from curation.models import Query, QueryCount, RuleHit, RuleSet, Verdict, VerdictCount
from curation.selectors.query_filter import QueryFilter, filtered_queries, wanted_forms
from curation.services.rule_counts import current_counts

PAGE_ROWS = 50
MAX_SORTED = 10_000  # matches fetched and sorted; also the largest number that is counted
SHORT_WALK, LONG_WALK = 10_000, 50_000  # rows of the list looked through for one page


@dataclass(frozen=True)
class FoundQueries:
    """A page, and how many queries the filter finds: exactly, or at least (`is_more`); None when not counted."""

    page: Page
    count: int | None
    is_more: bool = False

    def __iter__(self) -> Iterator[Query]:
        return iter(self.page.rows)

    def __len__(self) -> int:
        return len(self.page.rows)


def browse_queries(
    project: Project, rule_set: RuleSet, wanted: QueryFilter, request: HttpRequest, *, order: str = "-n_seen"
) -> FoundQueries:
    """The page that the request asks for with ?after= or ?before=. Raises BadCursorError."""
    view = _View(request, order)
    few = _few_ids(project, rule_set, wanted)
    if few is not None:
        rows = filtered_queries(project, rule_set, wanted).filter(pk__in=few) if few else Query.objects.none()
        return _sorted_page(rows, view)
    count, is_more = known_count(project, rule_set, wanted)
    return FoundQueries(_walk(project, rule_set, wanted, view), count, is_more)


class _View:
    """Where in the list, and in which direction, the request wants to read."""

    def __init__(self, request: HttpRequest, order: str) -> None:
        self.field = order.lstrip("-")
        after, before = request.GET.get("after", ""), request.GET.get("before", "")
        self.backwards = bool(before) and not after
        cursor = after or before
        self.cursor = cursor
        self.place = read_cursor(cursor, Query, self.field) if cursor else []
        self.descending = order.startswith("-") != self.backwards

    @property
    def ordering(self) -> list[str]:
        names = dict.fromkeys([self.field, "id"])
        return [f"-{name}" if self.descending else name for name in names]

    def cut(self, rows: list[Any], *, searched: int = 0, last: Any = None) -> Page:
        """The page from up to one row more than fits; `last` is the row at which a cut-short walk stood still."""
        more = len(rows) > PAGE_ROWS
        rows = rows[:PAGE_ROWS]
        far = cursor_of(rows[-1], self.field) if more else cursor_of(last, self.field) if last else ""
        if self.backwards:
            rows.reverse()
            near = cursor_of(rows[-1], self.field) if rows else self.cursor
            return Page(rows, next=near, previous=far, searched=0 if more else searched)
        near = (cursor_of(rows[0], self.field) if rows else self.cursor) if self.place else ""
        return Page(rows, next=far, previous=near, searched=0 if more else searched)


# --- few matches: fetched and sorted ------------------------------------------------------------------------------


def _few_ids(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> list[int] | None:
    """Ids of the queries that one part of the filter finds, when they are few; None when no part does."""
    for rows, field in _indexed_parts(project, rule_set, wanted):
        ids = list(rows.values_list(field, flat=True)[: MAX_SORTED + 1])
        if len(ids) <= MAX_SORTED:
            return ids
    return None


def _indexed_parts(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> Iterator[tuple[QuerySet[Any], str]]:
    """Every part of the filter that an index of its own answers: rows, and which of their columns is the query."""
    queries = Query.objects.filter(project=project).order_by()
    if wanted.reason or wanted.verdict == "quarantined":
        held = queries.filter(quarantine_reason=wanted.reason) if wanted.reason else queries
        yield held.filter(quarantine_reason__gt=""), "id"
    if wanted.left_out == "yes":
        yield queries.filter(is_left_out=True), "id"
    if wanted.new_in is not None:
        yield filtered_queries(project, rule_set, QueryFilter(new_in=wanted.new_in)).order_by(), "id"
    if wanted.log is not None:
        yield QueryCount.objects.filter(log_import_id=wanted.log, log_import__project=project).order_by(), "query_id"
    if wanted.asked_from is not None or wanted.asked_to is not None:
        asked = QueryFilter(asked_from=wanted.asked_from, asked_to=wanted.asked_to)
        yield filtered_queries(project, rule_set, asked).order_by(), "id"
    yield from _judged_parts(project, rule_set, wanted)
    yield queries, "id"  # a small project is sorted whole


def _judged_parts(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> Iterator[tuple[QuerySet[Any], str]]:
    """Verdicts and hits, asked for only where the kept counts say that they are few."""
    if wanted.verdict in {"accepted", "rejected"}:
        counts = current_counts(project, rule_set)
        if getattr(counts, wanted.verdict) <= MAX_SORTED:
            found = Verdict.objects.filter(rule_set=rule_set, has_intent=wanted.verdict == "accepted")
            yield found.filter(query__project=project).order_by(), "query_id"
    if wanted.rule or wanted.category:
        forms = wanted_forms(project, rule_set, wanted)
        if _hits(current_counts(project, rule_set), wanted) <= MAX_SORTED:
            hits = RuleHit.objects.filter(rule__in=forms, verdict__rule_set=rule_set)
            yield hits.filter(verdict__query__project=project).order_by().distinct(), "verdict__query_id"


def _hits(counts: VerdictCount, wanted: QueryFilter) -> int:
    """Queries that the rule, or any rule of the category, hits."""
    return counts.by_rule.get(wanted.rule, 0) if wanted.rule else counts.by_category.get(wanted.category, 0)


def _sorted_page(rows: QuerySet[Query], view: _View) -> FoundQueries:
    keys = list(rows.order_by().values_list(*dict.fromkeys([view.field, "id"])))
    keys.sort(reverse=view.descending)
    start = _first_beyond(keys, view)
    ids = [key[-1] for key in keys[start : start + PAGE_ROWS + 1]]
    found = Query.objects.in_bulk(ids)
    return FoundQueries(view.cut([found[pk] for pk in ids if pk in found]), len(keys))


def _first_beyond(keys: list[Any], view: _View) -> int:
    if not view.place:
        return 0
    place = tuple(view.place)
    return sum(1 for key in keys if (key >= place if view.descending else key <= place))


# --- frequent matches, or matches that only reading finds: a bounded walk -----------------------------------------


def _walk(project: Project, rule_set: RuleSet, wanted: QueryFilter, view: _View) -> Page:
    stretch = Query.objects.filter(project=project)
    if wanted.asks_for_open_text:
        stretch = stretch.filter(quarantine_reason="")
    if view.place:
        stretch = stretch.filter(beyond(view.field, view.place, view.descending))
    length = SHORT_WALK if wanted.rule or wanted.category or wanted.log or wanted.new_in else LONG_WALK
    ends = stretch.order_by(*view.ordering).only("id", "n_seen")
    last = next(iter(ends[length - 1 : length]), None)
    rows = filtered_queries(project, rule_set, wanted)
    if view.place:
        rows = rows.filter(beyond(view.field, view.place, view.descending))
    if last is not None and wanted.as_params():
        # Everything up to the last row of the stretch: what lies beyond the row behind it, seen backwards.
        rows = rows.filter(_up_to(view, last))
    found = list(rows.order_by(*view.ordering)[: PAGE_ROWS + 1])
    cut_short = last is not None and bool(wanted.as_params())
    return view.cut(found, searched=length if cut_short else 0, last=last if cut_short else None)


def _up_to(view: _View, last: Query) -> Any:
    """Condition for the rows up to and with `last`."""
    edge = last.pk - 1 if view.descending else last.pk + 1
    place = [edge] if view.field == "id" else [getattr(last, view.field), edge]
    return beyond(view.field, place, not view.descending)


# --- how many -----------------------------------------------------------------------------------------------------


def known_count(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> tuple[int | None, bool]:
    """How many queries a filter finds, where that is known without counting: (number, whether there may be more)."""
    asked = set(wanted.as_params())
    if asked == {"verdict"} and wanted.verdict in {"accepted", "rejected"}:
        return getattr(current_counts(project, rule_set), wanted.verdict), False
    if asked in ({"rule"}, {"category"}):
        return _hits(current_counts(project, rule_set), wanted), False
    if not asked:
        return Query.objects.filter(project=project).count(), False
    if len(asked) == 1 and asked & {"reason", "left_out", "new_in", "log", "asked_from", "asked_to"}:
        return MAX_SORTED, True  # the part has an index, which found more than are sorted
    return None, False


def exact_count(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> int:
    """How many queries a filter finds, counted: seconds on a large project. For what is confirmed before it is done."""
    return filtered_queries(project, rule_set, wanted).order_by().count()
