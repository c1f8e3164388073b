"""Reads of gold: what a person may still expect, and how each person did on it."""

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from annotation.models import Batch, Intent, Purpose, Slot, SlotState, Vote
from core.models import Project, User

PER_CENT = 100


@dataclass(frozen=True, slots=True)
class GoldResult:
    """How a person did on gold: `right` agrees in intent and, where it applies, in the answer."""

    person: User
    seen: int
    right: int
    wrong: int
    unclear: int

    @property
    def share(self) -> float | None:
        """Right among those that the person judged."""
        judged = self.right + self.wrong
        return self.right / judged if judged else None


def gold_results(project: Project, batch: Batch | None = None) -> list[GoldResult]:
    """Results of everybody who got gold, of one batch or of all, by username. They follow corrections and undo."""
    votes = Vote.objects.filter(project=project, item__purpose=Purpose.GOLD, retracted_at__isnull=True)
    if batch is not None:
        votes = votes.filter(item__batch=batch)
    counted: dict[int, Counter[str]] = {}
    for vote in votes.select_related("item__gold"):
        counted.setdefault(vote.person_id, Counter())[outcome(vote)] += 1
    people = User.objects.filter(pk__in=counted).order_by("username")
    return [
        GoldResult(
            person=person,
            seen=counted[person.pk].total(),
            right=counted[person.pk]["right"],
            wrong=counted[person.pk]["wrong"],
            unclear=counted[person.pk]["unclear"],
        )
        for person in people
    ]


def outcome(vote: Vote) -> str:
    """right, wrong, or unclear for a vote that could not judge. Reads `item.gold`."""
    if vote.intent == Intent.UNCLEAR or vote.code_unclear:
        return "unclear"
    return "right" if vote.item.gold.is_met_by(vote) else "wrong"


def gold_to_come(batch: int, person: User, left: int) -> int:
    """How many gold pairs of a batch (its id) the person may expect beside the `left` live items still open to them.

    The number falls by one with each gold vote and never otherwise, so that "left" counts down evenly and does not
    give gold away.
    """
    gold_share = Batch.objects.values_list("gold_share", flat=True).get(pk=batch) if left else 0
    if not gold_share:
        return 0
    done = Slot.objects.filter(batch=batch, person=person, state=SlotState.DONE)
    seen = done.filter(item__purpose=Purpose.GOLD).count()
    judged = done.count() - seen
    share = Fraction(round(gold_share * PER_CENT), PER_CENT)
    return max(0, math.ceil((judged + left) * share / (1 - share)) - seen)
