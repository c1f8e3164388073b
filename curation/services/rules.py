"""Applying rule sets to a project's queries, and measuring them on labelled files."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from core.db import run_in_chunks
from core.errors import ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, JobState, Project, User
from curation.intent import Judgement
from curation.models import Query, RuleHit, RuleSet, Verdict
from curation.rule_quality import LabelledQuery, RuleQuality, measure_rules
from curation.selectors.queries import rule_counts
from curation.services.rule_sets import profile_of

APPLY_RULES = "curation.apply_rules"
READ_ROWS = 2000


def start_apply_rules(*, project: Project, rule_set: RuleSet, user: User | None = None, inline: bool = False) -> Job:
    """Queues the rules over all queries of the project; an unfinished job that does the same is returned instead."""
    if not project.queries.exists():
        raise ConflictError(problem=f"Project {project.slug} has no queries yet. Ingest a search log first.")
    params = {"project_id": project.pk, "rule_set_id": rule_set.pk}
    waiting = project.jobs.filter(kind=APPLY_RULES, state__in=[JobState.QUEUED, JobState.RUNNING])
    for job in waiting:
        if job.params == params:
            return job
    return create_job(
        kind=APPLY_RULES, title=f"Apply intent rules {rule_set}", params=params, project=project, user=user
    )


def apply_rules(*, run: RunningJob, project_id: int, rule_set_id: int) -> dict[str, Any]:
    """Writes the verdict of every query that may be shown; run again it writes only what has changed since."""
    project = Project.objects.get(pk=project_id)
    rule_set = RuleSet.objects.get(pk=rule_set_id)
    total = project.queries.filter(quarantine_reason="").count()

    def changes() -> Iterator[Change]:
        done = 0
        for batch in _batches(project, rule_set):
            yield from _changed(batch, rule_set)
            done += len(batch)
            run.progress(done, total, f"{done:,} of {total:,} queries")

    changed = run_in_chunks(changes(), lambda chunk: _write(chunk, rule_set))
    return {"rule_set": str(rule_set), "changed": changed, **rule_counts(project, rule_set).as_data()}


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict to be written; `replaces` is the stored verdict whose hits differ, None where there is none."""

    query_id: int
    hits: tuple[str, ...]
    replaces: int | None


def _batches(project: Project, rule_set: RuleSet) -> Iterator[dict[int, Judgement]]:
    """Verdicts by query id, in the order of the ids; no cursor stays open between batches."""
    profile, last = profile_of(rule_set), 0
    while True:
        rows = Query.objects.filter(project=project, quarantine_reason="", id__gt=last).order_by("id")
        batch = list(rows.values_list("id", "text")[:READ_ROWS])
        if not batch:
            return
        last = batch[-1][0]
        yield {pk: profile.judge(text, language=project.language) for pk, text in batch}


def _changed(batch: dict[int, Judgement], rule_set: RuleSet) -> Iterator[Change]:
    """The verdicts that are not stored yet as they are."""
    ids = _verdict_ids(min(batch), max(batch), rule_set)
    hits = _stored_hits(min(batch), max(batch)) if ids else {}
    for pk, verdict in batch.items():
        if pk not in ids or hits.get(ids[pk], set()) != set(verdict.hits):
            yield Change(pk, verdict.hits, ids.get(pk))


def _verdict_ids(first: int, last: int, rule_set: RuleSet) -> dict[int, int]:
    """Query id -> id of its stored verdict, for queries with these ids and those between.

    A range is far cheaper to ask for than a list of ids, and the rule set is compared here because SQLite would
    otherwise walk through all verdicts of the rule set.
    """
    rows = Verdict.objects.filter(query_id__gte=first, query_id__lte=last)
    wanted = rule_set.pk
    found = rows.values_list("query_id", "id", "rule_set_id")
    return {query_id: pk for query_id, pk, owner in found if owner == wanted}


def _stored_hits(first: int, last: int) -> dict[int, set[str]]:
    """Verdict id -> rules that hit, for queries with these ids and those between."""
    stored: dict[int, set[str]] = defaultdict(set)
    rows = RuleHit.objects.filter(verdict__query_id__gte=first, verdict__query_id__lte=last)
    for verdict_id, rule in rows.values_list("verdict_id", "rule"):
        stored[verdict_id].add(rule)
    return stored


def _write(chunk: list[Change], rule_set: RuleSet) -> None:
    """Replaces the verdicts of a chunk of queries, which come in the order of their ids."""
    replaced = [change.replaces for change in chunk if change.replaces]
    if replaced:
        RuleHit.objects.filter(verdict_id__in=replaced).delete()
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT_VERDICT, [(change.query_id, rule_set.pk, not change.hits) for change in chunk])
        ids = _verdict_ids(chunk[0].query_id, chunk[-1].query_id, rule_set)
        hits = [(ids[change.query_id], rule) for change in chunk for rule in change.hits]
        if hits:
            cursor.executemany(_INSERT_HIT, hits)


_VERDICT, _HIT = Verdict._meta.db_table, RuleHit._meta.db_table
# Plain SQL keeps the id of a verdict and is several times as fast as the ORM's bulk insert on SQLite.
_UPSERT_VERDICT = (
    f"INSERT INTO {_VERDICT} (query_id, rule_set_id, has_intent) VALUES (%s, %s, %s) "
    "ON CONFLICT (query_id, rule_set_id) DO UPDATE SET has_intent = EXCLUDED.has_intent"
)
_INSERT_HIT = f"INSERT INTO {_HIT} (verdict_id, rule) VALUES (%s, %s) ON CONFLICT DO NOTHING"


def evaluate_rules(*, rule_set: RuleSet, queries: list[LabelledQuery], language: str = "python") -> RuleQuality:
    """Measures a rule set on labelled queries."""
    return measure_rules(profile_of(rule_set), queries, language=language)
