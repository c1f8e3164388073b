"""Rows of the annotation stage: the queue, the votes, and releases."""

from annotation.models.intent import IntentClassifier, IntentSample, IntentScore, SampledQuery
from annotation.models.plans import BatchPlan, GoldAnswer, GoldTurn
from annotation.models.pools import Pool, PoolEntry
from annotation.models.queue import (
    SHOWABLE,
    Batch,
    Comment,
    Guideline,
    Item,
    LateSubmission,
    Purpose,
    Skip,
    Slot,
    SlotState,
)
from annotation.models.releases import ImportedLabel, Release, ReleaseFile, ReleaseState
from annotation.models.votes import NO_INTENT_REASONS, CannotJudge, Intent, RaterKind, Reason, Vote, VoteRevision

__all__ = [
    "NO_INTENT_REASONS",
    "SHOWABLE",
    "Batch",
    "BatchPlan",
    "CannotJudge",
    "Comment",
    "GoldAnswer",
    "GoldTurn",
    "Guideline",
    "ImportedLabel",
    "Intent",
    "IntentClassifier",
    "IntentSample",
    "IntentScore",
    "Item",
    "LateSubmission",
    "Pool",
    "PoolEntry",
    "Purpose",
    "RaterKind",
    "Reason",
    "Release",
    "ReleaseFile",
    "ReleaseState",
    "SampledQuery",
    "Skip",
    "Slot",
    "SlotState",
    "Vote",
    "VoteRevision",
]
