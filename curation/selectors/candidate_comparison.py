"""Two candidate runs side by side: which pairs both propose, and how their scores, codes and settings differ."""

import random
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from core.errors import BadInputError
from core.models import Project
from curation.models import Candidate, CandidateRun
from curation.retrieval import SCORE_NAMES

PARTS = {"both": "In both", "a": "Only in A", "b": "Only in B"}
SHOWN = 20
_SETTINGS = {
    "origin": "Origin",
    "retriever": "Retriever",
    "encoder": "Encoder",
    "fingerprint": "Fingerprint of the encoder",
    "top_k": "Codes per query",
    "threshold": "Threshold",
    "cap": "Cap",
    "policy": "Assignment",
    "text_view": "Text of the code",
    "rule_set": "Rule set",
    "n_queries": "Queries",
    "n_codes": "Codes searched",
}
_PARAMS = {
    "max_length": "Longest text in tokens",
    "weight": "Weight of the cosine",
    "pool": "Pool of a hybrid",
    "index": "Search",
    "shards": "Shards",
}


@dataclass(frozen=True)
class SideBySide:
    """A query with the best candidate of each run, None where a run has none."""

    query_id: int
    query: str
    a: Candidate | None
    b: Candidate | None

    @property
    def is_same(self) -> bool:
        """Whether both runs propose the same code."""
        return self.a is not None and self.b is not None and self.a.pair_id == self.b.pair_id


@dataclass(frozen=True)
class Comparison:
    """Counts of pairs, differing settings as (name, in A, in B), and examples."""

    a: CandidateRun
    b: CandidateRun
    both: int
    only_a: int
    only_b: int
    settings: list[tuple[str, Any, Any]]
    examples: list[SideBySide]

    @property
    def share_common(self) -> float | None:
        """Jaccard: pairs of both among the pairs of any."""
        total = self.both + self.only_a + self.only_b
        return self.both / total if total else None

    @property
    def one_scale(self) -> bool:
        """Whether the scores mean the same, so that their histograms may lie over each other."""
        return score_name(self.a) == score_name(self.b)

    def scores(self) -> list[dict[str, Any]]:
        """Share of the queries by best score, a line per run."""
        return [{"name": name, "points": _shares(run)} for name, run in (("A", self.a), ("B", self.b))]

    def uses(self) -> list[dict[str, Any]]:
        """Codes that are used at least n times, a line per run."""
        return [{"name": name, "points": frequency_curve(run)} for name, run in (("A", self.a), ("B", self.b))]

    def as_data(self) -> dict[str, Any]:
        """For the API and the command. Texts are those that may be shown."""
        return {
            "a": self.a.pk,
            "b": self.b.pk,
            "both": self.both,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "share_common": self.share_common,
            "settings": [{"name": name, "a": str(a), "b": str(b)} for name, a, b in self.settings],
            "histograms": {"a": self.a.histogram, "b": self.b.histogram},
            "code_frequency": {"a": self.a.code_frequency, "b": self.b.code_frequency},
            "examples": [
                {
                    "query_id": one.query_id,
                    "query": one.query,
                    "same": one.is_same,
                    "a": _candidate_data(one.a),
                    "b": _candidate_data(one.b),
                }
                for one in self.examples
            ],
        }


def score_name(run: CandidateRun) -> str:
    """What the scores of a run are."""
    return SCORE_NAMES.get(run.retriever, "score")


def frequency_curve(run: CandidateRun) -> list[tuple[float, float]]:
    """(n, codes used at least n times), n ascending."""
    uses = sorted(((int(n), codes) for n, codes in run.code_frequency.items()), reverse=True)
    totals = accumulate(codes for _, codes in uses)
    return [(float(n), float(total)) for (n, _), total in zip(uses, totals, strict=True)][::-1]


def compare_runs(a: CandidateRun, b: CandidateRun, *, seed: int = 0, shown: int = SHOWN) -> Comparison:
    """Compares two complete runs of one project; the examples are drawn by the seed."""
    if a.project_id != b.project_id:
        raise BadInputError(problem="The two runs belong to different projects.")
    unfinished = next((run.pk for run in (a, b) if not run.is_complete), None)
    if unfinished is not None:
        raise BadInputError(problem=f"Run {unfinished} is not complete; there is nothing to compare yet.")
    both = part_of(a, b, "both").count()
    return Comparison(
        a=a,
        b=b,
        both=both,
        only_a=a.candidates.count() - both,
        only_b=b.candidates.count() - both,
        settings=_differences(a, b),
        examples=_examples(a, b, seed, shown),
    )


def part_of(a: CandidateRun, b: CandidateRun, part: str) -> QuerySet[Candidate]:
    """Candidates of A that B proposes too (`both`), those of A alone (`a`), or of B alone (`b`), with their texts."""
    if part not in PARTS:
        raise BadInputError(problem=f"There is no part {part[:40]}. There are: {', '.join(PARTS)}.")
    own, other = (b, a) if part == "b" else (a, b)
    shared = Exists(Candidate.objects.filter(run=other, pair=OuterRef("pair")))
    rows = Candidate.objects.filter(run=own).select_related("pair__query", "pair__code")
    return rows.filter(shared) if part == "both" else rows.exclude(shared)


def comparable_runs(project: Project) -> QuerySet[CandidateRun]:
    """Runs that may be compared, newest first."""
    return CandidateRun.objects.filter(project=project, is_complete=True)


def _differences(a: CandidateRun, b: CandidateRun) -> list[tuple[str, Any, Any]]:
    pairs = [
        *((label, getattr(a, name), getattr(b, name)) for name, label in _SETTINGS.items()),
        *((label, a.params.get(name, ""), b.params.get(name, "")) for name, label in _PARAMS.items()),
    ]
    return [(label, one, other) for label, one, other in pairs if one != other]


def _examples(a: CandidateRun, b: CandidateRun, seed: int, shown: int) -> list[SideBySide]:
    """Random queries that any of the two has a candidate for; what is quarantined is left out."""
    claims = Candidate.objects.filter(
        run__in=[a, b], pair__query__quarantine_reason="", pair__code__quarantine_reason=""
    )
    ids = list(claims.order_by("pair__query__content_hash").values_list("pair__query_id", flat=True).distinct())
    chosen = random.Random(seed).sample(ids, min(shown, len(ids)))
    best: dict[tuple[int, int], Candidate] = {}
    rows = claims.filter(pair__query__in=chosen).select_related("pair__query", "pair__code")
    for candidate in rows.order_by("-rank", "-id"):
        best[candidate.run_id, candidate.pair.query_id] = candidate
    return [_side_by_side(query, best.get((a.pk, query)), best.get((b.pk, query))) for query in chosen]


def _side_by_side(query_id: int, a: Candidate | None, b: Candidate | None) -> SideBySide:
    known = a or b
    if known is None:
        raise AssertionError
    return SideBySide(query_id, known.pair.query.text, a, b)


def _shares(run: CandidateRun) -> list[tuple[float, float]]:
    counts, edges = run.histogram.get("counts", []), run.histogram.get("edges", [])
    total = sum(counts) or 1
    return [((low + high) / 2, count / total) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def _candidate_data(candidate: Candidate | None) -> dict[str, Any] | None:
    if candidate is None:
        return None
    code = candidate.pair.code
    return {"code_id": code.pk, "code": code.name, "score": candidate.score, "rank": candidate.rank}
