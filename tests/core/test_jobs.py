"""Jobs inside one process: claiming, progress, cancelling, fencing, retries, quota."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from core import jobs
from core.errors import BadInputError, ConflictError
from core.jobs import (
    JobCancelledError,
    JobFailedError,
    JobFencedError,
    JobInterruptedError,
    RunningJob,
    TooManyJobsError,
    UnknownJobKindError,
    cancel_job,
    claim,
    create_job,
    retry_job,
    run_claimed,
    run_inline,
    take_back_stale_jobs,
)
from core.models import Job, JobState
from tests.factories import UserFactory


@pytest.fixture
def kind(monkeypatch):
    """Registers functions as kinds of jobs for one test."""
    known = dict(jobs._kinds)
    monkeypatch.setattr(jobs, "_kinds", known)
    return jobs.job_kind


@pytest.fixture
def job(db, kind) -> Job:
    kind("test.nothing")(lambda run: {"ok": True})
    return create_job(kind="test.nothing", title="Nothing", params={})


def job_of(kind, function, **columns) -> Job:
    kind("test.own")(function)
    job = create_job(kind="test.own", title="Own", params={})
    Job.objects.filter(pk=job.pk).update(**columns)
    job.refresh_from_db()
    return job


def test_a_job_is_claimed_by_one_worker_only(job):
    assert isinstance(claim(job.pk), RunningJob)
    assert claim(job.pk) is None


def test_a_finished_job_keeps_its_report(job):
    done = run_inline(job)
    assert (done.state, done.result, done.attempt, done.percent) == (JobState.DONE, {"ok": True}, 1, 100)
    assert done.seconds is not None


def test_a_job_put_off_to_later_is_not_claimed_before_its_time(job):
    Job.objects.filter(pk=job.pk).update(run_after=timezone.now() + timedelta(seconds=60))
    assert claim(job.pk) is None
    Job.objects.filter(pk=job.pk).update(run_after=timezone.now() - timedelta(seconds=1))
    assert claim(job.pk) is not None


def test_workers_leave_a_job_alone_that_a_command_is_about_to_run(db, kind):
    kind("test.nothing")(lambda run: {})
    job = create_job(kind="test.nothing", title="Inline", params={}, inline=True)
    assert claim(job.pk) is None
    assert run_inline(job).state == JobState.DONE


def test_an_unknown_kind_is_refused_by_name(db):
    with pytest.raises(UnknownJobKindError, match=r"no\.such"):
        create_job(kind="no.such", title="x", params={})


def test_progress_is_written_and_shown_to_the_caller(db, kind):
    seen = []

    def work(run: RunningJob) -> dict:
        run.min_write_s = 0.0
        run.progress(1, 4, "one of four")
        seen.append(Job.objects.values_list("progress_done", "progress_total", "progress_note").get(pk=run.job_id))
        return {}

    job = job_of(kind, work)
    run_inline(job, on_progress=lambda done, total, note: seen.append((done, total, note)))
    assert seen == [(1, 4, "one of four"), (1, 4, "one of four")]


def test_progress_called_often_writes_seldom(db, kind, django_assert_max_num_queries):
    def work(run: RunningJob) -> dict:
        with django_assert_max_num_queries(4):
            for step in range(2000):
                run.progress(step, 2000)
        return {}

    assert run_inline(job_of(kind, work)).state == JobState.DONE


def test_the_last_progress_is_not_lost(db, kind):
    job = run_inline(job_of(kind, lambda run: run.progress(7, 9, "almost") or {}))
    assert (job.progress_done, job.progress_total) == (7, 9)


def test_a_queued_job_is_cancelled_at_once_and_never_runs(job):
    assert cancel_job(job=job).state == JobState.CANCELLED
    assert claim(job.pk) is None


def test_a_running_job_stops_at_its_next_look(db, kind):
    def work(run: RunningJob) -> dict:
        cancel_job(job=Job.objects.get(pk=run.job_id))
        run.beat()
        run.check()
        raise AssertionError("it went on")

    with pytest.raises(JobFailedError):
        run_inline(job_of(kind, work))
    assert Job.objects.get().state == JobState.CANCELLED


def test_cancelling_a_finished_job_changes_nothing(job):
    run_inline(job)
    assert cancel_job(job=job).state == JobState.DONE


def test_a_fenced_run_stops_and_its_end_is_not_recorded(job):
    run = claim(job.pk)
    Job.objects.filter(pk=job.pk).update(owner_token="somebody else")
    run.beat()
    with pytest.raises(JobFencedError):
        run.check()
    run_claimed(run)
    job.refresh_from_db()
    assert (job.state, job.owner_token, job.result) == (JobState.RUNNING, "somebody else", {})


def test_a_run_that_was_frozen_for_long_asks_before_it_goes_on(job, settings):
    run = claim(job.pk)
    Job.objects.filter(pk=job.pk).update(owner_token="somebody else")
    run._last_beat = time.monotonic() - settings.JOB_STALE_S - 1
    with pytest.raises(JobFencedError):
        run.check()


def test_an_interrupted_job_goes_back_to_the_queue_without_losing_an_attempt(db, kind):
    def work(run: RunningJob) -> dict:
        assert jobs.interrupt_running_jobs() == 1
        with pytest.raises(JobInterruptedError):
            run.check()
        run.check()
        return {}

    job = job_of(kind, work)
    run_claimed(claim(job.pk))
    job.refresh_from_db()
    assert (job.state, job.attempt, job.owner_token) == (JobState.QUEUED, 0, "")


def test_a_stale_job_goes_back_and_its_old_token_is_void(job, settings):
    run = claim(job.pk)
    assert take_back_stale_jobs() == []
    Job.objects.update(beat_at=timezone.now() - timedelta(seconds=settings.JOB_STALE_S + 1))
    assert take_back_stale_jobs() == [job.pk]
    run.beat()
    with pytest.raises(JobFencedError):
        run.check()
    assert claim(job.pk) is not None


def test_a_stale_job_without_attempts_left_fails_with_a_reason(job, settings):
    claim(job.pk)
    Job.objects.update(attempt=3, beat_at=timezone.now() - timedelta(seconds=settings.JOB_STALE_S + 1))
    assert take_back_stale_jobs() == []
    job.refresh_from_db()
    assert (job.state, job.error_code) == (JobState.FAILED, "worker_lost")
    assert "3 times" in job.error


def test_a_stale_job_that_was_to_be_cancelled_is_cancelled(job, settings):
    claim(job.pk)
    Job.objects.update(cancel_requested=True, beat_at=timezone.now() - timedelta(seconds=settings.JOB_STALE_S + 1))
    take_back_stale_jobs()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_refusal_ends_the_job_with_its_own_text_and_code(db, kind):
    def work(run: RunningJob) -> dict:
        raise BadInputError(problem="Line 3 has no query.")

    with pytest.raises(JobFailedError, match=r"Line 3 has no query\."):
        run_inline(job_of(kind, work))
    assert Job.objects.get().error_code == "bad_input"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("three is not four"), "three is not four"),
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device"), "disk is full"),
    ],
)
def test_a_crash_is_told_in_plain_words(db, kind, error, told):
    def work(run: RunningJob) -> dict:
        raise error

    with pytest.raises(JobFailedError, match=told):
        run_inline(job_of(kind, work))
    assert Job.objects.get().error_code == "crash"


def test_trouble_of_the_surroundings_is_tried_again_later_a_bounded_number_of_times(db, kind, settings):
    settings.JOB_BACKOFF_S = 40

    def work(run: RunningJob) -> dict:
        raise OperationalError("database is locked")

    job = job_of(kind, work)
    waits = []
    for _ in range(3):
        run_claimed(claim(job.pk, even_if_put_off=True))
        job.refresh_from_db()
        waits.append(round((job.run_after - timezone.now()).total_seconds(), -1) if job.run_after else None)
    assert waits == [40, 80, None]
    assert (job.state, job.error_code, job.attempt) == (JobState.FAILED, "unavailable", 3)


def test_ctrl_c_in_a_command_ends_the_job_as_cancelled(db, kind):
    def work(run: RunningJob) -> dict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_inline(job_of(kind, work))
    assert Job.objects.get().state == JobState.CANCELLED


def test_a_failed_job_can_be_tried_again_with_all_its_attempts(db, kind):
    job = job_of(kind, lambda run: {}, state=JobState.FAILED, attempt=3, error="broke", error_code="crash")
    again = retry_job(job=job)
    assert (again.state, again.attempt, again.error) == (JobState.QUEUED, 0, "")
    assert run_inline(again).state == JobState.DONE


def test_a_finished_job_cannot_be_tried_again(job):
    with pytest.raises(ConflictError, match="only a failed or cancelled job"):
        retry_job(job=run_inline(job))


def test_one_person_may_only_have_so_many_jobs_waiting(db, kind, settings):
    settings.JOB_MAX_QUEUED_PER_USER = 2
    kind("test.nothing")(lambda run: {})
    person = UserFactory()
    for _ in range(2):
        create_job(kind="test.nothing", title="x", params={}, user=person)
    with pytest.raises(TooManyJobsError, match="2 jobs waiting; at most 2"):
        create_job(kind="test.nothing", title="x", params={}, user=person)
    create_job(kind="test.nothing", title="x", params={}, user=UserFactory())
    create_job(kind="test.nothing", title="x", params={})


def test_a_command_follows_a_job_that_a_worker_was_faster_to_claim(job, monkeypatch):
    run = claim(job.pk)
    monkeypatch.setattr(jobs, "FOLLOW_S", 0.0)
    notes = []

    def on_progress(done: int, total: int, note: str) -> None:
        notes.append(note)
        run_claimed(run)

    assert run_inline(job, on_progress=on_progress).state == JobState.DONE
    assert notes == ["runs in a worker"]


@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_runs_beside_a_job_that_reports_nothing(kind, settings):
    if connection.vendor == "sqlite":
        pytest.skip("a database in memory belongs to one thread; tests/core/test_worker.py proves it on a file")
    settings.JOB_HEARTBEAT_S = 0.05
    beats = []

    def work(run: RunningJob) -> dict:
        for _ in range(3):
            time.sleep(0.15)
            beats.append(Job.objects.values_list("beat_at", flat=True).get(pk=run.job_id))
        return {}

    run_inline(job_of(kind, work))
    assert beats == sorted(set(beats))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("beat-")]


def test_a_cancelled_run_keeps_beating_while_it_winds_down(job):
    run = claim(job.pk)
    cancel_job(job=job)
    Job.objects.update(beat_at=timezone.now() - timedelta(seconds=100))
    run.beat()
    job.refresh_from_db()
    assert timezone.now() - job.beat_at < timedelta(seconds=10)
    with pytest.raises(JobCancelledError):
        run.check()


def test_jobs_on_their_last_attempt_run_one_at_a_time_so_that_none_pays_for_another(db):
    first, second, other = (Job.objects.create(kind="trial", title=str(n)) for n in range(3))
    Job.objects.filter(pk__in=[first.pk, second.pk]).update(attempt=2)
    Job.objects.filter(pk=other.pk).update(attempt=1)
    assert jobs.claim(first.pk) is not None
    assert jobs.claim(second.pk) is None
    assert jobs.claim(other.pk) is not None
    Job.objects.filter(pk=first.pk).update(state=JobState.DONE)
    assert jobs.claim(second.pk) is not None
