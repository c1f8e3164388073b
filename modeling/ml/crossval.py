"""Code QA by grouped cross-validation: every pair is answered by a model that saw nothing connected with it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modeling.ml.data import Example, pairs_sha256
from modeling.ml.errors import NotTrainableError
from modeling.ml.evaluation import auc, best_threshold, bootstrap_error, f1, qa_answers
from modeling.ml.matcher import Scorer, load_scorer
from modeling.ml.recipes import Recipe
from modeling.ml.splitting import grouped_folds
from modeling.ml.train import Report, train


def cross_validate_qa(
    config: Recipe,
    examples: Sequence[Example],
    out: str | Path,
    *,
    folds: int = 3,
    report: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Train once per fold on the other folds, answer the fold; with the untrained start on the same folds beside it.

    Both choose their threshold on the fold's training pairs. -> `accuracy`, `accuracy_zero_shot`, their standard
    errors, that of the difference, F1 and the mean of the folds' AUCs; shares are 0 to 1.
    """
    parts = grouped_folds(examples, folds, seed=config.seed)
    if folds < 2 or not all(parts):
        raise NotTrainableError(problem=f"{len(examples)} pairs cannot be cut into {folds} unconnected parts.")
    trained, untrained = _Answers(len(examples)), _Answers(len(examples))
    zero_shot = (
        None if config.objective == "none" else load_scorer(config.encoder, max_length=config.max_length or None)
    )
    for number, part in enumerate(parts):
        held = set(part)
        others = [example for place, example in enumerate(examples) if place not in held]
        fold = [examples[place] for place in part]
        result = train(config, others, Path(out) / f"fold-{number}", report=report, should_stop=should_stop)
        trained.add(part, load_scorer(result.checkpoint), others, fold)
        if zero_shot:
            untrained.add(part, zero_shot, others, fold)
    labels = np.array([example.label == 1 for example in examples])
    about = {"pairs": len(examples), "folds": folds, "pairs_sha256": pairs_sha256(examples), "recipe": config.to_dict()}
    result_of_zero_shot = untrained.metrics(labels, "_zero_shot") if zero_shot else {}
    difference = (trained.answers == labels).astype(float) - (untrained.answers == labels)
    return {
        **trained.metrics(labels, ""),
        **result_of_zero_shot,
        **({"difference_standard_error": bootstrap_error(difference)} if zero_shot else {}),
        "accuracy_all_1": float(labels.mean()),
        "accuracy_all_0": float(1 - labels.mean()),
        **about,
    }


class _Answers:
    """Held-out answers of all folds."""

    def __init__(self, size: int) -> None:
        self.answers = np.zeros(size, dtype=bool)
        self.areas: list[float] = []

    def add(self, part: list[int], scorer: Scorer, others: list[Example], fold: list[Example]) -> None:
        border = best_threshold(*qa_answers(scorer, others))
        scores, labels = qa_answers(scorer, fold)
        self.answers[part] = scores > border
        area = auc(scores, labels)
        self.areas += [] if area is None else [area]

    def metrics(self, labels: np.ndarray, suffix: str) -> dict[str, Any]:
        correct = (self.answers == labels).astype(float)
        return {
            f"accuracy{suffix}": float(correct.mean()),
            f"accuracy{suffix}_standard_error": bootstrap_error(correct),
            f"f1{suffix}": f1(self.answers, labels),
            f"auc{suffix}": float(np.mean(self.areas)) if self.areas else None,
        }
