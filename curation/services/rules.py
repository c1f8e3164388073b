"""Applying rule sets to a project's queries, adopting one, and measuring them on labelled files."""

from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone

from core.db import run_in_chunks, write_transaction
from core.errors import ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, JobState, Project, User
from curation.models import Adoption, Query, RuleSet, VerdictCount
from curation.rule_changes import Changes
from curation.rule_quality import LabelledQuery, RuleQuality, measure_rules
from curation.selectors.queries import current_rule_set, rule_counts
from curation.services.rule_counts import current_counts, stored_verdicts, write_verdicts
from curation.services.rule_sets import profile_of

APPLY_RULES = "curation.apply_rules"
ADOPT_RULE_SET = "curation.adopt_rule_set"
READ_ROWS = 4000
Hits = dict[int, tuple[str, ...]]  # query id -> forms of the rules that hit


def start_apply_rules(*, project: Project, rule_set: RuleSet, user: User | None = None, inline: bool = False) -> Job:
    """Queues the rules over all queries of the project; an unfinished job that does the same is returned instead."""
    _refuse_foreign(project, rule_set)
    if rule_set.is_draft:
        raise ConflictError(problem=f"{rule_set} can still change. Adopt it to judge the queries by it.")
    if not project.queries.exists():
        raise ConflictError(problem=f"Project {project.slug} has no queries yet. Ingest a search log first.")
    params = {"project_id": project.pk, "rule_set_id": rule_set.pk}
    for job in _unfinished(project, APPLY_RULES):
        if job.params == params:
            return job
    title = f"Apply intent rules {rule_set}"
    return create_job(kind=APPLY_RULES, title=title, params=params, project=project, user=user, inline=inline)


def _refuse_foreign(project: Project, rule_set: RuleSet) -> None:
    if rule_set.project_id not in {None, project.pk}:
        raise ConflictError(problem=f"{rule_set} belongs to another project.")


def _unfinished(project: Project, kind: str) -> Any:
    return project.jobs.filter(kind=kind, state__in=[JobState.QUEUED, JobState.RUNNING])


def apply_rules(*, run: RunningJob, project_id: int, rule_set_id: int) -> dict[str, Any]:
    """Writes the verdict of every query that may be shown; run again it writes only what has changed since."""
    project = Project.objects.get(pk=project_id)
    rule_set = RuleSet.objects.get(pk=rule_set_id)
    changed = _judge_project(run, project, rule_set)
    return {"rule_set": str(rule_set), "changed": changed, **rule_counts(project, rule_set).as_data()}


def _judge_project(
    run: RunningJob, project: Project, rule_set: RuleSet, look: Callable[[Hits], None] | None = None
) -> int:
    """Judges all queries in batches and stores what is new; `look` sees every batch. Returns how many changed."""
    total = project.queries.filter(quarantine_reason="").count()

    def news() -> Iterator[tuple[int, tuple[str, ...]]]:
        done = 0
        for batch in _batches(project, rule_set):
            if look:
                look(batch)
            stored = stored_verdicts(batch, rule_set)
            yield from ((pk, hits) for pk, hits in batch.items() if stored.get(pk) != set(hits))
            done += len(batch)
            run.progress(done, total, f"{done:,} of {total:,} queries")

    def write(chunk: list[tuple[int, tuple[str, ...]]]) -> None:
        write_verdicts(project_id=project.pk, rule_set=rule_set, judged=dict(chunk))

    changed = run_in_chunks(news(), write)
    current_counts(project, rule_set)
    VerdictCount.objects.filter(project=project, rule_set=rule_set).update(language=project.language)
    return changed


def _batches(project: Project, rule_set: RuleSet) -> Iterator[Hits]:
    """Rules that hit, by query id, in the order of the ids; no cursor stays open between batches."""
    profile, last = profile_of(rule_set), 0
    while True:
        rows = Query.objects.filter(project=project, quarantine_reason="", id__gt=last).order_by("id")
        batch = list(rows.values_list("id", "text")[:READ_ROWS])
        if not batch:
            return
        last = batch[-1][0]
        hits = profile.judge_all([text for _, text in batch], language=project.language)
        yield dict(zip([pk for pk, _ in batch], hits, strict=True))


# --- adopting ---------------------------------------------------------------------------------------------------------


def start_adopt_rule_set(*, project: Project, rule_set: RuleSet, user: User | None = None, inline: bool = False) -> Job:
    """Queues taking a rule set into use: all queries are judged by it, then it is the project's current one.

    A draft becomes a version that never changes. Raises ConflictError when it is in use already, another adoption is
    under way, or the project has no queries (then nothing could be said of its effect).
    """
    _refuse_foreign(project, rule_set)
    with write_transaction():
        project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        current = current_rule_set(project)
        if _unfinished(project, ADOPT_RULE_SET).exists():
            raise ConflictError(problem="A rule set is being adopted just now. Wait until that is done.")
        if current == rule_set and project.adoptions.filter(adopted_at__isnull=False).exists():
            raise ConflictError(problem=f"{rule_set} is in use already.")
        if not project.queries.exists():
            raise ConflictError(problem=f"Project {project.slug} has no queries yet. Ingest a search log first.")
        RuleSet.objects.filter(pk=rule_set.pk, is_draft=True).update(is_draft=False)
        rule_set.refresh_from_db()
        adoption = Adoption.objects.create(
            project=project, rule_set=rule_set, previous=current, adopted_by=_person(user), language=project.language
        )
        adoption.job = create_job(
            kind=ADOPT_RULE_SET,
            title=f"Adopt intent rules {rule_set}",
            params={"adoption_id": adoption.pk},
            project=project,
            user=user,
            inline=inline,
        )
        adoption.save(update_fields=["job"])
    return adoption.job


def _person(user: User | None) -> User | None:
    return user if user is not None and user.is_authenticated else None


def adopt_rule_set(*, run: RunningJob, adoption_id: int) -> dict[str, Any]:
    """Judges all queries by the rule set, notes what changed against the one before, and makes it current."""
    adoption = Adoption.objects.select_related("project", "rule_set", "previous").get(pk=adoption_id)
    if adoption.adopted_at is None:
        changes = Changes(seed=adoption.pk)
        previous = adoption.previous

        def look(batch: Hits) -> None:
            before = stored_verdicts(batch, previous) if previous else {}
            for pk, hits in batch.items():
                changes.add(pk, before.get(pk), hits)

        _judge_project(run, adoption.project, adoption.rule_set, look)
        adoption.report = changes.as_data()
        adoption.language = adoption.project.language
        adoption.adopted_at = timezone.now()
        with write_transaction():
            adoption.save(update_fields=["report", "language", "adopted_at"])
    before = str(adoption.previous) if adoption.previous else ""
    return {"adoption": adoption.pk, "rule_set": str(adoption.rule_set), "previous": before, **adoption.report}


def evaluate_rules(*, rule_set: RuleSet, queries: list[LabelledQuery], language: str = "python") -> RuleQuality:
    """Measures a rule set on labelled queries."""
    return measure_rules(profile_of(rule_set), queries, language=language)
