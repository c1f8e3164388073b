"""Splits that do not leak: pairs that share a query or a code, even through others, stay on one side. No Django.

Everything is decided by the bytes of the keys and the seed, so the same pairs get the same split anywhere.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

TRAIN, DEV, TEST = "train", "dev", "test"
SPLITS = (TRAIN, DEV, TEST)
TOLERANCE = Fraction(1, 10)
STRICTER = {TRAIN: 0, DEV: 1, TEST: 2}

Size = int | Fraction  # pairs, or a share of all pairs


class SplitSizeError(ValueError):
    """A size that the groups do not allow; the text says why and what to try."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A pair as the splitter sees it: keys of its query and code (content hashes) and its label."""

    query: str
    code: str
    label: int


@dataclass(slots=True)
class _Group:
    key: str
    members: list[int] = field(default_factory=list)
    n_one: int = 0

    @property
    def size(self) -> int:
        return len(self.members)


@dataclass(frozen=True, slots=True)
class Split:
    """Split of each pair in the order given (None: dropped), and what a reader should know about it."""

    of_pair: list[str | None]
    report: dict[str, Any]


def connected_groups(edges: Sequence[Edge]) -> list[list[int]]:
    """Indexes of pairs in groups that share queries or codes, also through each other (union-find)."""
    parent: list[int] = []
    nodes: dict[tuple[str, str], int] = {}

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def node_of(kind: str, key: str) -> int:
        node = nodes.setdefault((kind, key), len(parent))
        if node == len(parent):
            parent.append(node)
        return node

    ends = [(node_of("query", edge.query), node_of("code", edge.code)) for edge in edges]
    for query, code in ends:
        parent[find(query)] = find(code)
    groups: dict[int, list[int]] = {}
    for index, (query, _) in enumerate(ends):
        groups.setdefault(find(query), []).append(index)
    return list(groups.values())


def split_pairs(edges: Sequence[Edge], *, dev: Size, test: Size, seed: int = 0, by: str = "group") -> Split:
    """Puts every pair into train, dev or test.

    by: "group" keeps connected query-code groups whole; "code" keeps codes whole and drops the pairs whose query would
    stand on two sides (the stricter side, test over dev over train, keeps the query). Labels are balanced as far as
    groups allow. Raises SplitSizeError when dev or test misses its size by more than a tenth (and more than one pair),
    before pairs are dropped.
    """
    connected = connected_groups(edges)
    whole = connected if by == "group" else _groups_by(edges, lambda edge: edge.code)
    sizes = {TEST: _pairs(test, len(edges)), DEV: _pairs(dev, len(edges))}
    if sum(sizes.values()) > len(edges):
        raise SplitSizeError(f"Dev and test ask for {sum(sizes.values()):,} pairs, but there are only {len(edges):,}.")
    groups = _in_seeded_order(edges, whole, seed)
    of_pair = _fill(groups, sizes, edges)
    _refuse_missed_sizes(of_pair, sizes, groups, by=by)
    dropped = _drop_straddling_queries(edges, of_pair) if by == "code" else 0
    report = _report(edges, of_pair, sizes, connected, by=by, seed=seed, dropped=dropped)
    return Split(of_pair, report)


