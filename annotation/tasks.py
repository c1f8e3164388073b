"""Kinds of jobs of the annotation stage."""

from pathlib import Path
from typing import Any

from annotation.models import (
    Batch,
    BatchOpening,
    ConsensusRun,
    IntentClassifier,
    IntentSample,
    Pool,
    Release,
    SetAside,
)
from annotation.services.batch_changes import SETTLE_BATCH, settle_batch
from annotation.services.board import keep_boards_fresh
from annotation.services.consensus import COMPUTE_CONSENSUS, compute_consensus
from annotation.services.imports import IMPORT_VOTES, import_votes
from annotation.services.intent_classifier import (
    SCORE_INTENT,
    TRAIN_INTENT_CLASSIFIER,
    score_intent,
    train_intent_classifier,
)
from annotation.services.intent_samples import SAMPLE_INTENT, sample_intent
from annotation.services.leases import sweep_leases
from annotation.services.opening import OPEN_BATCH, open_batch_pairs
from annotation.services.pools import BUILD_POOL, build_pool
from annotation.services.releases import EXPORT_RELEASE, FREEZE_RELEASE, export_release, freeze_release
from annotation.services.standing import RESTORE_VOTES, SET_ASIDE_VOTES, restore_votes, set_aside_votes
from annotation.services.tallies import RECOUNT_AGREEMENT, catch_up_all, recount_agreement
from annotation.services.training_files import OPEN_KNOWN_FILE, open_known_file
from core.duties import duty
from core.jobs import RunningJob, job_kind
from core.models import Project


@job_kind(OPEN_BATCH)
def open_batch_job(run: RunningJob, *, opening_id: int) -> dict[str, Any]:
    """Opens the pairs of a big batch."""
    return open_batch_pairs(run=run, opening=BatchOpening.objects.select_related("batch__project").get(pk=opening_id))


@job_kind(SETTLE_BATCH)
def settle_batch_job(run: RunningJob, *, batch_id: int) -> dict[str, Any]:
    """Opens or closes slots after the votes per pair of a batch were changed."""
    return settle_batch(run=run, batch=Batch.objects.get(pk=batch_id))


@duty("free expired leases", every_s=60)
def free_leases_duty() -> int:
    """What nobody came back to is free for others."""
    return sweep_leases()


@job_kind(FREEZE_RELEASE)
def freeze_release_job(run: RunningJob, *, release_id: int) -> dict[str, Any]:
    """Freezes a release."""
    return freeze_release(run=run, release=Release.objects.select_related("project").get(pk=release_id))


@job_kind(EXPORT_RELEASE)
def export_release_job(run: RunningJob, *, release_id: int, format: str, folder: str) -> dict[str, Any]:
    """Writes a release in one format."""
    release = Release.objects.select_related("project").get(pk=release_id)
    return export_release(run=run, release=release, format=format, folder=folder)


@job_kind(SAMPLE_INTENT)
def sample_intent_job(run: RunningJob, *, sample_id: int) -> dict[str, Any]:
    """Draws a sample of queries and opens them for judging their intent."""
    return sample_intent(run=run, sample=IntentSample.objects.select_related("project", "batch").get(pk=sample_id))


@job_kind(COMPUTE_CONSENSUS)
def compute_consensus_job(run: RunningJob, *, run_id: int) -> dict[str, Any]:
    """Computes the consensus by three methods."""
    return compute_consensus(run=run, consensus=ConsensusRun.objects.select_related("project").get(pk=run_id))


@job_kind(IMPORT_VOTES)
def import_votes_job(run: RunningJob, *, project_id: int, path: str, name: str) -> dict[str, Any]:
    """Imports votes or labels from a file."""
    return import_votes(run=run, project=Project.objects.get(pk=project_id), path=Path(path), name=name)


@job_kind(TRAIN_INTENT_CLASSIFIER, queue="gpu")
def train_intent_classifier_job(run: RunningJob, *, classifier_id: int, path: str = "") -> dict[str, Any]:
    """Trains a second opinion on intent."""
    classifier = IntentClassifier.objects.select_related("project", "rule_set").get(pk=classifier_id)
    return train_intent_classifier(run=run, classifier=classifier, path=path)


@job_kind(SCORE_INTENT, queue="gpu")
def score_intent_job(run: RunningJob, *, classifier_id: int) -> dict[str, Any]:
    """Asks a second opinion about every query."""
    return score_intent(run=run, classifier=IntentClassifier.objects.select_related("project").get(pk=classifier_id))


@job_kind(BUILD_POOL, queue="gpu")
def build_pool_job(run: RunningJob, *, pool_id: int) -> dict[str, Any]:
    """Builds a test pool."""
    return build_pool(run=run, pool=Pool.objects.select_related("project", "batch").get(pk=pool_id))


@job_kind(SET_ASIDE_VOTES)
def set_aside_votes_job(run: RunningJob, *, act_id: int) -> dict[str, Any]:
    """Sets votes of a person aside and opens their slots again."""
    return set_aside_votes(run=run, act=SetAside.objects.select_related("project", "person", "batch").get(pk=act_id))


@job_kind(RESTORE_VOTES)
def restore_votes_job(run: RunningJob, *, act_id: int) -> dict[str, Any]:
    """Counts votes again that were set aside."""
    return restore_votes(run=run, act=SetAside.objects.select_related("project", "person", "batch").get(pk=act_id))


@job_kind(OPEN_KNOWN_FILE)
def open_known_file_job(run: RunningJob, *, path: str, **params: Any) -> dict[str, Any]:
    """Opens a training or qualification batch out of a file."""
    return open_known_file(run=run, path=Path(path), **params)


@job_kind(RECOUNT_AGREEMENT)
def recount_agreement_job(run: RunningJob, *, project_id: int) -> dict[str, Any]:
    """Counts all votes of a project anew for the agreement page."""
    return recount_agreement(run=run, project=Project.objects.get(pk=project_id))


@duty("count changed votes", every_s=20)
def count_votes_duty() -> int:
    """Counts what has changed since the last time, so that no page has to."""
    return catch_up_all()


@duty("keep dashboards fresh", every_s=20)
def keep_boards_fresh_duty() -> int:
    """Counts work on for the projects whose dashboard somebody looks at."""
    return keep_boards_fresh()
