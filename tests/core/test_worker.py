"""Real workers, really killed: every job ends, none twice."""

import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.core.conftest import Trial, eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def run_all_despite_kills(trial: Trial, *, n_jobs: int, n_kills: int, pause_s: float, seed: int) -> None:
    """Queues jobs, kills the worker at random moments while some run, and waits until all are over."""
    chance = random.Random(seed)
    trial.note_completions()
    trial.create_jobs("trial.count", n_jobs, folder=str(trial.home), steps=5, pause_s=pause_s)
    worker = trial.start_worker()
    for kill in range(1, n_kills + 1):
        wanted = kill * n_jobs // (n_kills + 2)
        eventually(lambda wanted=wanted: trial.states().get("done", 0) >= wanted, within_s=120, what="progress")
        eventually(lambda: trial.states().get("running", 0), within_s=30, what="a running job")
        time.sleep(chance.uniform(0, 3 * pause_s))
        worker.kill()
        worker.wait()
        worker = trial.start_worker()
    eventually(lambda: trial.states() == {"done": n_jobs}, within_s=200, what="all done")


def assert_each_ended_once(trial: Trial, *, n_jobs: int) -> None:
    completions = [job_id for job_id, _ in trial.rows("SELECT job_id, token FROM completions")]
    assert sorted(completions) == list(range(1, n_jobs + 1))
    assert len(list(trial.home.glob("*.out"))) == n_jobs
    assert max(attempt for (attempt,) in trial.rows("SELECT attempt FROM core_job")) <= 3


@pytest.mark.timeout(600)
def test_forty_jobs_survive_four_killed_workers_and_none_ends_twice(trial):
    run_all_despite_kills(trial, n_jobs=40, n_kills=4, pause_s=0.1, seed=20)
    assert_each_ended_once(trial, n_jobs=40)


@pytest.mark.timeout(600)
@pytest.mark.servers
def test_the_same_holds_with_celery_on_redis_and_postgresql(servers_trial):
    run_all_despite_kills(servers_trial, n_jobs=40, n_kills=4, pause_s=0.1, seed=20)
    assert_each_ended_once(servers_trial, n_jobs=40)


@pytest.mark.servers
def test_a_wake_up_that_redis_lost_is_sent_again(servers_trial):
    servers_trial.start_worker()
    eventually(lambda: servers_trial.rows("SELECT 1 FROM core_workerbeat"), what="a sign of life")
    servers_trial.create_jobs("trial.count", folder=str(servers_trial.home), steps=200, pause_s=0.05)
    servers_trial.forget_wake_ups()
    assert eventually(lambda: servers_trial.states() == {"running": 1}, what="the job runs")


@pytest.mark.servers
def test_a_celery_worker_on_redis_gives_its_jobs_back_when_it_is_stopped(servers_trial):
    worker = servers_trial.start_worker()
    servers_trial.create_jobs("trial.count", 2, folder=str(servers_trial.home), steps=200, pause_s=0.05)
    eventually(lambda: servers_trial.states() == {"running": 2}, what="both run")
    worker.terminate()
    worker.wait(timeout=20)
    assert servers_trial.states() == {"queued": 2}
    assert servers_trial.rows("SELECT 1 FROM core_workerbeat") == []


def test_a_frozen_worker_that_wakes_up_after_a_take_over_writes_nothing_more(trial):
    trial.note_completions()
    trial.create_jobs("trial.count", folder=str(trial.home), steps=20, pause_s=0.1)
    frozen = trial.start_worker()
    eventually(lambda: trial.rows("SELECT 1 FROM core_job WHERE progress_done > 2"), what="progress")
    frozen.send_signal(signal.SIGSTOP)
    trial.start_worker()
    eventually(lambda: trial.rows("SELECT 1 FROM core_job WHERE attempt = 2"), within_s=40, what="a take-over")
    frozen.send_signal(signal.SIGCONT)
    eventually(lambda: trial.states() == {"done": 1}, what="done")
    eventually(lambda: [event for _, _, event in trial.events() if event == "job_fenced"], what="the fence")
    ends = [token for _, token, event in trial.events() if event == "end"]
    starts = [token for _, token, event in trial.events() if event == "start"]
    assert len(starts) == 2
    assert ends == [starts[1]]
    assert trial.rows("SELECT token FROM completions") == [(starts[1],)]


def test_a_job_that_kills_its_worker_fails_after_three_attempts_and_the_others_run(trial):
    trial.create_jobs("trial.deadly", folder=str(trial.home))
    trial.create_jobs("trial.count", 2, folder=str(trial.home), steps=1, pause_s=0.01)
    worker = trial.start_worker()

    def keep_up() -> bool:
        nonlocal worker
        if worker.poll() is not None:
            worker = trial.start_worker()
        return trial.states() == {"failed": 1, "done": 2}

    eventually(keep_up, within_s=90, what="one failed, two done")
    ((code, error),) = trial.rows("SELECT error_code, error FROM core_job WHERE state = 'failed'")
    assert code == "worker_lost"
    assert "died 3 times" in error
    assert sum(event == "start" for job_id, _, event in trial.events() if job_id == 1) == 3


def test_a_stopping_worker_gives_its_jobs_back_at_once_and_signs_off(trial):
    trial.create_jobs("trial.count", folder=str(trial.home), steps=200, pause_s=0.05)
    trial.create_jobs("trial.deaf", folder=str(trial.home), seconds=60)
    worker = trial.start_worker()
    eventually(lambda: sum(event == "start" for _, _, event in trial.events()) == 2, what="both start")
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    assert trial.states() == {"queued": 2}
    assert trial.rows("SELECT DISTINCT attempt, owner_token FROM core_job") == [(0, "")]
    assert "job_interrupted" in [event for _, _, event in trial.events()]


def test_an_idle_worker_signs_off_when_it_is_stopped(trial):
    worker = trial.start_worker()
    eventually(lambda: trial.rows("SELECT 1 FROM core_workerbeat"), what="a sign of life")
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    assert trial.rows("SELECT 1 FROM core_workerbeat") == []


def test_only_one_gpu_job_runs_at_a_time(trial):
    trial.create_jobs("trial.gpu", 2, folder=str(trial.home), steps=5, pause_s=0.1)
    trial.start_worker()
    eventually(lambda: trial.states() == {"done": 2}, what="both done")
    assert [event for _, _, event in trial.events()] == ["start", "end", "start", "end"]


def test_a_cancelled_job_stops_while_it_runs(trial):
    trial.create_jobs("trial.count", folder=str(trial.home), steps=1000, pause_s=0.05)
    trial.start_worker()
    eventually(lambda: trial.rows("SELECT 1 FROM core_job WHERE progress_done > 1"), what="progress")
    trial.shell("from core.models import Job; from core.jobs import cancel_job; cancel_job(job=Job.objects.get())")
    eventually(lambda: trial.states() == {"cancelled": 1}, within_s=10, what="cancelled")
    assert trial.events()[-1][2] == "job_cancelled"


def test_an_idle_worker_loads_no_model_library_and_stays_small(trial):
    worker = trial.start_worker()
    eventually(lambda: trial.rows("SELECT 1 FROM core_workerbeat"), what="a sign of life")
    status = Path(f"/proc/{worker.pid}/status").read_text() if sys.platform == "linux" else ""
    resident = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    assert all(kib < 150 * 1024 for kib in resident)
