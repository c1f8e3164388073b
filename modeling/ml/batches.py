"""Seeded batches in which no query and no code stands twice, so that no in-batch negative is the row's own code."""

import random
from collections import deque
from collections.abc import Iterator, Sequence

from modeling.ml.data import Example
from modeling.ml.rewriting import stable_seed

LOOK_AHEAD = 16  # batches' worth of rows searched for a free one: bounds the work when a code is very common


def epoch_batches(examples: Sequence[Example], batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Places of the examples in batches of at most `batch_size`, every example once.

    The order depends on seed and epoch alone. A row whose query or code the batch already has waits for the next one.
    """
    order = list(range(len(examples)))
    random.Random(stable_seed(seed, "epoch", epoch)).shuffle(order)
    return list(_fill(examples, order, batch_size))


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
