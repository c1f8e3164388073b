"""Code sources become codes and occurrences: counts add up, and a second reading adds nothing."""

import json

import pytest

from core.errors import ConflictError
from core.jobs import JobCancelledError, JobFailedError, RunningJob, claim, run_inline
from core.models import Job, JobState
from curation.code_reading import read_unit
from curation.code_sources import CodeSourceError
from curation.models import Code, CodeOccurrence, CodeSource
from curation.selectors import code_base, code_counts, proposable_codes
from curation.selectors.code import browse_codes
from curation.services.code import ingest_code, start_ingest_code
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db

GOOD = 'def read_rows(path):\n    """Read all rows of a file."""\n    with open(path) as file:\n        return [*file]'
MAIL = 'def ask():\n    """Ask the author of this module."""\n    to = "anna.b@example-firm.com"\n    return to\n'


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "shop"
    (root / "tests").mkdir(parents=True)
    (root / "a.py").write_text(f"def bare(x):\n    y = x\n    return y\n\n\n{GOOD}")
    (root / "b.py").write_text(f"{GOOD}\n\n{MAIL}")
    (root / "broken.py").write_text("def f(:\n")
    (root / "tests" / "c.py").write_text(GOOD)
    return root


def ingest(project, spec, **options):
    source, job = start_ingest_code(project=project, spec=str(spec), **options)
    run_inline(job)
    source.refresh_from_db()
    return source


def test_functions_are_counted_by_reason_and_the_counts_add_up(project, folder):
    source = ingest(project, folder)
    assert source.counts == {"duplicate": 2, "kept": 2, "does not parse": 1, "undocumented": 1}
    assert source.n_functions == sum(source.counts.values()) == source.occurrences.count()
    assert source.n_new == 4
    assert source.problems == [["broken.py", source.problems[0][1]]]
    assert "line 1" in source.problems[0][1]


def test_a_code_is_its_content_and_occurrences_hang_on_it(project, folder):
    ingest(project, folder)
    code = Code.objects.get(project=project, name="read_rows")
    assert list(code.occurrences.order_by("path").values_list("path", "start_line", "filter_reason")) == [
        ("a.py", 6, ""),
        ("b.py", 1, "duplicate"),
        ("tests/c.py", 1, "duplicate"),
    ]
    assert code.is_paired
    assert (code.header, code.docstring) == ("def read_rows(path):", "Read all rows of a file.")


def test_the_counts_of_a_source_are_the_rows_behind_them(project, folder):
    source = ingest(project, folder)
    for reason in source.counts:
        assert browse_codes(project, source=source.pk, reason=reason).count() == 1 + (reason == "kept")


def test_unpaired_and_private_code_is_never_proposed(project, folder):
    ingest(project, folder)
    assert Code.objects.get(name="ask").quarantine_reason == "e-mail"
    assert [code.name for code in proposable_codes(project)] == ["read_rows"]
    assert [name for _, name, _ in code_base(project)] == ["read_rows"]
    assert code_counts(project) == {"all": 4, "paired": 1, "unpaired": 2, "quarantined": 1}


def test_a_search_does_not_tell_what_private_code_holds(project, folder):
    ingest(project, folder)
    assert not browse_codes(project, text="author of this").exists()


def test_reading_again_adds_nothing(project, folder):
    first = ingest(project, folder)
    before = list(CodeOccurrence.objects.order_by("id").values())
    again = ingest(project, folder)
    assert again.pk == first.pk
    assert (again.counts, again.n_new) == (first.counts, first.n_new)
    assert list(CodeOccurrence.objects.order_by("id").values()) == before
    assert Code.objects.count() == 4


def test_a_killed_run_counts_nothing_twice(project, folder, monkeypatch):
    source, job = start_ingest_code(project=project, spec=str(folder))
    run = claim(job.pk)
    monkeypatch.setattr("core.db._FIRST_CHUNK_ROWS", 2)
    calls = iter([None, JobCancelledError(job_id=job.pk)])

    def stop_at_the_second_report(*args):
        error = next(calls, None)
        if error:
            raise error

    monkeypatch.setattr(RunningJob, "progress", lambda self, *args: stop_at_the_second_report())
    with pytest.raises(JobCancelledError):
        ingest_code(run=run, code_source=source, spec=str(folder))
    monkeypatch.undo()
    ingest_code(run=run, code_source=source, spec=str(folder))
    source.refresh_from_db()
    assert source.counts == {"duplicate": 2, "kept": 2, "does not parse": 1, "undocumented": 1}
    assert source.n_new == 4


def facts(project):
    """Everything that a reading leaves behind, without ids."""
    places = CodeOccurrence.objects.filter(source__project=project).order_by("path", "start_line", "code__content_hash")
    codes = Code.objects.filter(project=project).order_by("content_hash")
    sources = CodeSource.objects.filter(project=project)
    return (
        list(places.values_list("code__content_hash", "path", "start_line", "filter_reason", "licence", "commit")),
        list(codes.values_list("content_hash", "is_paired", "filter_reason", "n_comments", "near_duplicate_of__name")),
        list(sources.values_list("counts", "n_functions", "n_new", "problems", "n_problems", "lengths", "state")),
    )


N_FILES = 14


