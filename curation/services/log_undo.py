"""Taking an import back: its counts, askers and clicks go, and with them the queries that only it brought."""

from collections.abc import Callable
from typing import Any

from django.db.models import F, Min, Model, QuerySet

from core.db import run_in_chunks
from core.errors import ConflictError
from curation.models import BadRow, LogImport, Query, QueryClick, QueryCount, RuleHit, Verdict
from curation.services.log_writing import n_people, set_people
from curation.services.rule_counts import mark_counts

READ_ROWS = CHUNK_ROWS = 2000
Check = Callable[[], None]
# What an import itself wrote; everything else that points at a query is the work of people or of later stages, unless
# its model says that a machine can make it again: `goes_with_its_query`.
_OWN = (QueryCount, QueryClick, Verdict)


def references_of_alone(log_import: LogImport) -> dict[str, int]:
    """What refers to queries that only this import brought: the kind of thing -> how many there are."""
    found = {}
    for model, name in _referring():
        rows = model._default_manager.filter(
            **{f"{name}__first_import": log_import, f"{name}__counts__log_import": log_import}
        )
        shared = QueryCount.objects.exclude(log_import=log_import).values("query_id")
        n = rows.exclude(**{f"{name}__in": shared}).count()
        if n:
            found[str(model._meta.verbose_name_plural)] = n
    return found


def _referring() -> list[tuple[type[Model], str]]:
    """Models, of any app, with a foreign key to a query that is not the import's own, and the key's name."""
    own = _own()
    relations = [relation for relation in Query._meta.related_objects if relation.related_model not in own]
    return [(relation.related_model, relation.field.name) for relation in relations]


def _own() -> list[type[Model]]:
    """Models whose rows go with the query they belong to."""
    models = [relation.related_model for relation in Query._meta.related_objects]
    return [model for model in models if model in _OWN or getattr(model, "goes_with_its_query", False)]


def refuse_undo(log_import: LogImport) -> None:
    """Raises ConflictError that names what refers to queries that only this import brought."""
    blockers = references_of_alone(log_import)
    if blockers:
        things = " and ".join(f"{n:,} {name}" for name, n in blockers.items())
        raise ConflictError(
            problem=f"{log_import.name} cannot be undone: {things} refer to queries that only it brought."
        )


def take_back(log_import: LogImport, check: Check, on_rows: Callable[[int], Any] | None = None) -> None:
    """Removes all that the import wrote, in short transactions; begun again, it goes on. The import stays, empty.

    Raises ConflictError when other things refer to queries that only it brought.
    """
    refuse_undo(log_import)

    def counted() -> Any:
        rows = QueryCount.objects.filter(log_import=log_import).order_by("id")
        last = 0
        while batch := list(rows.filter(id__gt=last).values_list("id", "query_id", "n")[:READ_ROWS]):
            check()
            last = batch[-1][0]
            yield from batch

    run_in_chunks(counted(), lambda chunk: _take_back(log_import, chunk), max_rows=CHUNK_ROWS, on_chunk=on_rows)
    BadRow.objects.filter(log_import=log_import).delete()
    LogImport.objects.filter(pk=log_import.pk).update(
        n_read=0, n_new=0, n_known=0, n_bad=0, bad_reasons={}, position="", phases={}, is_complete=False
    )
    log_import.refresh_from_db()


def _take_back(log_import: LogImport, chunk: list[tuple[int, int, int]]) -> None:
    """One chunk of counts (id, query, n)."""
    counts = QueryCount.objects.filter(id__in=[pk for pk, _, _ in chunk])
    ids = {query_id: n for _, query_id, n in chunk}
    still = set(counts.values_list("query_id", flat=True))  # a retried transaction may have been committed
    ids = {pk: n for pk, n in ids.items() if pk in still}
    others = dict(
        QueryCount.objects.filter(query_id__in=ids)
        .exclude(log_import=log_import)
        .values_list("query_id")
        .annotate(first=Min("log_import_id"))
    )
    alone = _only_brought(log_import, [pk for pk in ids if pk not in others])
    _delete(QueryClick.objects.filter(query_id__in=ids, log_import=log_import))
    _delete(counts)
    _delete_queries(alone)
    for pk, n in ids.items():
        if pk not in alone:
            Query.objects.filter(pk=pk).update(n_seen=F("n_seen") - n)
    _count_people([pk for pk in ids if pk not in alone])
    _hand_over(log_import, others)
    mark_counts(log_import.project_id)


def _count_people(ids: list[int]) -> None:
    """Counts the people of queries again that other imports name."""
    held: dict[int, set[bytes]] = {pk: set() for pk in ids}
    for pk, packed in QueryCount.objects.filter(query_id__in=ids, askers__isnull=False).values_list(
        "query_id", "askers"
    ):
        held[pk].add(bytes(packed or b""))
    set_people({pk: n_people(packed) for pk, packed in held.items()})


def _only_brought(log_import: LogImport, candidates: list[int]) -> set[int]:
    """Of these queries the ones that this import brought and that nothing else refers to."""
    found = set(Query.objects.filter(pk__in=candidates, first_import=log_import).values_list("pk", flat=True))
    for model, name in _referring():
        if found:
            referred = model._default_manager.filter(**{f"{name}__in": found}).values_list(f"{name}_id", flat=True)
            found -= set(referred)
    return found


def _delete_queries(ids: set[int]) -> None:
    _delete(RuleHit.objects.filter(verdict__in=Verdict.objects.filter(query_id__in=ids).values("id")))
    for model in _own():
        _delete(model._default_manager.filter(query_id__in=ids))
    _delete(Query.objects.filter(pk__in=ids))


def _delete(rows: QuerySet[Any]) -> None:
    """Plain DELETE: all that hangs on the rows is deleted by name here."""
    rows._raw_delete(rows.db)


def _hand_over(log_import: LogImport, others: dict[int, int]) -> None:
    """Queries that it brought and other imports have too are from now on new in the first of those."""
    brought = Query.objects.filter(pk__in=others, first_import=log_import).values_list("pk", flat=True)
    heirs: dict[int, list[int]] = {}
    for pk in brought:
        heirs.setdefault(others[pk], []).append(pk)
    for heir, ids in heirs.items():
        Query.objects.filter(pk__in=ids).update(first_import=heir)
        LogImport.objects.filter(pk=heir).update(n_new=F("n_new") + len(ids), n_known=F("n_known") - len(ids))
