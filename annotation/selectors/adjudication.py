"""Reads of consensus and adjudication: what waits for a decision, what was decided, how the methods compare."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from annotation.consensus import Tally, Verdict, verdict
from annotation.models import (
    COUNTED,
    Adjudication,
    Consensus,
    ConsensusRun,
    Decision,
    Item,
    Purpose,
    RaterCompetence,
    Vote,
)
from core.models import Project, User

AT_ONCE = 500
_SHOWABLE_PAIR = Q(query__quarantine_reason="", pair__code__quarantine_reason="")


class Waiting(StrEnum):
    """Why a pair waits for an adjudicator."""

    ALL = ""
    SPLIT = "split"
    ASIDE = "aside"
    DIFFERS = "differs"


# --- what waits ---------------------------------------------------------------------------------------------
def waiting_items(project: Project, why: str = Waiting.ALL) -> QuerySet[Item]:
    """Live pairs without a decision: all votes in and split, set aside, or labelled differently by the methods."""
    items = Item.objects.filter(_SHOWABLE_PAIR, _why(project, why), project=project, purpose=Purpose.LIVE)
    stands = Adjudication.objects.filter(item=OuterRef("pk"), ended_at__isnull=True)
    return items.filter(~Exists(stands)).select_related("query", "pair__code", "batch")


def _why(project: Project, why: str) -> Q:
    """The condition on items. Each reason has a small index of its own, which a plain OR of them would not use."""
    live = Item.objects.filter(project=project)
    differing = Consensus.objects.filter(run__project=project, run__is_current=True, differs=True)
    reasons = {
        str(Waiting.SPLIT): live.filter(is_contested=True).values("pk"),
        str(Waiting.ASIDE): live.filter(is_set_aside=True).values("pk"),
        str(Waiting.DIFFERS): differing.values("item"),
    }
    if why in reasons:
        return Q(pk__in=reasons[why])
    first, *others = reasons.values()
    return Q(pk__in=first.union(*others))


def waiting_counts(project: Project) -> dict[str, int]:
    """How many pairs wait, by reason (`` for any); a pair may wait for several."""
    return {str(why): waiting_items(project, why).count() for why in Waiting}


def next_waiting(project: Project, why: str, *, after: int) -> Item | None:
    """The next pair that waits, in the order of the list; from its beginning again where there is none further on."""
    waiting = waiting_items(project, why).exclude(pk=after)
    return waiting.filter(pk__gt=after).order_by("pk").first() or waiting.order_by("pk").first()


def with_votes(items: QuerySet[Item]) -> QuerySet[Any]:
    """The items with their counted votes in `counted_votes`, and the current consensus (at most one) in `methods`."""
    votes = Vote.objects.filter(COUNTED).select_related("person").order_by("id")
    current = Consensus.objects.filter(run__is_current=True)
    return items.prefetch_related(
        Prefetch("votes", votes, to_attr="counted_votes"), Prefetch("consensus", current, to_attr="methods")
    )


# --- what was decided -----------------------------------------------------------------------------------------
def standing_adjudication(item: Item) -> Adjudication | None:
    """The decision in force on an item."""
    return item.adjudications.filter(ended_at__isnull=True).select_related("person").first()


def decisions_of(project: Project) -> QuerySet[Adjudication]:
    """Decisions in force, on pairs that may be shown."""
    return Adjudication.objects.filter(
        project=project,
        ended_at__isnull=True,
        item__query__quarantine_reason="",
        item__pair__code__quarantine_reason="",
    ).select_related("person", "item__query", "item__pair__code", "item__batch")


def adjudicated_pairs(project: Project, pairs: Collection[int] | None = None) -> dict[int, Decision]:
    """Pair id -> the decision in force, of all pairs or of those named; pilot batches left out."""
    standing = decisions_of(project).filter(item__batch__is_pilot=False).order_by("pk")
    if pairs is None:
        return {pair: Decision(made) for pair, made in standing.values_list("item__pair_id", "decision")}
    found, wanted = {}, sorted(pairs)
    for start in range(0, len(wanted), AT_ONCE):
        rows = standing.filter(item__pair__in=wanted[start : start + AT_ONCE])
        found.update({pair: Decision(made) for pair, made in rows.values_list("item__pair_id", "decision")})
    return found


LABEL_OF = {Decision.ONE: 1, Decision.ZERO: 0, Decision.NO_INTENT: None, Decision.UNUSABLE: None}


def decisions_on_query(project: Project, query_hash: str) -> dict[int, Decision]:
    """Code id -> the decision in force on the query's pair with that code; pilot batches left out."""
    rows = decisions_of(project).filter(item__batch__is_pilot=False, item__query__content_hash=query_hash)
    return {code: Decision(made) for code, made in rows.values_list("item__pair__code_id", "decision")}


def decisions_by_hashes(project: Project) -> dict[tuple[str, str], Decision]:
    """(query hash, code hash) -> the decision in force, as releases read it; pilot batches left out."""
    rows = decisions_of(project).filter(item__batch__is_pilot=False)
    hashes = rows.values_list("item__query__content_hash", "item__pair__code__content_hash", "decision")
    return {(query, code): Decision(made) for query, code, made in hashes}


# --- one case -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class MethodLabel:
    """What one method says of a pair."""

    name: str
    label: str  # 1, 0, no, or empty where it gives none
    share: float | None


@dataclass(frozen=True)
class Case:
    """A pair as an adjudicator weighs it."""

    tally: Tally
    verdict: Verdict
    methods: list[MethodLabel]
    standing: Adjudication | None
    earlier: list[Adjudication]
    own_vote: Vote | None


def case_of(item: Item, person: User) -> Case:
    """Everything about a pair that bears on the decision. The verdict is that of the pair's own votes."""
    votes = list(item.votes.filter(COUNTED).order_by("id"))
    tally = Tally.of(votes)
    history = list(item.adjudications.select_related("person").order_by("-id"))
    return Case(
        tally=tally,
        verdict=verdict(tally),
        methods=_methods(item),
        standing=next((one for one in history if one.ended_at is None), None),
        earlier=[one for one in history if one.ended_at is not None],
        own_vote=next((vote for vote in votes if vote.person_id == person.pk), None),
    )


def _methods(item: Item) -> list[MethodLabel]:
    row = item.consensus.filter(run__is_current=True).first()
    if row is None:
        return []
    return [
        MethodLabel("Majority", row.majority, row.majority_share),
        MethodLabel("Dawid-Skene", row.dawid_skene, row.dawid_skene_share),
        MethodLabel("MACE", row.mace, row.mace_share),
    ]


# --- consensus ------------------------------------------------------------------------------------------------
def current_consensus(project: Project) -> ConsensusRun | None:
    """The finished computation whose rows are kept."""
    return project.consensus_runs.filter(is_current=True).first()


def consensus_rows(run: ConsensusRun, *, only_differing: bool = False) -> QuerySet[Consensus]:
    """Labels by each method, of pairs that may be shown."""
    rows = run.rows.filter(item__query__quarantine_reason="", item__pair__code__quarantine_reason="")
    rows = rows.filter(differs=True) if only_differing else rows
    return rows.select_related("item__query", "item__pair__code", "item__batch")


def rater_competence(run: ConsensusRun) -> list[RaterCompetence]:
    """How far each method trusts each person, least trusted by MACE first."""
    return list(run.raters.select_related("person").order_by("mace", "person_id"))


def new_votes_since(run: ConsensusRun) -> int:
    """Votes that came after the computation began, as the number by which it is behind."""
    return Vote.objects.filter(COUNTED, project=run.project_id, created_at__gt=run.created_at).count()
