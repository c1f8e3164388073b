"""What becomes of a vote: counted once, in its slot, with everything around it kept in step."""

import uuid

import pytest

from annotation.models import (
    AnnotationSettings,
    Annotator,
    Comment,
    Item,
    LateSubmission,
    Skip,
    Slot,
    SlotState,
    Vote,
    VoteRevision,
)
from annotation.services import leases
from annotation.services.batches import close_batch, pause_batch, resume_batch
from annotation.services.guidelines import publish_guideline
from annotation.services.votes import (
    AlreadyJudgedError,
    Judgement,
    KeyReusedError,
    LateVoteError,
    NothingToUndoError,
    ReasonMissingError,
    SkipGoneError,
    add_comment,
    claim_next,
    correct_vote,
    last_act,
    skip,
    submit_vote,
    take_back_skips,
    undo,
)
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import AuditEntry
from tests.annotation.conftest import CODE_UNCLEAR, NO, QUERY_UNCLEAR, YES_0, YES_1, make_batch, vote
from tests.factories import PairFactory, ProjectFactory

pytestmark = pytest.mark.django_db


def judge(slot: Slot, judgement: Judgement = YES_1, *, key: uuid.UUID | None = None):
    """Submits for a slot in hand, as the page does."""
    return submit_vote(
        project=slot.project,
        person=slot.person,
        item_id=slot.item_id,
        token=slot.token,
        key=key or uuid.uuid4(),
        judgement=judgement,
    )


def item_after(project, *judgements: Judgement) -> Item:
    """The only item of a new batch after these votes by different people."""
    from tests.annotation.conftest import annotators

    make_batch(project, 1)
    for person, judgement in zip(annotators(project, len(judgements)), judgements, strict=True):
        assert vote(project, person, judgement) is not None
    return Item.objects.get(project=project)


# --- what a judgement is ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "values",
    [
        {"intent": "maybe"},
        {"intent": "no", "answer": 1},
        {"intent": "unclear", "code_unclear": True},
        {"intent": "yes", "answer": 2},
        {"intent": "yes", "answer": 1, "code_unclear": True},
        {"intent": "yes", "answer": 1, "reason": "debugging"},
    ],
)
def test_a_judgement_that_contradicts_itself_is_refused(values):
    with pytest.raises(BadInputError):
        Judgement(**values)


def test_a_pair_needs_step_2_and_a_query_alone_has_none(project, batch, annotator):
    with pytest.raises(BadInputError, match="Step 2 is missing"):
        judge(leases.claim_next(project=project, person=annotator), Judgement("yes"))
    assert not Vote.objects.exists()
    assert leases.open_leases(project=project, person=annotator), "the refusal hands nothing back"


# --- submit -------------------------------------------------------------------------------------------
def test_a_vote_fills_its_slot_and_brings_the_next_pairs(project, batch, annotator):
    first, ahead = leases.fill_lanes(project=project, person=annotator)
    receipt = judge(first)
    first.refresh_from_db()
    assert (first.state, first.person, first.token) == (SlotState.DONE, annotator, None)
    assert [slot.lane for slot in receipt.leases] == [leases.ON_SCREEN, leases.PREFETCHED]
    assert receipt.leases[0].token == ahead.token, "the pair fetched ahead is the one on screen now"
    assert Item.objects.get(pk=first.item_id).done == 1
    assert receipt.vote.guideline.version == 1


def test_the_same_key_with_the_same_vote_is_the_same_vote(project, batch, annotator):
    slot = claim_next(project=project, person=annotator)
    key = uuid.uuid4()
    first, again = judge(slot, key=key), judge(slot, key=key)
    assert not first.is_repeat
    assert again.is_repeat
    assert again.vote == first.vote
    assert Vote.objects.count() == 1
    assert [s.token for s in again.leases] == [s.token for s in first.leases]


def test_the_same_key_with_another_vote_is_refused(project, batch, annotator):
    slot = claim_next(project=project, person=annotator)
    key = uuid.uuid4()
    judge(slot, YES_1, key=key)
    with pytest.raises(KeyReusedError):
        judge(slot, YES_0, key=key)
    assert Vote.objects.get().answer == 1


