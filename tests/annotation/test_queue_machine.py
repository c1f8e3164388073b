"""Any order of claims, votes, undos, skips, expiries, pauses: the queue's promises hold after every step."""

import uuid
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from annotation.models import Item, LateSubmission, Slot, SlotState, Vote
from annotation.services import leases
from annotation.services.batches import pause_batch, resume_batch
from annotation.services.votes import (
    AlreadyJudgedError,
    LateVoteError,
    NothingToUndoError,
    correct_vote,
    skip,
    submit_vote,
    undo,
)
from core.models import Membership, Project, User
from tests.annotation.conftest import CODE_UNCLEAR, NO, QUERY_UNCLEAR, YES_0, YES_1, annotators, make_batch
from tests.factories import ProjectFactory

PEOPLE, PAIRS, OVERLAP, EXTRA = 5, 4, 2, 2
who = st.integers(0, PEOPLE - 1)
judgements = st.sampled_from([YES_1, YES_1, YES_0, NO, QUERY_UNCLEAR, CODE_UNCLEAR])


class QueueMachine(RuleBasedStateMachine):
    """Services against a model that only remembers what was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.project: Project = ProjectFactory(slug=f"machine-{uuid.uuid4().hex[:8]}")
        self.batch = make_batch(self.project, PAIRS, overlap=OVERLAP, max_extra=EXTRA)
        self.people: list[User] = annotators(self.project, PEOPLE)
        self.shown: dict[int, Slot] = {}  # what is on each person's screen, even when it is theirs no more
        self.acknowledged: set[uuid.UUID] = set()
        self.refused: set[uuid.UUID] = set()
        self.sent: list[tuple[int, Slot, uuid.UUID, object]] = []

    def show(self, number: int, held: list[Slot]) -> None:
        if held:
            self.shown[number] = held[0]
        else:
            self.shown.pop(number, None)

    def submit(self, number: int, slot: Slot, key: uuid.UUID, judgement: object) -> None:
        try:
            receipt = submit_vote(
                project=self.project,
                person=self.people[number],
                item_id=slot.item_id,
                token=slot.token,
                key=key,
                judgement=judgement,
            )
        except (LateVoteError, AlreadyJudgedError):
            self.refused.add(key)
            self.shown.pop(number, None)
        else:
            self.acknowledged.add(key)
            self.show(number, receipt.leases)

    @rule(number=who)
    def claim(self, number: int) -> None:
        self.show(number, leases.fill_lanes(project=self.project, person=self.people[number]))

    @rule(number=who, judgement=judgements)
    def vote(self, number: int, judgement: object) -> None:
        slot = self.shown.get(number)
        if slot is not None:
            key = uuid.uuid4()
            self.sent.append((number, slot, key, judgement))
            self.submit(number, slot, key, judgement)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self.submit(*data.draw(st.sampled_from(self.sent)))

    @rule(number=who)
    def take_back(self, number: int) -> None:
        try:
            self.show(number, undo(project=self.project, person=self.people[number])[1])
        except NothingToUndoError:
            assert not self.project.votes.filter(person=self.people[number], retracted_at__isnull=True).exists()

    @rule(number=who, judgement=judgements)
    def correct(self, number: int, judgement: object) -> None:
        mine = self.project.votes.filter(person=self.people[number], retracted_at__isnull=True).first()
        if mine is not None:
            correct_vote(project=self.project, person=self.people[number], vote_id=mine.pk, judgement=judgement)

    @rule(number=who)
    def pass_over(self, number: int) -> None:
        slot = self.shown.get(number)
        if slot is not None:
            self.show(number, skip(project=self.project, person=self.people[number], token=slot.token))

    @rule(number=who)
    def run_out(self, number: int) -> None:
        past = timezone.now() - timedelta(minutes=1)
        Slot.objects.filter(person=self.people[number], state=SlotState.LEASED).update(expires_at=past)

    @rule()
    def sweep(self) -> None:
        leases.free_expired_leases(project=self.project)

    @rule(number=who)
    def leave_and_return(self, number: int) -> None:
        membership = Membership.objects.get(project=self.project, user=self.people[number])
        membership.delete()
        Membership.objects.create(project=self.project, user=self.people[number], role=membership.role)

    @rule(is_paused=st.booleans())
    def pause(self, is_paused: bool) -> None:
        (pause_batch if is_paused else resume_batch)(batch=self.batch)

    @invariant()
    def no_item_has_more_votes_than_it_may(self) -> None:
        for item in Item.objects.filter(project=self.project):
            votes = list(item.votes.filter(retracted_at__isnull=True))
            assert len(votes) == item.done <= item.target <= OVERLAP + EXTRA
            assert len({vote.person_id for vote in votes}) == len(votes)
            assert item.slots.filter(state=SlotState.DONE).count() == item.done
            assert item.n_extra == max(0, item.target - OVERLAP)

    @invariant()
    def every_wanted_slot_exists_and_no_other_is_open(self) -> None:
        for item in Item.objects.filter(project=self.project):
            assert item.slots.filter(number__lt=item.target).count() == item.target
            assert not item.slots.filter(number__gte=item.target).exclude(state=SlotState.FREE, is_open=False).exists()

    @invariant()
    def nobody_holds_more_than_two_pairs(self) -> None:
        leased = Slot.objects.filter(project=self.project, state=SlotState.LEASED)
        for person in self.people:
            lanes = list(leased.filter(person=person).values_list("lane", flat=True))
            assert len(lanes) == len(set(lanes)) <= 2

    @invariant()
    def what_was_acknowledged_is_stored_and_what_was_refused_is_kept(self) -> None:
        stored = set(Vote.objects.filter(project=self.project).values_list("key", flat=True))
        assert stored == self.acknowledged
        kept = set(LateSubmission.objects.filter(item__project=self.project).values_list("key", flat=True))
        assert kept == self.refused - self.acknowledged

    @invariant()
    def retracted_votes_left_their_trace(self) -> None:
        retracted = Vote.objects.filter(project=self.project, retracted_at__isnull=False)
        assert not retracted.exclude(revisions__act="retraction").exists()
        assert not Item.objects.filter(project=self.project, done__gt=F("target")).exists()


class QueueMachineTest(TestCase):
    """Hypothesis rolls each example back."""

    @pytest.mark.django_db
    def test_the_queue_keeps_its_promises(self) -> None:
        run_state_machine_as_test(QueueMachine, settings=SHORT)

    @pytest.mark.long
    @pytest.mark.django_db
    def test_the_queue_keeps_its_promises_for_long(self) -> None:
        run_state_machine_as_test(QueueMachine, settings=LONG)


CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
SHORT = settings(max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=CHECKS)
LONG = settings(max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=CHECKS)
