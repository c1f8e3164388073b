"""Kinds of jobs of the curation stage. Each gets ids, calls one service, and may be run again after a crash."""

from pathlib import Path
from typing import Any

from core.duties import duty
from core.jobs import RunningJob, job_kind
from core.models import Project
from curation.models import CandidateRun, CodeSource


@job_kind("curation.ingest_log")
def ingest_log_job(run: RunningJob, *, log_import_id: int) -> dict[str, Any]:
    """Reads a stored search log."""
    from curation.services.logs import ingest_log

    return ingest_log(run=run, log_import_id=log_import_id)


@job_kind("curation.undo_import")
def undo_import_job(run: RunningJob, *, log_import_id: int) -> dict[str, Any]:
    """Takes the import of a search log back."""
    from curation.services.logs import undo_import

    return undo_import(run=run, log_import_id=log_import_id)


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


@job_kind("curation.scan_privacy")
def scan_privacy_job(run: RunningJob, *, project_id: int) -> dict[str, Any]:
    """Looks for private text again."""
    from curation.services.privacy import scan_privacy

    return scan_privacy(run=run, project_id=project_id)


@job_kind("curation.bulk_queries")
def bulk_queries_job(run: RunningJob, **given: Any) -> dict[str, Any]:
    """Does one thing to every query that a filter finds."""
    from curation.services.queries import bulk_queries

    return bulk_queries(run=run, **given)


@job_kind("curation.ingest_code")
def ingest_code_job(
    run: RunningJob, *, code_source_id: int, spec: str, name: str = "", licence: str = ""
) -> dict[str, Any]:
    """Reads a code source."""
    from curation.services.code import ingest_code

    source = CodeSource.objects.get(pk=code_source_id)
    return ingest_code(run=run, code_source=source, spec=spec, name=name, licence=licence)


@job_kind("curation.find_near_duplicates")
def find_near_duplicates_job(run: RunningJob, *, project_id: int) -> dict[str, Any]:
    """Applies a project's licences to its code and finds near duplicates."""
    from curation.services.code_settling import settle_code

    return settle_code(project=Project.objects.get(pk=project_id), run=run)


@job_kind("curation.propose_pairs", queue="gpu")
def propose_pairs_job(run: RunningJob, *, candidate_run_id: int) -> dict[str, Any]:
    """Runs a candidate run."""
    from curation.services.candidates import propose_pairs

    return propose_pairs(run=run, candidate_run=CandidateRun.objects.get(pk=candidate_run_id))


@job_kind("curation.preview_candidates", queue="gpu")
def preview_candidates_job(run: RunningJob, *, project_id: int, **sample: Any) -> dict[str, Any]:
    """Searches a sample of the queries and estimates the full run."""
    from curation.services.candidates import preview_candidates

    return preview_candidates(run=run, project=Project.objects.get(pk=project_id), **sample)


@job_kind("curation.evaluate_encoders", queue="gpu")
def evaluate_encoders_job(run: RunningJob, *, project_id: int, **wanted: Any) -> dict[str, Any]:
    """Measures encoders on judged pairs."""
    from curation.services.encoder_quality import evaluate_encoders

    return evaluate_encoders(run=run, project=Project.objects.get(pk=project_id), **wanted)


@duty("forget log uploads", every_s=600)
def forget_uploads_duty() -> int:
    """Removes uploaded logs that nobody confirmed within a day."""
    from curation.services.log_uploads import forget_uploads

    return forget_uploads()


@duty("forget shards of logs", every_s=3600)
def forget_shards_duty() -> int:
    """Removes what broken-off imports left, when nobody took them up again within a day."""
    from curation.services.logs import forget_shards

    return forget_shards()


@job_kind("curation.import_pairs")
def import_pairs_job(run: RunningJob, *, project_id: int, path: str, name: str) -> dict[str, Any]:
    """Imports a file of ready pairs."""
    from curation.services.pair_uploads import import_pair_file

    return import_pair_file(run=run, project=Project.objects.get(pk=project_id), path=Path(path), name=name)


@duty("forget uploaded pairs", every_s=3600)
def forget_pair_files_duty() -> int:
    """Removes uploaded files of pairs that nobody imported within a week."""
    from curation.services.pair_uploads import forget_pair_files

    return forget_pair_files()