def test_a_vote_that_comes_after_its_lease_went_to_another_is_kept_and_not_counted(project, raters):
    make_batch(project, 1, overlap=1)
    slow, fast = raters[:2]
    slot = claim_next(project=project, person=slow)
    Slot.objects.update(expires_at="2000-01-01T00:00Z")
    judge(claim_next(project=project, person=fast))
    with pytest.raises(LateVoteError):
        judge(slot)
    assert Vote.objects.get().person == fast
    late = LateSubmission.objects.get()
    assert (late.person, late.payload["intent"], late.payload["answer"]) == (slow, "yes", 1)


def test_a_vote_on_a_lease_that_ran_out_counts_while_nobody_else_took_the_slot(project, batch, annotator):
    slot = claim_next(project=project, person=annotator)
    Slot.objects.filter(pk=slot.pk).update(expires_at="2000-01-01T00:00Z")
    assert judge(slot).vote.slot == slot


def test_a_second_tab_gets_the_same_pair_and_its_vote_does_not_count_twice(project, batch, annotator):
    here = claim_next(project=project, person=annotator)
    there = claim_next(project=project, person=annotator)
    assert here.token == there.token
    judge(here)
    with pytest.raises(AlreadyJudgedError):
        judge(there)
    assert Vote.objects.count() == 1


def test_a_vote_names_an_item_of_its_own_project(project, batch, annotator):
    other = make_batch(ProjectFactory())
    slot = claim_next(project=project, person=annotator)
    with pytest.raises(NotFoundError):
        submit_vote(
            project=project,
            person=annotator,
            item_id=other.items.first().pk,
            token=slot.token,
            key=uuid.uuid4(),
            judgement=YES_1,
        )
    assert not Vote.objects.exists()


def test_a_vote_is_stamped_with_the_guideline_that_was_shown(project, batch, annotator):
    first = vote(project, annotator)
    publish_guideline(project=project, text="# New rules")
    old = vote(project, annotator, guideline_version=1)
    new = vote(project, annotator)
    assert [r.vote.guideline.version for r in (first, old, new)] == [1, 1, 2]


# --- cannot judge and extra votes -----------------------------------------------------------------------
@pytest.mark.parametrize("unclear", [QUERY_UNCLEAR, CODE_UNCLEAR])
def test_cannot_judge_fills_its_slot_and_opens_one_in_its_place(project, unclear):
    item = item_after(project, unclear)
    assert (item.done, item.target, item.n_extra, item.is_set_aside) == (1, 4, 1, False)


def test_two_people_who_cannot_judge_set_the_item_aside(project, annotator):
    item = item_after(project, QUERY_UNCLEAR, CODE_UNCLEAR)
    assert item.is_set_aside
    assert claim_next(project=project, person=annotator) is None
    assert item.done == 2


@pytest.mark.parametrize(
    ("judgements", "target"),
    [
        ((YES_1, YES_1, YES_1), 3),
        ((YES_1, YES_1, YES_0), 4),
        ((NO, NO, YES_1), 3),
        ((YES_1, YES_1, YES_0, YES_1), 4),
        ((YES_1, YES_1, YES_0, YES_0), 4),  # 2-2: even a fifth vote could not bring three quarters
        ((YES_1, NO, YES_1), 3),  # two answers agree
    ],
)
def test_extra_votes_are_opened_while_they_could_settle_the_pair(project, judgements, target):
    item = item_after(project, *judgements)
    assert item.target == target
    assert item.slots.filter(is_open=True, state=SlotState.FREE).count() == target - len(judgements)


def test_a_correction_that_settles_the_pair_closes_the_extra_slot(project):
    item = item_after(project, YES_1, YES_1, YES_0)
    odd = item.votes.get(answer=0)
    corrected = correct_vote(project=project, person=odd.person, vote_id=odd.pk, judgement=YES_1)
    item.refresh_from_db()
    assert (item.target, item.n_extra) == (3, 0)
    assert not item.slots.filter(state=SlotState.FREE, is_open=True).exists()
    revision = corrected.revisions.get()
    assert (revision.act, revision.answer, corrected.answer) == (VoteRevision.Act.CORRECTION, 0, 1)


