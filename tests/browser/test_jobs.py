"""Jobs and the notice about workers, alive in a page that nobody reloads."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from core.health import forget_workers
from core.models import Job, JobState, WorkerBeat
from tests.browser.conftest import axe_violations, overflow_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _ask_again() -> None:
    forget_workers()


@pytest.fixture
def job(project, curator) -> Job:
    return Job.objects.create(
        project=project,
        kind="curation.ingest_log",
        title="Ingest july.log",
        created_by=curator,
        state=JobState.RUNNING,
        attempt=1,
        progress_done=10,
        progress_total=200,
        progress_note="reading lines",
        started_at=timezone.now(),
    )


def beat(seconds_ago: float = 0.0) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerBeat.objects.update_or_create(name="w", defaults={"queues": "default,gpu", "beat_at": at})
    forget_workers()


def test_progress_moves_and_the_end_shows_without_a_reload(new_page, curator, job):
    beat()
    page = new_page(user=curator)
    page.goto("/p/demo/jobs/")
    page.get_by_text("10 of 200 (5 %)").wait_for()
    Job.objects.update(progress_done=150, progress_note="still reading")
    page.get_by_text("150 of 200 (75 %)").wait_for(timeout=5000)
    Job.objects.update(state=JobState.DONE, finished_at=timezone.now(), result={"read": 200})
    page.get_by_role("link", name="Show the result").wait_for(timeout=5000)
    assert page.trouble == []


def test_the_page_of_a_job_shows_the_result_by_itself_when_it_ends(new_page, curator, job):
    page = new_page(user=curator)
    page.goto(f"/jobs/{job.pk}/")
    page.get_by_text("reading lines").wait_for()
    Job.objects.update(state=JobState.DONE, finished_at=timezone.now(), result={"lines_read": 200})
    page.get_by_role("heading", name="Result").wait_for(timeout=5000)
    assert page.get_by_text("Lines read").is_visible()
    assert page.trouble == []


def test_cancel_is_one_press(new_page, curator, job):
    page = new_page(user=curator)
    page.goto("/p/demo/jobs/")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Stopping").wait_for()
    job.refresh_from_db()
    assert job.cancel_requested


def test_an_open_page_says_within_ten_seconds_that_the_worker_is_gone_and_takes_it_back(new_page, curator, project):
    beat()
    page = new_page(user=curator)
    page.goto("/p/demo/jobs/")
    notice = page.get_by_text("No worker is running")
    assert notice.count() == 0
    died = time.monotonic()
    notice.wait_for(timeout=15_000)
    assert time.monotonic() - died <= 11  # ten seconds, and one for a busy machine
    beat()
    notice.wait_for(state="detached", timeout=10_000)
    assert page.trouble == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_jobs_pages_are_readable_for_everybody(new_page, curator, project, job, theme, width):
    Job.objects.create(project=project, kind="x", title="Broken", state=JobState.FAILED, error="The disk is full.")
    page = new_page(user=curator, theme=theme, width=width)
    for address in ["/p/demo/jobs/", f"/jobs/{job.pk}/", "/jobs/"]:
        page.goto(address)
        assert page.get_by_text("No worker is running").is_visible()
        assert axe_violations(page) == []
        assert overflow_of(page) == []
    assert page.trouble == []
