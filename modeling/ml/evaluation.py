"""Code search and code QA metrics with their conventions spelt out in every result. Shares are 0 to 1, never x 100.

Search: each query's gold code is ranked among *all* codes of the base by logit. Ties: `mrr` is pessimistic (every equal
score counts as better); `mrr_index` puts equals in the order of the base; `mrr_optimistic` puts the gold first.
`mrr_merged` counts every candidate whose text is the gold's text as the gold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoding import FloatArray, Progress
from modeling.ml.data import Code, Example, codes_sha256, pairs_sha256
from modeling.ml.errors import BadDataError, NotFiniteError
from modeling.ml.matcher import Scorer
from modeling.ml.rewriting import stable_seed
from modeling.ml.splitting import grouped_folds
from modeling.ml.views import text_view

RECALL_AT = (1, 5, 10, 50)
COLLAPSED_ABOVE = 0.001  # difference of optimistic and pessimistic MRR that real-valued scores do not reach
RESAMPLES = 1000
CROSS_FIT_FOLDS = 5

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranks:
    """The gold's rank per query, 1 = best, under the three tie policies, and with text-identical codes merged."""

    optimistic: IntArray
    index: IntArray
    pessimistic: IntArray
    merged: IntArray


def gold_ranks(scores: FloatArray, gold: Sequence[int], same_as_gold: Sequence[Sequence[int]] | None = None) -> Ranks:
    """Ranks of the gold columns: scores (Q, M), gold (Q,) -> four arrays (Q,).

    same_as_gold  for every query, the columns whose text is the gold's (with the gold itself).
    Raises NotFiniteError where a score is NaN or infinite.
    """
    if not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        raise NotFiniteError(what="Scores", place=f"query {row}, code {column}")
    places = np.asarray(gold, dtype=np.int64)
    own = scores[np.arange(len(places)), places][:, np.newaxis]  # (Q, 1)
    better, equal = scores > own, scores == own
    before = equal & (np.arange(scores.shape[1]) < places[:, np.newaxis])
    merged = better | equal
    for row, columns in enumerate(same_as_gold or [[place] for place in places]):
        merged[row] = scores[row] >= scores[row, list(columns)].max()
        merged[row, list(columns)] = False
    return Ranks(
        1 + better.sum(axis=1),
        1 + before.sum(axis=1) + better.sum(axis=1),
        (better | equal).sum(axis=1),
        1 + merged.sum(axis=1),
    )


def mean_reciprocal_rank(ranks: IntArray) -> float:
    """Mean of 1 / rank."""
    return float(np.mean(1.0 / ranks))


def evaluate_search(
    scorer: Scorer,
    queries: Sequence[Example],
    code_base: Sequence[Code],
    *,
    progress: Progress | None = None,
    with_ranks: bool = False,
) -> dict[str, Any]:
    """Full-ranking code search metrics of a scorer -> flat dict; the headline is `mrr` (0 to 1, pessimistic ties).

    queries     pairs whose code is the gold; pairs labelled 0 are left out. `code_index` says where the gold
                stands, else its text is looked up in the code base.
    with_ranks  also `ranks`: the pessimistic rank of every query, in order.
    """
    wanted = [example for example in queries if example.label != 0]
    gold = gold_places(wanted, code_base)
    texts = [text_view(code.text, scorer.view) for code in code_base]
    twins = _twins(texts, gold)
    index = scorer.index([code.text for code in code_base], progress=progress)
    blocks, start = [], 0
    for scores in scorer.score_rows([example.query for example in wanted], index):
        stop = start + len(scores)
        blocks.append(gold_ranks(scores, gold[start:stop], twins[start:stop]))
        start = stop
    ranks = Ranks(*(np.concatenate([getattr(block, name) for block in blocks]) for name in Ranks.__dataclass_fields__))
    result = {
        **search_metrics(ranks, ties_expected=scorer.ties_expected),
        "queries": len(wanted),
        "codes": len(code_base),
        "protocol": "full ranking over the code base, one gold per query, no cut-off, pessimistic ties",
        "queries_sha256": pairs_sha256(wanted),
        "code_base_sha256": codes_sha256(code_base),
        **_about(scorer),
    }
    return result | ({"ranks": ranks.pessimistic.tolist()} if with_ranks else {})


