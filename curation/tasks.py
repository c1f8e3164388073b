"""Kinds of jobs of the curation stage. Each gets ids, calls one service, and may be run again after a crash."""

from typing import Any

from core.duties import duty
from core.jobs import RunningJob, job_kind
from curation.models import CandidateRun, CodeSource


@job_kind("curation.ingest_log")
def ingest_log_job(run: RunningJob, *, log_import_id: int) -> dict[str, Any]:
    """Reads a stored search log."""
    from curation.services.logs import ingest_log

    return ingest_log(run=run, log_import_id=log_import_id)


@job_kind("curation.apply_rules")
def apply_rules_job(run: RunningJob, *, project_id: int, rule_set_id: int) -> dict[str, Any]:
    """Judges all queries of a project by a rule set."""
    from curation.services.rules import apply_rules

    return apply_rules(run=run, project_id=project_id, rule_set_id=rule_set_id)


@job_kind("curation.adopt_rule_set")
def adopt_rule_set_job(run: RunningJob, *, adoption_id: int) -> dict[str, Any]:
    """Judges all queries of a project by another rule set and takes it into use."""
    from curation.services.rules import adopt_rule_set

    return adopt_rule_set(run=run, adoption_id=adoption_id)


@job_kind("curation.ingest_code")
def ingest_code_job(run: RunningJob, *, code_source_id: int, spec: str, name: str = "") -> dict[str, Any]:
    """Reads a code source."""
    from curation.services.code import ingest_code

    return ingest_code(run=run, code_source=CodeSource.objects.get(pk=code_source_id), spec=spec, name=name)


@job_kind("curation.propose_pairs", queue="gpu")
def propose_pairs_job(run: RunningJob, *, candidate_run_id: int) -> dict[str, Any]:
    """Runs a candidate run."""
    from curation.services.candidates import propose_pairs

    return propose_pairs(run=run, candidate_run=CandidateRun.objects.get(pk=candidate_run_id))


@duty("forget log uploads", every_s=600)
def forget_uploads_duty() -> int:
    """Removes uploaded logs that nobody confirmed within a day."""
    from curation.services.log_uploads import forget_uploads

    return forget_uploads()
