"""Applying rule sets to a project's queries, and measuring them on labelled files."""

from collections.abc import Iterator
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
    changed = done = 0
    for batch in _batches(project, rule_set):
        stale = _changed(batch, rule_set)
        if stale:
            run_in_chunks(list(stale.items()), lambda chunk: _write(chunk, rule_set))
        changed, done = changed + len(stale), done + len(batch)
        run.progress(done, total, f"{done:,} of {total:,} queries")
    return {"rule_set": str(rule_set), "changed": changed, **rule_counts(project, rule_set).as_data()}


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


def _changed(batch: dict[int, Judgement], rule_set: RuleSet) -> dict[int, Judgement]:
    """The verdicts that are not stored yet as they are."""
    stored: dict[int, set[str]] = {pk: set() for pk in _verdicts(batch, rule_set).values_list("query_id", flat=True)}
    hits = RuleHit.objects.filter(verdict__in=_verdicts(batch, rule_set)).values_list("verdict__query_id", "rule")
    for pk, rule in hits:
        stored[pk].add(rule)
    return {pk: verdict for pk, verdict in batch.items() if stored.get(pk) != set(verdict.hits)}


def _verdicts(batch: Any, rule_set: RuleSet) -> Any:
    return Verdict.objects.filter(rule_set=rule_set, query_id__in=list(batch))


def _write(chunk: list[tuple[int, Judgement]], rule_set: RuleSet) -> None:
    """Replaces the verdicts of a chunk of queries."""
    ids = [pk for pk, _ in chunk]
    RuleHit.objects.filter(verdict__in=_verdicts(ids, rule_set)).delete()
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT_VERDICT, [(pk, rule_set.pk, verdict.has_intent) for pk, verdict in chunk])
        verdicts = dict(_verdicts(ids, rule_set).values_list("query_id", "id"))
        hits = [(verdicts[pk], rule) for pk, verdict in chunk for rule in verdict.hits]
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