def search_metrics(ranks: Ranks, *, ties_expected: bool = False) -> dict[str, Any]:
    """The figures that follow from the ranks; `collapsed` says that a model gives many codes the same score."""
    reciprocal = 1.0 / ranks.pessimistic
    optimistic = mean_reciprocal_rank(ranks.optimistic)
    pessimistic = float(reciprocal.mean())
    return {
        "mrr": pessimistic,
        "mrr_standard_error": bootstrap_error(reciprocal),
        "mrr_index": mean_reciprocal_rank(ranks.index),
        "mrr_optimistic": optimistic,
        "mrr_merged": mean_reciprocal_rank(ranks.merged),
        **{f"recall_at_{k}": float((ranks.pessimistic <= k).mean()) for k in RECALL_AT},
        "collapsed": not ties_expected and optimistic - pessimistic > COLLAPSED_ABOVE,
    }


def gold_places(queries: Sequence[Example], code_base: Sequence[Code]) -> list[int]:
    """Where each query's code stands in the code base. Raises BadDataError where it does not."""
    if not queries:
        raise BadDataError(place="queries", problem="there is no pair labelled 1 to search for.")
    by_text: dict[str, int] = {}
    for place, code in enumerate(code_base):
        by_text.setdefault(code.text, place)
    return [_gold_place(example, code_base, by_text) for example in queries]


def _gold_place(example: Example, code_base: Sequence[Code], by_text: dict[str, int]) -> int:
    if example.code_index is None:
        if example.code not in by_text:
            raise BadDataError(place=f"pair {example.idx}", problem="its code does not stand in the code base.")
        return by_text[example.code]
    if example.code_index >= len(code_base) or code_base[example.code_index].text.strip() != example.code.strip():
        raise BadDataError(
            place=f"pair {example.idx}",
            problem=f"retrieval_idx {example.code_index} is another code in this code base; are the files of one set?",
        )
    return example.code_index


def _twins(texts: Sequence[str], gold: Sequence[int]) -> list[list[int]]:
    places: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        places.setdefault(text.strip(), []).append(place)
    return [places[texts[place].strip()] for place in gold]


def evaluate_qa(
    scorer: Scorer, pairs: Sequence[Example], *, threshold: float | None = None, choose_on: Sequence[Example] = ()
) -> dict[str, Any]:
    """Code QA metrics of a scorer -> flat dict; the headline is `accuracy` (0 to 1).

    A pair is answered 1 when its score is above the threshold. It is, in this order: `threshold` as given; the best for
    `choose_on` (dev pairs); the one in the checkpoint; else cross-fitted: each of five grouped parts is answered with
    the threshold that is best for the other four. It is never chosen on the pairs it is then measured on.
    """
    scores, labels = qa_answers(scorer, pairs)
    thresholds, origin = _thresholds(scorer, pairs, scores, labels, threshold, choose_on)
    answers = scores > thresholds
    correct = (answers == labels).astype(np.float64)
    return {
        "accuracy": float(correct.mean()),
        "accuracy_standard_error": bootstrap_error(correct),
        "f1": f1(answers, labels),
        "auc": auc(scores, labels),
        "accuracy_all_1": float(labels.mean()),
        "accuracy_all_0": float(1 - labels.mean()),
        "threshold": float(np.mean(thresholds)),
        "threshold_from": origin,
        "pairs": len(pairs),
        "pairs_sha256": pairs_sha256(pairs),
        **_about(scorer),
    }


def qa_answers(scorer: Scorer, pairs: Sequence[Example]) -> tuple[Floats, NDArray[np.bool_]]:
    """Score and label (1 = True) of every pair: (N,), (N,). Raises BadDataError on a pair without a label."""
    labels = _labels(pairs)
    return _pair_scores(scorer, pairs), labels


def best_threshold(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """The border with most correct answers (1 iff score > border), midway between two scores; the lowest of equals."""
    order = np.argsort(scores, kind="stable")
    ranked = np.asarray(scores, dtype=np.float64)[order]
    wrong = np.concatenate([[0], np.cumsum(labels[order])]) + np.concatenate(
        [np.cumsum(~labels[order][::-1])[::-1], [0]]
    )
    inner = (ranked[1:] + ranked[:-1]) / 2
    borders = np.concatenate([[ranked[0] - 1], inner, [ranked[-1] + 1]])
    allowed = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])  # no border between equal scores
    return float(borders[np.argmin(np.where(allowed, wrong, len(scores) + 1))])


