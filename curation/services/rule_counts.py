"""Verdicts and their counts, which are kept in the same transaction, so that no page has to count a million rows.

`write_verdicts` is the way to write verdicts; a log's import, which brings new queries only, inserts its own after
`count_verdicts`. Whatever else changes what counts (a query is quarantined or released, queries are removed) calls
`mark_counts` in its own transaction; the next reader then counts anew, exactly.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection
from django.db.models import Count

from core.db import DatabaseBusyError, write_transaction
from core.models import Project
from curation.intent import RuleProfile
from curation.models import Query, RuleHit, RuleSet, Verdict, VerdictCount
from curation.services.rule_sets import profile_of

_READ_HITS = 20_000


def write_verdicts(*, project_id: int, rule_set: RuleSet, judged: Mapping[int, tuple[str, ...]]) -> int:
    """Stores the verdicts of queries (id -> forms of the rules that hit) and counts them; returns how many changed.

    Call it inside a write transaction, with ids that are near each other. A query that was quarantined meanwhile gets
    no verdict.
    """
    if not judged:
        return 0
    counts = _locked_counts(project_id, rule_set)
    first, last = min(judged), max(judged)
    held_back = Query.objects.filter(id__gte=first, id__lte=last).exclude(quarantine_reason="")
    open_ids = sorted(judged.keys() - set(held_back.values_list("id", flat=True)))
    ids = _verdict_ids(first, last, rule_set)
    stored = _stored_hits(first, last, rule_set) if ids else {}
    changed = [pk for pk in open_ids if pk not in ids or stored.get(ids[pk], set()) != set(judged[pk])]
    replaced = {pk: stored.get(ids[pk], set()) for pk in changed if pk in ids}
    RuleHit.objects.filter(verdict_id__in=[ids[pk] for pk in replaced]).delete()
    _insert({pk: judged[pk] for pk in changed}, rule_set)
    tally = Tally(profile_of(rule_set))
    for hits in replaced.values():
        tally.add(hits, -1)
    for pk in changed:
        tally.add(judged[pk], 1)
    if changed:
        tally.add_to(counts)
        counts.save()
    return len(changed)


def count_verdicts(project_id: int, rule_set: RuleSet, found: Mapping[tuple[str, ...], int]) -> None:
    """Counts verdicts (hits -> how many) that the caller inserts right after, in the same write transaction."""
    if found:
        counts = _locked_counts(project_id, rule_set)
        tally = Tally(profile_of(rule_set))
        for hits, n in found.items():
            tally.add(hits, n)
        tally.add_to(counts)
        counts.save()


class Tally:
    """Counts of verdicts, or what changes in them."""

    def __init__(self, profile: RuleProfile) -> None:
        self._category_of = profile.category_of
        self.accepted = self.rejected = 0
        self.by_rule: Counter[str] = Counter()
        self.alone: Counter[str] = Counter()
        self.by_category: Counter[str] = Counter()

    def add(self, hits: Iterable[str], n: int) -> None:
        """`n` verdicts with these hits; negative to take away."""
        forms = tuple(hits)
        if not forms:
            self.accepted += n
            return
        self.rejected += n
        for form in forms:
            self.by_rule[form] += n
        for category in {self._category_of(form) for form in forms}:
            self.by_category[category] += n
        if len(forms) == 1:
            self.alone[forms[0]] += n

    def add_to(self, counts: VerdictCount) -> None:
        """Changes the row by these counts; rules without hits are left out."""
        counts.accepted += self.accepted
        counts.rejected += self.rejected
        for name in ("by_rule", "alone", "by_category"):
            total = Counter(getattr(counts, name))
            total.update(getattr(self, name))
            setattr(counts, name, {key: n for key, n in sorted(total.items()) if n})


def current_counts(project: Project, rule_set: RuleSet) -> VerdictCount:
    """The exact counts of a project under a rule set; counted anew where they were marked, or never kept."""
    kept = VerdictCount.objects.filter(project=project, rule_set=rule_set, is_stale=False).first()
    if kept is not None:
        return kept
    try:
        return recount(project, rule_set)
    except DatabaseBusyError:  # a long write goes on: answer now, keep the counts another time
        return _counted(project, rule_set, VerdictCount(project=project, rule_set=rule_set))


def recount(project: Project, rule_set: RuleSet) -> VerdictCount:
    """Counts all verdicts and keeps the result. Raises DatabaseBusyError when the row is not to be had in time."""
    with write_transaction(timeout_s=2.0):
        counts = _counted(project, rule_set, _locked_counts(project.pk, rule_set))
        counts.is_stale = False
        counts.save()
    return counts


def mark_counts(project_id: int) -> None:
    """Says that the counts of a project no longer hold. Call it in the transaction that changes what counts."""
    VerdictCount.objects.filter(project_id=project_id).update(is_stale=True)


def _counted(project: Project, rule_set: RuleSet, counts: VerdictCount) -> VerdictCount:
    open_verdicts = Verdict.objects.filter(rule_set=rule_set, query__project=project, query__quarantine_reason="")
    judged = dict(open_verdicts.values_list("has_intent").annotate(n=Count("id")).order_by())
    tally = Tally(profile_of(rule_set))
    tally.accepted = judged.get(True, 0)
    for forms, n in _combinations(project, rule_set).items():
        tally.add(forms, n)
    counts.accepted = counts.rejected = 0
    counts.by_rule, counts.alone, counts.by_category = {}, {}, {}
    tally.add_to(counts)
    return counts


def _combinations(project: Project, rule_set: RuleSet) -> Counter[tuple[str, ...]]:
    """How many verdicts have exactly these hits. There are few different ones, however many verdicts there are."""
    rows = RuleHit.objects.filter(
        verdict__rule_set=rule_set, verdict__query__project=project, verdict__query__quarantine_reason=""
    )
    found: Counter[tuple[str, ...]] = Counter()
    verdict = 0
    forms: list[str] = []
    ordered = rows.order_by("verdict_id", "rule").values_list("verdict_id", "rule")
    for verdict_id, form in ordered.iterator(chunk_size=_READ_HITS):
        if verdict_id != verdict and forms:
            found[tuple(forms)] += 1
            forms = []
        verdict = verdict_id
        forms.append(form)
    if forms:
        found[tuple(forms)] += 1
    return found


def _locked_counts(project_id: int, rule_set: RuleSet) -> VerdictCount:
    """The row, held until the transaction ends (SQLite's one writer holds all). A new one has yet to be counted."""
    rows = VerdictCount.objects.filter(project_id=project_id, rule_set=rule_set)
    if not rows.exists():
        judged = Verdict.objects.filter(rule_set=rule_set, query__project_id=project_id).exists()
        made = {"is_stale": judged, "language": Project.objects.values_list("language", flat=True).get(pk=project_id)}
        rows.get_or_create(project_id=project_id, rule_set=rule_set, defaults=made)
    return rows.select_for_update().get()


def _verdict_ids(first: int, last: int, rule_set: RuleSet) -> dict[int, int]:
    """Query id -> id of its stored verdict, for queries with these ids and those between.

    A range is far cheaper to ask for than a list of ids, and the rule set is compared here because SQLite would
    otherwise walk through all verdicts of the rule set.
    """
    rows = Verdict.objects.filter(query_id__gte=first, query_id__lte=last)
    wanted = rule_set.pk
    found = rows.values_list("query_id", "id", "rule_set_id")
    return {query_id: pk for query_id, pk, owner in found if owner == wanted}


def _stored_hits(first: int, last: int, rule_set: RuleSet) -> dict[int, set[str]]:
    """Verdict id -> rules that hit, for queries with these ids and those between."""
    stored: dict[int, set[str]] = defaultdict(set)
    rows = RuleHit.objects.filter(verdict__query_id__gte=first, verdict__query_id__lte=last)
    wanted = rule_set.pk
    for verdict_id, rule, owner in rows.values_list("verdict_id", "rule", "verdict__rule_set_id"):
        if owner == wanted:
            stored[verdict_id].add(rule)
    return stored


def stored_verdicts(ids: Iterable[int], rule_set: RuleSet) -> dict[int, set[str]]:
    """Query id -> rules that hit it by its stored verdict (none: accepted), for ids that are near each other."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    verdicts = _verdict_ids(wanted[0], wanted[-1], rule_set)
    hits = _stored_hits(wanted[0], wanted[-1], rule_set) if verdicts else {}
    return {pk: hits.get(verdicts[pk], set()) for pk in wanted if pk in verdicts}


def _insert(judged: dict[int, tuple[str, ...]], rule_set: RuleSet) -> None:
    if not judged:
        return
    verdicts: list[tuple[Any, ...]] = [(pk, rule_set.pk, not hits) for pk, hits in judged.items()]
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT_VERDICT, verdicts)
        ids = _verdict_ids(min(judged), max(judged), rule_set)
        hits = [(ids[pk], rule) for pk, forms in judged.items() for rule in forms]
        if hits:
            cursor.executemany(_INSERT_HIT, hits)


_VERDICT, _HIT = Verdict._meta.db_table, RuleHit._meta.db_table
# Plain SQL keeps the id of a verdict and is several times as fast as the ORM's bulk insert on SQLite.
_UPSERT_VERDICT = (
    f"INSERT INTO {_VERDICT} (query_id, rule_set_id, has_intent) VALUES (%s, %s, %s) "
    "ON CONFLICT (query_id, rule_set_id) DO UPDATE SET has_intent = EXCLUDED.has_intent"
)
_INSERT_HIT = f"INSERT INTO {_HIT} (verdict_id, rule) VALUES (%s, %s) ON CONFLICT DO NOTHING"
