"""From examples to the batches of a training step.

Batches are seeded, and no query and no code stands twice in one, so that no in-batch negative is the row's own code.
"""

import random
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from modeling.ml.data import Example
from modeling.ml.losses import negatives_mask
from modeling.ml.recipes import Recipe
from modeling.ml.rewriting import rewrite, stable_seed
from modeling.ml.views import text_view

LOOK_AHEAD = 16  # batches' worth of rows searched for a free one: bounds the work when a code is very common


@dataclass(frozen=True)
class Batch:
    """Texts of one step: R queries (rows), B codes (columns).

    gold (R,), labels (R,) and keep (R, B) as in modeling.ml.losses; `examples` counts the rows that are no attached
    rewrites; `names` says which examples these are.
    """

    queries: list[str]
    codes: list[str]
    gold: Tensor
    labels: Tensor
    keep: Tensor
    examples: int
    names: list[str]


def epoch_batches(examples: Sequence[Example], batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Places of the examples in batches of at most `batch_size`, every example once.

    The order depends on seed and epoch alone. A row whose query or code the batch already has waits for the next one.
    """
    order = list(range(len(examples)))
    random.Random(stable_seed(seed, "epoch", epoch)).shuffle(order)
    return list(_fill(examples, order, batch_size))


def make_batch(rows: Sequence[Example], config: Recipe, known_positives: Collection[tuple[str, str]]) -> Batch:
    """One step's texts: the rows' queries (for info-nce only of those labelled 1), below them attached rewrites."""
    anchors = [place for place, row in enumerate(rows) if config.objective != "info-nce" or row.label == 1]
    queries = [rows[place].query for place in anchors]
    gold = list(anchors)
    if config.rewrite != "none" and config.rewrite_as == "structured":
        positives = [place for place in anchors if rows[place].label == 1]
        queries += [_rewritten(rows[place], config) for place in positives]
        gold += positives
    return Batch(
        queries=queries,
        codes=[text_view(row.code, config.text_view) for row in rows],
        gold=torch.tensor(gold, dtype=torch.long),
        labels=torch.tensor([float(rows[place].label or 0) for place in gold]),
        keep=_negatives(rows, gold, config, known_positives),
        examples=len(anchors),
        names=[row.idx for row in rows],
    )


def rewritten_rows(config: Recipe, examples: Sequence[Example]) -> Iterator[Example]:
    """Query rewriting as rows of their own: the positives again, each with its query rewritten."""
    if config.rewrite == "none" or config.rewrite_as != "rows":
        return
    for example in examples:
        if example.label == 1:
            yield Example.of(_rewritten(example, config), example.code, 1, idx=f"{example.idx} ({config.rewrite})")


def _rewritten(row: Example, config: Recipe) -> str:
    return rewrite(row.query, config.rewrite, seed=config.seed, row=row.idx)


def _negatives(
    rows: Sequence[Example], gold: list[int], config: Recipe, known_positives: Collection[tuple[str, str]]
) -> Tensor:
    if not config.in_batch:
        return torch.zeros(len(gold), len(rows), dtype=torch.bool)
    query_ids = [rows[place].query_id for place in gold]
    return negatives_mask(query_ids, [row.code_id for row in rows], gold, known_positives)


def _fill(examples: Sequence[Example], order: list[int], batch_size: int) -> Iterator[list[int]]:
    waiting = deque(order)
    while waiting:
        window = [waiting.popleft() for _ in range(min(len(waiting), batch_size * LOOK_AHEAD))]
        batch, left = _take(examples, window, batch_size)
        yield batch
        waiting.extendleft(reversed(left))


def _take(examples: Sequence[Example], places: list[int], batch_size: int) -> tuple[list[int], list[int]]:
    batch: list[int] = []
    left: list[int] = []
    queries: set[str] = set()
    codes: set[str] = set()
    for place in places:
        example = examples[place]
        if len(batch) == batch_size or example.query_id in queries or example.code_id in codes:
            left.append(place)
            continue
        batch.append(place)
        queries.add(example.query_id)
        codes.add(example.code_id)
    return batch, left
