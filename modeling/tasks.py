"""Kinds of jobs of the modeling stage."""

from typing import Any

from core.jobs import RunningJob, job_kind


@job_kind("modeling.train", queue="gpu")
def train_job(run: RunningJob, *, training_run_id: int, copy_to: str = "") -> dict[str, Any]:
    """Trains in a process of its own, then evaluates before and after."""
    from modeling.services.runs import train_run

    return train_run(run=run, training_run_id=training_run_id, copy_to=copy_to)


@job_kind("modeling.evaluate", queue="gpu")
def evaluate_job(run: RunningJob, *, evaluation_id: int) -> dict[str, Any]:
    """Measures a checkpoint or an untrained encoder on a release's split."""
    from modeling.services.evaluations import evaluate

    return evaluate(run=run, evaluation_id=evaluation_id)


@job_kind("modeling.build_index", queue="gpu")
def build_index_job(run: RunningJob, *, index_id: int) -> dict[str, Any]:
    """Encodes what is new in the code base and writes the searchable index."""
    from modeling.services.search import build_index

    return build_index(run=run, index_id=index_id)