def _groups_by(edges: Sequence[Edge], key: Callable[[Edge], str]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for index, edge in enumerate(edges):
        groups.setdefault(key(edge), []).append(index)
    return list(groups.values())


def _pairs(size: Size, total: int) -> int:
    """A size in whole pairs; a share is rounded to the nearest, halves up."""
    return size if isinstance(size, int) else int(size * total + Fraction(1, 2))


def _in_seeded_order(edges: Sequence[Edge], groups: Iterable[list[int]], seed: int) -> list[_Group]:
    made = []
    for members in groups:
        key = min(f"{edges[index].query} {edges[index].code}" for index in members)
        made.append(_Group(key, members, sum(edges[index].label for index in members)))
    return sorted(made, key=lambda group: _draw(seed, group.key))


def _draw(seed: int, key: str) -> bytes:
    """Where the seed puts a key: a hash, because it is the same in every Python, process and order of calls."""
    return hashlib.blake2b(f"{seed} {key}".encode(), digest_size=16, person=b"split").digest()


def _fill(groups: list[_Group], sizes: dict[str, int], edges: Sequence[Edge]) -> list[str | None]:
    of_pair: list[str | None] = [TRAIN] * len(edges)
    share_of_ones = Fraction(sum(edge.label for edge in edges), len(edges) or 1)
    left = groups
    for split, size in sizes.items():
        taken = _take(left, size, share_of_ones)
        for group in taken:
            for index in group.members:
                of_pair[index] = split
        chosen = {group.key for group in taken}
        left = [group for group in left if group.key not in chosen]
    return of_pair


def _take(groups: list[_Group], size: int, share_of_ones: Fraction) -> list[_Group]:
    """Groups for one split of `size` pairs: first those that keep the label balance, then any that still fit."""
    room_for = {1: -int(-size * share_of_ones // 1), 0: -int(-size * (1 - share_of_ones) // 1)}
    taken: list[_Group] = []
    filled = 0
    for keeps_balance in (True, False):
        chosen = {group.key for group in taken}
        for group in groups:
            if filled == size:
                return taken
            n_zero = group.size - group.n_one
            is_balanced = group.n_one <= room_for[1] and n_zero <= room_for[0]
            if group.key in chosen or filled + group.size > size or (keeps_balance and not is_balanced):
                continue
            taken.append(group)
            filled += group.size
            room_for[1] -= group.n_one
            room_for[0] -= n_zero
    return taken + _nearest_overshoot(groups, taken, size - filled)


def _nearest_overshoot(groups: list[_Group], taken: list[_Group], missing: int) -> list[_Group]:
    """The smallest group that remains, if going over the size with it comes nearer than staying below."""
    chosen = {group.key for group in taken}
    rest = [group for group in groups if group.key not in chosen]
    smallest = min(rest, key=lambda group: group.size, default=None)
    return [smallest] if missing and smallest and smallest.size - missing < missing else []


def _drop_straddling_queries(edges: Sequence[Edge], of_pair: list[str | None]) -> int:
    side: dict[str, str] = {}
    for edge, split in zip(edges, of_pair, strict=True):
        held = side.get(edge.query, TRAIN)
        side[edge.query] = max(held, split or TRAIN, key=STRICTER.__getitem__)
    dropped = 0
    for index, edge in enumerate(edges):
        if of_pair[index] != side[edge.query]:
            of_pair[index] = None
            dropped += 1
    return dropped


def _report(
    edges: Sequence[Edge],
    of_pair: Sequence[str | None],
    sizes: dict[str, int],
    connected: list[list[int]],
    *,
    by: str,
    seed: int,
    dropped: int,
) -> dict[str, Any]:
    counts = Counter(of_pair)
    ones = Counter(split for edge, split in zip(edges, of_pair, strict=True) if edge.label)
    wanted = {TRAIN: len(edges) - sum(sizes.values()), **sizes}
    return {
        "by": by,
        "seed": seed,
        "pairs": {split: counts[split] for split in SPLITS},
        "ones": {split: ones[split] for split in SPLITS},
        "wanted": {split: wanted[split] for split in SPLITS},
        "groups": len(connected),
        "largest_group": max(map(len, connected), default=0),
        "dropped": dropped,
    }


def _refuse_missed_sizes(
    of_pair: Sequence[str | None], sizes: dict[str, int], groups: list[_Group], *, by: str
) -> None:
    filled = Counter(of_pair)
    for split, wanted in sizes.items():
        miss = abs(filled[split] - wanted)
        if miss > 1 and miss > wanted * TOLERANCE:
            largest = max(group.size for group in groups)
            way_out = ", or split by code, which parts such groups and drops the pairs between the sides"
            raise SplitSizeError(
                f"The {split} split should hold {wanted:,} pairs, but whole groups give {filled[split]:,}: of "
                f"{len(of_pair):,} pairs, {largest:,} hang together by shared queries or codes and cannot be parted. "
                f"Ask for another size{way_out if by == 'group' else ''}."
            )
