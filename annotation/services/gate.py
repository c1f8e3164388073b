"""The gate before live work: training items first, then qualification, and nothing for who is paused.

The usual claim costs one query: the person's row, whether the project has an open training or qualification batch,
and how often pairs are repeated. Items of the gate have a slot per person, made when it is that person's turn. Such a
slot is never open: whoever lets it go (expiry, logout) leaves nothing that the live queue could hand to others.
"""

import hmac
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from annotation.models import (
    SHOWABLE,
    Annotator,
    Batch,
    BatchKind,
    Item,
    Purpose,
    QualificationAttempt,
    Skip,
    Slot,
    SlotState,
    Standing,
    Vote,
)
from annotation.selectors.people import annotation_settings
from core.audit import record
from core.models import Project, User

_FACTS = """
    SELECT a.standing, a.trained_at, a.qualified_at, a.failed_at, s.repeat_share,
           (SELECT MIN(b.id) FROM annotation_batch b
            WHERE b.project_id = p.id AND b.kind = 'training' AND NOT b.is_closed),
           (SELECT MIN(b.id) FROM annotation_batch b
            WHERE b.project_id = p.id AND b.kind = 'qualification' AND NOT b.is_closed)
    FROM core_project p
    LEFT JOIN annotation_annotator a ON a.project_id = p.id AND a.person_id = %s
    LEFT JOIN annotation_annotationsettings s ON s.project_id = p.id
    WHERE p.id = %s
"""


class GateState(StrEnum):
    """Where a person stands before live work."""

    OPEN = "open"
    TRAINING = "training"
    QUALIFICATION = "qualification"
    FAILED = "failed"
    PAUSED = "paused"


@dataclass(frozen=True)
class Gate:
    """The state, and the batch that has to be done first (training, qualification).

    repeat_share: share of live pairs in whose stead the person gets one of their own again.
    """

    state: GateState
    batch: Batch | None = None
    repeat_share: float = 0.0


def gate(project: Project, person: User) -> Gate:
    """What this person may get now. One query where the answer is live work, for it runs before every claim."""
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [person.pk, project.pk])
        standing, trained_at, qualified_at, failed_at, repeat_share, training, qualification = cursor.fetchone()
    if standing == Standing.PAUSED:
        return Gate(GateState.PAUSED)
    if training is not None and trained_at is None and items_left(project, person, Purpose.TRAINING).exists():
        return Gate(GateState.TRAINING, _first_batch(project, person, Purpose.TRAINING))
    if qualification is not None and qualified_at is None:
        if failed_at is not None:
            return Gate(GateState.FAILED, Batch.objects.get(pk=qualification))
        if (stands := _before_qualification(project, person)) is not None:
            return stands
    return Gate(GateState.OPEN, repeat_share=repeat_share or 0.0)


def _before_qualification(project: Project, person: User) -> Gate | None:
    """The gate of somebody who is to qualify; None where no item is there to qualify with."""
    left = items_left(project, person, Purpose.QUALIFICATION).count()
    last = last_attempt(project, person)
    if last is None and not left:
        return None
    can_go_on = last is None or last.ended_at is None or left >= last.size
    batch = Batch.objects.filter(project=project, kind=BatchKind.QUALIFICATION, is_closed=False).order_by("pk").first()
    return Gate(GateState.QUALIFICATION if can_go_on else GateState.FAILED, batch)


def _first_batch(project: Project, person: User, purpose: str) -> Batch:
    return Batch.objects.get(pk=items_left(project, person, purpose).values("batch")[:1])


def items_left(project: Project, person: User, purpose: str) -> QuerySet[Item]:
    """Items of this purpose that the person has still to judge: those on screen, and those whose pair is new to them.

    The ones passed over are among them: they come again at the end.
    """
    done = Slot.objects.filter(pair=OuterRef("pair"), person=person, state=SlotState.DONE)
    at_hand = Slot.objects.filter(pair=OuterRef("pair"), person=person, state=SlotState.LEASED).exclude(
        item=OuterRef("pk")
    )
    open_items = Item.objects.filter(
        SHOWABLE, project=project, purpose=purpose, batch__is_closed=False, is_set_aside=False
    )
    return open_items.filter(~Exists(done), ~Exists(at_hand)).order_by("priority", "id")


