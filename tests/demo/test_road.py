"""The sample project and the demo, on real code of this Python, with the cheap encoder."""

import email
from pathlib import Path

import pytest

from annotation.models import RaterKind, Vote
from core.errors import BadInputError
from core.jobs import JobFailedError
from core.models import JobState, Project
from core.text import query_hash
from curation.models import Query
from demo import sample
from demo.cosqa import walk_cosqa
from demo.road import Road
from demo.sample import load_sample, read_shipped_pairs
from demo.simulate import EXTRA, PANEL
from demo.walk import Walk, free_slug, walk_sample
from modeling.selectors import split_sizes

SMALL_CODE = str(Path(email.__file__).parent)


def make_walk(**changes) -> Walk:
    said: list[str] = []
    road = Road(said.append)
    defaults = {"encoder": "hashing", "recipe": "bm25", "model": "", "code": SMALL_CODE}
    return Walk(road=road, on_progress=lambda done, total, note: None, **{**defaults, **changes})


@pytest.fixture(scope="module")
def shipped():
    return read_shipped_pairs()


def test_the_sample_ships_at_least_a_hundred_pairs_over_a_range_of_scores(shipped):
    assert len(shipped) >= 100
    assert len({row.query for row in shipped}) == len(shipped)
    assert shipped[0].score > 0.75 > 0.55 > shipped[-1].score >= 0.5


@pytest.mark.django_db
def test_every_shipped_query_stands_in_the_sample_log_and_passes_privacy_and_rules(project, shipped):
    sample.ingest_sample_log(project)
    hashes = [query_hash(row.query) for row in shipped]
    found = Query.objects.filter(project=project, content_hash__in=hashes, quarantine_reason="").count()
    assert found >= 0.97 * len(shipped)


@pytest.mark.django_db
def test_a_newcomer_can_judge_at_once_and_the_full_proposal_waits_for_the_worker(monkeypatch):
    monkeypatch.setattr(sample, "CODE", SMALL_CODE)
    shipped = read_shipped_pairs()
    monkeypatch.setattr(sample, "read_shipped_pairs", lambda: shipped)
    made = load_sample()
    assert made.log.n_read == made.log.n_new + made.log.n_known + made.log.n_bad
    assert made.proposal is not None
    assert made.proposal.state == JobState.QUEUED
    assert made.n_pairs == made.project.items.count()


@pytest.mark.django_db
def test_the_whole_road_runs_unattended_and_its_votes_are_called_simulated():
    walk = make_walk()
    project = walk_sample(walk)
    steps = {step.name: step.numbers for step in walk.road.steps}
    assert len(walk.road.steps) == 8
    judged = steps["Judge pairs (simulated)"]
    votes = Vote.objects.filter(project=project, retracted_at=None)
    assert votes.count() == judged["votes"] + judged["extra_votes"]
    assert judged["votes"] == 3 * judged["pairs"]
    assert set(votes.values_list("rater_kind", flat=True)) == {RaterKind.SIMULATED}
    names = {f"{person.name}-{project.slug}" for person in (*PANEL, *EXTRA)}
    assert set(votes.values_list("person__username", flat=True)) <= names
    freeze = steps["Freeze a release"]
    assert freeze["kept"] + sum(freeze["removed"].values()) == judged["pairs"]
    assert sum(freeze["removed"].values()) > 0
    assert steps["Train and measure"]["Code search, MRR"]["after"] > 0
    assert "Train and measure" in walk.road.table()
    assert split_sizes(project.releases.get())["train"]["pairs"] > 0
    assert not project.evaluations.filter(metrics={}).exists()


@pytest.mark.django_db
def test_a_second_demo_takes_a_name_of_its_own(project):
    assert free_slug("demo") == "demo-2"
    assert free_slug("other") == "other"


@pytest.mark.django_db
def test_cosqa_without_its_files_names_the_missing_one(tmp_path):
    with pytest.raises(BadInputError, match=r"cosqa-dev\.json"):
        walk_cosqa(make_walk(), tmp_path)
    assert not Project.objects.exists()


@pytest.mark.django_db
def test_an_unknown_encoder_ends_the_demo_with_a_plain_refusal():
    with pytest.raises((BadInputError, JobFailedError), match="no-such-model"):
        walk_sample(make_walk(encoder="no-such-model"))
