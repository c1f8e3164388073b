"""The one Celery task: run the job with this id, if it is still to be run."""

import logging
import threading

from celery import shared_task
from django.db.models import F

from core import jobs
from core.models import Job, JobState

logger = logging.getLogger(__name__)

# One gpu job at a time in a process; who finds it taken leaves the job queued, and whoever holds it wakes the next.
_gpu_slot = threading.Lock()


@shared_task(name="core.run_job", acks_late=True)
def run_job_task(job_id: int) -> None:
    """Claims and runs a job; a second delivery of the same id finds nothing to claim and ends at once."""
    queue = Job.objects.filter(pk=job_id).values_list("queue", flat=True).first()
    if queue != "gpu":
        _run(job_id)
    elif _gpu_slot.acquire(blocking=False):
        try:
            _run(job_id)
        finally:
            _gpu_slot.release()
        _wake_next_gpu_job()


@shared_task(name="core.help_with_shards", acks_late=True)
def help_with_shards_task(stage_id: int) -> None:
    """Takes shards of a stage that another worker's job offers; finds none free when they are done."""
    from core.shards import help_with_stage

    help_with_stage(stage_id)


def _run(job_id: int) -> None:
    run = jobs.claim(job_id)
    if run is None:
        return
    logger.info("job %s starts", job_id)
    jobs.run_claimed(run)
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        return
    logger.info("job %s (%s) is %s", job.pk, job.kind, job.state)
    if job.state == JobState.QUEUED and job.run_after is None:
        jobs.publish(job.pk, job.queue)  # interrupted: the next worker should not have to wait for the repair
    elif job.attempt >= job.max_attempts:
        _wake_next_last_chance()


def _wake_next_gpu_job() -> None:
    next_id = Job.objects.ready().filter(queue="gpu").order_by("id").values_list("id", flat=True).first()
    if next_id is not None:
        jobs.publish(next_id, "gpu")


def _wake_next_last_chance() -> None:
    """Jobs on their last attempt run one at a time (JobQuerySet.ready): the next need not wait for the repair."""
    waiting = (
        Job.objects.ready().filter(attempt=F("max_attempts") - 1).order_by("id").values_list("id", "queue").first()
    )
    if waiting is not None:
        jobs.publish(*waiting)
