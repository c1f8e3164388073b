"""Training runs, with a random encoder of a few thousand weights and 12 pairs."""

import json
import os
import signal
import threading
import time
import zipfile
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from core.encoders import load_encoder
from core.jobs import RunningJob, cancel_job, claim, run_claimed, run_inline
from core.models import Job, JobState
from modeling.comparisons import comparisons
from modeling.ml.errors import BadSettingError, UnknownEncoderError, UnknownRecipeError
from modeling.ml_process import Printed
from modeling.models import TrainingRun
from modeling.selectors import charts, find_checkpoint, is_trained, metric_rows, run_folder
from modeling.services import evaluations, runs
from modeling.services.runs import NotTrainableReleaseError, resume_training, start_training
from tests.modeling.conftest import write_release_files

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home", "one_thread")]
FAST = {"epochs": 1, "batch_size": 4, "max_length": 16}


@pytest.fixture
def one_thread(monkeypatch) -> None:
    """Tiny models are slowed down by threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def release(project, home):
    """A draft release with 12 train, 6 dev and 6 test pairs."""
    write_release_files(home / "releases" / "small")
    splits = {"train": {"pairs": 12, "ones": 8}, "dev": {"pairs": 6, "ones": 4}, "test": {"pairs": 6, "ones": 4}}
    return project.releases.create(
        name="small", state="draft", path="releases/small", stats={"statistics": {"splits": splits}}
    )


@pytest.fixture
def begin(project, release, tiny_encoder):
    """Starts a run with the tiny encoder; keyword arguments change it."""

    def start(**changes) -> TrainingRun:
        given = {"recipe": "coclr-iba-switch", "encoder": str(tiny_encoder), "overrides": FAST} | changes
        job = start_training(project=project, release=release, **given)
        return project.training_runs.get(job=job)

    return start


def test_a_run_from_the_form_to_a_measured_checkpoint_in_use(curator_client, project, release, tiny_encoder, settings):
    settings.QUARRY_ENCODER = str(tiny_encoder)
    assert "No training runs yet" in text_of(curator_client.get("/p/demo/runs/"))
    assert "coclr-iba-switch" in text_of(curator_client.get("/p/demo/runs/new/"))
    form = {
        "recipe": "coclr-iba-switch",
        "release": release.pk,
        "encoder": str(tiny_encoder),
        "seed": 1,
        "name": "good",
    }
    refused = curator_client.post("/p/demo/runs/new/", form | {"set_epochs": "0"})
    assert refused.status_code == 422
    assert "greater than or equal to 1" in refused.content.decode()
    started = curator_client.post("/p/demo/runs/new/", form | {"set_epochs": "1", "set_batch_size": "4"})
    assert started.headers["Location"] == "/p/demo/runs/good/"
    waiting = text_of(curator_client.get("/p/demo/runs/good/"))
    assert "Cancel this run" in waiting
    assert 'hx-get="/p/demo/runs/good/live/"' in waiting
    assert curator_client.get("/p/demo/runs/good/checkpoint/").status_code == 409

    notes = []
    run = project.training_runs.select_related("job").get()
    run_inline(run.job, on_progress=lambda done, total, note: notes.append((done, total)))
    run.refresh_from_db()
    assert (3, 3) in notes
    assert is_trained(run)
    assert run.config["objective"] == "coclr"
    assert len(run.data_sha256) == 64
    assert run.metrics["steps"] == 3
    assert {"loss", "dev_mrr"} <= set(run.metrics)
    rows = {(row.kind, row.split): row for row in comparisons(run)}
    assert set(rows) == {("search", "test"), ("qa", "test"), ("search", "dev")}
    search = rows["search", "test"]
    assert search.size == 4
    assert 0 < search.before <= 1
    assert 0 < search.after <= 1
    assert search.standard_error is not None
    assert "commoner label" in rows["qa", "test"].reading
    assert {one.release_id for one in run.evaluations.all()} == {release.pk}
    assert [chart.title for chart in charts(run)][:2] == ["Loss", "Figures on the dev split"]

    page = text_of(curator_client.get("/p/demo/runs/good/"))
    assert "Before and after" in page
    assert "Search with this checkpoint" in page
    assert "hx-trigger" not in page.split('id="run-live"')[1].split(">")[0]
    assert "good" in text_of(curator_client.get("/p/demo/runs/"))
    assert "good" in text_of(curator_client.get("/p/demo/evaluations/"))
    download = curator_client.get("/p/demo/runs/good/checkpoint/")
    assert 'attachment; filename="demo-good.zip"' in download.headers["Content-Disposition"]
    with zipfile.ZipFile(BytesIO(b"".join(download.streaming_content))) as archive:
        names = archive.namelist()
    download.close()
    assert {"good/quarry.json", "good/README.md"} <= set(names)
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    curator_client.post("/p/demo/runs/good/use/")
    project.refresh_from_db()
    assert project.encoder == f"checkpoints/demo/{run.pk}-good/checkpoint"
    assert load_encoder(project.encoder).encode(["python sort"]).shape == (1, 16)
    assert find_checkpoint(project, "").key == "run:good"


def test_a_killed_training_fails_alone_is_resumed_where_it_was_and_can_be_cancelled(begin):
    run = begin(overrides={**FAST, "epochs": 400, "save_every": 1})
    thread = in_thread(run.job)
    wait_for(lambda: len(metric_rows(run)) > 5)
    os.kill(process_of(run_folder(run)), signal.SIGKILL)
    thread.join(timeout=60)
    run.job.refresh_from_db()
    assert run.job.state == JobState.FAILED
    assert "SIGKILL" in run.job.error
    assert "smaller batch" in run.job.error
    steps = metric_rows(run)[-1]["step"]

    resume_training(run=run)
    thread = in_thread(run.job)
    wait_for(lambda: metric_rows(run)[-1]["step"] > steps)
    pid = process_of(run_folder(run))
    cancel_job(job=run.job)
    thread.join(timeout=60)
    run.job.refresh_from_db()
    assert run.job.state == JobState.CANCELLED
    assert not Path(f"/proc/{pid}").exists()
    rows = [row["step"] for row in metric_rows(run) if "loss" in row]
    assert rows == list(range(1, rows[-1] + 1))
    assert rows[-1] < 1200
    assert not is_trained(run)


def test_the_figures_of_an_untrained_encoder_are_taken_from_an_earlier_run(begin, monkeypatch):
    measured = []

    def measure(sources, **kwargs):
        for source in sources:
            for row in source.evaluations:
                measured.append((row.run.name, row.params["stage"]))
                row.metrics = {"mrr": 0.5, "accuracy": 0.6}
                row.save()

    monkeypatch.setattr(evaluations, "measure", measure)
    for run in (begin(), begin(), begin(overrides={"epochs": 1})):
        evaluations.evaluate_training(run, run=RunningJob(run.job.pk, ""), log=Path())
    assert measured.count(("coclr-iba-switch-1", "before")) == 3
    assert measured.count(("coclr-iba-switch-1", "after")) == 3
    assert measured.count(("coclr-iba-switch-2", "before")) == 0
    assert measured.count(("coclr-iba-switch-2", "after")) == 3
    assert measured.count(("coclr-iba-switch-3", "before")) == 3  # another max length: another start


@pytest.fixture
def instant_training(monkeypatch):
    """The model processes are replaced by their results."""

    def train(module, arguments, *, log, tick):
        folder = Path(arguments[arguments.index("--out") + 1])
        (folder / "checkpoint").mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"data": {"data_sha256": "0" * 64}}))
        (folder / "metrics.jsonl").write_text('{"step": 1, "epoch": 0, "time": 1.0, "loss": 0.5}\n')
        return [json.dumps({"steps": 1, "metrics": {"step": 1, "epoch": 1}})]

    def measure(sources, **kwargs):
        for source, value in zip(sources, (0.5, 0.6), strict=True):
            for row in source.evaluations:
                row.metrics = {"mrr": value, "accuracy": value, "mrr_standard_error": 0.02, "queries": 4, "pairs": 6}
                row.save()

    monkeypatch.setattr(runs, "run_module", train)
    monkeypatch.setattr(evaluations, "measure", measure)


@pytest.mark.usefixtures("instant_training", "release")
def test_the_command_trains_on_a_release_and_copies_the_run(project, tmp_path, tiny_encoder):
    out = StringIO()
    folder = tmp_path / "given"
    given = ["train", "--recipe", "info-nce", "--release", "demo/small", "--out", str(folder), "--name", "cli"]
    call_command(*given, "--encoder", str(tiny_encoder), "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["run"], report["state"]) == ("cli", "done")
    assert report["evaluations"][0]["before"] == 0.5
    assert report["evaluations"][0]["after"] == 0.6
    assert (folder / "checkpoint").is_dir()
    assert (folder / "metrics.jsonl").is_file()
    run = project.training_runs.get(name="cli")
    assert run.release.name == "small"
    assert run.metrics["loss"] == 0.5
    with pytest.raises(SystemExit) as ended:
        call_command(*given, stdout=StringIO(), stderr=StringIO())
    assert ended.value.code == 2


def test_the_reason_of_a_failed_training_is_the_process_own_line(begin, release):
    path = Path(release_path(release)) / "cosqa-qa-train.json"
    path.write_text("[]")
    run = begin()
    run_claimed(claim(run.job.pk))
    run.job.refresh_from_db()
    assert (run.job.state, run.job.error_code) == (JobState.FAILED, "model_process_failed")
    assert "cosqa-qa-train.json" in run.job.error
    assert "Traceback" not in run.job.error


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"recipe": "alchemy"}, UnknownRecipeError, "coclr-iba-switch"),
        ({"overrides": {"epochs": 0}}, BadSettingError, "outside 1 to"),
        ({"overrides": {"colour": "red"}}, BadSettingError, "no such setting"),
        ({"overrides": {"encoder": "x"}}, BadSettingError, "given as encoder"),
        ({"encoder": "/no/such/folder"}, UnknownEncoderError, "no such folder"),
        ({"name": "../up"}, Exception, "cannot be called"),
        ({"name": "new"}, Exception, "cannot be called"),
    ],
)
def test_what_cannot_work_is_refused_at_once(begin, changes, error, words):
    with pytest.raises(error, match=words):
        begin(**changes)
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("sizes", "recipe", "words"),
    [
        ({"pairs": 0, "ones": 0}, "info-nce", "0 pair"),
        ({"pairs": 1, "ones": 1}, "info-nce", "at least 2"),
        ({"pairs": 9, "ones": 0}, "info-nce", "none of the 9 pairs"),
        ({"pairs": 9, "ones": 9}, "siamese-bce", "both labels"),
    ],
)
def test_a_release_without_anything_to_learn_is_refused_at_once(begin, release, sizes, recipe, words):
    release.stats["statistics"]["splits"]["train"] = sizes
    release.save()
    with pytest.raises(NotTrainableReleaseError, match=words):
        begin(recipe=recipe)


def test_a_name_is_used_once(begin):
    begin(name="mine")
    with pytest.raises(Exception, match="has a run named mine already"):
        begin(name="mine")


def test_the_api_starts_and_shows_runs(curator_client, project, release, tiny_encoder, settings):
    settings.QUARRY_ENCODER = str(tiny_encoder)
    address = "/api/v1/projects/demo/training-runs/"
    body = {"recipe": "info-nce", "release": "small", "name": "one", "settings": {"epochs": 1}}
    started = curator_client.post(address, body, content_type="application/json")
    assert started.status_code == 202
    assert started.json()["job"]["state"] == "queued"
    assert curator_client.get(address).json()["results"][0]["name"] == "one"
    assert curator_client.get(f"{address}one/").json()["config"]["epochs"] == 1
    assert curator_client.get(f"{address}one/curves/").json() == {"curves": {}}
    assert curator_client.post(f"{address}one/cancel/").status_code == 202
    assert curator_client.get(f"{address}one/").json()["job"]["state"] == "cancelled"
    assert curator_client.post(f"{address}one/resume/").json()["job"]["state"] == "queued"
    for changes, status, code in [
        ({"name": "one"}, 409, "conflict"),
        ({"name": "two", "recipe": "alchemy"}, 400, "unknown_recipe"),
        ({"name": "two", "settings": {"epochs": -1}}, 400, "bad_setting"),
        ({"name": "two", "release": "none"}, 404, "not_found"),
    ]:
        refused = curator_client.post(address, body | changes, content_type="application/json")
        assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_strangers_and_annotators_see_no_runs(begin, annotator_client, stranger_client):
    begin(name="one")
    for path in ("runs/", "runs/new/", "runs/one/", "runs/one/live/", "runs/one/checkpoint/", "evaluations/"):
        assert stranger_client.get(f"/p/demo/{path}").status_code == 404
        assert annotator_client.get(f"/p/demo/{path}").status_code == 403
    for path in ("training-runs/", "training-runs/one/", "evaluations/"):
        assert stranger_client.get(f"/api/v1/projects/demo/{path}").status_code == 404
        assert annotator_client.get(f"/api/v1/projects/demo/{path}").status_code == 403
    assert stranger_client.post("/p/demo/runs/one/cancel/").status_code == 404


def release_path(release) -> str:
    from annotation.selectors import release_folder

    return str(release_folder(release))


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def in_thread(job: Job) -> threading.Thread:
    """Runs a queued job beside the test, as a worker does."""

    def work() -> None:
        run_claimed(claim(job.pk))
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for(condition, *, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def process_of(folder: Path) -> int:
    """The pid of the training process that writes to a folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "modeling.ml" in command and str(folder) in command:
                return int(entry.name)
    raise AssertionError(f"no training process writes to {folder}")


def test_a_file_that_was_cut_and_grew_again_between_two_looks_is_read_from_its_start(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    printed = Printed(path)
    assert len(printed.new_lines()) == 3
    path.write_text('{"step": 1}\n{"step": 2, "loss": 0.25}\n{"step": 3, "loss": 0.5}\n{"st')
    assert [json.loads(line)["step"] for line in printed.new_lines()] == [1, 2, 3]
    assert printed.new_lines() == []
    path.write_text('{"step": 1}\n')
    assert printed.new_lines() == ['{"step": 1}']
