"""Which queued jobs a worker hands to its threads, and when."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core import worker
from core.duties import Duty
from core.models import Job, JobState, WorkerBeat
from core.worker import Housekeeper, LocalDelivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    ids: list[int] = []
    monkeypatch.setattr(worker, "_send", lambda job_id, queue: ids.append(job_id))
    return ids


def queue_jobs(n: int, queue: str = "default", **columns) -> list[int]:
    return [Job.objects.create(kind="x", title="x", queue=queue, **columns).pk for _ in range(n)]


def test_no_more_jobs_are_handed_over_than_there_are_threads_and_the_oldest_go_first(sent):
    ids = queue_jobs(5)
    delivery = LocalDelivery(["default"], threads=2)
    delivery.deliver()
    delivery.deliver()
    assert sent == ids[:2]
    Job.objects.filter(pk=ids[0]).update(state=JobState.DONE)
    delivery.finished(ids[0])
    delivery.deliver()
    assert sent == ids[:3]


def test_one_thread_is_kept_for_the_gpu_queue(sent):
    long_work, (training,) = queue_jobs(4), queue_jobs(1, "gpu")
    LocalDelivery(["default", "gpu"], threads=3).deliver()
    assert sent == [*long_work[:2], training]


def test_only_one_gpu_job_is_handed_over(sent):
    first, second = queue_jobs(2, "gpu")
    delivery = LocalDelivery(["default", "gpu"], threads=3)
    delivery.deliver()
    delivery.deliver()
    assert sent == [first]
    Job.objects.filter(pk=first).update(state=JobState.DONE)
    delivery.finished(first)
    delivery.deliver()
    assert sent == [first, second]


def test_a_gpu_job_that_a_command_runs_keeps_the_queue_waiting_as_long_as_it_is_alive(sent, settings):
    (elsewhere,) = queue_jobs(1, "gpu", state=JobState.RUNNING, beat_at=timezone.now())
    (waiting,) = queue_jobs(1, "gpu")
    delivery = LocalDelivery(["default", "gpu"], threads=3)
    delivery.deliver()
    assert sent == []
    silent = timezone.now() - timedelta(seconds=settings.JOB_STALE_S + 1)
    Job.objects.filter(pk=elsewhere).update(beat_at=silent)
    delivery.deliver()
    assert sent == [waiting]


def test_other_queues_and_jobs_put_off_are_left_alone(sent):
    queue_jobs(1, "gpu")
    queue_jobs(1, run_after=timezone.now() + timedelta(minutes=1))
    LocalDelivery(["default"], threads=2).deliver()
    assert sent == []


def test_a_wake_up_that_got_lost_is_handed_over_again(sent, monkeypatch):
    (job_id,) = queue_jobs(1)
    delivery = LocalDelivery(["default"], threads=2)
    delivery.deliver()
    delivery.deliver()
    assert sent == [job_id]
    monkeypatch.setattr(worker, "HANDED_TIMEOUT_S", -1.0)
    delivery.deliver()
    assert sent == [job_id, job_id]


def test_a_worker_says_that_it_is_alive_and_forgets_those_long_gone():
    WorkerBeat.objects.create(name="gone", queues="default", beat_at=timezone.now() - timedelta(hours=1))
    keeper = Housekeeper(queues=["default", "gpu"], delivery=LocalDelivery(["default"], threads=1))
    keeper.beat()
    keeper.beat()
    (beat,) = WorkerBeat.objects.all()
    assert (beat.name, beat.queues) == (keeper.worker, "default,gpu")


def test_each_duty_is_done_when_it_is_due(sent):
    (job_id,) = queue_jobs(1)
    keeper = Housekeeper(queues=["default"], delivery=LocalDelivery(["default"], threads=1))
    keeper.keep_house()
    assert sent == [job_id]
    assert WorkerBeat.objects.exists()
    WorkerBeat.objects.all().delete()
    keeper.keep_house()
    assert not WorkerBeat.objects.exists()


def test_duties_of_the_apps_are_done_when_due_and_a_broken_one_hurts_nobody(monkeypatch, caplog):
    done = []

    def broken():
        done.append("broken")
        raise KeyError("a mistake")

    duties = [Duty("broken", 600, broken), Duty("good", 600, lambda: done.append("good"))]
    monkeypatch.setattr(worker, "all_duties", lambda: duties)
    keeper = Housekeeper(queues=["default"], delivery=LocalDelivery(["default"], threads=1))
    keeper.keep_house()
    keeper.keep_house()
    assert done == ["broken", "good"]
    assert "a mistake" in caplog.text