def cross_fitted_accuracy(pairs: Sequence[Example], scores: Floats, labels: NDArray[np.bool_]) -> float | None:
    """Share of right answers when each of five grouped parts is answered with the others' best threshold.

    None where all pairs hang together, so that there are no others.
    """
    try:
        return float(((scores > _cross_fitted(pairs, scores, labels)) == labels).mean())
    except BadDataError:
        return None


def auc(scores: Floats, labels: NDArray[np.bool_]) -> float | None:
    """Chance that a pair judged 1 outscores a pair judged 0, ties half; None where one class is absent."""
    positives, negatives = scores[labels], np.sort(scores[~labels])
    if not len(positives) or not len(negatives):
        return None
    below = np.searchsorted(negatives, positives, side="left")
    up_to = np.searchsorted(negatives, positives, side="right")
    return float((below + up_to).mean() / 2 / len(negatives))


def f1(answers: NDArray[np.bool_], labels: NDArray[np.bool_]) -> float:
    """F1 of answer 1; 0 where nothing is answered or judged 1."""
    both = int((answers & labels).sum())
    return 2 * both / max(int(answers.sum()) + int(labels.sum()), 1)


def bootstrap_error(values: Floats) -> float:
    """Standard error of the mean by 1,000 seeded resamples of the rows."""
    chance = np.random.default_rng(stable_seed("bootstrap", len(values)))
    means = [values[chance.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    return float(np.std(means, ddof=1))


def _labels(pairs: Sequence[Example]) -> NDArray[np.bool_]:
    if not pairs:
        raise BadDataError(place="pairs", problem="there is nothing to evaluate.")
    unjudged = next((example.idx for example in pairs if example.label is None), None)
    if unjudged is not None:
        raise BadDataError(place=f"pair {unjudged}", problem="it has no label; QA accuracy needs judged pairs.")
    return np.array([example.label == 1 for example in pairs])


def _pair_scores(scorer: Scorer, pairs: Sequence[Example]) -> Floats:
    scores = scorer.score_pairs([example.query for example in pairs], [example.code for example in pairs])
    if not np.isfinite(scores).all():
        raise NotFiniteError(what="Scores", place=f"pair {pairs[int(np.flatnonzero(~np.isfinite(scores))[0])].idx}")
    return scores.astype(np.float64)


def _thresholds(
    scorer: Scorer,
    pairs: Sequence[Example],
    scores: Floats,
    labels: NDArray[np.bool_],
    given: float | None,
    choose_on: Sequence[Example],
) -> tuple[Floats, str]:
    """The border of every pair, and where it comes from."""
    if given is not None:
        return np.full(len(pairs), given), "given"
    if choose_on:
        border = best_threshold(*qa_answers(scorer, choose_on))
        return np.full(len(pairs), border), f"best for {len(choose_on)} other pairs"
    if "threshold" in scorer.manifest:
        border = float(scorer.manifest["threshold"])
        return np.full(len(pairs), border), f"checkpoint ({scorer.manifest.get('threshold_from', 'unknown')})"
    return _cross_fitted(pairs, scores, labels), f"cross-fitted in {CROSS_FIT_FOLDS} grouped parts"


def _cross_fitted(pairs: Sequence[Example], scores: Floats, labels: NDArray[np.bool_]) -> Floats:
    thresholds = np.zeros(len(pairs))
    for part in grouped_folds(pairs, CROSS_FIT_FOLDS, seed=0):
        others = np.setdiff1d(np.arange(len(pairs)), part)
        if part and not len(others):
            raise BadDataError(
                place="pairs", problem="they all hang together, so no threshold can be chosen on others; pass one."
            )
        if part:
            thresholds[part] = best_threshold(scores[others], labels[others])
    return thresholds


def _about(scorer: Scorer) -> dict[str, Any]:
    return {"checkpoint": scorer.name, "max_length": scorer.max_length, "text_view": scorer.view}
