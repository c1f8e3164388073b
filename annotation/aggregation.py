"""Labels from votes when people differ in reliability: Dawid-Skene and MACE. No Django; numpy only.

Both are expectation-maximisation over a hidden true label per item. They are kept here, and not called from
crowd-kit, because its MACE mixes up workers and labels unless the votes come sorted, and starts every restart from the
same point; on sorted votes and from one start the two agree (tests/annotation/test_aggregation.py).

Dawid and Skene, Applied Statistics 28 (1979); Hovy et al., NAACL-HLT 2013 (MACE, variational).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tick = Callable[[int], None]  # called after each round with the rounds done

DS_ROUNDS, DS_TOLERANCE = 100, 1e-6
MACE_ROUNDS, MACE_TOLERANCE = 50, 1e-7
MACE_RESTARTS = 10
THETA_PRIOR, STRATEGY_PRIOR = 0.5, 10.0  # as in the paper's variational training and in crowd-kit
MACE_NOISE = 0.5
SMALLEST = 1e-10


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes in long form: three arrays of one length, each counting from 0.

    Every item and every rater has at least one vote; a rater has at most one vote on an item.
    """

    item: Ints
    rater: Ints
    label: Ints
    n_items: int
    n_raters: int
    n_labels: int

    def label_counts(self) -> Floats:
        """(items, labels): how many votes each label has."""
        return _sum_at((self.n_items, self.n_labels), self.item, self.label)


@dataclass(frozen=True, slots=True)
class Aggregated:
    """What a method found.

    posterior: (items, labels), rows sum to 1. competence: per rater, see the method. rounds: of the best start;
    has_converged: whether it stopped because nothing moved; log_likelihood: of the votes under the model.
    """

    posterior: Floats
    competence: Floats
    rounds: int
    has_converged: bool
    log_likelihood: float


def _sum_at(shape: tuple[int, int], rows: Ints, columns: Ints, weights: Floats | None = None) -> Floats:
    """Sum of weights (or counts) at each (row, column)."""
    flat = np.bincount(rows * shape[1] + columns, weights=weights, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)


def dawid_skene(votes: Votes, *, rounds: int = DS_ROUNDS, on_round: Tick | None = None) -> Aggregated:
    """Dawid-Skene: every rater has a confusion matrix. Starts from the shares of the votes, so it needs no seed.

    competence: the expected share of right labels of the rater, over the labels as often as they occur.
    """
    shares = votes.label_counts()
    posterior = shares / shares.sum(axis=1, keepdims=True)
    before, likelihood, has_converged, done = -np.inf, -np.inf, False, 0
    for done in range(1, rounds + 1):
        prior = posterior.mean(axis=0)
        confusion = _confusion(votes, posterior)
        posterior, likelihood = _ds_expectation(votes, prior, confusion)
        if on_round:
            on_round(done)
        if likelihood - before < DS_TOLERANCE * votes.n_items:
            has_converged = True
            break
        before = likelihood
    competence = (_confusion(votes, posterior)[:, range(votes.n_labels), range(votes.n_labels)] * prior).sum(axis=1)
    return Aggregated(posterior, competence, done, has_converged, likelihood)


def _confusion(votes: Votes, posterior: Floats) -> Floats:
    """(raters, true label, given label): how each rater labels; rows sum to 1."""
    counts = np.stack(
        [
            _sum_at((votes.n_raters, votes.n_labels), votes.rater, votes.label, posterior[votes.item, true])
            for true in range(votes.n_labels)
        ],
        axis=1,
    )
    counts += SMALLEST
    return counts / counts.sum(axis=2, keepdims=True)


def _ds_expectation(votes: Votes, prior: Floats, confusion: Floats) -> tuple[Floats, float]:
    """Posterior of each item's label, and the log-likelihood of the votes."""
    logs = np.log(confusion)[votes.rater, :, votes.label]  # (votes, true label)
    joint = np.log(prior + SMALLEST) + np.stack(
        [np.bincount(votes.item, weights=logs[:, true], minlength=votes.n_items) for true in range(votes.n_labels)],
        axis=1,
    )
    return _normalised(joint)


def _normalised(logs: Floats) -> tuple[Floats, float]:
    """exp of the rows, scaled to sum to 1; and the sum of the logs of what they summed to."""
    top = logs.max(axis=1, keepdims=True)
    scaled = np.exp(logs - top)
    total = scaled.sum(axis=1, keepdims=True)
    return scaled / total, float((np.log(total) + top).sum())


