"""Dawid-Skene and MACE against crowd-kit, against a planted truth, and in the corners."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation import aggregation
from annotation.aggregation import as_votes, best_labels, dawid_skene, mace

N_LABELS = 3


def planted(seed: int, n_items: int = 200, n_raters: int = 8, per_item: int = 3):
    """(votes, truth by item, accuracy by rater): raters of different care label random items."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, N_LABELS, n_items)
    care = generator.uniform(0.4, 0.95, n_raters)
    rows = []
    for item in range(n_items):
        for rater in generator.choice(n_raters, per_item, replace=False):
            is_right = generator.random() < care[rater]
            rows.append((item, int(rater), int(truth[item] if is_right else generator.integers(0, N_LABELS))))
    return rows, truth, care


def frame(rows):
    """The rows as crowd-kit reads them, sorted so that its numbers of workers and labels are in order."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(rows, columns=["task", "worker", "label"])
    return table.sort_values(["worker", "label", "task"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_dawid_skene_is_crowd_kits(monkeypatch):
    classification = pytest.importorskip("crowdkit.aggregation")
    monkeypatch.setattr(aggregation, "DS_TOLERANCE", 1e-12)
    rows, _, _ = planted(1)
    theirs = classification.DawidSkene(n_iter=3000, tol=1e-12).fit(frame(rows)).probas_.sort_index()[[0, 1, 2]]
    ours = dawid_skene(as_votes(rows, N_LABELS)[0], rounds=3000)
    assert np.abs(theirs.to_numpy() - ours.posterior).max() < 1e-3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mace_is_crowd_kits_from_the_same_start(monkeypatch):
    classification = pytest.importorskip("crowdkit.aggregation")
    monkeypatch.setattr(aggregation, "MACE_TOLERANCE", 0.0)
    rows, _, _ = planted(2)
    votes, _, _ = as_votes(rows, N_LABELS)
    spam, habits = aggregation._mace_start(votes, np.random.default_rng(3))

    class SameStart(classification.MACE):
        def _initialize(self, n_workers, n_labels):
            super()._initialize(n_workers, n_labels)
            self.spamming_, self.thetas_ = spam.copy(), habits.copy()

    theirs = SameStart(n_restarts=1, n_iter=50).fit(frame(rows))
    ours = aggregation._mace_from(votes, spam, habits, rounds=50)
    assert np.abs(theirs.probas_.sort_index()[[0, 1, 2]].to_numpy() - ours.posterior).max() < 1e-6
    judges = theirs.spamming_[:, 1] / theirs.spamming_.sum(axis=1)
    assert np.abs(judges - ours.competence).max() < 1e-6


@pytest.mark.parametrize("method", [dawid_skene, mace])
def test_labels_and_trust_follow_the_planted_truth(method):
    rows, truth, care = planted(4, n_items=600)
    found = method(as_votes(rows, N_LABELS)[0])
    labels, _ = best_labels(found.posterior)
    counts = as_votes(rows, N_LABELS)[0].label_counts()
    majority = counts.argmax(axis=1)
    assert (labels == truth).mean() >= (majority == truth).mean()
    assert np.corrcoef(found.competence, care)[0, 1] > 0.8


@pytest.mark.parametrize("method", [dawid_skene, mace])
def test_the_order_of_the_votes_does_not_matter(method):
    rows, _, _ = planted(5, n_items=60)
    other = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    one, two = method(as_votes(rows, N_LABELS)[0]), method(as_votes(other, N_LABELS)[0])
    assert np.array_equal(one.posterior, two.posterior)
    assert np.array_equal(one.competence, two.competence)


def test_the_same_seed_gives_the_same_and_every_start_is_another():
    votes, _, _ = as_votes(planted(6, n_items=60)[0], N_LABELS)
    assert np.array_equal(mace(votes, seed=1).posterior, mace(votes, seed=1).posterior)
    generator = np.random.default_rng(1)
    first, second = aggregation._mace_start(votes, generator), aggregation._mace_start(votes, generator)
    assert not np.array_equal(first[0], second[0])


def test_more_starts_are_never_less_likely():
    votes, _, _ = as_votes(planted(7, n_items=60)[0], N_LABELS)
    assert mace(votes, seed=2, restarts=8).log_likelihood >= mace(votes, seed=2, restarts=1).log_likelihood


def test_rounds_are_reported_as_they_are_done():
    votes, _, _ = as_votes(planted(8, n_items=30)[0], N_LABELS)
    seen: list[int] = []
    mace(votes, restarts=2, rounds=5, on_round=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] <= 10


@pytest.mark.parametrize("method", [dawid_skene, mace])
@pytest.mark.parametrize(
    "rows",
    [
        [(1, 1, 0), (1, 2, 0)],
        [(1, 1, 0), (1, 2, 1)],
        [(1, 1, 2), (2, 1, 2), (3, 1, 2)],
        [(item, rater, 1) for item in range(4) for rater in range(3)],
    ],
    ids=["two alike", "two split", "one rater", "all the same"],
)
def test_small_and_unanimous_votes_have_finite_answers(method, rows):
    found = method(as_votes(rows, N_LABELS)[0])
    assert np.isfinite(found.posterior).all()
    assert np.isfinite(found.competence).all()
    if len({row[2] for row in rows}) == 1:
        assert set(best_labels(found.posterior)[0]) == {rows[0][2]}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 8), st.integers(0, 4)), st.integers(0, 2), min_size=1, max_size=40))
def test_posteriors_are_distributions_whatever_the_votes(given_votes):
    votes, items, raters = as_votes([(item, rater, label) for (item, rater), label in given_votes.items()], N_LABELS)
    assert (len(items), len(raters)) == (votes.n_items, votes.n_raters)
    for found in (dawid_skene(votes), mace(votes, restarts=2)):
        assert np.allclose(found.posterior.sum(axis=1), 1)
        assert ((found.competence >= -1e-9) & (found.competence <= 1 + 1e-9)).all()