def last_attempt(project: Project, person: User) -> QualificationAttempt | None:
    """The person's newest attempt at qualification, under way or done."""
    return QualificationAttempt.objects.filter(project=project, person=person).order_by("-number").first()


# --- handing out ------------------------------------------------------------------------------------------------------
def take_turn_for(project: Project, person: User, lane: int) -> Slot | None:
    """A slot leased to this person ahead of the live queue, or None. Call in the claim's transaction.

    None too while the last item of the gate is on screen: what comes after it depends on the vote on it.
    """
    state = gate(project, person).state
    if state == GateState.TRAINING:
        return _hand_out(project, person, lane, Purpose.TRAINING)
    if state == GateState.QUALIFICATION:
        return _next_to_qualify(project, person, lane)
    return None


def _next_to_qualify(project: Project, person: User, lane: int) -> Slot | None:
    attempt = last_attempt(project, person)
    if attempt is None or attempt.ended_at is not None:
        attempt = begin_attempt(project, person)
    if attempt is None or len(judged_in(attempt)) + _at_hand(project, person) >= attempt.size:
        return None
    slot = _hand_out(project, person, lane, Purpose.QUALIFICATION)
    if slot is None and not items_left(project, person, Purpose.QUALIFICATION).exists():
        end_attempt(attempt)  # items went away under it (closed, held back): what was judged decides
    return slot


def _hand_out(project: Project, person: User, lane: int, purpose: str) -> Slot | None:
    """Leases the next item: training in the order that the curator gave, qualification in an order of chance."""
    held = Slot.objects.filter(item=OuterRef("pk"), person=person, state=SlotState.LEASED)
    skipped = Skip.objects.filter(item=OuterRef("pk"), person=person)
    left = items_left(project, person, purpose).filter(~Exists(held), batch__is_paused=False)
    rows = list(left.annotate(was_skipped=Exists(skipped)).values_list("was_skipped", "priority", "pk"))
    if not rows:
        return None
    if purpose == Purpose.QUALIFICATION:
        _, _, chosen = min(rows, key=lambda row: (row[0], _place(project, person, row[2])))
    else:
        _, _, chosen = min(rows)
    return lease_own_slot(Item.objects.select_related("batch").get(pk=chosen), person=person, lane=lane)


def _place(project: Project, person: User, item_id: int) -> bytes:
    """Where an item comes for this person: no two people get the same order, and nobody can foresee it."""
    return hmac.digest(project.secret.encode(), f"qualification {person.pk} {item_id}".encode(), "sha256")


def _at_hand(project: Project, person: User) -> int:
    held = Slot.objects.filter(project=project, person=person, state=SlotState.LEASED)
    return held.filter(item__purpose=Purpose.QUALIFICATION).count()


def begin_attempt(project: Project, person: User) -> QualificationAttempt | None:
    """The next attempt; None where too few items are new to the person for one as long as the first."""
    last = last_attempt(project, person)
    wanted = annotation_settings(project)
    left = items_left(project, person, Purpose.QUALIFICATION).count()
    size = min(wanted.qualification_size, left) if last is None else last.size
    if not 0 < size <= left:
        return None
    number = last.number + 1 if last is not None else 1
    return QualificationAttempt.objects.create(
        project=project, person=person, number=number, size=size, bar=wanted.qualification_bar
    )


