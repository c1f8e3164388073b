"""Rows of the annotation stage: the queue, the votes, and releases."""

from annotation.models.queue import Batch, Comment, Guideline, Item, LateSubmission, Purpose, Skip, Slot, SlotState
from annotation.models.releases import ImportedLabel, Release, ReleaseFile, ReleaseState
from annotation.models.votes import CannotJudge, Intent, RaterKind, Reason, Vote, VoteRevision

__all__ = [
    "Batch",
    "CannotJudge",
    "Comment",
    "Guideline",
    "ImportedLabel",
    "Intent",
    "Item",
    "LateSubmission",
    "Purpose",
    "RaterKind",
    "Reason",
    "Release",
    "ReleaseFile",
    "ReleaseState",
    "Skip",
    "Slot",
    "SlotState",
    "Vote",
    "VoteRevision",
]
