"""Reads of jobs, for pages, API and commands."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404

from core.access import may_manage_job
from core.errors import NotAllowedError
from core.models import Job, JobQuerySet

UNFINISHED_SHOWN = 20


def jobs_of_person(user: Any) -> JobQuerySet:
    """Jobs of this person's projects, newest first."""
    return Job.objects.for_user(user)


def jobs_with_state(jobs: QuerySet[Job], state: str) -> QuerySet[Job]:
    """Only those in this state; an empty state takes all, an unknown one none."""
    return jobs.filter(state=state) if state else jobs


def longest_running_first(jobs: JobQuerySet) -> list[Job]:
    """Unfinished jobs, running ones first."""
    return list(jobs.unfinished().order_by("-state", "id")[:UNFINISHED_SHOWN])


def job_for(user: Any, pk: int, *, to_manage: bool = False) -> Job:
    """The job as seen by this person: Http404 if foreign; NotAllowedError if they may only look."""
    job = Job.objects.for_user(user).select_related("project", "created_by").filter(pk=pk).first()
    if job is None:
        raise Http404(f"There is no job {pk}.")
    if to_manage and not may_manage_job(user, job):
        raise NotAllowedError(needed="curator", project=job.project.slug if job.project else "")
    return job
