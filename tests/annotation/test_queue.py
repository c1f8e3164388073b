"""Batches open pairs, leases hand them out; the database itself refuses what must never be."""

import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.models import Batch, Item, Purpose, Skip, Slot, SlotState, Vote
from annotation.selectors.empty import Why, why_empty
from annotation.selectors.queue import batches_of, progress_of
from annotation.selectors.shown import code_parts, provenance
from annotation.services import leases
from annotation.services.batches import close_batch, open_batch, pause_batch, reopen_batch, resume_batch
from annotation.services.guidelines import current_guideline, publish_guideline
from annotation.services.leases import claim_next, free_expired_leases, release_leases, renew
from core.errors import BadInputError, ConflictError
from core.models import Membership
from curation.models import CodeOccurrence, CodeSource, Pair
from tests.annotation.conftest import NO, YES_0, YES_1, annotators, make_batch, vote
from tests.factories import CodeFactory, PairFactory, ProjectFactory, UserFactory

pytestmark = pytest.mark.django_db


def expire_all() -> None:
    Slot.objects.filter(state=SlotState.LEASED).update(expires_at=timezone.now() - timedelta(seconds=1))


# --- the four bad writes ----------------------------------------------------------------------------------
def refused_by_the_database(write) -> bool:
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        return True
    return False


def test_the_database_refuses_a_second_slot_of_the_same_number(batch):
    slot = Slot.objects.first()
    assert refused_by_the_database(
        lambda: Slot.objects.create(
            item=slot.item, project=slot.project, batch=slot.batch, pair=slot.pair, number=slot.number
        )
    )


def test_the_database_refuses_a_second_vote_in_a_slot(project, batch, annotator, curator):
    first = vote(project, annotator).vote
    second = Vote(slot=first.slot, item=first.item, project=project, person=curator, key=uuid.uuid4(), intent="no")
    assert refused_by_the_database(second.save)


def test_the_database_refuses_the_same_person_in_two_slots_of_an_item(project, batch, annotator):
    slot = claim_next(project=project, person=annotator)
    other = slot.item.slots.exclude(pk=slot.pk).first()
    assert refused_by_the_database(
        lambda: Slot.objects.filter(pk=other.pk).update(state=SlotState.DONE, person=annotator)
    )


def test_the_database_refuses_two_leases_in_one_lane(project, batch, annotator):
    claim_next(project=project, person=annotator)
    other = Slot.objects.filter(state=SlotState.FREE).exclude(item__slots__person=annotator).first()
    assert refused_by_the_database(
        lambda: Slot.objects.filter(pk=other.pk).update(
            state=SlotState.LEASED, person=annotator, lane=0, token=uuid.uuid4(), expires_at=timezone.now()
        )
    )


def test_the_database_refuses_an_answer_without_intent(project, batch, annotator):
    stored = vote(project, annotator, NO).vote
    assert refused_by_the_database(lambda: Vote.objects.filter(pk=stored.pk).update(answer=1))


def test_the_database_refuses_a_second_live_item_of_a_pair(project, batch):
    item = Item.objects.first()
    assert refused_by_the_database(
        lambda: Item.objects.create(project=project, batch=batch, query=item.query, pair=item.pair)
    )


# --- opening ------------------------------------------------------------------------------------------------
def test_opening_makes_an_item_and_its_slots_for_each_pair_in_the_given_order(project):
    pairs = PairFactory.create_batch(4, project=project)
    order = [pairs[2], pairs[0], pairs[3]]
    batch = open_batch(project=project, pairs=order, overlap=2, max_extra=1, name="first")
    assert list(batch.items.order_by("id").values_list("pair", flat=True)) == [pair.pk for pair in order]
    assert sorted(batch.slots.values_list("item__pair", "number")) == sorted(
        (pair.pk, number) for pair in order for number in (0, 1)
    )
    assert (batch.overlap, batch.max_extra_votes) == (2, 1)


def test_pairs_in_a_batch_and_quarantined_pairs_are_left_out(project):
    pairs = PairFactory.create_batch(5, project=project)
    open_batch(project=project, pairs=pairs[:1], name="earlier")
    pairs[1].query.quarantine_reason = pairs[2].code.quarantine_reason = "email"
    pairs[1].query.save()
    pairs[2].code.save()
    batch = open_batch(project=project, pairs=Pair.objects.filter(project=project).order_by("id"), limit=1)
    assert [item.pair for item in batch.items.all()] == [pairs[3]], "the limit counts what can be opened"


