"""Leak-free splits: pairs that share a query or a code, directly or through others, stay together."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from modeling.ml.data import Example
from modeling.ml.rewriting import stable_seed


def connected_groups(examples: Sequence[Example]) -> list[int]:
    """The group number of every example: equal numbers are connected by shared queries and codes.

    Numbers follow the first appearance of a group.
    """
    roots = _roots(examples)
    numbers: dict[str, int] = {}
    return [numbers.setdefault(roots[f"q{example.query_id}"], len(numbers)) for example in examples]


def without_connected(
    examples: Sequence[Example], *, query_ids: Iterable[str] = (), code_ids: Iterable[str] = ()
) -> list[Example]:
    """The examples whose group contains none of these queries and codes: safe to train on when they are the test."""
    roots = _roots(examples)
    foreign = [*(f"q{key}" for key in query_ids), *(f"c{key}" for key in code_ids)]
    tainted = {roots[key] for key in foreign if key in roots}
    return [example for example in examples if roots[f"q{example.query_id}"] not in tainted]


def grouped_folds(examples: Sequence[Example], folds: int, *, seed: int) -> list[list[int]]:
    """Places of the examples in `folds` parts of nearly equal size; no group stands in two.

    Groups are shuffled by the seed, then the largest are placed first, each into the part with the fewest examples.
    """
    parts: list[list[int]] = [[] for _ in range(folds)]
    for group in sorted(_shuffled_groups(examples, seed), key=len, reverse=True):
        min(parts, key=len).extend(group)
    return [sorted(part) for part in parts]


def hold_out(examples: Sequence[Example], share: float, *, seed: int) -> tuple[list[Example], list[Example]]:
    """(training, held-out) examples; about `share` of them, in whole groups, are held out."""
    held: set[int] = set()
    for group in _shuffled_groups(examples, seed):
        if len(held) + len(group) <= share * len(examples):
            held.update(group)
    kept = [example for place, example in enumerate(examples) if place not in held]
    return kept, [examples[place] for place in sorted(held)]


def _shuffled_groups(examples: Sequence[Example], seed: int) -> list[list[int]]:
    """The places of every group's examples, groups in an order that depends on the seed alone."""
    members: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(connected_groups(examples)):
        members[number].append(place)
    groups = list(members.values())
    random.Random(stable_seed(seed, "groups")).shuffle(groups)
    return groups


def _roots(examples: Sequence[Example]) -> dict[str, str]:
    """Union-find over query and code keys: key -> root of its group."""
    parents: dict[str, str] = {}

    def find(key: str) -> str:
        parents.setdefault(key, key)
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    for example in examples:
        parents[find(f"q{example.query_id}")] = find(f"c{example.code_id}")
    return {key: find(key) for key in list(parents)}
