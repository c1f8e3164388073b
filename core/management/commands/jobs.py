"""`manage.py jobs`: what runs, what waits, what ended how."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from core.health import how_to_start_a_worker, living_workers
from core.job_selectors import jobs_with_state
from core.models import Job, JobState


class Command(QuarryCommand):
    help = "Lists jobs, newest first."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", default="", help="Only jobs of this project.")
        parser.add_argument("--state", choices=JobState.values, default="", help="Only jobs in this state.")
        parser.add_argument("--limit", type=int, default=30, help="At most so many (default: 30).")

    def report(self, **options: Any) -> Report:
        jobs = Job.objects.select_related("project", "created_by")
        if options["project"]:
            jobs = jobs.filter(project=self.project(options["project"]))
        rows = list(jobs_with_state(jobs, options["state"])[: max(0, options["limit"])])
        workers = living_workers()
        return Report(
            f"{len(rows)} jobs" if rows else "No jobs.",
            {"jobs": [_facts(job) for job in rows], "workers": [worker.name for worker in workers]},
            lines=[(f"{job.pk:>6}  {job.state:<9}", _line(job)) for job in rows],
            notes=[] if workers else [f"No worker is alive. Start one: {how_to_start_a_worker()}"],
        )


def _line(job: Job) -> str:
    progress = f"{job.percent:3d} %" if job.progress_total and not job.is_over else ""
    took = f"{job.seconds:.1f} s" if job.seconds is not None else ""
    where = job.project.slug if job.project else ""
    return "  ".join(part for part in (job.title, where, progress, took, job.error[:200]) if part)


def _facts(job: Job) -> dict[str, Any]:
    return {
        "id": job.pk,
        "kind": job.kind,
        "title": job.title,
        "project": job.project.slug if job.project else None,
        "state": job.state,
        "attempt": job.attempt,
        "progress": [job.progress_done, job.progress_total],
        "seconds": job.seconds,
        "error": job.error,
        "error_code": job.error_code,
        "result": job.result,
    }
