"""Pages and API of jobs: who sees them, who may stop them, what they say."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.health import forget_workers, how_to_start_a_worker
from core.models import Job, JobState, WorkerBeat
from tests.factories import ProjectFactory, UserFactory, member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ask_again():
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
        progress_done=30,
        progress_total=120,
        progress_note="reading lines",
        started_at=timezone.now(),
    )


def end(job: Job, state: JobState, **columns) -> None:
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=timezone.now(), **columns)


def test_the_jobs_page_of_a_project_shows_what_runs(curator_client, job):
    page = curator_client.get(reverse("core:jobs", args=["demo"])).content.decode()
    assert "Ingest july.log" in page
    assert "25 %" in page
    assert f'hx-get="{reverse("core:job_card", args=[job.pk])}"' in page


def test_an_empty_jobs_page_says_what_would_be_there(curator_client):
    assert "No jobs yet" in curator_client.get(reverse("core:jobs", args=["demo"])).content.decode()


def test_the_page_of_all_jobs_shows_only_own_projects(curator_client, job):
    Job.objects.create(project=ProjectFactory(slug="other"), kind="x", title="Secret work")
    page = curator_client.get(reverse("core:all_jobs")).content.decode()
    assert "Ingest july.log" in page
    assert "Secret work" not in page


def test_jobs_can_be_narrowed_to_a_state(curator_client, job, project):
    Job.objects.create(project=project, kind="x", title="Broken work", state=JobState.FAILED, error="no disk")
    page = curator_client.get(reverse("core:jobs", args=["demo"]), {"state": "failed"}).content.decode()
    assert "Broken work" in page
    assert "Ingest july.log" not in page


def test_a_foreign_job_is_not_found(stranger_client, job):
    for name in ["job", "job_card", "api_job"]:
        address = reverse(f"core:{name}" if not name.startswith("api") else name, args=[job.pk])
        assert stranger_client.get(address).status_code == 404
    for name in ["job_cancel", "job_retry"]:
        assert stranger_client.post(reverse(f"core:{name}", args=[job.pk])).status_code == 404
    assert stranger_client.get(reverse("core:jobs", args=["demo"])).status_code == 404


def test_a_page_of_a_failed_job_says_why_and_offers_another_try(curator_client, job):
    end(job, JobState.FAILED, error="Line 3 has no query.", error_code="bad_input")
    page = curator_client.get(reverse("core:job", args=[job.pk])).content.decode()
    assert "Line 3 has no query." in page
    assert "Try again" in page


def test_a_page_of_a_finished_job_shows_its_report(curator_client, job):
    end(job, JobState.DONE, result={"read": 1234, "lines_by_kind": {"bad": 2}})
    page = curator_client.get(reverse("core:job", args=[job.pk])).content.decode()
    assert "<dt>Read</dt><dd>1,234</dd>" in page
    assert "lines_by_kind" in page


def test_the_card_stops_asking_when_the_job_is_over_and_its_page_reloads(curator_client, job):
    address = reverse("core:job_card", args=[job.pk])
    assert "hx-get" in curator_client.get(address).content.decode()
    end(job, JobState.DONE)
    assert "hx-get" not in curator_client.get(address).content.decode()
    assert curator_client.get(address, {"own": "1"})["HX-Refresh"] == "true"


def test_a_curator_cancels_and_tries_again(curator_client, job):
    curator_client.post(reverse("core:job_cancel", args=[job.pk]))
    job.refresh_from_db()
    assert job.cancel_requested
    end(job, JobState.CANCELLED)
    answer = curator_client.post(
        reverse("core:job_retry", args=[job.pk]), headers={"referer": "http://testserver/jobs/"}
    )
    assert answer["Location"] == "http://testserver/jobs/"
    job.refresh_from_db()
    assert (job.state, job.cancel_requested) == (JobState.QUEUED, False)


def test_a_foreign_referer_is_not_followed(curator_client, job):
    answer = curator_client.post(
        reverse("core:job_cancel", args=[job.pk]), headers={"referer": "https://elsewhere.example/"}
    )
    assert answer["Location"] == reverse("core:job", args=[job.pk])


def test_an_annotator_may_look_but_not_cancel(annotator_client, job):
    page = annotator_client.get(reverse("core:job", args=[job.pk])).content.decode()
    assert "Ingest july.log" in page
    assert "Cancel" not in page
    assert annotator_client.post(reverse("core:job_cancel", args=[job.pk])).status_code == 403
    assert annotator_client.post(reverse("api_job_cancel", args=[job.pk])).json()["code"] == "not_allowed"


def test_whoever_started_a_job_may_cancel_it(annotator_client, annotator, job):
    Job.objects.filter(pk=job.pk).update(created_by=annotator)
    assert annotator_client.post(reverse("core:job_cancel", args=[job.pk])).status_code == 302


def test_changes_are_posts(curator_client, job):
    assert curator_client.get(reverse("core:job_cancel", args=[job.pk])).status_code == 405


def test_jobs_need_a_login(client, job):
    assert client.get(reverse("core:all_jobs")).status_code == 302
    assert client.get(reverse("api_jobs")).status_code == 403


def test_a_list_of_jobs_asks_the_database_a_fixed_number_of_questions(
    curator_client, project, django_assert_max_num_queries
):
    for number in range(30):
        Job.objects.create(
            project=project, kind="x", title=f"Job {number}", state=JobState.DONE, created_by=UserFactory()
        )
    with django_assert_max_num_queries(15):
        curator_client.get(reverse("core:jobs", args=["demo"]))


def test_the_api_lists_jobs_page_by_page(curator_client, project):
    Job.objects.bulk_create(Job(project=project, kind="x", title=f"Job {number}") for number in range(60))
    first = curator_client.get(reverse("api_project_jobs", args=["demo"])).json()
    second = curator_client.get(reverse("api_project_jobs", args=["demo"]), {"after": first["next"]}).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (50, 10, "")
    assert curator_client.get(reverse("api_jobs"), {"state": "done"}).json()["results"] == []
    assert curator_client.get(reverse("api_jobs"), {"state": "resting"}).status_code == 400


def test_the_api_shows_cancels_and_retries_a_job(curator_client, job):
    shown = curator_client.get(reverse("api_job", args=[job.pk])).json()
    assert (shown["state"], shown["percent"], shown["project"], shown["created_by"]) == ("running", 25, "demo", "cora")
    assert curator_client.post(reverse("api_job_cancel", args=[job.pk])).json()["cancel_requested"] is True
    refused = curator_client.post(reverse("api_job_retry", args=[job.pk]))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


# --- is a worker alive? ---------------------------------------------------------------------------------


def alive(seconds_ago: float = 0.0) -> None:
    forget_workers()
    WorkerBeat.objects.update_or_create(
        name="w", defaults={"queues": "default,gpu", "beat_at": timezone.now() - timedelta(seconds=seconds_ago)}
    )


def test_every_page_says_when_no_worker_is_alive_and_how_to_start_one(curator_client):
    page = curator_client.get(reverse("core:home")).content.decode()
    assert "No worker is running" in page
    assert how_to_start_a_worker() in page
    alive()
    assert "No worker is running" not in curator_client.get(reverse("core:home")).content.decode()


def test_a_worker_silent_for_more_than_its_time_counts_as_gone_within_ten_seconds(curator_client, settings):
    alive(seconds_ago=settings.WORKER_ALIVE_S + 1)
    assert "No worker is running" in curator_client.get(reverse("core:home")).content.decode()
    assert settings.WORKER_ALIVE_S + 4 <= 10  # open pages ask every four seconds


def test_the_login_page_says_nothing_about_workers(client):
    assert "No worker" not in client.get(reverse("core:login")).content.decode()


def test_an_open_page_learns_of_a_change_and_is_left_alone_without_one(client, django_assert_num_queries):
    address = reverse("core:worker_banner")
    assert "No worker is running" in client.get(address, {"shown": "0"}).content.decode()
    assert client.get(address, {"shown": "1"}).status_code == 204
    alive()
    assert client.get(address, {"shown": "0"}).status_code == 204
    with django_assert_num_queries(0):
        assert "No worker is running" not in client.get(address, {"shown": "1"}).content.decode()
    assert client.get(address).status_code == 404


def test_a_queued_job_says_whether_it_waits_for_its_turn_or_for_a_worker(curator_client, job):
    end(job, JobState.QUEUED)
    address = reverse("core:job_card", args=[job.pk])
    assert "Waits for a worker" in curator_client.get(address).content.decode()
    alive()
    assert "Waits for its turn" in curator_client.get(address).content.decode()


# --- health -----------------------------------------------------------------------------------------------


def test_health_answers_without_a_login_and_tells_strangers_no_details(client: Client):
    answer = client.get("/health/")
    assert answer.status_code == 200
    assert answer.json()["status"] == "warn"
    assert {"name": "database", "status": "ok"} in answer.json()["checks"]
    assert all("detail" not in check for check in answer.json()["checks"])


def test_health_tells_staff_what_to_do(admin_client: Client):
    checks = {check["name"]: check["detail"] for check in admin_client.get("/health/").json()["checks"]}
    assert how_to_start_a_worker() in checks["worker"]
    assert "GiB free" in checks["disk"]


def test_health_fails_when_a_worker_sees_another_data_folder(client):
    alive()
    WorkerBeat.objects.update(home="another one")
    answer = client.get("/health/")
    assert (answer.status_code, answer.json()["status"]) == (503, "fail")


def test_an_old_sqlite_is_advice_not_alarm(admin_client, monkeypatch):
    from core import health

    monkeypatch.setattr(health.sqlite3, "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(health.sqlite3, "sqlite_version", "3.40.1")
    check = health._check_sqlite()
    assert check.status == "advice"
    assert "3.51.3" in check.detail
    assert health.overall([check]) == "ok"


def test_a_full_disk_fails(monkeypatch):
    from collections import namedtuple

    from core import health

    monkeypatch.setattr(health.shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(5))
    assert health._check_disk().status == "fail"


def test_the_health_command_prints_the_checks(capsys):
    call_command("check_health")
    assert "No worker is alive" in capsys.readouterr().out


def test_the_jobs_command_lists_jobs(capsys, job):
    call_command("jobs", "--project", "demo")
    told = capsys.readouterr().out
    assert "Ingest july.log" in told
    assert "25 %" in told
    call_command("jobs", "--json", "--state", "done")
    assert '"jobs": []' in capsys.readouterr().out


def test_jobs_of_members_without_a_project_belong_to_who_started_them(project):
    person = member(project, "reader", username="rita")
    own = Job.objects.create(kind="x", title="own", created_by=person)
    Job.objects.create(kind="x", title="system")
    assert list(Job.objects.for_user(person)) == [own]
