"""What a change of rules did to the queries of a project: counts, rules and random examples. Needs no database."""

import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 20


@dataclass
class Side:
    """Queries that changed to one side: how many, by which rules, and a random sample of their ids."""

    n: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def add(self, query_id: int, forms: Collection[str], rng: random.Random) -> None:
        """Counts a query; `forms` are the rules that made the change. Every query has the same chance to be shown."""
        self.n += 1
        self.by_rule.update(forms)
        example = (query_id, tuple(sorted(forms)))
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)
        elif (place := rng.randrange(self.n)) < EXAMPLES:
            self.examples[place] = example

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; most frequent rules first."""
        return {
            "n": self.n,
            "by_rule": dict(sorted(self.by_rule.items(), key=lambda item: (-item[1], item[0]))),
            "examples": [{"query": pk, "rules": list(forms)} for pk, forms in self.examples],
        }


class Changes:
    """Verdicts under a rule set against those under the one before. The same seed gives the same examples."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.queries = self.accepted = self.first_judged = 0
        self.newly_accepted, self.newly_rejected = Side(), Side()

    def add(self, query_id: int, before: Collection[str] | None, after: Collection[str]) -> None:
        """One query: the rules that hit before (None: it had no verdict) and the rules that hit now."""
        self.queries += 1
        self.accepted += not after
        if before is None:
            self.first_judged += 1
        elif before and not after:
            self.newly_accepted.add(query_id, before, self._rng)
        elif after and not before:
            self.newly_rejected.add(query_id, after, self._rng)

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON. Queries that were not judged before count on neither side."""
        return {
            "queries": self.queries,
            "accepted": self.accepted,
            "rejected": self.queries - self.accepted,
            "first_judged": self.first_judged,
            "newly_accepted": self.newly_accepted.as_data(),
            "newly_rejected": self.newly_rejected.as_data(),
        }