def test_a_paused_and_resumed_batch_does_not_reopen_slots_that_are_not_wanted(project):
    item = item_after(project, YES_1, YES_1, YES_0)
    odd = item.votes.get(answer=0)
    correct_vote(project=project, person=odd.person, vote_id=odd.pk, judgement=YES_1)
    pause_batch(batch=item.batch)
    resume_batch(batch=item.batch)
    assert not item.slots.filter(state=SlotState.FREE, is_open=True).exists()


# --- undo -------------------------------------------------------------------------------------------------
def test_undo_puts_the_last_pair_back_on_screen_and_hands_back_the_one_never_shown(project, annotator):
    make_batch(project, 4)
    first, second = leases.fill_lanes(project=project, person=annotator)
    third = judge(first).leases[1]
    taken_back, held = undo(project=project, person=annotator)
    assert [slot.item_id for slot in held] == [first.item_id, second.item_id]
    assert held[0].token != first.token, "the old token is spent"
    third.refresh_from_db()
    assert third.state == SlotState.FREE
    assert Item.objects.get(pk=first.item_id).done == 0
    assert taken_back.retracted_at is not None
    assert taken_back.revisions.get().act == VoteRevision.Act.RETRACTION
    again = judge(held[0], YES_0)
    assert again.vote.answer == 0
    assert Vote.objects.count() == 2, "the retracted vote is still on record"


def test_undo_closes_the_extra_slot_that_the_vote_had_opened(project):
    item = item_after(project, YES_1, YES_1, YES_0)
    odd = item.votes.get(answer=0)
    undo(project=project, person=odd.person)
    item.refresh_from_db()
    assert (item.done, item.target) == (2, 3)


def test_undo_brings_an_item_back_that_was_set_aside(project, annotator):
    item = item_after(project, QUERY_UNCLEAR, QUERY_UNCLEAR)
    undo(project=project, person=item.votes.order_by("id").last().person)
    item.refresh_from_db()
    assert not item.is_set_aside
    assert claim_next(project=project, person=annotator).item == item


def test_there_is_nothing_to_undo_before_a_vote_and_after_the_close(project, batch, annotator):
    with pytest.raises(NothingToUndoError):
        undo(project=project, person=annotator)
    vote(project, annotator)
    close_batch(batch=batch)
    with pytest.raises(NothingToUndoError):
        undo(project=project, person=annotator)


def test_several_undos_go_back_several_votes(project, batch, annotator):
    items = [vote(project, annotator).vote.item_id for _ in range(3)]
    back = [undo(project=project, person=annotator)[0].item_id for _ in range(3)]
    assert back == items[::-1]
    held = Slot.objects.filter(person=annotator, state=SlotState.LEASED).order_by("lane")
    assert [slot.item_id for slot in held] == items[:2]


# --- correct ------------------------------------------------------------------------------------------------
def test_the_same_values_are_no_correction(project, batch, annotator):
    mine = vote(project, annotator).vote
    correct_vote(project=project, person=annotator, vote_id=mine.pk, judgement=YES_1)
    assert not mine.revisions.exists()


def test_a_vote_of_a_closed_batch_cannot_be_corrected(project, batch, annotator):
    mine = vote(project, annotator).vote
    close_batch(batch=batch)
    with pytest.raises(ConflictError):
        correct_vote(project=project, person=annotator, vote_id=mine.pk, judgement=NO)


def test_nobody_corrects_the_vote_of_another(project, batch, annotator, curator):
    mine = vote(project, annotator).vote
    with pytest.raises(NotFoundError):
        correct_vote(project=project, person=curator, vote_id=mine.pk, judgement=NO)


