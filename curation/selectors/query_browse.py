"""Pages of the query list that stay quick at a million queries, whatever the filter and the order.

Two ways, and the filter decides. Where some part of the filter has an index of its own and finds few queries, those
are fetched and sorted here. Else matches are frequent, or only reading can find them: then the list is walked in its
order, a bounded stretch for each page, and a page that was not filled says how far it looked and goes on from there.
So no request reads more than a bounded number of rows, and nothing is passed over in silence.
"""

import itertools
from collections.abc import Iterable, Iterator
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
_LOOKED_UP = {"verdict", "rule", "category", "log"}
_IDS_AT_ONCE = 1000
MAX_FOLLOWED = 4_000  # hits followed to their queries: two lookups each
MAX_HITS = 3 * MAX_FOLLOWED  # of a rule in all projects and rule sets; of more, the list is walked


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
    keys = _few_keys(project, rule_set, wanted, view.field)
    if keys is not None:
        return _sorted_page(keys, view)
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

# (order field, id) of a query, or (id,) in the order of the ids
Key = tuple[int, ...]


def _few_keys(project: Project, rule_set: RuleSet, wanted: QueryFilter, field: str) -> list[Key] | None:
    """Sort keys of all that the filter finds, when one part of it finds few; None when no part does."""
    if not is_large(project):
        return list(filtered_queries(project, rule_set, wanted).order_by().values_list(*_names(field)))
    for part, keys in _indexed_parts(project, rule_set, wanted, _names(field)):
        if len(keys) <= MAX_SORTED:
            return keys if part == wanted else _that_fit(keys, project, rule_set, wanted)
    return None


def _names(field: str) -> list[str]:
    return list(dict.fromkeys([field, "id"]))


def _that_fit(keys: list[Key], project: Project, rule_set: RuleSet, wanted: QueryFilter) -> list[Key]:
    """Those of the keys whose queries the rest of the filter finds, too."""
    rows = filtered_queries(project, rule_set, wanted, walked=True)
    found: set[int] = set()
    for ids in _in_chunks(key[-1] for key in keys):
        found.update(rows.filter(pk__in=ids).order_by().values_list("pk", flat=True))
    return [key for key in keys if key[-1] in found]


def is_large(project: Project) -> bool:
    """Whether the project has more queries than are sorted for a page."""
    return Query.objects.filter(project=project).order_by("id")[MAX_SORTED : MAX_SORTED + 1].exists()


def _indexed_parts(
    project: Project, rule_set: RuleSet, wanted: QueryFilter, names: list[str]
) -> Iterator[tuple[QueryFilter, list[Key]]]:
    """Every part of the filter that an index of its own answers, with the sort keys of what it finds: all of them, or
    one more than are sorted. Verdicts and hits are asked for only where the kept counts say that they are few.
    """
    for part in _query_parts(wanted):
        yield part, _keys(filtered_queries(project, rule_set, part), names)
    log = wanted.log if wanted.log is not None else wanted.new_in
    if log is not None:
        seen = QueryCount.objects.filter(log_import_id=log).order_by().values_list("query_id", flat=True)
        ids = list(seen[: MAX_SORTED + 1])
        if len(ids) <= MAX_SORTED:
            yield QueryFilter(log=log), _keys_of(ids, project, names)
    judged = wanted.verdict in {"accepted", "rejected"}
    if judged and getattr(current_counts(project, rule_set), wanted.verdict) <= MAX_SORTED:
        found = Verdict.objects.filter(rule_set=rule_set, has_intent=wanted.verdict == "accepted")
        found = found.filter(query__project=project, query__quarantine_reason="")
        yield QueryFilter(verdict=wanted.verdict), _keys(found, [f"query__{name}" for name in names])
    if (wanted.rule or wanted.category) and _hits(current_counts(project, rule_set), wanted) <= MAX_FOLLOWED:
        part = QueryFilter(rule=wanted.rule, category="" if wanted.rule else wanted.category)
        keys = _hit_keys(project, rule_set, wanted_forms(project, rule_set, wanted), names)
        if keys is not None:
            yield part, keys


def _keys(rows: QuerySet[Any], names: list[str]) -> list[Key]:
    return list(rows.order_by().values_list(*names)[: MAX_SORTED + 1])


