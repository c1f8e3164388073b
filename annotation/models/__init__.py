"""Rows of the annotation stage: the queue, the votes, and releases."""

from annotation.models.adjudication import (
    Adjudication,
    Cause,
    Consensus,
    ConsensusLabel,
    ConsensusRun,
    Decision,
    RaterCompetence,
)
from annotation.models.agreement import AgreementCount, AgreementState, ChosenKeepRule, ItemTally, TallyMark
from annotation.models.board import BoardState, ExpiredLeases, WorkDay, WorkHour
from annotation.models.control import QualificationAttempt, SetAside
from annotation.models.discussion import FlagResolution, GuidelineQuestion
from annotation.models.guidelines import GuidelineExample
from annotation.models.intent import IntentClassifier, IntentSample, IntentScore, SampledQuery
from annotation.models.people import AnnotationSettings, Annotator, Asked, BatchMember, GoldAct, Standing
from annotation.models.places import BatchOpening, QueuePlace
from annotation.models.plans import BatchPlan, GoldAnswer, GoldTurn
from annotation.models.pools import Pool, PoolEntry
from annotation.models.preferences import JudgePreferences, TextSize
from annotation.models.queue import (
    OWN_SLOTS,
    SHOWABLE,
    Batch,
    BatchKind,
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
from annotation.models.votes import (
    COUNTED,
    NO_INTENT_REASONS,
    CannotJudge,
    Intent,
    RaterKind,
    Reason,
    Vote,
    VoteRevision,
)

__all__ = [
    "COUNTED",
    "NO_INTENT_REASONS",
    "OWN_SLOTS",
    "SHOWABLE",
    "Adjudication",
    "AgreementCount",
    "AgreementState",
    "AnnotationSettings",
    "Annotator",
    "Asked",
    "Batch",
    "BatchKind",
    "BatchMember",
    "BatchOpening",
    "BatchPlan",
    "BoardState",
    "CannotJudge",
    "Cause",
    "ChosenKeepRule",
    "Comment",
    "Consensus",
    "ConsensusLabel",
    "ConsensusRun",
    "Decision",
    "ExpiredLeases",
    "FlagResolution",
    "GoldAct",
    "GoldAnswer",
    "GoldTurn",
    "Guideline",
    "GuidelineExample",
    "GuidelineQuestion",
    "ImportedLabel",
    "Intent",
    "IntentClassifier",
    "IntentSample",
    "IntentScore",
    "Item",
    "ItemTally",
    "JudgePreferences",
    "LateSubmission",
    "Pool",
    "PoolEntry",
    "Purpose",
    "QualificationAttempt",
    "QueuePlace",
    "RaterCompetence",
    "RaterKind",
    "Reason",
    "Release",
    "ReleaseFile",
    "ReleaseState",
    "SampledQuery",
    "SetAside",
    "Skip",
    "Slot",
    "SlotState",
    "Standing",
    "TallyMark",
    "TextSize",
    "Vote",
    "VoteRevision",
    "WorkDay",
    "WorkHour",
]
