"""The second opinion: honest figures, plain storage, sorting only."""

import json
from collections import Counter

import numpy as np
import pytest

from annotation.intent_classifier import (
    BadClassifierError,
    Features,
    Scorer,
    TooFewJudgementsError,
    check_enough,
    out_of_fold,
    reliability,
    train,
)
from annotation.models import IntentClassifier, IntentScore
from annotation.selectors.intent import labels_of, order_of, second_opinions
from annotation.services import intent_classifier
from annotation.services.intent_classifier import (
    EncoderChangedError,
    gather,
    start_score_intent,
    start_train_intent_classifier,
)
from annotation.services.intent_samples import SampleSettings, frame, plan_intent_sample
from core.encoding import HashingEncoder
from core.jobs import JobFailedError, run_inline
from curation.rule_quality import LabelledQuery
from curation.selectors import current_rule_set
from curation.services.logs import start_ingest_log, start_undo_import, store_log
from tests.annotation.intent import judge_intent, log, sample_of

VERBS = ["sort", "read", "parse", "split", "merge", "count", "reverse", "print"]
THINGS = ["list", "csv file", "json text", "string", "dict", "matrix"]
TOPICS = ["salary", "career", "history", "logo", "community", "popularity"]
GOOD = [f"python {verb} {thing}" for verb in VERBS for thing in THINGS][:30]
BAD = [f"python {topic} {year}" for topic in TOPICS for year in ("2019", "2020", "2021", "trends", "news")]


def features(texts):
    return Features(list(texts), np.asarray(HashingEncoder().encode(list(texts)), dtype=float))


LABELS = np.array([True] * len(GOOD) + [False] * len(BAD))


@pytest.fixture(autouse=True)
def few_folds(monkeypatch):
    """Two folds inside two folds: the same steps, a fifth of the fits."""
    monkeypatch.setattr(intent_classifier, "FOLDS", 2)


@pytest.fixture(scope="module")
def scorer():
    return train(features(GOOD + BAD), LABELS, folds=3)


def test_it_learns_what_tells_the_classes_apart(scorer):
    unseen = ["python count matrix", "python salary 2022"]
    chances = scorer.chances(unseen, HashingEncoder().encode(unseen))
    assert chances[0] > 0.5 > chances[1]


def test_it_is_stored_as_plain_numbers_and_words(scorer):
    texts = GOOD[:3] + BAD[:3]
    vectors = HashingEncoder().encode(texts)
    back = Scorer.from_data(json.loads(json.dumps(scorer.as_data())))
    assert back.chances(texts, vectors) == pytest.approx(scorer.chances(texts, vectors), abs=1e-12)


def test_scoring_is_the_plain_product_of_features_and_weights(scorer):
    texts = GOOD[:5] + BAD[:5]
    rows = features(texts).rows(scorer.variant, scorer.terms)
    decisions = rows @ scorer.weights + scorer.bias
    plain = 1 / (1 + np.exp(-(scorer.slope * decisions + scorer.shift)))
    assert scorer.chances(texts, HashingEncoder().encode(texts)) == pytest.approx(plain)


@pytest.mark.parametrize(
    "change",
    [{"format": "pickle"}, {"variant": "magic"}, {"weights": [1.0]}, {"bias": "x"}, {"calibration": [float("nan"), 0]}],
)
def test_damaged_parameters_are_refused(scorer, change):
    with pytest.raises(BadClassifierError):
        Scorer.from_data({**scorer.as_data(), **change})


def test_every_query_is_judged_once_by_a_model_that_has_not_seen_it():
    """With labels that mean nothing the figures must say so: a leak would look like skill."""
    texts = [f"python token{number} thing{number % 7}" for number in range(80)]
    labels = np.random.default_rng(5).random(80) < 0.5
    seen, chances = [], np.zeros(80)
    for places, said, _ in out_of_fold(features(texts), labels, folds=4):
        seen.extend(places)
        chances[places] = said
    assert sorted(seen) == list(range(80))
    assert 0.3 < ((chances >= 0.5) == labels).mean() < 0.7
    assert ((chances - labels) ** 2).mean() > 0.2


def test_reliability_counts_each_query_once():
    rows = reliability(np.array([0.05, 0.08, 0.5, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]))
    assert [(row["low"], row["n"], row["was"]) for row in rows] == [(0.0, 2, 0.5), (0.5, 1, 1.0), (0.9, 1, 1.0)]
    assert rows[0]["said"] == pytest.approx(0.065)


def test_too_few_of_a_class_are_refused_with_the_numbers():
    with pytest.raises(TooFewJudgementsError, match="there are 30 with intent and 5 without"):
        check_enough([LabelledQuery(text, True) for text in GOOD] + [LabelledQuery(text, False) for text in BAD[:5]])


