"""The gate before live work: what a person gets instead of the next live pair, if anything."""

from dataclasses import dataclass
from enum import StrEnum

from annotation.models import Annotator, Batch, Slot, Standing
from core.models import Project, User


class GateState(StrEnum):
    """Where a person stands before live work."""

    OPEN = "open"
    TRAINING = "training"
    QUALIFICATION = "qualification"
    FAILED = "failed"
    PAUSED = "paused"


@dataclass(frozen=True)
class Gate:
    """The state, and the batch that has to be done first (training, qualification)."""

    state: GateState
    batch: Batch | None = None


def gate(project: Project, person: User) -> Gate:
    """What this person may get now. One query over one row, for it runs before every claim."""
    paused = Annotator.objects.filter(project=project, person=person, standing=Standing.PAUSED)
    return Gate(GateState.PAUSED if paused.exists() else GateState.OPEN)


def take_turn_for(project: Project, person: User, lane: int) -> Slot | None:
    """A slot leased to this person ahead of the live queue, or None. Call in the claim's transaction."""
    return None