def _hit_keys(project: Project, rule_set: RuleSet, forms: list[str], names: list[str]) -> list[Key] | None:
    """Keys of the queries that hits of these rules lead to; None when other projects have too many of them.

    Step by step, because a planner that joins hits, verdicts and queries at once may begin at the million queries.
    """
    hits = RuleHit.objects.filter(rule__in=forms).order_by().values_list("verdict_id", flat=True)
    found = list(hits[: MAX_HITS + 1])
    if len(found) > MAX_HITS:
        return None
    queries = {
        query
        for ids in _in_chunks(found)
        for query, owner in Verdict.objects.filter(pk__in=ids).values_list("query_id", "rule_set_id")
        if owner == rule_set.pk
    }
    return _keys_of(sorted(queries), project, names, only_open=True)


def _keys_of(ids: list[int], project: Project, names: list[str], *, only_open: bool = False) -> list[Key]:
    """Keys of the project's queries among these, by their ids alone: other conditions would tempt a planner."""
    return [
        key[:-2]
        for chunk in _in_chunks(ids)
        for key in Query.objects.filter(pk__in=chunk).values_list(*names, "project_id", "quarantine_reason")
        if key[-2] == project.pk and not (only_open and key[-1])
    ]


def _in_chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    left = iter(ids)
    while chunk := list(itertools.islice(left, _IDS_AT_ONCE)):
        yield chunk


def _query_parts(wanted: QueryFilter) -> Iterator[QueryFilter]:
    """Parts of the filter that an index of the queries answers."""
    if wanted.reason or wanted.verdict == "quarantined":
        yield QueryFilter(reason=wanted.reason, verdict="quarantined" if wanted.verdict == "quarantined" else "")
    if wanted.left_out == "yes":
        yield QueryFilter(left_out="yes")
    if wanted.asked_from is not None or wanted.asked_to is not None:
        yield QueryFilter(asked_from=wanted.asked_from, asked_to=wanted.asked_to)


def _hits(counts: VerdictCount, wanted: QueryFilter) -> int:
    """Queries that the rule, or any rule of the category, hits."""
    return counts.by_rule.get(wanted.rule, 0) if wanted.rule else counts.by_category.get(wanted.category, 0)


def _sorted_page(keys: list[Key], view: _View) -> FoundQueries:
    keys.sort(reverse=view.descending)
    start = _first_beyond(keys, view)
    ids = [key[-1] for key in keys[start : start + PAGE_ROWS + 1]]
    found = Query.objects.in_bulk(ids)
    return FoundQueries(view.cut([found[pk] for pk in ids if pk in found]), len(keys))


def _first_beyond(keys: list[Key], view: _View) -> int:
    if not view.place:
        return 0
    place = tuple(view.place)
    return sum(1 for key in keys if (key >= place if view.descending else key <= place))


# --- frequent matches, or matches that only reading finds: a bounded walk -----------------------------------------


def _walk(project: Project, rule_set: RuleSet, wanted: QueryFilter, view: _View) -> Page:
    stretch = Query.objects.filter(project=project)
    if wanted.asks_for_open_text:
        stretch = stretch.filter(quarantine_reason="")
    if view.field == "n_seen":  # the asked band is one piece of this list: nothing outside it needs a look
        band = QueryFilter(asked_from=wanted.asked_from, asked_to=wanted.asked_to)
        stretch = stretch & filtered_queries(project, rule_set, band)
    rows = filtered_queries(project, rule_set, wanted, walked=True)
    if view.place:
        after = beyond(view.field, view.place, view.descending)
        stretch, rows = stretch.filter(after), rows.filter(after)
    length = _length(wanted, view)
    last = (
        next(iter(stretch.order_by(*view.ordering).only("id", "n_seen")[length - 1 : length]), None) if length else None
    )
    if last is not None:
        rows = rows.filter(_up_to(view, last))
    found = list(rows.order_by(*view.ordering)[: PAGE_ROWS + 1])
    return view.cut(found, searched=length if last is not None else 0, last=last)


def _length(wanted: QueryFilter, view: _View) -> int:
    """How many rows of the list one page may look through; 0: every row fits, so there is no bound to find.

    What is looked up for each row makes it dearer, and so is reading texts in another order than they are stored in.
    """
    asked = wanted.as_params().keys() - ({"asked_from", "asked_to"} if view.field == "n_seen" else set())
    if not asked:
        return 0
    return LONG_WALK if view.field == "id" and not asked & _LOOKED_UP else SHORT_WALK


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
    if len(asked) == 1 and (asked & {"reason", "log", "asked_from", "asked_to"} or wanted.left_out == "yes"):
        return MAX_SORTED, True  # the part has an index, which found more than are sorted
    return None, False


def exact_count(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> int:
    """How many queries a filter finds, counted: seconds on a large project. For what is confirmed before it is done."""
    return filtered_queries(project, rule_set, wanted).order_by().count()