# --- with rows -----------------------------------------------------------------------------------------------
@pytest.fixture
def judged(project):
    """A judged sample of 60 queries, and 4 more in the log."""
    project.encoder = "hashing"
    project.save()
    log(project, [*GOOD, *BAD])
    sample = sample_of(project)
    judge_intent(sample, dict.fromkeys(GOOD, "yyn") | dict.fromkeys(BAD, "nny"))
    log(project, ["python reverse matrix", "python count dict", "python career advice", "python community meetup"])
    return sample


@pytest.fixture
def trained(project, judged):
    classifier, job = start_train_intent_classifier(project=project, inline=True)
    run_inline(job)
    classifier.refresh_from_db()
    return classifier


@pytest.mark.django_db
def test_training_reports_both_on_the_same_judgements(trained):
    report = trained.report
    assert (report["n"], report["intent"], report["no_intent"]) == (60, 30, 30)
    assert sum(report["model"]["confusion"].values()) == sum(report["rules"]["confusion"].values()) == 60
    gain = report["difference"]["accuracy"]
    assert gain["value"] == pytest.approx(report["model"]["accuracy"]["value"] - report["rules"]["accuracy"]["value"])
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert 0 <= report["brier"] < report["brier_of_base_rate"] == pytest.approx(0.25)
    assert sum(row["n"] for row in report["reliability"]) == 60
    assert trained.fingerprint == HashingEncoder().fingerprint


@pytest.mark.django_db
def test_all_queries_are_scored_once_and_new_ones_later(project, trained):
    run_inline(start_score_intent(project=project, classifier=trained, inline=True))
    assert IntentScore.objects.filter(classifier=trained).count() == 64
    log(project, ["python print matrix"])
    run_inline(start_score_intent(project=project, classifier=trained, inline=True))
    trained.refresh_from_db()
    assert IntentScore.objects.filter(classifier=trained).count() == trained.n_scored == 65


@pytest.mark.django_db
def test_the_widest_difference_comes_first_and_quarantined_queries_never(project, trained):
    run_inline(start_score_intent(project=project, classifier=trained, inline=True))
    rules = current_rule_set(project)
    doubted = second_opinions(trained, rules, "accepted").order_by(order_of("accepted"))
    chances = [score.chance for score in doubted]
    assert chances == sorted(chances)
    assert chances
    assert max(chances) < 0.5
    texts = [score.query.text for score in doubted]
    assert set(texts) <= {query.text for query in project.queries.filter(verdicts__has_intent=True)}
    first = doubted[0].query
    first.quarantine_reason = "e-mail"
    first.save()
    assert first.text not in [score.query.text for score in second_opinions(trained, rules, "accepted")]
    assert labels_of([first.pk]) in ({first.pk: False}, {})


@pytest.mark.django_db
def test_the_opinion_can_be_a_stratum(project, trained):
    run_inline(start_score_intent(project=project, classifier=trained, inline=True))
    plan = plan_intent_sample(project=project, settings=SampleSettings(n=30, bands=(), minimum=2), classifier=trained)
    opinions = {stratum.key.opinion for stratum in plan.strata}
    assert opinions <= {"agrees", "differs"}
    assert "differs" in opinions
    one_by_one = Counter(query.key for query in frame(project, current_rule_set(project), (), trained))
    assert {stratum.key: stratum.size for stratum in plan.strata} == one_by_one
    assert plan.frame_size == 64


@pytest.mark.django_db
def test_another_encoder_under_the_same_name_is_refused(project, trained):
    trained.fingerprint = "another"
    trained.parameters = {**trained.parameters, "variant": "vectors", "terms": [], "weights": [0.0] * 64, "dim": 64}
    trained.save()
    with pytest.raises((EncoderChangedError, JobFailedError), match="has changed"):
        run_inline(start_score_intent(project=project, classifier=trained, inline=True))


@pytest.mark.django_db
def test_a_labelled_file_adds_to_the_sample_and_contradictions_are_left_out(project, judged, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"query,label\npython unheard of,0\n{GOOD[0]},0\npython twice,1\npython twice,0\n")
    labelled, contradicting = gather(project, [judged], path)
    found = {query.query: query.has_intent for query in labelled}
    assert len(found) == 61
    assert contradicting == 1
    assert found["python unheard of"] is False
    assert found[GOOD[0]] is True, "the majority of three counts more than the file"


@pytest.mark.django_db
def test_training_without_judgements_is_refused(project):
    with pytest.raises(TooFewJudgementsError, match="0 with intent and 0 without"):
        start_train_intent_classifier(project=project)


def test_scores_do_not_keep_a_log_from_being_undone(project):
    stored = store_log([b"python sort list\npython map\n"], name="log.txt")
    log_import = start_ingest_log(project=project, stored=stored).log_import
    run_inline(log_import.job)
    classifier = IntentClassifier.objects.create(project=project, rule_set=current_rule_set(project))
    IntentScore.objects.bulk_create(
        IntentScore(classifier=classifier, query=query, chance=0.5) for query in project.queries.all()
    )
    run_inline(start_undo_import(log_import=log_import))
    assert (project.queries.count(), IntentScore.objects.count()) == (0, 0)