def test_nothing_left_to_open_is_refused_and_makes_no_batch(project, batch):
    with pytest.raises(BadInputError, match="no pair left"):
        open_batch(project=project, pairs=Pair.objects.filter(project=project), name="empty")
    assert project.batches.count() == 1


def test_pairs_of_another_project_cannot_be_opened(project):
    with pytest.raises(BadInputError):
        open_batch(project=project, pairs=[PairFactory(project=ProjectFactory())])


@pytest.mark.parametrize("options", [{"overlap": 0}, {"overlap": 10}, {"max_extra": -1}, {"limit": 0}])
def test_numbers_out_of_range_are_refused(project, options):
    with pytest.raises(BadInputError):
        make_batch(project, 1, **options)


def test_a_name_is_used_once_and_a_missing_one_is_found(project):
    assert make_batch(project, 1, name="").name == "Batch 1"
    assert make_batch(project, 1, name=" Batch  3 ").name == "Batch 3"
    assert make_batch(project, 1, name="").name == "Batch 4"
    with pytest.raises(ConflictError):
        make_batch(project, 1, name="Batch 3")


# --- claiming -----------------------------------------------------------------------------------------------
def test_claims_follow_priority_then_age(project, annotator):
    batch = make_batch(project, 3, overlap=1)
    last = batch.items.order_by("id").last()
    last.slots.update(priority=-1)
    order = [vote(project, annotator).vote.item_id for _ in range(3)]
    others = list(batch.items.exclude(pk=last.pk).order_by("id").values_list("pk", flat=True))
    assert order == [last.pk, *others]


def test_a_more_urgent_pair_opened_later_comes_first(project, annotator):
    make_batch(project, 3, overlap=1)
    vote(project, annotator)
    release_leases(person=annotator)
    urgent = make_batch(project, 1, overlap=1, name="urgent")
    Batch.objects.filter(pk=urgent.pk).update(priority=-5)
    assert claim_next(project=project, person=annotator).batch == urgent


def test_a_pair_given_back_further_up_is_found_after_the_rest(project, raters):
    make_batch(project, 3, overlap=1)
    slow, quick = raters[:2]
    held = claim_next(project=project, person=slow)
    for _ in range(2):
        assert vote(project, quick) is not None
    assert claim_next(project=project, person=quick) is None
    expire_all()
    assert claim_next(project=project, person=quick).item_id == held.item_id


def test_each_lane_holds_one_pair_and_a_repeated_claim_gives_the_same(project, batch, annotator):
    lanes = [leases.fill_lanes(project=project, person=annotator) for _ in range(3)]
    assert [[slot.token for slot in held] for held in lanes] == [[slot.token for slot in lanes[0]]] * 3
    assert [slot.lane for slot in lanes[0]] == [0, 1]
    assert lanes[0][0].item_id != lanes[0][1].item_id


def test_no_more_people_than_the_overlap_get_a_pair(project):
    make_batch(project, 1, overlap=3)
    got = [claim_next(project=project, person=person) for person in annotators(project, 5)]
    assert [slot is not None for slot in got] == [True, True, True, False, False]


def test_nobody_gets_a_pair_twice_even_in_another_batch(project, annotator, curator):
    batch = make_batch(project, 1, overlap=1)
    pair = vote(project, annotator).vote.item.pair
    again = make_batch(project, 1, name="gold")
    item = Item.objects.create(
        project=project, batch=batch, query=pair.query, pair=pair, purpose=Purpose.GOLD, target=1
    )
    Slot.objects.create(item=item, project=project, batch=batch, pair=pair, number=0, priority=-1)
    assert claim_next(project=project, person=annotator).batch == again
    assert claim_next(project=project, person=curator).item == item


def test_nothing_is_fetched_ahead_when_others_need_the_last_pairs(project, raters):
    make_batch(project, 3, overlap=1)
    first, second = raters[:2]
    claim_next(project=project, person=second)
    held = leases.fill_lanes(project=project, person=first)
    assert [slot.lane for slot in held] == [0]


