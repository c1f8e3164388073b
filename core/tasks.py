"""The one Celery task: run the job with this id, if it is still to be run."""

from celery import shared_task

from core import jobs


@shared_task(name="core.run_job", acks_late=True)
def run_job_task(job_id: int) -> None:
    """Claims and runs a job; a second delivery of the same id finds nothing to claim and ends at once."""
    run = jobs.claim(job_id)
    if run is not None:
        jobs.run_claimed(run)
