"""Words and short phrases that tell judged no-intent queries from those with intent, as candidates for new rules.

Log-odds with an informative Dirichlet prior (Monroe, Colaresi & Quinn 2008, "Fightin' Words", eq. 16-22): a term's
odds in one class against the other, shrunk towards its odds in both together, divided by its standard deviation. Terms
are counted once per query. Each comes with what it would cost as a rule, measured on the same queries. No Django.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from curation.intent import RuleProfile, intent_key
from curation.rule_quality import LabelledQuery, Outcome

LONGEST = 3  # words of a phrase
MIN_QUERIES = 2  # no-intent queries that the rules accept and that must hold a term before it is worth a look
PRIOR = 500.0  # pseudo-counts of the prior in all, Monroe's alpha_0
SHOWN = 30
_WORD = re.compile(r"[^\W_][\w'+#]*")


@dataclass(frozen=True)
class Keyword:
    """A term as a rule: `z` is its log-odds in standard deviations (above 1.96: more than chance at 5 %, for one term
    looked at alone). `removes` and `loses` count judged queries that the rules accept today; the two `_in_log` figures
    are estimates for the whole log."""

    term: str
    z: float
    no_intent: int
    intent: int
    removes: int
    loses: int
    removes_in_log: float
    loses_in_log: float
    lost: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of rule it would be."""
        return "phrase" if " " in self.term else "exact"

    def as_data(self) -> dict[str, Any]:
        return {**vars(self), "kind": self.kind, "lost": list(self.lost)}


def terms_of(query: str) -> set[str]:
    """Words of the query and phrases of neighbouring words, up to three."""
    words = _WORD.findall(intent_key(query))
    return {
        " ".join(words[start : start + size])
        for size in range(1, LONGEST + 1)
        for start in range(len(words) - size + 1)
    }


def log_odds(first: Mapping[str, int], second: Mapping[str, int], *, prior: float = PRIOR) -> dict[str, float]:
    """z of every term, positive where it is typical of `first`; counts of terms in the two classes."""
    both = {term: first.get(term, 0) + second.get(term, 0) for term in {*first, *second}}
    total = sum(both.values())
    n_first, n_second = sum(first.values()), sum(second.values())
    found = {}
    for term, count in both.items():
        alpha = prior * count / total
        in_first, in_second = first.get(term, 0) + alpha, second.get(term, 0) + alpha
        delta = math.log(in_first / (n_first + prior - in_first)) - math.log(in_second / (n_second + prior - in_second))
        found[term] = delta / math.sqrt(1 / in_first + 1 / in_second)
    return found


def suggest_keywords(
    outcomes: Iterable[Outcome],
    profile: RuleProfile,
    *,
    language: str = "",
    weights: Mapping[str, float] | None = None,
    shown: int = SHOWN,
) -> list[Keyword]:
    """Terms that no rule covers and that would remove at least two judged no-intent queries which the rules accept,
    best first.

    weights: queries of the log that one judged query of a stratum stands for (1 without).
    """
    judged = [(outcome, terms_of(outcome.labelled.query)) for outcome in outcomes]
    counts: dict[bool, dict[str, int]] = {True: defaultdict(int), False: defaultdict(int)}
    for outcome, terms in judged:
        for term in terms:
            counts[outcome.labelled.has_intent][term] += 1
    if not counts[False] or not counts[True]:
        return []
    odds = log_odds(counts[False], counts[True])
    is_new = _covered_by(profile, language)
    wanted = [term for term, z in odds.items() if z > 0 and counts[False][term] >= MIN_QUERIES and is_new(term)]
    holders = _holders(judged, set(wanted))
    found = [_cost(term, odds[term], counts, holders[term], weights or {}) for term in wanted]
    useful = [keyword for keyword in found if keyword.removes >= MIN_QUERIES]
    useful.sort(key=lambda keyword: (-keyword.z, len(keyword.term), keyword.term))
    return _without_echoes(useful, holders)[:shown]


def _covered_by(profile: RuleProfile, language: str) -> Callable[[str], bool]:
    """Whether a term is new: no rule hits it by itself, and it is not the language keyword."""
    return lambda term: term != language.lower() and not profile.judge(term, language="").hits


def _holders(judged: Iterable[tuple[Outcome, set[str]]], wanted: set[str]) -> dict[str, list[Outcome]]:
    """Term -> the queries that hold it and that the rules accept."""
    holders: dict[str, list[Outcome]] = {term: [] for term in wanted}
    for outcome, terms in judged:
        if not outcome.is_rejected:
            for term in terms & wanted:
                holders[term].append(outcome)
    return holders


def _cost(
    term: str, z: float, counts: Mapping[bool, Mapping[str, int]], held_by: list[Outcome], weights: Mapping[str, float]
) -> Keyword:
    good = [outcome.labelled for outcome in held_by if outcome.labelled.has_intent]
    bad = [outcome.labelled for outcome in held_by if not outcome.labelled.has_intent]
    return Keyword(
        term=term,
        z=z,
        no_intent=counts[False].get(term, 0),
        intent=counts[True].get(term, 0),
        removes=len(bad),
        loses=len(good),
        removes_in_log=_weighted(bad, weights),
        loses_in_log=_weighted(good, weights),
        lost=tuple(labelled.query for labelled in good[:3]),
    )


def _weighted(queries: Iterable[LabelledQuery], weights: Mapping[str, float]) -> float:
    return sum(weights.get(query.stratum, 1.0) for query in queries)


def _without_echoes(keywords: list[Keyword], holders: Mapping[str, list[Outcome]]) -> list[Keyword]:
    """Drops a term that would act on exactly the same accepted queries as a better one."""
    kept: dict[frozenset[LabelledQuery], Keyword] = {}
    for keyword in keywords:
        kept.setdefault(frozenset(outcome.labelled for outcome in holders[keyword.term]), keyword)
    return list(kept.values())
