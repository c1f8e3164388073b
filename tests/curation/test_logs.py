"""Search logs become queries: counts add up, a file counts once, a killed import goes on where it stood."""

import gzip
import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from core.errors import BadInputError, ConflictError
from core.jobs import JobFencedError, RunningJob, cancel_job, claim, retry_job, run_claimed, run_inline
from core.models import Job, JobState
from curation import log_shards
from curation.log_shards import user_hash
from curation.models import BadRow, LogImport, Query, QueryClick, QueryCount, RuleHit, Verdict
from curation.reading import EmptyLogError, LogShape, UnknownColumnError
from curation.selectors import current_rule_set, proposable_queries
from curation.selectors.queries import import_report, second_import_report
from curation.services import log_undo, log_writing, logs
from curation.services.logs import start_ingest_log, start_undo_import, store_log, store_log_file
from curation.services.rules import start_apply_rules
from tests.factories import PairFactory, ProjectFactory

pytestmark = pytest.mark.django_db

MESSY = (
    b"python sort list\n"
    b"Python  Sort List\n"
    b"python mail anna@example.org\n"
    b"python caf\xe9\n"
    b"\n"
    b"what is python\n"
    b"python sort list\n"
)


def begin(project, data, name="log.txt", **shape):
    return start_ingest_log(project=project, stored=store_log([data], name=name), shape=LogShape(**shape))


def ingest(project, data, name="log.txt", **shape):
    start = begin(project, data, name, **shape)
    run_inline(start.job)
    start.log_import.refresh_from_db()
    return start.log_import


def test_read_is_new_plus_known_plus_bad(project):
    found = ingest(project, MESSY)
    assert (found.n_read, found.n_new, found.n_known, found.n_bad) == (7, 3, 2, 2)
    assert found.n_read == found.n_new + found.n_known + found.n_bad
    assert found.is_complete
    assert dict(project.queries.values_list("text", "n_seen")) == {
        "python sort list": 3,
        "python mail anna@example.org": 1,
        "what is python": 1,
    }


def test_bad_rows_are_listed_with_line_and_reason(project):
    found = ingest(project, MESSY)
    assert list(found.bad_rows.values_list("line", "reason")) == [
        (4, "not UTF-8"),
        (5, "empty query"),
    ]
    assert found.bad_reasons == {"not UTF-8": 1, "empty query": 1}


def test_private_queries_are_quarantined_with_a_reason(project):
    report = import_report(ingest(project, MESSY))
    held = project.queries.get(quarantine_reason="e-mail")
    assert "anna" in held.text
    assert "anna" not in str(held)
    assert report["quarantined"] == 1


def test_a_second_import_of_the_same_file_adds_nothing_and_says_so(project):
    first = ingest(project, MESSY)
    again = begin(project, MESSY, name="other name.txt")
    assert again.job is None
    assert again.log_import == first
    report = second_import_report(again.log_import)
    assert report["already_imported"]
    assert (report["read"], report["new"], report["known"], report["bad"]) == (7, 0, 5, 2)
    assert LogImport.objects.count() == 1
    assert project.queries.get(text="python sort list").n_seen == 3


def test_the_same_file_in_two_projects_makes_rows_in_each(project):
    other = ProjectFactory(slug="other")
    ingest(project, MESSY)
    assert ingest(other, MESSY).n_new == 3
    assert Query.objects.count() == 6


def test_totals_are_the_sum_over_imports(project):
    ingest(project, b"python sort list\npython join\n")
    second = ingest(project, b"query,n\npython sort list,5\npython map,2\n", "b.csv", count_column="n")
    assert (second.n_new, second.n_known) == (1, 1)
    for query in project.queries.all():
        assert query.n_seen == sum(query.counts.values_list("n", flat=True))
    assert project.queries.get(text="python sort list").n_seen == 6