def test_expired_leases_are_freed_when_somebody_needs_them_and_by_the_sweep(project, raters):
    make_batch(project, 1, overlap=1)
    first, second = raters[:2]
    slot = claim_next(project=project, person=first)
    assert claim_next(project=project, person=second) is None
    expire_all()
    assert claim_next(project=project, person=second).pk == slot.pk
    expire_all()
    assert free_expired_leases() == 1
    assert free_expired_leases() == 0


def test_a_heartbeat_renews_by_token_only(project, batch, annotator, curator):
    slot = claim_next(project=project, person=annotator)
    expire_all()
    assert renew(project=project, person=annotator, tokens=[slot.token, uuid.uuid4()]) == [slot.token]
    assert renew(project=project, person=curator, tokens=[slot.token]) == []
    slot.refresh_from_db()
    assert slot.expires_at > timezone.now() + timedelta(minutes=9)


def test_a_lease_lasts_three_median_times_but_at_least_the_batch_minimum(project, batch, annotator):
    cache.clear()
    assert leases.lease_seconds(batch) == 600
    for seconds in (100, 300, 500):
        vote(project, annotator, seconds=seconds)
    cache.clear()
    assert leases.lease_seconds(batch) == 900
    cache.clear()


def test_a_batch_with_a_short_minimum_gets_short_leases(project, batch, annotator):
    cache.clear()
    batch.min_lease_s = 30
    batch.save()
    slot = claim_next(project=project, person=annotator)
    slot.refresh_from_db()
    assert timezone.now() < slot.expires_at < timezone.now() + timedelta(seconds=31)


# --- leaving --------------------------------------------------------------------------------------------------
def test_logout_hands_the_pairs_back(project, batch, annotator, annotator_client):
    leases.fill_lanes(project=project, person=annotator)
    annotator_client.logout()
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()


def test_deactivation_hands_the_pairs_back(project, batch, annotator, django_capture_on_commit_callbacks):
    leases.fill_lanes(project=project, person=annotator)
    with django_capture_on_commit_callbacks(execute=True):
        annotator.is_active = False
        annotator.save()
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()


def test_leaving_the_project_hands_the_pairs_back(project, batch, annotator):
    leases.fill_lanes(project=project, person=annotator)
    Membership.objects.get(user=annotator).delete()
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()


def test_release_of_one_lane_leaves_the_other(project, batch, annotator):
    leases.fill_lanes(project=project, person=annotator)
    assert release_leases(person=annotator, lane=leases.PREFETCHED) == 1
    assert Slot.objects.get(state=SlotState.LEASED).lane == leases.ON_SCREEN


# --- pause and close ---------------------------------------------------------------------------------------------
def test_a_paused_batch_hands_nothing_out_but_takes_the_vote_in_hand(project, batch, annotator):
    from tests.annotation.test_votes import judge

    slot = claim_next(project=project, person=annotator)
    pause_batch(batch=batch)
    assert judge(slot).leases == []
    resume_batch(batch=batch)
    assert claim_next(project=project, person=annotator) is not None


def test_a_closed_batch_takes_the_pairs_back_and_can_be_reopened(project, batch, annotator):
    leases.fill_lanes(project=project, person=annotator)
    close_batch(batch=batch)
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()
    assert claim_next(project=project, person=annotator) is None
    with pytest.raises(ConflictError):
        resume_batch(batch=batch)
    reopen_batch(batch=batch)
    assert claim_next(project=project, person=annotator) is not None


# --- why there is nothing -------------------------------------------------------------------------------------------
def test_an_empty_queue_says_why(project, annotator, curator):
    assert why_empty(project, annotator).why == Why.NO_BATCH
    batch = make_batch(project, 1, overlap=2, max_extra=0)
    vote(project, annotator)
    assert why_empty(project, annotator).why == Why.SEEN_ALL
    pause_batch(batch=batch)
    assert why_empty(project, annotator).why == Why.PAUSED
    resume_batch(batch=batch)
    vote(project, curator)
    assert why_empty(project, annotator).why == Why.DONE


def test_an_empty_queue_says_until_when_others_hold_the_rest(project, annotator, curator):
    make_batch(project, 1, overlap=1)
    slot = claim_next(project=project, person=curator)
    empty = why_empty(project, annotator)
    assert (empty.why, empty.until) == (Why.LEASED, slot.expires_at)