def mace(
    votes: Votes,
    *,
    seed: int = 0,
    restarts: int = MACE_RESTARTS,
    rounds: int = MACE_ROUNDS,
    on_round: Tick | None = None,
) -> Aggregated:
    """MACE, variational: a rater either judges (and is right) or guesses by habits of their own.

    The best of `restarts` seeded starts by likelihood. competence: the probability that the rater judges.
    """
    generator = np.random.default_rng(seed)
    best: Aggregated | None = None
    for number in range(restarts):
        start = _mace_start(votes, generator)
        tick = (lambda done, base=number * rounds: on_round(base + done)) if on_round else None
        found = _mace_from(votes, *start, rounds=rounds, on_round=tick)
        if best is None or found.log_likelihood > best.log_likelihood:
            best = found
    assert best is not None, "at least one start"
    return best


def _mace_start(votes: Votes, generator: np.random.Generator) -> tuple[Floats, Floats]:
    spam = generator.uniform(1, 2 + MACE_NOISE, size=(votes.n_raters, 2))
    habits = generator.uniform(1, 2 + MACE_NOISE, size=(votes.n_raters, votes.n_labels))
    return spam / spam.sum(axis=1, keepdims=True), habits / habits.sum(axis=1, keepdims=True)


def _mace_from(votes: Votes, spam: Floats, habits: Floats, *, rounds: int, on_round: Tick | None = None) -> Aggregated:
    """Rounds from one start. spam: (raters, [guesses, judges]); habits: (raters, labels) of a guess."""
    before, has_converged, done = -np.inf, False, 0
    posterior, likelihood, guessed, judged = _mace_expectation(votes, spam, habits)
    for done in range(1, rounds + 1):
        spam = _variational(np.stack([guessed.sum(axis=1), judged], axis=1), THETA_PRIOR)
        habits = _variational(guessed, STRATEGY_PRIOR)
        posterior, likelihood, guessed, judged = _mace_expectation(votes, spam, habits)
        if on_round:
            on_round(done)
        if abs(likelihood - before) < MACE_TOLERANCE * votes.n_items:
            has_converged = True
            break
        before = likelihood
    return Aggregated(posterior, spam[:, 1] / spam.sum(axis=1), done, has_converged, likelihood)


def _mace_expectation(votes: Votes, spam: Floats, habits: Floats) -> tuple[Floats, float, Floats, Floats]:
    """Posterior, log-likelihood, expected guesses (raters, labels) and expected judgements (raters)."""
    guess = spam[votes.rater, 0] * habits[votes.rater, votes.label]
    judge = spam[votes.rater, 1]
    logs: Floats = np.stack(
        [
            np.bincount(
                votes.item, weights=np.log(guess + judge * (votes.label == true) + 1e-300), minlength=votes.n_items
            )
            for true in range(votes.n_labels)
        ],
        axis=1,
    )
    posterior, likelihood = _normalised(logs)
    likelihood -= votes.n_items * float(np.log(votes.n_labels))
    of_own = posterior[votes.item, votes.label]  # that the label given is the true one
    knows = of_own * judge / (guess + judge)
    guessed = _sum_at((votes.n_raters, votes.n_labels), votes.rater, votes.label, 1.0 - knows)
    judged: Floats = np.bincount(votes.rater, weights=knows, minlength=votes.n_raters).astype(np.float64)
    return posterior, likelihood, guessed, judged


def _variational(counts: Floats, prior: float) -> Floats:
    """exp of the expected log of Dirichlet parameters: rows sum to less than 1."""
    from scipy.special import digamma

    raised = counts + prior
    return np.exp(digamma(raised) - digamma(raised.sum(axis=1, keepdims=True)))


def best_labels(posterior: Floats) -> tuple[Ints, Floats]:
    """Most probable label of each item (the smaller number where two are even) and its probability."""
    labels = posterior.argmax(axis=1)
    return labels, posterior[np.arange(len(posterior)), labels]


def as_votes(rows: list[tuple[Any, Any, int]], n_labels: int) -> tuple[Votes, list[Any], list[Any]]:
    """Votes from (item, rater, label number) rows, with the names of items and raters in the order of their numbers.

    The order of the rows does not matter: names are sorted.
    """
    items, item_numbers = np.unique(np.array([row[0] for row in rows]), return_inverse=True)
    raters, rater_numbers = np.unique(np.array([row[1] for row in rows]), return_inverse=True)
    labels = np.array([row[2] for row in rows], dtype=np.int64)
    order = np.lexsort((rater_numbers, item_numbers))
    votes = Votes(
        item_numbers[order].astype(np.int64),
        rater_numbers[order].astype(np.int64),
        labels[order],
        len(items),
        len(raters),
        n_labels,
    )
    return votes, items.tolist(), raters.tolist()
