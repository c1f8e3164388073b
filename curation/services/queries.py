"""What a curator does with queries in the list: leave out, take back, hold back, release, export; and saved filters."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.spreadsheets import spreadsheet_cell
from curation.models import Query, RuleSet, SavedFilter, TextKind, Verdict
from curation.selectors.query_browse import exact_count
from curation.selectors.query_filter import QueryFilter, chosen_order, filtered_queries
from curation.services.privacy import quarantine_texts, release_texts

BULK_QUERIES = "curation.bulk_queries"
LEAVE_OUT, TAKE_BACK, QUARANTINE, RELEASE = "leave_out", "take_back", "quarantine", "release"
BULK_ACTS = {
    LEAVE_OUT: "Leave out",
    TAKE_BACK: "Take back what was left out",
    QUARANTINE: "Quarantine",
    RELEASE: "Release from quarantine",
}
DIRECT_ROWS = 500  # acted on at once; more is a job
EXPORT_FORMATS = ("csv", "jsonl")
EXPORT_COLUMNS = ("query", "asked", "verdict", "rules", "left_out", "content_hash")
MAX_NAME_CHARS = 80
_READ_ROWS = 1000


@retry_when_busy()
def leave_out_queries(*, project: Project, ids: Iterable[int]) -> int:
    """Takes queries out of what may be proposed; returns how many were not out before. They stay in the list."""
    with write_transaction():
        return project.queries.filter(pk__in=list(ids), is_left_out=False).update(is_left_out=True)


@retry_when_busy()
def take_back_queries(*, project: Project, ids: Iterable[int]) -> int:
    """Undoes `leave_out_queries`; returns how many came back."""
    with write_transaction():
        return project.queries.filter(pk__in=list(ids), is_left_out=True).update(is_left_out=False)


def act_on_queries(
    *, project: Project, act: str, ids: Iterable[int], reason: str = "", note: str = "", person: User | None = None
) -> int:
    """One bulk act on these queries; returns how many changed. Raises BadInputError for an act that does not exist."""
    chosen = list(ids)
    if act == QUARANTINE:
        return quarantine_texts(
            project=project, kind=TextKind.QUERY, ids=chosen, reason=reason, note=note, person=person
        )
    if act == RELEASE:
        return release_texts(project=project, kind=TextKind.QUERY, ids=chosen, note=note, person=person)
    if act == LEAVE_OUT:
        return leave_out_queries(project=project, ids=chosen)
    if act == TAKE_BACK:
        return take_back_queries(project=project, ids=chosen)
    raise BadInputError(problem=f"There is no act {act[:40]!r}. There are: {', '.join(BULK_ACTS)}.")


def start_bulk_queries(
    *,
    project: Project,
    rule_set: RuleSet,
    act: str,
    wanted: QueryFilter,
    reason: str = "",
    note: str = "",
    user: User | None = None,
    inline: bool = False,
) -> Job:
    """Queues an act on every query that the filter finds. Raises BadInputError, ConflictError where it finds none."""
    if act not in BULK_ACTS:
        raise BadInputError(problem=f"There is no act {act[:40]!r}. There are: {', '.join(BULK_ACTS)}.")
    n = exact_count(project, rule_set, wanted)
    if not n:
        raise ConflictError(problem="The filter finds no query, so there is nothing to do.")
    return create_job(
        kind=BULK_QUERIES,
        title=f"{BULK_ACTS[act]}: {n:,} queries",
        params={
            "project_id": project.pk,
            "rule_set_id": rule_set.pk,
            "act": act,
            "params": wanted.as_params(),
            "reason": reason,
            "note": note,
            "person_id": user.pk if user is not None else None,
        },
        project=project,
        user=user,
        inline=inline,
    )


def bulk_queries(
    *,
    run: RunningJob,
    project_id: int,
    rule_set_id: int,
    act: str,
    params: dict[str, str],
    reason: str = "",
    note: str = "",
    person_id: int | None = None,
) -> dict[str, Any]:
    """Acts on all queries of a filter, in the order of their ids; run again it changes only what is left to change."""
    project, rule_set = Project.objects.get(pk=project_id), RuleSet.objects.get(pk=rule_set_id)
    wanted = QueryFilter.parse(params)
    person = User.objects.filter(pk=person_id).first() if person_id else None
    total = exact_count(project, rule_set, wanted)
    done = changed = 0
    for ids in _id_batches(filtered_queries(project, rule_set, wanted)):
        changed += act_on_queries(project=project, act=act, ids=ids, reason=reason, note=note, person=person)
        done += len(ids)
        run.progress(done, max(total, done), f"{done:,} of {total:,} queries")
    return {"act": act, "found": done, "changed": changed}


def _id_batches(rows: QuerySet[Query]) -> Iterator[list[int]]:
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_READ_ROWS]):
        last = batch[-1]
        yield batch


# --- export -------------------------------------------------------------------------------------------------------


def export_queries(
    *,
    project: Project,
    rule_set: RuleSet,
    wanted: QueryFilter,
    ids: Iterable[int] | None = None,
    file_format: str = "csv",
) -> Iterator[str]:
    """The queries of a filter, or the chosen ones of them, as text in pieces; quarantined ones are left out.

    CSV is for spreadsheets: a cell that begins like a formula gets an apostrophe. JSON Lines changes nothing.
    Raises BadInputError for another format, at the call.
    """
    if file_format not in EXPORT_FORMATS:
        raise BadInputError(problem=f"There is no format {file_format[:20]!r}. There are: {', '.join(EXPORT_FORMATS)}.")
    rows = filtered_queries(project, rule_set, wanted).filter(quarantine_reason="")
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    write = _csv_lines if file_format == "csv" else _json_lines
    return write(_export_rows(rows, rule_set))


def _export_rows(rows: QuerySet[Query], rule_set: RuleSet) -> Iterator[dict[str, Any]]:
    for ids in _id_batches(rows):
        verdicts = {
            verdict.query_id: verdict
            for verdict in Verdict.objects.filter(query_id__in=ids).prefetch_related("hits")
            if verdict.rule_set_id == rule_set.pk
        }
        for query in Query.objects.filter(pk__in=ids).order_by("pk"):
            yield _export_row(query, verdicts.get(query.pk))


def _export_row(query: Query, verdict: Verdict | None) -> dict[str, Any]:
    word = "" if verdict is None else "accepted" if verdict.has_intent else "rejected"
    return {
        "query": query.text,
        "asked": query.n_seen,
        "verdict": word,
        "rules": sorted(hit.rule for hit in verdict.hits.all()) if verdict else [],
        "left_out": query.is_left_out,
        "content_hash": query.content_hash,
    }


def _csv_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    def line(cells: Iterable[Any]) -> str:
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerow(cells)
        return file.getvalue()

    yield line(EXPORT_COLUMNS)
    for row in rows:
        row["rules"] = "; ".join(row["rules"])
        row["left_out"] = "yes" if row["left_out"] else ""
        yield line(spreadsheet_cell(row[name]) for name in EXPORT_COLUMNS)


def _json_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


# --- saved filters ------------------------------------------------------------------------------------------------


def save_filter(
    *, project: Project, name: str, wanted: QueryFilter, order: str = "", person: User | None = None
) -> SavedFilter:
    """Keeps a filter under a name for all curators of the project; the same name again replaces it.

    Raises BadInputError without a name, or when the filter asks nothing.
    """
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise BadInputError(problem=f"A filter needs a name of at most {MAX_NAME_CHARS} characters.")
    chosen_order(order)
    params = {**wanted.as_params(), **({"order": order} if order else {})}
    if not params:
        raise BadInputError(problem="There is nothing to save: choose a filter first.")
    with write_transaction():
        saved, _ = SavedFilter.objects.update_or_create(
            project=project, name=name, defaults={"params": params, "created_by": person}
        )
    return saved


def delete_filter(*, project: Project, pk: int) -> None:
    """Removes a saved filter; NotFoundError when there is none."""
    with write_transaction():
        if not project.saved_filters.filter(pk=pk).delete()[0]:
            raise NotFoundError(what="saved filter", name=pk)
