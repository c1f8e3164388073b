"""Reads of test pools: what the people said of each pair, what each system found, and qrels."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.db.models import QuerySet

from annotation.consensus import Outcome, Tally, verdict
from annotation.models import Decision, Pool, PoolEntry, Vote
from annotation.selectors.adjudication import LABEL_OF, adjudicated_pairs
from annotation.selectors.releases import imported_labels
from annotation.selectors.votes import counted_votes
from core.models import Project
from curation.models import Pair

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Relevance:
    """The label of a pooled pair: by votes, by an adjudicator, or a single imported one (`votes_of` 0)."""

    label: int
    votes_for: int = 0
    votes_of: int = 0
    is_adjudicated: bool = False


@dataclass(frozen=True, slots=True)
class PoolLabels:
    """Labels by pair id; `no_intent` and `unresolved` are judged pairs without one, the rest waits."""

    labels: dict[int, Relevance]
    no_intent: int
    unresolved: int
    n_pairs: int

    @property
    def waiting(self) -> int:
        return self.n_pairs - len(self.labels) - self.no_intent - self.unresolved


def pools_of(project: Project) -> QuerySet[Pool]:
    """Pools of a project, newest first."""
    return Pool.objects.filter(project=project).select_related("job", "batch").order_by("-id")


def pooled_pairs(pools: Sequence[Pool]) -> list[int]:
    """Ids of the pools' pairs of which nothing is quarantined."""
    pairs = Pair.objects.filter(pk__in=PoolEntry.objects.filter(pool__in=[pool.pk for pool in pools]).values("pair"))
    return list(pairs.filter(query__quarantine_reason="", code__quarantine_reason="").values_list("pk", flat=True))


def labels_of_pairs(project: Project, pairs: Sequence[int]) -> PoolLabels:
    """What people said of these pairs: an adjudicator's decision, else the consensus of at least two answers, with the
    query's pooled intent. Pairs that nobody here voted on keep an imported label, unless several contradict each other.
    """
    rows: list[tuple[int, int]] = []
    for start in range(0, len(pairs), AT_ONCE):
        rows += Pair.objects.filter(pk__in=pairs[start : start + AT_ONCE]).values_list("pk", "query_id")
    tallies = _tallies(project, [query for _, query in rows])
    pools: dict[int, Tally] = defaultdict(Tally)
    for (_, query), tally in tallies.items():
        pools[query] += tally
    labels: dict[int, Relevance] = {}
    without: dict[Outcome, int] = defaultdict(int)
    decisions = adjudicated_pairs(project, [pair for pair, _ in rows])
    for pair, query in rows:
        if pair in decisions:
            _decided(pair, decisions[pair], tallies.get((pair, query), Tally()), labels, without)
            continue
        if (pair, query) not in tallies:
            continue
        reached = verdict(tallies[pair, query], query=pools[query])
        if reached.label is None:
            without[reached.outcome] += 1
        else:
            labels[pair] = Relevance(reached.label, reached.votes_for, reached.votes_of)
    unseen = [pair for pair, query in rows if (pair, query) not in tallies and pair not in decisions]
    labels.update(_imported(project, unseen))
    return PoolLabels(labels, without[Outcome.NO_INTENT], without[Outcome.UNRESOLVED], len(rows))


def _decided(
    pair: int, decision: Decision, tally: Tally, labels: dict[int, Relevance], without: dict[Outcome, int]
) -> None:
    """An adjudicator's word, with the votes that were on its side."""
    label = LABEL_OF[decision]
    if label is None:
        without[Outcome.NO_INTENT if decision == Decision.NO_INTENT else Outcome.UNRESOLVED] += 1
    else:
        labels[pair] = Relevance(label, tally.n_one if label else tally.n_zero, tally.n_answers, is_adjudicated=True)


def _tallies(project: Project, queries: Iterable[int]) -> dict[tuple[int, int], Tally]:
    """(pair, query) -> counted votes, of all pairs of these queries."""
    wanted = sorted(set(queries))
    found: dict[tuple[int, int], list[Vote]] = defaultdict(list)
    for start in range(0, len(wanted), AT_ONCE):
        votes = counted_votes(project).filter(item__query__in=wanted[start : start + AT_ONCE])
        for vote in votes.select_related("item").iterator(chunk_size=2000):
            found[vote.item.pair_id or 0, vote.item.query_id].append(vote)
    return {pair: Tally.of(votes) for pair, votes in found.items()}


def _imported(project: Project, pairs: Sequence[int]) -> dict[int, Relevance]:
    found: dict[int, set[int]] = defaultdict(set)
    for start in range(0, len(pairs), AT_ONCE):
        labels = imported_labels(project).filter(pair__in=pairs[start : start + AT_ONCE])
        for pair, label in labels.values_list("pair_id", "label"):
            found[pair].add(label)
    return {pair: Relevance(given.pop()) for pair, given in found.items() if len(given) == 1}