# --- skip ---------------------------------------------------------------------------------------------------
def test_a_skipped_pair_is_free_for_others_and_not_offered_again(project, annotator, curator):
    make_batch(project, 2, overlap=1)
    passed = claim_next(project=project, person=annotator)
    rest = skip(project=project, person=annotator, token=passed.token)
    assert [slot.item_id for slot in rest] != [passed.item_id]
    assert skip(project=project, person=annotator, token=passed.token) == rest, "a repeat changes nothing"
    assert Skip.objects.count() == 1
    assert claim_next(project=project, person=curator).item_id == passed.item_id


def test_skips_can_be_taken_back(project, annotator):
    make_batch(project, 1)
    passed = claim_next(project=project, person=annotator)
    assert skip(project=project, person=annotator, token=passed.token) == []
    assert take_back_skips(project=project, person=annotator) == 1
    assert claim_next(project=project, person=annotator).item_id == passed.item_id


# --- a skip is taken back like a vote ---------------------------------------------------------------------------
def test_undo_takes_back_the_newest_act_vote_or_skip(project, annotator):
    make_batch(project, 4)
    voted = vote(project, annotator, ahead=False)
    passed = voted.leases[0]
    skip(project=project, person=annotator, token=passed.token, ahead=False)
    act = last_act(project=project, person=annotator)
    assert (act.is_skip, act.key) == (True, passed.token)
    none, held = undo(project=project, person=annotator, ahead=False)
    assert (none, held[0].item_id) == (None, passed.item_id)
    assert not Skip.objects.exists()
    assert last_act(project=project, person=annotator).key == voted.vote.key
    taken_back, held = undo(project=project, person=annotator, ahead=False)
    assert (taken_back.pk, held[0].item_id) == (voted.vote.pk, voted.vote.item_id)


def test_a_skip_taken_back_is_named_by_the_lease_and_a_repeat_changes_nothing(project, annotator):
    make_batch(project, 3)
    passed = claim_next(project=project, person=annotator)
    skip(project=project, person=annotator, token=passed.token)
    with pytest.raises(NothingToUndoError):
        undo(project=project, person=annotator, key=uuid.uuid4())
    first = undo(project=project, person=annotator, key=passed.token)[1]
    again = undo(project=project, person=annotator, key=passed.token)[1]
    assert [slot.token for slot in again] == [slot.token for slot in first]
    assert first[0].item_id == passed.item_id
    assert first[0].token != passed.token
    assert judge(first[0]).vote.item_id == passed.item_id


def test_a_skip_whose_pair_others_have_is_gone_and_the_pair_may_come_again(project, raters):
    make_batch(project, 1, overlap=1)
    first, second = raters[:2]
    passed = claim_next(project=project, person=first)
    skip(project=project, person=first, token=passed.token)
    held = claim_next(project=project, person=second)
    with pytest.raises(SkipGoneError):
        undo(project=project, person=first)
    assert not Skip.objects.exists()
    leases.release_leases(person=second)
    assert claim_next(project=project, person=first).item_id == held.item_id


def test_a_skip_that_cannot_come_back_leaves_the_pair_on_screen_there(project, raters):
    make_batch(project, 2, overlap=1)
    first, second = raters[:2]
    passed = claim_next(project=project, person=first)
    after = skip(project=project, person=first, token=passed.token)
    claim_next(project=project, person=second)
    with pytest.raises(SkipGoneError):
        undo(project=project, person=first)
    held = leases.open_leases(project=project, person=first)
    assert [(slot.item_id, slot.lane) for slot in held] == [(after[0].item_id, leases.ON_SCREEN)]


def test_a_pair_passed_over_again_is_the_newest_act(project, annotator):
    make_batch(project, 2)
    passed = claim_next(project=project, person=annotator)
    skip(project=project, person=annotator, token=passed.token)
    again = undo(project=project, person=annotator)[1][0]
    vote_on_other = vote(project, annotator)
    assert vote_on_other.vote.item_id == again.item_id
    undo(project=project, person=annotator)
    held = claim_next(project=project, person=annotator)
    skip(project=project, person=annotator, token=held.token)
    assert last_act(project=project, person=annotator).key == held.token