def test_the_stored_file_is_removed_when_the_import_is_complete(project, settings, tmp_path):
    settings.QUARRY_HOME = tmp_path
    start = begin(project, MESSY)
    assert (tmp_path / start.log_import.stored_path).read_bytes() == MESSY
    run_inline(start.job)
    assert list((tmp_path / "uploads").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_stored_names_are_ours_whatever_the_upload_is_called(settings, tmp_path):
    settings.QUARRY_HOME = tmp_path
    for name in ("../../etc/passwd", "/etc/passwd", "a\\..\\b", "x\0y", "", "‮gnp.exe", "n" * 500):
        stored = store_log([b"python a\n"], name=name)
        assert stored.path.parent == tmp_path / "uploads"
        assert stored.path.resolve().is_relative_to(tmp_path)
        assert "/" not in stored.name
        assert 0 < len(stored.name) <= 255


def test_a_refused_file_leaves_nothing_behind(project, settings, tmp_path):
    settings.QUARRY_HOME = tmp_path
    with pytest.raises(EmptyLogError):
        begin(project, b"")
    with pytest.raises(UnknownColumnError):
        begin(project, b"a,b\n1,2\n", "x.csv", column="query")
    assert list((tmp_path / "uploads").iterdir()) == []
    assert not LogImport.objects.exists()
    assert not Job.objects.exists()


def test_a_file_that_is_being_imported_is_not_begun_twice(project):
    begin(project, MESSY)
    with pytest.raises(ConflictError, match="already"):
        begin(project, MESSY)
    assert Job.objects.count() == 1


def test_an_import_whose_process_was_killed_goes_on_when_asked_again(project, settings):
    settings.JOB_STALE_S = 0.0
    start = begin(project, MESSY)
    claim(start.job.pk)  # and nothing more: its process is gone
    again = begin(project, MESSY)
    assert again.job == start.job
    run_inline(again.job)
    assert project.log_imports.get().is_complete


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs."""


@pytest.fixture
def small_chunks(monkeypatch):
    """Three queries a transaction, and shards of a few lines."""
    monkeypatch.setattr(log_writing, "MAX_CHUNK_ROWS", 3)
    monkeypatch.setattr(log_shards, "PART_ROWS", 5)
    monkeypatch.setattr(logs, "SHARD_BYTES", 100)


def make_log(n=60):
    lines = [f"python query {number % 23}" if number % 5 else "\t" for number in range(n)]
    return "\n".join(lines).encode() + b"\n"


def state_of(project):
    """All that an import leaves in a project, without ids and times."""
    found = project.log_imports.get()
    key = "query__content_hash"
    return {
        "numbers": (found.n_read, found.n_new, found.n_known, found.n_bad, found.bad_reasons, found.is_complete),
        "queries": sorted(
            project.queries.values_list("content_hash", "text", "n_seen", "n_people", "quarantine_reason")
        ),
        "counts": sorted(
            (key, n, bytes(askers or b""))
            for key, n, askers in QueryCount.objects.filter(log_import=found).values_list(key, "n", "askers")
        ),
        "verdicts": sorted(Verdict.objects.filter(query__project=project).values_list(key, "has_intent")),
        "hits": sorted(RuleHit.objects.filter(verdict__query__project=project).values_list(f"verdict__{key}", "rule")),
        "clicks": sorted(QueryClick.objects.filter(log_import=found).values_list(key, "url", "n")),
        "bad": sorted(BadRow.objects.filter(log_import=found).values_list("line", "reason", "excerpt")),
    }


@pytest.mark.parametrize(
    ("where", "name", "killed_at"),
    [
        *((log_shards, "_write", number) for number in (1, 4)),
        *((log_shards, "_write_sorted", number) for number in (1, 3)),
        *((log_writing.LogWriter, "_write", number) for number in (1, 2, 3)),
        *((log_writing.LogWriter, "_write_verdicts", number) for number in (1, 3)),
        (logs._Ingest, "_finish", 1),
        (logs, "forget_file", 1),
    ],
)
def test_a_killed_import_goes_on_without_counting_twice(project, small_chunks, monkeypatch, where, name, killed_at):
    plain = ProjectFactory(slug="plain")
    ingest(plain, make_log())
    start = begin(project, make_log())
    calls = []
    whole = getattr(where, name)

    def dying(*args):
        calls.append(1)
        if len(calls) == killed_at:
            raise Killed
        return whole(*args)

    with monkeypatch.context() as patch:
        patch.setattr(where, name, dying)
        with pytest.raises(Killed):
            logs.ingest_log(run=claim(start.job.pk), log_import_id=start.log_import.pk)
    found = project.log_imports.get()
    assert found.n_read == found.n_new + found.n_known + found.n_bad
    run = RunningJob(start.job.pk, Job.objects.get(pk=start.job.pk).owner_token)
    logs.ingest_log(run=run, log_import_id=start.log_import.pk)
    assert state_of(project) == state_of(plain)


def test_a_worker_that_was_taken_over_writes_nothing_more(project, small_chunks):
    start = begin(project, make_log())
    run = claim(start.job.pk)
    late = log_writing.LogWriter(start.log_import, current_rule_set(project), job_id=run.job_id, decided={})
    logs.ingest_log(run=run, log_import_id=start.log_import.pk)
    before = state_of(project)
    row = log_shards.QueryRow("0" * 32, "python late", 1, 1, "", ())
    with pytest.raises(JobFencedError):
        late._write([row])
    assert state_of(project) == before


def cancelled_midway(project, data, name="log.txt", **shape):
    """An import whose job was cancelled after some of its queries were written."""
    start = begin(project, data, name, **shape)
    run = claim(start.job.pk)
    run.min_write_s = 0

    def cancel(done, total, note):
        if note.startswith("Writing") and project.log_imports.get().n_read:
            cancel_job(job=start.job)

    run.on_progress = cancel
    run_claimed(run)
    start.job.refresh_from_db()
    start.log_import.refresh_from_db()
    return start


def test_a_cancelled_import_stops_and_can_be_taken_up_again(project, small_chunks, settings, tmp_path):
    settings.QUARRY_HOME = tmp_path
    start = cancelled_midway(project, make_log())
    assert start.job.state == JobState.CANCELLED
    assert 0 < start.log_import.n_read < 48
    assert not start.log_import.is_complete
    assert list((tmp_path / "tmp").iterdir()) == []  # no shard is left lying about
    again = begin(project, make_log())
    assert again.log_import == start.log_import
    run_inline(again.job)
    assert project.log_imports.get().n_read == 60
    plain = ProjectFactory(slug="plain")
    ingest(plain, make_log())
    assert state_of(project) == state_of(plain)


def test_a_begun_import_is_not_continued_with_other_columns(project, small_chunks):
    data = b"query,other\n" + b"".join(b"python %d,x %d\n" % (n, n) for n in range(29))
    cancelled_midway(project, data, "a.csv", column="query")
    with pytest.raises(ConflictError, match="column query"):
        begin(project, data, "a.csv", column="other")


def test_only_the_first_bad_rows_are_stored_and_all_are_counted(project, monkeypatch, small_chunks):
    monkeypatch.setattr(logs, "MAX_STORED_BAD_ROWS", 4)
    found = ingest(project, b"python a\n" + b"not \x01 text\n" * 10)
    assert found.n_bad == 10
    assert found.bad_rows.count() == 4
    assert found.bad_reasons == {"holds control characters": 10}


def test_a_broken_gzip_fails_the_job_with_a_plain_error(project):
    data = gzip.compress("".join(f"python {n * 7919}\n" for n in range(40_000)).encode())
    start = begin(project, data[:-9000], "a.gz")
    run_claimed(claim(start.job.pk))
    start.job.refresh_from_db()
    assert start.job.state == JobState.FAILED
    assert start.job.error_code == "broken_log"
    assert "damaged or ends early" in start.job.error


def test_users_are_kept_only_as_hashes_of_the_project(project):
    ingest(project, b"query,who\npython a,ada\npython a,ada\npython a,bob\npython b,ada\n", "a.csv", user_column="who")
    salt = project.secret.encode()
    both = QueryCount.objects.get(query__text="python a").askers
    assert bytes(both) == b"".join(sorted(bytes.fromhex(user_hash(name, salt)) for name in ("ada", "bob")))
    assert dict(project.queries.values_list("text", "n_people")) == {"python a": 2, "python b": 1}
    assert user_hash("ada", salt) != user_hash("ada", b"another secret")


def test_a_person_in_two_logs_counts_once(project):
    ingest(project, b"query,who\npython a,ada\npython a,bob\n", "a.csv", user_column="who")
    ingest(project, b"query,who\npython a,bob\npython a,cy\npython b,cy\n", "b.csv", user_column="who")
    ingest(project, b"python a\npython b\n")
    assert dict(project.queries.values_list("text", "n_people")) == {"python a": 3, "python b": 1}


def accept_all(project):
    run_inline(start_apply_rules(project=project, rule_set=current_rule_set(project)))
    return set(proposable_queries(project).values_list("text", flat=True))


def test_k_anonymity_counts_people_where_the_log_names_them(project):
    log = b"query,who\n" + b"python sort a,ada\n" * 5 + b"python sort b,ada\npython sort b,bob\n"
    ingest(project, log, "a.csv", user_column="who")
    assert accept_all(project) == {"python sort a", "python sort b"}
    project.k_anonymity = 2
    project.save()
    assert accept_all(project) == {"python sort b"}


def test_k_anonymity_counts_times_where_the_log_names_nobody(project):
    ingest(project, b"python sort a\npython sort a\npython sort b\n")
    project.k_anonymity = 2
    project.save()
    assert accept_all(project) == {"python sort a"}


def test_quarantined_and_rejected_queries_are_never_proposed(project):
    ingest(project, b"python sort a\npython mail anna@example.org\nwhat is python\nsort list java\n")
    assert accept_all(project) == {"python sort a"}


def test_a_missing_file_is_a_refusal(tmp_path):
    with pytest.raises(BadInputError, match="No such file"):
        store_log_file(tmp_path / "none.txt")


def test_shards_of_an_import_that_crashed_go_after_a_day(project, small_chunks, monkeypatch, settings, tmp_path):
    settings.QUARRY_HOME = tmp_path
    start = begin(project, make_log())

    def crash(*args):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(log_writing.LogWriter, "_write", crash)
        run_claimed(claim(start.job.pk))
    folder = tmp_path / f"tmp/ingest-{start.log_import.pk}"
    assert any(folder.iterdir())
    assert logs.forget_shards() == 0
    Job.objects.update(finished_at=timezone.now() - timedelta(hours=25))
    assert logs.forget_shards() == 1
    assert not folder.exists()
    retry_job(job=Job.objects.get())
    run_inline(Job.objects.get())
    assert project.log_imports.get().n_read == 60


# --- taking an import back ------------------------------------------------------------------------------------------


def undo(log_import):
    run_inline(start_undo_import(log_import=log_import))


def picture(project):
    """The queries of a project and what hangs on them, without ids and times."""
    return {
        "queries": sorted(project.queries.values_list("text", "n_seen", "n_people", "first_import__name")),
        "counts": sorted(
            (*names, bytes(askers or b""))
            for *names, askers in QueryCount.objects.values_list("query__text", "log_import__name", "n", "askers")
        ),
        "clicks": sorted(QueryClick.objects.values_list("query__text", "log_import__name", "url", "n")),
        "verdicts": sorted(Verdict.objects.values_list("query__text", "has_intent")),
        "hits": RuleHit.objects.count(),
        "imports": sorted(project.log_imports.values_list("name", "n_read", "n_new", "n_known", "n_bad")),
        "bad": BadRow.objects.count(),
    }


FIRST = b"query,who,url\npython a,ada,https://x.org/1\npython b,bob,\nwhat is c,ada,https://x.org/3\n,,\n"
SECOND = b"query,who,url\npython b,ada,https://x.org/2\npython d,cy,https://x.org/4\n"
COLUMNS = {"column": "query", "user_column": "who", "url_column": "url"}


def test_an_undone_import_leaves_what_the_others_brought(project):
    ingest(project, SECOND, "b.csv", **COLUMNS)
    expected = picture(project)
    project.log_imports.all().delete()
    project.queries.all().delete()

    first = ingest(project, FIRST, "a.csv", **COLUMNS)
    ingest(project, SECOND, "b.csv", **COLUMNS)
    assert project.queries.get(text="python b").n_people == 2
    undo(first)
    assert picture(project) == expected


def test_an_undone_import_can_be_done_again_with_other_columns(project):
    first = ingest(project, FIRST, "a.csv", column="url", count_column="-", user_column="-")
    assert project.queries.filter(text="https://x.org/1").exists()
    undo(first)
    assert not project.queries.exists()
    again = ingest(project, FIRST, "a.csv", **COLUMNS)
    assert (again.n_read, again.n_new) == (4, 3)


@pytest.mark.parametrize("killed_at", [1, 2, 3])
def test_a_killed_undo_goes_on(project, monkeypatch, killed_at):
    monkeypatch.setattr(log_undo, "CHUNK_ROWS", 10)
    first = ingest(project, make_log())
    job = start_undo_import(log_import=first)
    whole, calls = log_undo._take_back, []

    def dying(*args):
        calls.append(1)
        whole(*args)
        if len(calls) == killed_at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(log_undo, "_take_back", dying)
        with pytest.raises(Killed):
            logs.undo_import(run=claim(job.pk), log_import_id=first.pk)
    with pytest.raises(ConflictError, match="undone"):
        begin(project, make_log())
    logs.undo_import(run=RunningJob(job.pk, Job.objects.get(pk=job.pk).owner_token), log_import_id=first.pk)
    assert not project.queries.exists()
    assert not project.log_imports.exists()
    assert not Verdict.objects.exists()


def test_an_import_whose_queries_are_used_is_not_undone(project):
    first = ingest(project, b"python sort list\npython map\n")
    ingest(project, b"python map\n", "b.txt")
    PairFactory(project=project, query=project.queries.get(text="python sort list"))
    with pytest.raises(ConflictError, match="1 pairs refer"):
        start_undo_import(log_import=first)
    assert project.queries.get(text="python map").n_seen == 2


def test_a_pair_on_a_query_that_another_log_has_too_is_no_hindrance(project):
    first = ingest(project, b"python sort list\npython map\n")
    ingest(project, b"python map\n", "b.txt")
    PairFactory(project=project, query=project.queries.get(text="python map"))
    undo(first)
    assert list(project.queries.values_list("text", "n_seen")) == [("python map", 1)]


def test_the_undo_command_says_what_went(project, capsys):
    first = ingest(project, MESSY)
    call_command("undo_import", str(first.pk), "--project", "demo", "--json")
    data = json.loads(capsys.readouterr().out)
    assert (data["counts"], data["queries_removed"]) == (3, 3)
    with pytest.raises(SystemExit) as stop:
        call_command("undo_import", str(first.pk), "--project", "demo")
    assert stop.value.code == 2
    assert "there are: none" in capsys.readouterr().err


def test_the_page_undoes_an_import_and_says_why_not(project, curator_client):
    first = ingest(project, MESSY)
    address = f"/p/demo/logs/{first.pk}/undo/"
    assert "Undo the import" in curator_client.get(f"/p/demo/logs/{first.pk}/").content.decode()
    PairFactory(project=project, query=project.queries.get(text="what is python"))
    refused = curator_client.post(address, follow=True)
    assert "cannot be undone: 1 pairs refer" in refused.content.decode()
    project.pairs.all().delete()
    assert curator_client.post(address).status_code == 302
    run_inline(Job.objects.get(kind="curation.undo_import"))
    assert not project.log_imports.exists()


def test_the_page_of_a_query_lists_its_clicks_and_of_a_quarantined_one_none(project, curator_client):
    log = b"query,url\npython a,https://x.org/1\npython a,https://x.org/1\npython b@b.org,https://x.org/2\n"
    ingest(project, log, "a.csv", url_column="url")
    for query in project.queries.all():
        page = curator_client.get(f"/p/demo/queries/{query.pk}/").content.decode()
        assert ("https://x.org/" in page) == (query.text == "python a")


def test_the_api_undoes_an_import(project, curator_client, annotator_client):
    first = ingest(project, MESSY)
    address = f"/api/v1/projects/demo/logs/{first.pk}/undo/"
    assert annotator_client.post(address).status_code == 403
    answer = curator_client.post(address)
    assert (answer.status_code, answer.json()["log_import"]) == (202, first.pk)
    assert curator_client.post(address).status_code == 409


# --- the command --------------------------------------------------------------------------------------------------


def command(capsys, *args):
    call_command("ingest_log", *args)
    return capsys.readouterr().out


def test_the_command_prints_a_report_that_adds_up(project, tmp_path, capsys):
    path = tmp_path / "log.txt"
    path.write_bytes(MESSY)
    data = json.loads(command(capsys, str(path), "--project", "demo", "--json"))
    assert (data["read"], data["new"], data["known"], data["bad"]) == (7, 3, 2, 2)
    assert data["bad_rows"][0]["line"] == 4
    again = json.loads(command(capsys, str(path), "--project", "demo", "--json"))
    assert (again["new"], again["known"], again["already_imported"]) == (0, 5, True)
    assert "imported before" in command(capsys, str(path), "--project", "demo")


def test_the_command_reads_standard_input(project, monkeypatch, capsys):
    class Input:
        buffer = io.BytesIO(MESSY)

    monkeypatch.setattr("sys.stdin", Input)
    assert json.loads(command(capsys, "-", "--project", "demo", "--json"))["read"] == 7


def test_a_detached_import_waits_for_a_worker(project, tmp_path, capsys):
    path = tmp_path / "log.txt"
    path.write_bytes(MESSY)
    data = json.loads(command(capsys, str(path), "--project", "demo", "--json", "--detach"))
    job = Job.objects.get(pk=data["job"])
    assert job.state == JobState.QUEUED
    path.unlink()
    run_inline(job)
    assert project.log_imports.get().n_read == 7


@pytest.mark.parametrize(
    ("data", "args"),
    [
        (b"", []),
        (bytes(range(256)) * 20, []),
        (b"a,b\n1,2\n", ["--format", "csv", "--column", "query"]),
        (b"python a\n", ["--column", "query"]),
        (None, []),
    ],
)
def test_bad_input_ends_the_command_with_status_2_and_one_line(project, tmp_path, capsys, data, args):
    path = tmp_path / "log"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SystemExit) as stop:
        call_command("ingest_log", str(path), "--project", "demo", *args)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


def test_an_unknown_project_ends_the_command_with_status_2(db, tmp_path):
    with pytest.raises(SystemExit) as stop:
        call_command("ingest_log", str(tmp_path), "--project", "nowhere")
    assert stop.value.code == 2
