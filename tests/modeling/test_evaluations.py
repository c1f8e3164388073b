"""Evaluations: what is measured, on what, and how the figures are read."""

import copy
import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

from core.jobs import claim, run_claimed, run_inline
from core.models import Job, JobState
from modeling import measure as measure_module
from modeling.comparisons import Comparison, kept_note, reading_of
from modeling.models import Evaluation, TrainingRun
from modeling.services.evaluations import NothingToMeasureError, start_evaluation
from tests.modeling.conftest import write_json, write_release_files

SIZES = {"train": {"pairs": 12, "ones": 8}, "dev": {"pairs": 6, "ones": 4}, "test": {"pairs": 6, "ones": 4}}


@pytest.fixture
def release(project, home):
    write_release_files(home / "releases" / "small")
    stats = {"statistics": {"splits": copy.deepcopy(SIZES)}}
    return project.releases.create(name="small", state="draft", path="releases/small", stats=stats)


@pytest.fixture
def measured(monkeypatch):
    """The model process runs inside this one, with the cheap encoder; what it was asked is listed."""
    asked = []

    def run_module(module, arguments, *, log, tick):
        from pathlib import Path

        spec = json.loads(Path(arguments[0]).read_text())
        asked.extend(spec)
        results = [measure_module.measure_all(number, source) for number, source in enumerate(spec)]
        tick(['{"checkpoint": 0, "progress": [1, 2]}'])
        return [json.dumps({"results": results})]

    monkeypatch.setattr("modeling.services.evaluations.run_module", run_module)
    return asked


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("hashing")
def test_search_and_qa_of_an_encoder_stand_in_table_and_api(project, release, measured, curator_client):
    for kind in ("search", "qa"):
        run_inline(start_evaluation(project=project, kind=kind, checkpoint="hashing", release=release))
    search, qa = project.evaluations.order_by("id")
    assert search.metrics["queries"] == 4
    assert search.metrics["codes"] == 24
    assert 0 < search.metrics["mrr"] <= 1
    assert qa.metrics["pairs"] == 6
    assert measured[1]["measures"][0]["choose_on"].endswith("cosqa-qa-dev.json")
    page = curator_client.get("/p/demo/evaluations/").content.decode()
    assert f"{100 * search.metrics['mrr']:.1f}" in page
    assert "4 queries, 24 codes" in page
    listed = curator_client.get("/api/v1/projects/demo/evaluations/").json()["results"]
    assert [one["kind"] for one in listed] == ["qa", "search"]
    assert listed[1]["metrics"]["mrr"] == search.metrics["mrr"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("hashing")
def test_the_dev_split_is_not_judged_with_a_threshold_of_its_own_choice(project, release, measured):
    start_evaluation(project=project, kind="qa", checkpoint="hashing", release=release, split="dev")
    run_claimed(claim(Job.objects.get().pk))
    assert measured[0]["measures"][0]["choose_on"].endswith("cosqa-qa-train.json")


@pytest.mark.django_db
@pytest.mark.usefixtures("hashing")
def test_a_split_with_nothing_to_measure_is_refused_at_once(project, release):
    release.stats["statistics"]["splits"]["test"] = {"pairs": 3, "ones": 0}
    with pytest.raises(NothingToMeasureError, match="no pairs judged 1"):
        start_evaluation(project=project, kind="search", checkpoint="hashing", release=release)
    with pytest.raises(Exception, match="no measure taste"):
        start_evaluation(project=project, kind="taste", checkpoint="hashing", release=release)
    with pytest.raises(Exception, match="no checkpoint named run:none"):
        start_evaluation(project=project, kind="qa", checkpoint="run:none", release=release)
    assert not Evaluation.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("hashing")
def test_files_that_cannot_be_measured_fail_the_job_with_the_reason(project, release, home, measured):
    write_json(home / "releases" / "small" / "cosqa-qa-test.json", [])
    run_claimed(claim(start_evaluation(project=project, kind="qa", checkpoint="hashing", release=release).pk))
    job = Job.objects.get()
    assert (job.state, job.error_code) == (JobState.FAILED, "nothing_to_measure")
    assert "no pairs" in job.error


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("hashing")
def test_an_evaluation_starts_from_page_and_api(project, release, curator_client, stranger_client):
    form = {"kind": "search", "checkpoint": "hashing", "release": release.pk, "split": "test"}
    assert curator_client.post("/p/demo/evaluations/", form).status_code == 302
    assert curator_client.post("/p/demo/evaluations/", form | {"checkpoint": "x"}).status_code == 422
    body = {"kind": "qa", "checkpoint": "hashing", "release": "small"}
    address = "/api/v1/projects/demo/evaluations/"
    started = curator_client.post(address, body, content_type="application/json")
    assert (started.status_code, started.json()["job"]["state"]) == (202, "queued")
    assert curator_client.post(address, body | {"release": "no"}, content_type="application/json").status_code == 404
    assert stranger_client.post(address, body, content_type="application/json").status_code == 404
    assert Evaluation.objects.count() == 2


@pytest.mark.parametrize(
    ("before", "after", "error", "words"),
    [
        (0.540, 0.550, 0.018, "within one standard error (1.8): no difference can be claimed"),
        (0.540, 0.570, 0.018, "beyond one standard error (1.8), within two: weak evidence"),
        (0.540, 0.600, 0.018, "beyond two standard errors (1.8)"),
        (0.600, 0.540, 0.018, "beyond two standard errors (1.8)"),
        (None, 0.540, 0.018, ""),
    ],
)
def test_a_difference_is_read_beside_its_standard_error(before, after, error, words):
    row = Comparison("Code search, MRR", "search", "test", 500, before, after, error, "")
    assert row.reading.startswith(words)
    assert bool(row.reading) == bool(words)


def test_a_run_says_which_model_its_checkpoint_holds():
    run = TrainingRun(config={"select": "dev_mrr", "objective": "coclr"})
    assert kept_note(run) == ""
    run.metrics = {"kept": {"step": 0, "epoch": 0, "dev_mrr": 0.88}}
    assert "No epoch improved dev mrr" in kept_note(run)
    run.metrics = {"kept": {"step": 8, "epoch": 2, "dev_mrr": 0.9}}
    assert kept_note(run) == "The checkpoint holds the model after epoch 2, where dev mrr was best (90.0)."


def test_qa_figures_never_stand_without_the_constant_answer():
    metrics = {"accuracy": 0.6, "accuracy_all_1": 0.52, "accuracy_all_0": 0.48, "pairs": 604, "max_length": 128}
    reading = reading_of(Evaluation(kind="qa", checkpoint="run:a", metrics=metrics))
    assert reading.note == "604 pairs, 128 tokens. Always giving the commoner label scores 52.0."
    assert (reading.value, reading.checkpoint) == (0.6, "a")


def test_the_web_of_this_stage_imports_no_model_library():
    program = (
        "import django, sys; django.setup()\n"
        "from django.urls import get_resolver; get_resolver().url_patterns\n"
        "import modeling.urls, modeling.api_urls, modeling.tasks, modeling.admin, modeling.inference\n"
        "heavy = {'torch', 'transformers', 'faiss', 'pandas', 'pyarrow', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
