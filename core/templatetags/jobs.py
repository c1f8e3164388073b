"""What a person may do with a job. `{% load jobs %}`."""

from typing import Any

from django import template

from core.access import may_manage_job
from core.health import is_worker_alive
from core.models import Job

register = template.Library()


@register.filter
def manageable_by(job: Job, user: Any) -> bool:
    """Whether this person may cancel and retry the job."""
    return user is not None and user.is_authenticated and may_manage_job(user, job)


@register.simple_tag
def worker_is_alive() -> bool:
    """Whether a queued job can hope to start."""
    return is_worker_alive()
