"""Any order of claims, votes, undos, skips, expiries, pauses, changed numbers, limits, people who come and go: the
queue's promises hold after every step."""

import uuid
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from annotation.models import Annotator, Batch, Item, LateSubmission, Skip, Slot, SlotState, Vote
from annotation.services import leases
from annotation.services.batch_changes import invite_to_batch, start_change_batch, uninvite_from_batch
from annotation.services.batches import close_batch, pause_batch, reopen_batch, resume_batch
from annotation.services.votes import (
    AlreadyJudgedError,
    LateVoteError,
    NothingToUndoError,
    SkipGoneError,
    correct_vote,
    last_act,
    skip,
    submit_vote,
    take_back_skips,
    undo,
)
from core.errors import ConflictError
from core.models import AuditEntry, Membership, Project, User
from tests.annotation.conftest import CODE_UNCLEAR, NO, QUERY_UNCLEAR, YES_0, YES_1, annotators, make_batch
from tests.factories import ProjectFactory

PEOPLE, PAIRS, OVERLAP, EXTRA = 5, 4, 2, 2
MOST, LIMIT = 4, 3  # highest overlap, votes of one person on the limited batch
who = st.integers(0, PEOPLE - 1)
judgements = st.sampled_from([YES_1, YES_1, YES_0, NO, QUERY_UNCLEAR, CODE_UNCLEAR])


