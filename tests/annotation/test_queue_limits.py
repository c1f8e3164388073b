"""Which batches a person gets pairs of: priority, invitations, limits in all and per day; and why there is nothing."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.models import Annotator, Batch, BatchMember, Item, Purpose, QueuePlace, Slot, SlotState, Vote
from annotation.selectors.empty import Why, why_empty
from annotation.selectors.limits import next_midnight, votes_today
from annotation.selectors.queue import progress_of
from annotation.services import leases
from annotation.services.batch_changes import invite_to_batch, start_change_batch, uninvite_from_batch
from annotation.services.batches import pause_batch, resume_batch
from annotation.services.leases import claim_next, fill_lanes, sweep_leases
from annotation.services.votes import skip, submit_vote, undo
from core.errors import BadInputError, NotFoundError
from core.models import AuditEntry
from tests.annotation.conftest import YES_1, annotators, make_batch, vote
from tests.annotation.intent import log, sample_of
from tests.factories import UserFactory, member

pytestmark = pytest.mark.django_db


def change(batch: Batch, **changes) -> Batch:
    start_change_batch(batch=batch, changes=changes)
    return batch


def judge_all(project, person) -> int:
    n = 0
    while vote(project, person) is not None:
        n += 1
    return n


# --- order ------------------------------------------------------------------------------------------------------
def test_a_batch_with_a_lower_priority_comes_first_and_the_order_can_change(project, annotator):
    first, second = make_batch(project, 3, name="first"), make_batch(project, 3, name="second")
    assert vote(project, annotator, ahead=False).vote.item.batch == first
    leases.release_leases(person=annotator)
    change(second, priority=-1)
    assert vote(project, annotator, ahead=False).vote.item.batch == second
    leases.release_leases(person=annotator)
    change(second, priority=1)
    assert vote(project, annotator, ahead=False).vote.item.batch == first


def test_what_comes_back_to_an_urgent_batch_goes_before_the_rest_of_another(project, raters):
    slow, quick = raters[:2]
    urgent = make_batch(project, 2, name="urgent", overlap=1, priority=-1)
    make_batch(project, 5, name="later", overlap=1)
    held = claim_next(project=project, person=slow)
    assert vote(project, quick).vote.item.batch == urgent
    assert vote(project, quick, ahead=False).vote.item.batch.name == "later"
    leases.release_leases(person=slow)
    leases.release_leases(person=quick)
    assert claim_next(project=project, person=quick).item_id == held.item_id


def test_the_place_in_the_queue_is_only_a_shortcut(project, annotator, monkeypatch):
    monkeypatch.setattr(leases, "_IN_FRONT", leases._IN_FRONT.replace("LIMIT 20", "LIMIT 1"))
    batch = make_batch(project, 6, overlap=2)
    slots = list(batch.slots.order_by("id"))
    QueuePlace.objects.create(batch=batch, person=annotator, priority=0, slot=slots[-1].pk)
    assert judge_all(project, annotator) == 6, "what lies before the place is found at last"


def test_a_place_is_written_now_and_then(project, annotator):
    batch = make_batch(project, 4, overlap=3)
    judge_all(project, annotator)
    place = QueuePlace.objects.get(batch=batch, person=annotator)
    assert place.slot == batch.slots.order_by("id").first().pk, "the next ones are closer than a step"


# --- invited people ---------------------------------------------------------------------------------------------
def test_an_invited_only_batch_is_for_the_invited(project, raters):
    batch = make_batch(project, 2, is_invited_only=True)
    invited, other = raters[:2]
    invite_to_batch(batch=batch, people=[invited])
    assert claim_next(project=project, person=other) is None
    assert why_empty(project, other).why == Why.NOT_INVITED
    assert (progress_of(project, other).left, progress_of(project, invited).left) == (0, 2)
    assert claim_next(project=project, person=invited).batch == batch


def test_who_is_not_invited_gets_other_batches(project, raters):
    make_batch(project, 2, name="closed circle", is_invited_only=True, priority=-1)
    open_to_all = make_batch(project, 2, name="for all")
    assert claim_next(project=project, person=raters[0]).batch == open_to_all


def test_taking_an_invitation_back_takes_the_pairs_back_and_leaves_the_votes(project, raters):
    batch = make_batch(project, 3, is_invited_only=True)
    person = raters[0]
    invite_to_batch(batch=batch, people=[person])
    vote(project, person)
    fill_lanes(project=project, person=person)
    uninvite_from_batch(batch=batch, person=person)
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()
    assert batch.items.filter(done=1).count() == 1
    with pytest.raises(NotFoundError):
        uninvite_from_batch(batch=batch, person=person)
    acts = list(AuditEntry.objects.filter(act__contains="invite").order_by("id").values_list("act", "person"))
    assert acts == [("annotation.invite_to_batch", person.pk), ("annotation.uninvite_from_batch", person.pk)]


def test_a_batch_that_becomes_invited_only_leaves_pairs_with_the_invited(project, raters):
    batch = make_batch(project, 3)
    invited, other = raters[:2]
    invite_to_batch(batch=batch, people=[invited])
    for person in (invited, other):
        claim_next(project=project, person=person)
    change(batch, is_invited_only=True)
    assert list(Slot.objects.filter(state=SlotState.LEASED).values_list("person", flat=True)) == [invited.pk]


def test_only_who_judges_in_the_project_is_invited_and_nobody_twice(project, batch, raters):
    assert invite_to_batch(batch=batch, people=[raters[0], raters[0]]) == [raters[0]]
    assert invite_to_batch(batch=batch, people=raters[:2]) == [raters[1]]
    for stranger in (UserFactory(), member(project, "reader", username="rita")):
        with pytest.raises(BadInputError, match="does not judge"):
            invite_to_batch(batch=batch, people=[raters[2], stranger])
    assert BatchMember.objects.count() == 2


# --- limits -----------------------------------------------------------------------------------------------------
def test_nobody_gets_more_of_a_batch_than_one_person_may(project, raters):
    make_batch(project, 5, max_votes_per_person=3)
    first, second = raters[:2]
    assert (judge_all(project, first), judge_all(project, second)) == (3, 3)
    assert why_empty(project, first).why == Why.LIMIT_REACHED
    assert progress_of(project, first).left == 0


def test_the_last_place_under_a_limit_is_not_fetched_ahead_of_it(project, annotator):
    make_batch(project, 5, max_votes_per_person=1)
    assert [slot.lane for slot in fill_lanes(project=project, person=annotator)] == [0]
    assert judge_all(project, annotator) == 1


def test_a_limit_of_one_batch_leaves_the_others_open(project, annotator):
    make_batch(project, 3, name="limited", max_votes_per_person=1, priority=-1)
    make_batch(project, 3, name="free")
    names = [vote(project, annotator).vote.item.batch.name for _ in range(3)]
    assert names == ["limited", "free", "free"]


def test_a_day_begins_anew_at_midnight_utc(project, annotator):
    batch = make_batch(project, 5, max_votes_per_day=2)
    assert judge_all(project, annotator) == 2
    empty = why_empty(project, annotator)
    assert (empty.why, empty.until) == (Why.DAY_IS_FULL, next_midnight())
    Vote.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert votes_today(batch, annotator) == 0
    assert judge_all(project, annotator) == 2


def test_what_is_taken_back_may_be_judged_again_under_a_limit(project, annotator):
    make_batch(project, 5, max_votes_per_person=2, max_votes_per_day=2)
    judge_all(project, annotator)
    taken_back, held = undo(project=project, person=annotator)
    assert [slot.item_id for slot in held] == [taken_back.item_id]
    assert judge_all(project, annotator) == 1


def test_a_skip_taken_back_does_not_stretch_a_limit(project, annotator):
    make_batch(project, 5, max_votes_per_person=1)
    passed = claim_next(project=project, person=annotator)
    skip(project=project, person=annotator, token=passed.token)
    _, held = undo(project=project, person=annotator)
    assert [slot.item_id for slot in held] == [passed.item_id]
    assert Slot.objects.filter(state=SlotState.LEASED).count() == 1
    assert judge_all(project, annotator) == 1


def test_progress_counts_no_more_than_the_limit_allows(project, annotator):
    make_batch(project, 5, max_votes_per_person=3)
    assert progress_of(project, annotator).left == 3
    claim_next(project=project, person=annotator)
    assert progress_of(project, annotator).left == 3, "the pair on screen is among them"
    vote(project, annotator)
    assert progress_of(project, annotator).left == 2


# --- leases -----------------------------------------------------------------------------------------------------
def test_the_sweep_frees_what_nobody_came_back_to_and_leaves_a_while(project, batch, raters):
    for person, minutes in zip(raters, (-1, 5, 15), strict=False):
        slot = claim_next(project=project, person=person)
        Slot.objects.filter(pk=slot.pk).update(expires_at=timezone.now() - timedelta(minutes=minutes))
    assert sweep_leases() == 1
    assert Slot.objects.filter(state=SlotState.LEASED).count() == 2
    assert sweep_leases() == 0


def test_the_sweep_is_a_duty():
    from core.duties import all_duties

    assert [duty.every_s for duty in all_duties() if duty.name == "free expired leases"] == [60]


# --- why there is nothing -----------------------------------------------------------------------------------------
def test_an_empty_queue_says_that_the_person_is_paused_and_why(project, batch, annotator):
    Annotator.objects.create(project=project, person=annotator, standing="paused", reason="Three gold pairs wrong.")
    assert claim_next(project=project, person=annotator) is None
    empty = why_empty(project, annotator)
    assert (empty.why, empty.text) == (Why.YOU_ARE_PAUSED, "Three gold pairs wrong.")


def test_an_empty_queue_of_queries_speaks_of_queries(project, annotator):
    log(project, ["python sort list"])
    sample = sample_of(project)
    pause_batch(batch=sample.batch)
    assert why_empty(project, annotator).why == Why.PAUSED
    resume_batch(batch=sample.batch)
    vote(project, annotator, judgement=_no())
    assert "queries" in why_empty(project, annotator).title
    make_batch(project, 1)
    vote(project, annotator)
    assert "pairs and queries" in why_empty(project, annotator).title


def _no():
    from tests.annotation.conftest import NO

    return NO


def test_leases_of_others_come_before_a_limit_and_a_full_day_before_having_seen_all(project, raters):
    first, second = raters[:2]
    make_batch(project, 1, name="free", overlap=1)
    make_batch(project, 3, name="limited", max_votes_per_day=1)
    held = claim_next(project=project, person=second)
    assert judge_all(project, first) == 1
    assert why_empty(project, first).why == Why.LEASED
    submit_vote(
        project=project, person=second, item_id=held.item_id, token=held.token, key=uuid.uuid4(), judgement=YES_1
    )
    assert why_empty(project, first).why == Why.DAY_IS_FULL


def test_every_reason_has_its_words():
    from annotation.selectors.empty import EmptyQueue

    for why in Why:
        empty = EmptyQueue(why, kinds=frozenset({"intent_only"}))
        assert empty.heading
        assert empty.title
        assert "%(" not in empty.title + empty.text


def test_the_page_of_an_empty_queue_says_it(project, annotator, annotator_client):
    make_batch(project, 2, max_votes_per_day=1)
    vote(project, annotator)
    html = annotator_client.get("/p/demo/judge/").content.decode()
    assert "Enough for today" in html
    assert "You can go on from" in html


# --- the front of the queue is the plain order --------------------------------------------------------------------
def test_claims_find_exactly_what_a_plain_search_finds(project):
    """Whatever people do, somebody gets a pair if and only if some open slot is for them."""
    import random

    rng = random.Random(5)
    people = annotators(project, 4)
    batches = [make_batch(project, 4, name=f"b{n}", overlap=2, priority=n % 2) for n in range(3)]
    for _ in range(80):
        person = rng.choice(people)
        act = rng.random()
        if act < 0.1:
            change(rng.choice(batches), overlap=rng.randint(1, 3))
        elif act < 0.2:
            change(rng.choice(batches), priority=rng.randint(-1, 1))
        elif act < 0.5:
            leases.release_leases(person=person)
        held = Slot.objects.filter(person=person, state=SlotState.LEASED).exists()
        wanted = _plain_search(project, person)
        slot = claim_next(project=project, person=person)
        if not held:
            assert (slot.pk if slot else None) in (wanted or {None})
        if slot is not None and rng.random() < 0.7:
            vote(project, person, ahead=False)


def _plain_search(project, person) -> set[int]:
    found = set()
    for slot in Slot.objects.filter(project=project, state=SlotState.FREE, is_open=True).select_related("item"):
        seen = Slot.objects.filter(item__pair=slot.item.pair, person=person).exists()
        if not seen and slot.item.purpose == Purpose.LIVE and not Item.objects.get(pk=slot.item_id).is_set_aside:
            found.add(slot.pk)
    return found