def end_attempt(attempt: QualificationAttempt) -> QualificationAttempt:
    """Counts what is right and says whether the person has qualified; out of attempts, they have failed.

    Not judged at all (all its items went away) is not failed: the attempt is void. Call in a write transaction.
    """
    project, person = attempt.project, attempt.person
    votes = Vote.objects.filter(slot__in=judged_in(attempt), retracted_at__isnull=True).select_related("item__gold")
    judged = list(votes)
    if not judged:
        attempt.delete()
        return attempt
    attempt.size = len(judged)
    attempt.n_right = sum(vote.item.gold.is_met_by(vote) for vote in judged)
    attempt.is_passed = Fraction(attempt.n_right, attempt.size) >= Fraction(str(attempt.bar))
    attempt.ended_at = timezone.now()
    attempt.save(update_fields=["size", "n_right", "is_passed", "ended_at"])
    row = annotator_row(project, person)
    figures = {"attempt": attempt.number, "right": attempt.n_right, "of": attempt.size, "bar": attempt.bar}
    if attempt.is_passed:
        row.qualified_at = attempt.ended_at
        row.save(update_fields=["qualified_at"])
        record("annotation.qualify", project=project, person=person, subject=row, after=figures)
        return attempt
    record("annotation.miss_the_bar", project=project, person=person, subject=row, after=figures)
    left = items_left(project, person, Purpose.QUALIFICATION).count()
    if attempt.number >= annotation_settings(project).qualification_attempts or left < attempt.size:
        row.failed_at = attempt.ended_at
        row.save(update_fields=["failed_at"])
        record("annotation.fail_qualification", project=project, person=person, subject=row, after=figures)
    return attempt


def is_settled(vote: Vote) -> bool:
    """Whether the vote belongs to an attempt at qualification that is done: then it can no longer change."""
    if vote.item.purpose != Purpose.QUALIFICATION:
        return False
    ended = QualificationAttempt.objects.filter(project=vote.project_id, person=vote.person_id)
    return ended.filter(ended_at__gte=vote.created_at).exists()


def judged_in(attempt: QualificationAttempt) -> list[int]:
    """Ids of the filled slots that belong to the attempt, in the order in which they were handed out."""
    before = QualificationAttempt.objects.filter(
        project=attempt.project_id, person=attempt.person_id, number__lt=attempt.number
    )
    start = sum(before.values_list("size", flat=True))
    done = Slot.objects.filter(
        project=attempt.project_id,
        person=attempt.person_id,
        state=SlotState.DONE,
        item__purpose=Purpose.QUALIFICATION,
    )
    return list(done.order_by("leased_at", "id").values_list("pk", flat=True)[start : start + attempt.size])


def lease_own_slot(item: Item, *, person: User, lane: int, lease: dict[str, object] | None = None) -> Slot:
    """Leases a slot of an item that has one per person; a slot that somebody let go is used again.

    lease: token and times of a lease that this one takes over. Call in a write transaction.
    """
    now = timezone.now()
    held = lease or {
        "token": uuid.uuid4(),
        "leased_at": now,
        "expires_at": now + timedelta(seconds=item.batch.min_lease_s),
    }
    held = {**held, "state": SlotState.LEASED, "person": person, "lane": lane}
    spare = Slot.objects.filter(item=item, state=SlotState.FREE).order_by("number").first()
    if spare is not None and Slot.objects.filter(pk=spare.pk, state=SlotState.FREE).update(**held, is_open=False):
        return _slot_to_show(spare.pk)
    Item.objects.filter(pk=item.pk).update(target=F("target") + 1)  # locks the item, so numbers never collide
    item.refresh_from_db(fields=["target"])
    made = Slot.objects.create(
        item=item,
        project_id=item.project_id,
        batch_id=item.batch_id,
        pair_id=item.pair_id,
        number=item.target - 1,
        priority=item.priority,
        is_open=False,
        **held,
    )
    return _slot_to_show(made.pk)


def _slot_to_show(slot_id: int) -> Slot:
    return Slot.objects.select_related("batch", "item__query", "item__pair__code").get(pk=slot_id)


def annotator_row(project: Project, person: User) -> Annotator:
    """The person's row, locked for a change of it. Call in a write transaction."""
    Annotator.objects.get_or_create(project=project, person=person)
    return Annotator.objects.select_for_update().get(project=project, person=person)