class QueueMachine(RuleBasedStateMachine):
    """Services against a model that only remembers what was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.project: Project = ProjectFactory(slug=f"machine-{uuid.uuid4().hex[:8]}")
        self.batch = make_batch(self.project, PAIRS, overlap=OVERLAP, max_extra=EXTRA)
        self.limited = make_batch(
            self.project, PAIRS, name="limited", overlap=OVERLAP, max_extra=EXTRA, max_votes_per_person=LIMIT
        )
        self.batches = [self.batch, self.limited]
        self.bound = {batch.pk: OVERLAP + EXTRA for batch in self.batches}  # the most that was ever allowed at once
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
        person = self.people[number]
        act = last_act(project=self.project, person=person)
        try:
            taken_back, held = undo(project=self.project, person=person)
        except NothingToUndoError:
            assert act is None
        except SkipGoneError:
            assert act is not None
            assert act.is_skip
        else:
            self.show(number, held)
            assert act is not None
            assert act.is_skip == (taken_back is None)
            assert taken_back is None or taken_back == act.vote
            assert not Skip.objects.filter(token=act.key).exists()

    @rule(number=who, judgement=judgements)
    def correct(self, number: int, judgement: object) -> None:
        mine = self.project.votes.filter(person=self.people[number], retracted_at__isnull=True).first()
        if mine is None:
            return
        before = (mine.intent, mine.answer, mine.code_unclear)
        try:
            correct_vote(project=self.project, person=self.people[number], vote_id=mine.pk, judgement=judgement)
        except ConflictError:
            assert mine.item.batch.is_closed
        else:
            is_changed = before != (judgement.intent, judgement.answer, judgement.code_unclear)
            assert mine.revisions.filter(act="correction").exists() >= is_changed

    @rule(number=who)
    def pass_over(self, number: int) -> None:
        slot = self.shown.get(number)
        if slot is not None:
            self.show(number, skip(project=self.project, person=self.people[number], token=slot.token))

    @rule(number=who)
    def look_at_skipped_again(self, number: int) -> None:
        take_back_skips(project=self.project, person=self.people[number])

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

    @rule(number=who)
    def deactivate_and_return(self, number: int) -> None:
        person = self.people[number]
        for is_active in (False, True):
            person.is_active = is_active
            person.save(update_fields=["is_active"])
            leases.release_leases(person=person)  # on commit, which an example never reaches

    @rule(number=who, is_paused=st.booleans())
    def pause_person(self, number: int, is_paused: bool) -> None:
        standing = "paused" if is_paused else "active"
        Annotator.objects.update_or_create(
            project=self.project, person=self.people[number], defaults={"standing": standing}
        )
        if is_paused:
            leases.release_leases(person=self.people[number], project=self.project)

    @rule(which=st.integers(0, 1), is_paused=st.booleans())
    def pause(self, which: int, is_paused: bool) -> None:
        batch = self.fresh(which)
        if not batch.is_closed:
            (pause_batch if is_paused else resume_batch)(batch=batch)

    @rule(which=st.integers(0, 1))
    def close(self, which: int) -> None:
        close_batch(batch=self.fresh(which))

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        reopen_batch(batch=self.fresh(which))

    @rule(which=st.integers(0, 1), overlap=st.integers(1, MOST), extra=st.integers(0, EXTRA))
    def change_numbers(self, which: int, overlap: int, extra: int) -> None:
        batch = self.fresh(which)
        start_change_batch(batch=batch, changes={"overlap": overlap, "max_extra_votes": extra})
        self.bound[batch.pk] = max(self.bound[batch.pk], overlap + extra)

    @rule(which=st.integers(0, 1), priority=st.integers(-1, 1))
    def change_order(self, which: int, priority: int) -> None:
        start_change_batch(batch=self.fresh(which), changes={"priority": priority})

    @rule(is_invited_only=st.booleans(), number=who)
    def change_circle(self, is_invited_only: bool, number: int) -> None:
        batch, person = self.fresh(0), self.people[number]
        if batch.members.filter(person=person).exists():
            uninvite_from_batch(batch=batch, person=person)
        else:
            invite_to_batch(batch=batch, people=[person])
        start_change_batch(batch=batch, changes={"is_invited_only": is_invited_only})

    def fresh(self, which: int) -> Batch:
        return Batch.objects.select_related("project").get(pk=self.batches[which].pk)

    @invariant()
    def no_item_has_more_votes_than_it_may(self) -> None:
        for item in Item.objects.filter(project=self.project):
            votes = list(item.votes.filter(retracted_at__isnull=True))
            assert len(votes) == item.done <= item.target <= self.bound[item.batch_id]
            assert len({vote.person_id for vote in votes}) == len(votes)
            assert item.slots.filter(state=SlotState.DONE).count() == item.done
            assert item.n_extra == max(0, item.target - item.batch.overlap)

    @invariant()
    def every_wanted_slot_exists_and_no_other_is_open(self) -> None:
        for item in Item.objects.filter(project=self.project):
            assert item.slots.filter(number__lt=item.target).count() == item.target
            assert not item.slots.filter(number__gte=item.target).exclude(state=SlotState.FREE, is_open=False).exists()
            wanted = item.slots.filter(state=SlotState.FREE, number__lt=item.target)
            assert not wanted.exclude(is_open=not item.is_set_aside).exists()

    @invariant()
    def nobody_may_get_more_than_the_numbers_of_now_unless_they_have_it(self) -> None:
        """A free open slot means that another vote would not be one too many."""
        for item in Item.objects.filter(project=self.project, slots__state=SlotState.FREE, slots__is_open=True):
            busy = item.slots.exclude(state=SlotState.FREE).count()
            assert busy < item.batch.overlap + item.batch.max_extra_votes

    @invariant()
    def limits_hold_for_votes_and_leases_together(self) -> None:
        for person in self.people:
            mine = Slot.objects.filter(batch=self.limited, person=person)
            assert mine.filter(state__in=[SlotState.LEASED, SlotState.DONE]).count() <= LIMIT

    @invariant()
    def a_closed_batch_is_held_by_nobody(self) -> None:
        held = Slot.objects.filter(project=self.project, state=SlotState.LEASED)
        assert not held.filter(batch__is_closed=True).exists()

    @invariant()
    def an_invited_only_batch_is_held_by_the_invited(self) -> None:
        batch = self.fresh(0)
        if batch.is_invited_only:
            held = Slot.objects.filter(batch=batch, state=SlotState.LEASED)
            assert not held.exclude(person__in=batch.members.values("person")).exists()

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
        taken_back = AuditEntry.objects.filter(project=self.project, act="annotation.retract_vote")
        assert set(taken_back.values_list("subject_id", flat=True)) == set(retracted.values_list("pk", flat=True))
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
SHORT = settings(max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=CHECKS)
LONG = settings(max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=CHECKS)