def test_a_skip_in_a_paused_batch_stays(project, annotator):
    batch = make_batch(project, 2)
    passed = claim_next(project=project, person=annotator)
    skip(project=project, person=annotator, token=passed.token)
    pause_batch(batch=batch)
    with pytest.raises(NothingToUndoError):
        undo(project=project, person=annotator)
    assert Skip.objects.count() == 1


# --- reasons, as the project asks for them --------------------------------------------------------------------------
def ask_for_reasons(project, reasons: str) -> None:
    AnnotationSettings.objects.update_or_create(project=project, defaults={"reasons": reasons})


@pytest.mark.parametrize("judgement", [NO, YES_1, YES_0])
def test_a_reason_that_is_required_cannot_be_left_out(project, batch, annotator, judgement):
    ask_for_reasons(project, "required")
    slot = claim_next(project=project, person=annotator)
    with pytest.raises(ReasonMissingError):
        judge(slot, judgement)
    assert leases.open_leases(project=project, person=annotator), "the refusal hands nothing back"
    reason = "vague" if judgement is NO else "full"
    stored = judge(slot, Judgement(judgement.intent, judgement.answer, reason=reason)).vote
    assert stored.reason == reason
    with pytest.raises(ReasonMissingError):
        correct_vote(project=project, person=annotator, vote_id=stored.pk, judgement=judgement)


@pytest.mark.parametrize("judgement", [QUERY_UNCLEAR, CODE_UNCLEAR])
def test_who_could_not_judge_needs_no_reason(project, batch, annotator, judgement):
    ask_for_reasons(project, "required")
    assert judge(claim_next(project=project, person=annotator), judgement).vote.reason == ""


def test_a_reason_nobody_asks_for_is_not_kept_and_the_same_vote_stays_the_same(project, batch, annotator):
    ask_for_reasons(project, "off")
    slot, key = claim_next(project=project, person=annotator), uuid.uuid4()
    given = Judgement("yes", 1, reason="full")
    assert judge(slot, given, key=key).vote.reason == ""
    assert judge(slot, given, key=key).is_repeat


# --- on the record -----------------------------------------------------------------------------------------------
def test_corrections_and_retractions_are_on_the_record(project, batch, annotator):
    mine = vote(project, annotator, YES_1).vote
    correct_vote(project=project, person=annotator, vote_id=mine.pk, judgement=NO)
    undo(project=project, person=annotator)
    corrected, retracted = AuditEntry.objects.filter(act__endswith="_vote").order_by("id")
    assert (corrected.act, corrected.person, corrected.subject_id) == ("annotation.correct_vote", annotator, mine.pk)
    assert corrected.before == {"intent": "yes", "answer": 1}
    assert corrected.after == {"intent": "no", "answer": None}
    assert (retracted.act, retracted.before["intent"]) == ("annotation.retract_vote", "no")


def test_a_paused_person_gets_nothing_and_their_vote_in_hand_still_counts(project, batch, annotator):
    slot = claim_next(project=project, person=annotator)
    Annotator.objects.create(project=project, person=annotator, standing="paused")
    receipt = judge(slot)
    assert receipt.leases == []
    assert Item.objects.get(pk=slot.item_id).done == 1


# --- comments -------------------------------------------------------------------------------------------------
def test_only_who_has_the_pair_may_comment_on_it(project, batch, annotator, curator):
    slot = claim_next(project=project, person=annotator)
    add_comment(project=project, person=annotator, item_id=slot.item_id, text=" odd docstring ", is_flag=True)
    assert Comment.objects.get().text == "odd docstring"
    with pytest.raises(NotFoundError):
        add_comment(project=project, person=curator, item_id=slot.item_id, text="me too")
    with pytest.raises(BadInputError):
        add_comment(project=project, person=annotator, item_id=slot.item_id, text="  ")


def test_pairs_of_another_project_are_never_handed_out(project, annotator):
    make_batch(ProjectFactory())
    PairFactory(project=project)
    assert claim_next(project=project, person=annotator) is None