# --- the report of a pool ---------------------------------------------------------------------------------------------
def pool_report(pool: Pool) -> dict[str, Any]:
    """Judged, waiting and relevant pairs; per system what it found and what only it found; how systems overlap."""
    found = labels_of_pairs(pool.project, pooled_pairs([pool]))
    of_system: dict[int, set[int]] = defaultdict(set)
    for system, pair in pool.entries.values_list("system", "pair_id"):
        of_system[system].add(pair)
    ones = {pair for pair, relevance in found.labels.items() if relevance.label}
    return {
        "pairs": found.n_pairs,
        "labelled": len(found.labels),
        "ones": len(ones),
        "no_intent": found.no_intent,
        "unresolved": found.unresolved,
        "waiting": found.waiting,
        "systems": [
            _system(place, system["name"], of_system, found.labels, ones) for place, system in enumerate(pool.systems)
        ],
        "overlap": [
            _overlap(pool.systems[a]["name"], pool.systems[b]["name"], of_system[a], of_system[b])
            for a, b in combinations(range(len(pool.systems)), 2)
        ],
    }


def _system(
    place: int, name: str, of_system: dict[int, set[int]], labels: dict[int, Relevance], ones: set[int]
) -> dict[str, Any]:
    mine = of_system[place]
    others = set().union(*(pairs for other, pairs in of_system.items() if other != place))
    judged = mine & labels.keys()
    return {
        "name": name,
        "pairs": len(mine),
        "judged": len(judged),
        "ones": len(judged & ones),
        "share": len(judged & ones) / len(judged) if judged else None,
        "only": len(mine - others),
        "only_ones": len((mine - others) & ones),
    }


def _overlap(first: str, second: str, a: set[int], b: set[int]) -> dict[str, Any]:
    return {
        "systems": [first, second],
        "both": len(a & b),
        "either": len(a | b),
        "share": len(a & b) / len(a | b) if a | b else None,
    }


# --- qrels ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Qrels:
    """Judged pairs of pools, sorted by the hashes; bytes depend on nothing else."""

    facts: dict[str, Any]
    rows: list[dict[str, Any]]

    def text(self) -> str:
        """TREC's form: query, 0, document, relevance; query and code are named by their content hashes."""
        return "".join(f"{row['query_hash']} 0 {row['code_hash']} {row['relevance']}\n" for row in self.rows)

    def json(self) -> str:
        """The same with texts, votes and the pool's depth."""
        return json.dumps({**self.facts, "judgements": self.rows}, indent=1) + "\n"


def qrels_of(project: Project, pools: Sequence[Pool]) -> Qrels:
    """Every judged pair of the pools, whatever a keep rule would say; pairs without a label are counted."""
    found = labels_of_pairs(project, pooled_pairs(pools))
    rows: list[dict[str, Any]] = []
    labelled = sorted(found.labels)
    for start in range(0, len(labelled), AT_ONCE):
        pairs = Pair.objects.filter(pk__in=labelled[start : start + AT_ONCE]).select_related("query", "code")
        rows += [_judgement(pair, found.labels[pair.pk]) for pair in pairs]
    rows.sort(key=lambda row: (row["query_hash"], row["code_hash"]))
    facts = {
        "pools": sorted((_pool_facts(pool) for pool in pools), key=json.dumps),
        "judged": len(rows),
        "relevant": sum(row["relevance"] for row in rows),
        "no_intent": found.no_intent,
        "unresolved": found.unresolved,
        "not_judged": found.waiting,
    }
    return Qrels(facts, rows)


def _judgement(pair: Pair, relevance: Relevance) -> dict[str, Any]:
    return {
        "query_hash": pair.query.content_hash,
        "code_hash": pair.code.content_hash,
        "relevance": relevance.label,
        "votes_for": relevance.votes_for,
        "votes_of": relevance.votes_of,
        "query": pair.query.text,
        "code": pair.code.text,
        **({"origin": "adjudicated"} if relevance.is_adjudicated else {}),
    }


def _pool_facts(pool: Pool) -> dict[str, Any]:
    """No name of the pool or a checkpoint: systems are told apart by kind and fingerprint."""
    systems = [{"kind": system["kind"], "fingerprint": system.get("fingerprint", "")} for system in pool.systems]
    return {"depth": pool.k, "queries": len(pool.query_hashes), "systems": sorted(systems, key=json.dumps)}


def judged_pools(project: Project) -> list[Pool]:
    """Complete pools, in an order that depends on what they hold only."""
    pools = Pool.objects.filter(project=project, is_complete=True)
    return sorted(pools, key=lambda pool: (pool.query_hashes, pool.k, pool.pk))