@pytest.fixture
def many_files(tmp_path):
    """Files with several functions each, duplicates across files, a broken one and an empty one."""
    root = tmp_path / "many"
    root.mkdir()
    for number in range(12):
        own = GOOD.replace("read_rows", f"read_{number}").replace("file", f"file_{number}")
        (root / f"m{number:02}.py").write_text(f"{GOOD}\n\n{own}\n\n\ndef bare_{number}(x):\n    y = x\n    return y\n")
    (root / "m05_broken.py").write_text("def f(:\n")
    (root / "m06_empty.py").write_text("")
    return root


@pytest.mark.parametrize("stops", [[1], [2, 1], [4, 0, 2], [7]])
def test_a_run_that_was_cut_off_goes_on_and_ends_as_one_that_was_not(project, many_files, monkeypatch, stops):
    other = ProjectFactory()
    ingest(other, many_files)
    source, job = start_ingest_code(project=project, spec=str(many_files))
    run = claim(job.pk)
    monkeypatch.setattr("core.db._FIRST_CHUNK_ROWS", 2)
    monkeypatch.setattr("core.db._next_size", lambda *_: 2)
    for stop_after in stops:
        left = iter(range(100))

        def stop(reader, _, left=left, stop_after=stop_after):
            reader.source.state = reader.new_state
            if next(left) == stop_after:
                raise JobCancelledError(job_id=job.pk)

        with monkeypatch.context() as patch:
            patch.setattr("curation.services.code._Reader.on_chunk", stop)
            with pytest.raises(JobCancelledError):
                ingest_code(run=run, code_source=CodeSource.objects.get(pk=source.pk), spec=str(many_files))
    again = CodeSource.objects.get(pk=source.pk)
    stored_before = again.state["units"]
    read = []
    monkeypatch.setattr("curation.code_workers.read_unit", lambda unit: read.append(unit.path) or read_unit(unit))
    report = ingest_code(run=run, code_source=again, spec=str(many_files))
    assert report["files"] == N_FILES
    assert len(read) == N_FILES - stored_before
    assert facts(project) == facts(other)


def test_a_file_of_records_is_one_file_however_many_blocks_it_has(project, tmp_path, monkeypatch):
    monkeypatch.setattr("curation.code_sources.RECORD_UNIT_BYTES", 2048)
    codes = {GOOD.replace("read_rows", f"read_rows_{number}"): number for number in range(7)}
    (tmp_path / "code_idx_map.txt").write_text(json.dumps(codes))
    _, job = start_ingest_code(project=project, spec=str(tmp_path / "code_idx_map.txt"))
    report = run_inline(job).result
    assert (report["files"], report["functions"]) == (1, 7)


@pytest.mark.parametrize("processes", [1, 2])
def test_helpers_leave_behind_what_one_process_does(project, many_files, settings, processes):
    other = ProjectFactory()
    ingest(other, many_files)
    settings.CODE_PROCESSES = processes
    ingest(project, many_files)
    assert facts(project) == facts(other)


def test_a_function_that_passes_somewhere_is_paired_whatever_came_first(project, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.py").write_text(GOOD)
    ingest(project, tmp_path)
    assert not Code.objects.get().is_paired
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.py").write_text(GOOD)
    second = ingest(project, other)
    code = Code.objects.get()
    assert (code.is_paired, code.filter_reason) == (True, "")
    assert second.n_new == 0


def test_the_same_code_in_two_projects_is_two_rows(project, folder):
    ingest(project, folder)
    ingest(ProjectFactory(), folder)
    assert Code.objects.filter(name="read_rows").count() == 2


def test_a_cosqa_code_base_gives_one_code_per_entry(project, tmp_path):
    path = tmp_path / "code_idx_map.txt"
    path.write_text(json.dumps({GOOD: 0, "def bare(x):\n    print x": 1}))
    source = ingest(project, path)
    assert (source.kind, source.counts) == ("cosqa", {"kept": 2})
    assert proposable_codes(project).count() == 2


def test_a_bad_source_makes_no_job_and_no_row(project, tmp_path):
    with pytest.raises(CodeSourceError):
        start_ingest_code(project=project, spec=str(tmp_path / "gone"))
    assert not Job.objects.exists()
    assert not CodeSource.objects.exists()


def test_the_same_source_is_not_read_twice_at_once(project, folder):
    _, job = start_ingest_code(project=project, spec=str(folder))
    with pytest.raises(ConflictError, match="being read already"):
        start_ingest_code(project=project, spec=str(folder))
    run_inline(job)
    start_ingest_code(project=project, spec=str(folder))


def test_a_source_that_is_gone_when_the_job_runs_fails_plainly(project, folder):
    _, job = start_ingest_code(project=project, spec=str(folder))
    folder.rename(folder.with_name("moved"))
    with pytest.raises(JobFailedError, match="no package, folder or file"):
        run_inline(job)
    job.refresh_from_db()
    assert (job.state, job.error_code) == (JobState.FAILED, "bad_code_source")


def test_the_real_code_base_is_6267_rows(project, real_data):
    source = ingest(project, real_data / "cosqa" / "code_idx_map.txt")
    assert source.n_functions == Code.objects.filter(project=project).count() == 6267