def test_a_closed_batch_with_pairs_left_counts_as_done(project, batch, annotator):
    close_batch(batch=batch)
    assert why_empty(project, annotator).why == Why.DONE


def test_skipped_pairs_are_counted_for_who_skipped_them(project, batch, annotator):
    Skip.objects.create(item=batch.items.first(), person=annotator)
    assert why_empty(project, annotator).n_skipped == 1
    assert progress_of(project, annotator).left == 2


def test_progress_counts_own_votes_and_pairs_still_open(project, batch, annotator, curator):
    assert (progress_of(project, annotator).mine, progress_of(project, annotator).left) == (0, 3)
    vote(project, annotator, YES_0)
    vote(project, curator, YES_1)
    assert (progress_of(project, annotator).mine, progress_of(project, annotator).left) == (1, 2)


def test_a_batch_knows_its_progress(project, annotator):
    make_batch(project, 2, overlap=1, max_extra=0)
    vote(project, annotator)
    row = batches_of(project).get()
    assert (row.n_items, row.n_finished, row.n_votes, row.n_wanted, row.n_aside) == (2, 1, 1, 2, 0)


# --- the pair on the page --------------------------------------------------------------------------------------------
def test_code_is_cut_into_header_docstring_and_body():
    text = 'def f(a,\n      b):\n    """Adds.\n\n    Both.\n    """\n    x = a + b\n    return x\n'
    code = CodeFactory.build(text=text, header="def f(a,\n      b):", docstring="Adds.\n\nBoth.")
    parts = code_parts(code)
    assert [part.name for part in parts] == ["header", "docstring", "body"]
    assert [part.html.count("\n") for part in parts] == [2, 4, 2]


def test_code_without_docstring_is_a_header_and_a_body():
    code = CodeFactory.build(text="def f():\n    return '<b>'\n", header="def f():", docstring="")
    header, body = code_parts(code)
    assert (header.name, body.name) == ("header", "body")
    assert "<b>" not in body.html


def test_documentation_above_a_function_is_told_from_header_and_body():
    text = "/**\n * Adds <b>.\n * @return the sum\n */\n@Override\npublic int add(int a) {\n    return a + 1;\n}"
    code = CodeFactory.build(
        language="java",
        text=text,
        header="@Override\npublic int add(int a) {",
        docstring="Adds .",
        body="    return a + 1;\n}",
    )
    parts = code_parts(code)
    assert [part.name for part in parts] == ["docstring", "header", "body"]
    assert [part.html.count("\n") for part in parts] == [4, 2, 2]
    assert "Adds &lt;b&gt;" in parts[0].html
    assert "Override" in parts[1].html


def test_provenance_names_place_lines_and_licence(project):
    code = CodeFactory(project=project)
    source = CodeSource.objects.create(project=project, kind="stdlib", name="stdlib", version="3.11.7")
    CodeOccurrence.objects.create(
        code=code, source=source, path="Lib/random.py", start_line=3, end_line=9, qualified_name="random.f",
        licence="PSF-2.0",
    )  # fmt: skip
    assert provenance(code) == ["random.f", "stdlib 3.11.7", "Lib/random.py", "lines 3-9", "PSF-2.0"]


# --- the guideline ----------------------------------------------------------------------------------------------------
def test_a_project_starts_with_the_shipped_guideline_and_keeps_every_version(project):
    first = current_guideline(project)
    assert (first.version, current_guideline(project)) == (1, first)
    second = publish_guideline(project=project, text="# Other\r\nrules\n")
    assert (second.version, second.text) == (2, "# Other\nrules\n")
    assert publish_guideline(project=project, text="# Other\nrules") == second
    assert project.guidelines.count() == 2


@pytest.mark.parametrize("text", ["", " \n ", "x" * 60_001])
def test_an_unusable_guideline_is_refused(project, text):
    with pytest.raises(BadInputError):
        publish_guideline(project=project, text=text)


def test_an_annotator_of_another_project_gets_nothing_here(project, batch):
    from django.http import Http404

    from core.access import project_for

    with pytest.raises(Http404):
        project_for(UserFactory(), project.slug)
