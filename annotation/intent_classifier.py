"""A second opinion on intent: logistic regression over encoder vectors and words, calibrated, and honest about itself.

What it is made of is kept as plain numbers and words (JSON), never as code. All figures are out of fold: each query
is judged by a model that has seen neither it nor, when settings were chosen, any query it is tested on (nested
cross-validation). No Django; scikit-learn is imported when something is trained, scoring needs numpy alone.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.intent_keywords import terms_of
from annotation.intent_samples import EVEN_CHANCE
from core.errors import QuarryError
from curation.rule_intervals import paired_difference, sample_intervals
from curation.rule_quality import LabelledQuery, Outcome, confusion_of

FORMAT = "quarry-intent-1"
MIN_PER_CLASS = 20
FOLDS = 5
VARIANTS = ("vectors", "words", "both")
STRENGTHS = (0.3, 3.0)  # C of the logistic regression
MAX_TERMS = 2000
MIN_TERM_QUERIES = 2
BINS = 10
Floats = NDArray[np.float64]


class TooFewJudgementsError(QuarryError):
    """There is too little to learn from."""

    code, status = "too_few_judgements", 409
    template = (
        "A second opinion needs at least {minimum} judged queries of each kind; there are {intent} with intent and "
        "{no_intent} without. Judge more queries: the sampling page opens them."
    )


class BadClassifierError(QuarryError):
    """Stored parameters that cannot be used."""

    code, status = "bad_intent_classifier", 409
    template = "The stored second opinion cannot be used: {problem}. Train it again."


@dataclass(frozen=True)
class Scorer:
    """A trained classifier: the weights of the vector's parts first, then those of the terms."""

    variant: str
    strength: float
    weights: Floats
    bias: float
    slope: float
    shift: float
    terms: dict[str, int]
    dim: int

    @property
    def needs_vectors(self) -> bool:
        return self.variant != "words"

    def chances(self, texts: Sequence[str], vectors: NDArray[Any] | None) -> Floats:
        """Calibrated chance of code-search intent of each text; `vectors` (n, dim) unless words suffice."""
        decisions = np.full(len(texts), self.bias)
        first_term = 0
        if self.needs_vectors:
            if vectors is None or vectors.shape != (len(texts), self.dim):
                raise BadClassifierError(problem=f"it needs vectors of {self.dim} numbers")
            decisions += np.asarray(vectors, dtype=float) @ self.weights[: self.dim]
            first_term = self.dim
        if self.terms:
            for row, text in enumerate(texts):
                known = [self.terms[term] for term in terms_of(text) if term in self.terms]
                if known:
                    decisions[row] += self.weights[first_term:][known].sum() / math.sqrt(len(known))
        return _sigmoid(self.slope * decisions + self.shift)

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "format": FORMAT,
            "variant": self.variant,
            "strength": self.strength,
            "weights": [float(weight) for weight in self.weights],
            "bias": self.bias,
            "calibration": [self.slope, self.shift],
            "terms": sorted(self.terms, key=self.terms.__getitem__),
            "dim": self.dim,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Scorer":
        """The classifier of stored parameters; BadClassifierError when they do not fit together."""
        try:
            if data["format"] != FORMAT or data["variant"] not in VARIANTS:
                raise BadClassifierError(problem="it is of an unknown format")
            terms = {str(term): place for place, term in enumerate(data["terms"])}
            slope, shift = map(float, data["calibration"])
            scorer = cls(
                variant=data["variant"],
                strength=float(data["strength"]),
                weights=np.array(data["weights"], dtype=float),
                bias=float(data["bias"]),
                slope=slope,
                shift=shift,
                terms=terms,
                dim=int(data["dim"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadClassifierError(problem="a part of it is missing or no number") from error
        wanted = (scorer.dim if scorer.needs_vectors else 0) + len(terms)
        if scorer.weights.shape != (wanted,) or not np.isfinite([*scorer.weights, scorer.bias, slope, shift]).all():
            raise BadClassifierError(problem=f"{wanted} finite weights are expected")
        return scorer


# --- features ----------------------------------------------------------------------------------------------
def vocabulary_of(texts: Sequence[str]) -> dict[str, int]:
    """Terms of at least two texts, the most frequent first, at most MAX_TERMS."""
    counts = Counter(term for text in texts for term in terms_of(text))
    common = [term for term, n in counts.items() if n >= MIN_TERM_QUERIES]
    common.sort(key=lambda term: (-counts[term], term))
    return {term: place for place, term in enumerate(common[:MAX_TERMS])}


def _word_rows(texts: Sequence[str], terms: dict[str, int]) -> Floats:
    """(n, terms) rows of length 1 (or 0) that mark the known terms of each text."""
    rows = np.zeros((len(texts), len(terms)))
    for row, text in enumerate(texts):
        known = [terms[term] for term in terms_of(text) if term in terms]
        if known:
            rows[row, known] = 1 / math.sqrt(len(known))
    return rows


@dataclass(frozen=True)
class Features:
    """Texts with their vectors, from which rows are cut for one part of the data."""

    texts: list[str]
    vectors: Floats

    def part(self, places: NDArray[np.int64]) -> "Features":
        return Features([self.texts[place] for place in places], self.vectors[places])

    def rows(self, variant: str, terms: dict[str, int]) -> Floats:
        """(n, columns) features of a variant."""
        blocks = [] if variant == "words" else [self.vectors]
        blocks += [] if variant == "vectors" else [_word_rows(self.texts, terms)]
        return np.hstack(blocks)


def terms_for(variant: str, texts: Sequence[str]) -> dict[str, int]:
    return {} if variant == "vectors" else vocabulary_of(texts)


# --- training ----------------------------------------------------------------------------------------------
def train(features: Features, labels: NDArray[np.bool_], *, seed: int = 0, folds: int = FOLDS) -> Scorer:
    """A classifier of all the data: features and strength by the smallest log loss out of fold, calibrated (Platt
    1999) on those same out-of-fold decisions, then fitted to everything."""
    decisions = _inner_decisions(features, labels, seed, folds)
    variant, strength = min(decisions, key=lambda choice: (_log_loss(decisions[choice], labels), choice))
    slope, shift = _calibration(decisions[variant, strength], labels)
    terms = terms_for(variant, features.texts)
    weights, bias = _fit(features.rows(variant, terms), labels, strength)
    return Scorer(variant, strength, weights, bias, slope, shift, terms, features.vectors.shape[1])


def out_of_fold(
    features: Features, labels: NDArray[np.bool_], *, seed: int = 0, folds: int = FOLDS
) -> Iterator[tuple[NDArray[np.int64], Floats, str]]:
    """(places, their chances, variant chosen) for each outer fold; together every query once."""
    for fold, (learn, test) in enumerate(_folds(labels, folds, seed)):
        scorer = train(features.part(learn), labels[learn], seed=seed + 1 + fold, folds=folds)
        part = features.part(test)
        yield test, scorer.chances(part.texts, part.vectors), scorer.variant


def _inner_decisions(
    features: Features, labels: NDArray[np.bool_], seed: int, folds: int
) -> dict[tuple[str, float], Floats]:
    found = {(variant, strength): np.zeros(len(labels)) for variant in VARIANTS for strength in STRENGTHS}
    for learn, test in _folds(labels, folds, seed):
        known, unseen = features.part(learn), features.part(test)
        terms = vocabulary_of(known.texts)
        for variant in VARIANTS:
            rows, new_rows = known.rows(variant, terms), unseen.rows(variant, terms)
            for strength in STRENGTHS:
                weights, bias = _fit(rows, labels[learn], strength)
                found[variant, strength][test] = new_rows @ weights + bias
    return found


def _folds(labels: NDArray[np.bool_], folds: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedKFold

    smallest = int(min(labels.sum(), (~labels).sum()))
    splitter = StratifiedKFold(n_splits=max(2, min(folds, smallest)), shuffle=True, random_state=seed)
    yield from splitter.split(np.zeros(len(labels)), labels)


def _fit(rows: Floats, labels: NDArray[np.bool_], strength: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    if not rows.shape[1]:
        return np.zeros(0), float(np.log(labels.mean() / (1 - labels.mean())))
    model = LogisticRegression(C=strength, max_iter=1000).fit(rows, labels)
    return np.asarray(model.coef_[0], dtype=float), float(model.intercept_[0])


def _calibration(decisions: Floats, labels: NDArray[np.bool_]) -> tuple[float, float]:
    """(slope, shift) of the logistic curve from decisions to chances, with Platt's softened targets."""
    from sklearn.linear_model import LogisticRegression

    n_yes, n_no = labels.sum(), (~labels).sum()
    target = np.where(labels, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))
    twice = np.concatenate([decisions, decisions])[:, None]
    sides = np.concatenate([np.ones(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)])
    model = LogisticRegression(C=1e6, max_iter=1000).fit(
        twice, sides, sample_weight=np.concatenate([target, 1 - target])
    )
    return float(model.coef_[0][0]), float(model.intercept_[0])


def _log_loss(decisions: Floats, labels: NDArray[np.bool_]) -> float:
    signed = np.where(labels, decisions, -decisions)
    return float(np.logaddexp(0, -signed).mean())


def _sigmoid(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(values, -500, 500)))


# --- figures -----------------------------------------------------------------------------------------------
def check_enough(labelled: Sequence[LabelledQuery], minimum: int = MIN_PER_CLASS) -> None:
    """Raises TooFewJudgementsError unless there are `minimum` queries of each class."""
    intent = sum(query.has_intent for query in labelled)
    no_intent = len(labelled) - intent
    if min(intent, no_intent) < minimum:
        raise TooFewJudgementsError(minimum=minimum, intent=intent, no_intent=no_intent)


def report_on(labelled: Sequence[LabelledQuery], chances: Floats, rules: Sequence[Outcome]) -> dict[str, Any]:
    """The honest figures of out-of-fold chances, beside the rules on the same queries. Shares from 0 to 1."""
    mine = [Outcome(query, bool(chance < EVEN_CHANCE)) for query, chance in zip(labelled, chances, strict=True)]
    labels = np.array([query.has_intent for query in labelled], dtype=float)
    return {
        "n": len(labelled),
        "intent": int(labels.sum()),
        "no_intent": int((1 - labels).sum()),
        "model": _figures(mine),
        "rules": _figures(rules),
        "difference": {name: one.as_data() for name, one in paired_difference(rules, mine).items()},
        "brier": float(((chances - labels) ** 2).mean()),
        "brier_of_base_rate": float(((labels.mean() - labels) ** 2).mean()),
        "reliability": reliability(chances, labels),
    }


def _figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "confusion": vars(confusion_of(outcomes)),
        **{name: estimate.as_data() for name, estimate in sample_intervals(outcomes).items()},
    }


def reliability(chances: Floats, labels: Floats, bins: int = BINS) -> list[dict[str, Any]]:
    """Per band of chances: how many queries, the mean chance said, and the share that has intent."""
    places = np.minimum((chances * bins).astype(int), bins - 1)
    rows = []
    for place in range(bins):
        here = places == place
        if here.any():
            rows.append(
                {
                    "low": place / bins,
                    "high": (place + 1) / bins,
                    "n": int(here.sum()),
                    "said": float(chances[here].mean()),
                    "was": float(labels[here].mean()),
                }
            )
    return rows
