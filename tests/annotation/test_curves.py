"""Scores beside judgements: on the batch page, on a page of its own, and for curation."""

import pytest
from django.urls import reverse

from annotation.selectors.curves import histogram, run_curve
from annotation.selectors.judgements import judged_pairs
from curation.judgements import judged_scores
from curation.models import Candidate, CandidateRun
from tests.annotation.judged import judge, judged_project
from tests.factories import PairFactory, QueryFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged_run(project) -> CandidateRun:
    """60 judged pairs; from 0.7 on all are 1, below it none."""
    run = CandidateRun.objects.create(project=project, is_complete=True, encoder="hashing", threshold=0.5)
    for number in range(60):
        score = 0.5 + number * 0.0075
        pair = PairFactory(project=project, query=QueryFactory(project=project, text=f"python curve {number}"))
        Candidate.objects.create(run=run, pair=pair, score=score)
        judge(project, pair, "111" if score >= 0.7 else "000")
    return run


def test_a_curve_counts_every_judged_pair_and_finds_the_border(judged_run):
    found = run_curve(judged_run)
    assert found.is_enough
    assert (found.curve.n, found.curve.ones, sum(found.counts)) == (60, 33, 60)
    assert found.curve.auc == 1
    assert found.suggestion is not None
    assert 0.5 < found.suggestion.threshold < 0.7, "the lowest from which on most are 1, with certainty"
    assert found.n_below == 0


def test_bands_hold_each_score_once_whatever_the_scale():
    for scores in ([0.5, 0.55, 0.5499, 0.05], [12.0, 31.5, 700.0], [-0.2, 0.0, 0.2]):
        edges, counts = histogram(sorted(scores))
        assert len(edges) == len(counts) + 1 <= 42
        assert sum(counts) == len(scores)
        for low, high, n in zip(edges, edges[1:], counts, strict=False):
            assert n == sum(low - 1e-9 <= score < high - 1e-9 for score in scores)
    assert histogram([]) == ([], [])


def test_the_page_and_the_batch_page_show_it(project, judged_run, curator_client, annotator_client):
    address = reverse("annotation:score-curve", args=["demo", judged_run.pk])
    page = curator_client.get(address)
    assert "Suggested threshold" in page.content.decode()
    part = curator_client.get(address, {"part": "1"}).content.decode()
    assert "<html" not in part
    assert "Judged pairs by score" in part
    batch = project.batches.get()
    assert address in curator_client.get(reverse("annotation:batch", args=["demo", batch.pk])).content.decode()
    assert "alone" in curator_client.get(address, {"batch": batch.pk}).content.decode()
    assert curator_client.get(address, {"batch": "999999"}).status_code == 404
    assert annotator_client.get(address).status_code == 403


def test_with_too_few_judgements_it_says_how_many_are_needed(project, curator_client):
    run = CandidateRun.objects.create(project=project, is_complete=True)
    page = curator_client.get(reverse("annotation:score-curve", args=["demo", run.pk])).content.decode()
    assert "from 20 on" in page


def test_curation_hears_what_people_judged(project, judged_run):
    assert min((one.score, one.label) for one in judged_scores(judged_run)) == (0.5, 0)
    judged_project(project, ["111", "nnn", "10", "00"])
    pairs = list(judged_pairs(project))
    assert len(pairs) == 60 + 2, "no intent and unresolved have no label"
    assert all(pair.query and pair.code.startswith("def ") for pair in pairs)
