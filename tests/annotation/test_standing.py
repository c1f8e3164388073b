"""Warned, paused and reinstated; votes set aside and counted again; the overlap stays exact throughout."""

import contextlib
import random
import uuid

import pytest

from annotation.models import (
    AnnotationSettings,
    Annotator,
    GoldAnswer,
    Item,
    Purpose,
    SetAside,
    Slot,
    SlotState,
    Standing,
    Vote,
)
from annotation.selectors.votes import counted_votes, item_patterns
from annotation.services import votes
from annotation.services.batches import close_batch
from annotation.services.leases import claim_next, open_leases
from annotation.services.standing import gold_window, set_standing, start_restore, start_set_aside
from annotation.services.votes import Judgement, NothingToUndoError
from core.errors import BadInputError, ConflictError, NotFoundError
from core.jobs import run_inline
from core.models import AuditEntry
from tests.annotation.conftest import CODE_UNCLEAR, NO, YES_0, YES_1, make_batch, vote
from tests.annotation.judged import judged_project
from tests.factories import PairFactory, UserFactory, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(project):
    return member(project, "curator", username="boss")


def gold_items(project, batch, n: int) -> list[Item]:
    items = []
    for pair in PairFactory.create_batch(n, project=project):
        item = Item.objects.create(
            project=project, batch=batch, pair=pair, query=pair.query, purpose=Purpose.GOLD, target=0
        )
        GoldAnswer.objects.create(item=item, intent="yes", answer=1, origin="curator")
        items.append(item)
    return items


def judge_gold(project, person, item: Item, judgement: Judgement) -> None:
    """A vote on gold through the service, on a slot as the claim makes it."""
    Item.objects.filter(pk=item.pk).update(target=item.target + 1)
    slot = Slot.objects.create(
        item=item,
        project=project,
        batch=item.batch,
        pair=item.pair,
        number=item.target,
        is_open=False,
        state=SlotState.LEASED,
        person=person,
        lane=0,
        token=uuid.uuid4(),
        expires_at="2099-01-01T00:00:00Z",
    )
    item.target += 1
    votes.submit_vote(
        project=project,
        person=person,
        item_id=item.pk,
        token=slot.token,
        key=uuid.uuid4(),
        judgement=judgement,
        ahead=False,
    )
    Slot.objects.filter(person=person, state=SlotState.LEASED).update(
        state=SlotState.FREE, person=None, lane=None, token=None, expires_at=None
    )


def judge_golds(project, person, items, pattern: str) -> None:
    """ "1" is right, "0" wrong, "c" cannot judge."""
    given = {"1": YES_1, "0": YES_0, "c": CODE_UNCLEAR}
    for item, letter in zip(items, pattern, strict=True):
        judge_gold(project, person, item, given[letter])


def standing_of(project, person) -> str:
    return Annotator.objects.get_or_create(project=project, person=person)[0].standing


# --- gold -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("pattern", "act", "expected"),
    [
        ("0", "pause", "active"),  # one is never enough
        ("0cccc", "pause", "active"),
        ("00", "warn", "warned"),
        ("00", "nothing", "active"),
        ("0011111", "warn", "warned"),  # warned at the second one
        ("1111100", "warn", "active"),  # 5 of 7 is above the bar of 0.7
        ("11111000", "warn", "warned"),  # 5 of 8 is not
        ("0000", "warn", "warned"),
        ("000", "pause", "warned"),  # warned at the second; one more failure since is not two
        ("0000", "pause", "paused"),
        ("001111100", "pause", "warned"),  # 5 of 7 since the warning
    ],
)
def test_gold_warns_then_pauses_but_never_for_one_failure(project, batch, raters, pattern, act, expected):
    AnnotationSettings.objects.create(project=project, gold_act=act)
    judge_golds(project, raters[0], gold_items(project, batch, len(pattern)), pattern)
    assert standing_of(project, raters[0]) == expected
    assert standing_of(project, raters[1]) == "active"


def test_a_window_forgets_what_is_long_ago(project, batch, raters):
    AnnotationSettings.objects.create(project=project, gold_act="warn", gold_window=3, gold_bar=0.5)
    judge_golds(project, raters[0], gold_items(project, batch, 7), "0111011")
    assert standing_of(project, raters[0]) == "active"


def test_the_person_reads_why_and_the_record_holds_the_evidence(project, batch, raters):
    items = gold_items(project, batch, 3)
    judge_golds(project, raters[0], items, "100")
    row = Annotator.objects.get(project=project, person=raters[0])
    assert row.reason == "2 of the last 3 check pairs, whose answer is known, were judged otherwise."
    assert row.evidence["items"] == [items[1].pk, items[2].pk]
    entry = AuditEntry.objects.get(act="annotation.warn")
    assert (entry.actor, entry.person, entry.before) == (None, raters[0], {"standing": "active"})
    assert entry.after["evidence"]["share"] == pytest.approx(1 / 3, abs=1e-3)


def test_after_a_reinstatement_gold_counts_anew(project, batch, raters, boss):
    AnnotationSettings.objects.create(project=project, gold_act="pause")
    judge_golds(project, raters[0], gold_items(project, batch, 4), "0000")
    assert standing_of(project, raters[0]) == "paused"
    set_standing(project=project, person=raters[0], standing="active", reason="we talked", user=boss)
    judge_golds(project, raters[0], gold_items(project, batch, 2), "10")
    assert standing_of(project, raters[0]) == "active"
    since = Annotator.objects.get(project=project, person=raters[0]).standing_since
    assert gold_window(project, raters[0], size=10, since=since).wrong == 1
    assert gold_window(project, raters[0], size=10).wrong == 5


# --- by a curator -----------------------------------------------------------------------------------------------------
def test_who_is_paused_loses_their_pairs_at_once_and_gets_none(project, batch, raters, boss):
    slot = claim_next(project=project, person=raters[0])
    set_standing(project=project, person=raters[0], standing="paused", reason="too fast", user=boss)
    assert open_leases(project=project, person=raters[0]) == []
    assert claim_next(project=project, person=raters[0]) is None
    with pytest.raises(votes.LateVoteError):
        votes.submit_vote(
            project=project,
            person=raters[0],
            item_id=slot.item_id,
            token=slot.token,
            key=uuid.uuid4(),
            judgement=YES_1,
        )
    set_standing(project=project, person=raters[0], standing="active", reason="a mistake", user=boss)
    assert claim_next(project=project, person=raters[0]).item_id == slot.item_id
    assert list(AuditEntry.objects.order_by("id").values_list("act", "reason")) == [
        ("annotation.pause", "too fast"),
        ("annotation.reinstate", "a mistake"),
    ]


def test_a_change_of_standing_needs_a_reason_a_person_and_a_change(project, raters, boss):
    with pytest.raises(BadInputError, match="reason"):
        set_standing(project=project, person=raters[0], standing="paused", reason="  ", user=boss)
    with pytest.raises(BadInputError, match="active, warned or paused"):
        set_standing(project=project, person=raters[0], standing="banned", reason="x", user=boss)
    with pytest.raises(NotFoundError):
        set_standing(project=project, person=UserFactory(), standing="paused", reason="x", user=boss)
    with pytest.raises(ConflictError, match="active already"):
        set_standing(project=project, person=raters[0], standing="active", reason="x", user=boss)
    assert not AuditEntry.objects.exists()


# --- setting votes aside ----------------------------------------------------------------------------------------------
def pause(project, person, boss) -> None:
    set_standing(project=project, person=person, standing="paused", reason="paused", user=boss)


def set_aside(project, person, boss, **options) -> SetAside:
    run_inline(start_set_aside(project=project, person=person, reason="not read", user=boss, inline=True, **options))
    return SetAside.objects.latest("id")


def restore(act, boss) -> SetAside:
    run_inline(start_restore(act=act, reason="they were right", user=boss, inline=True))
    act.refresh_from_db()
    return act


def check_books(project) -> None:
    """What must hold whatever happened: counted votes fill wanted slots, nobody twice, nothing above the limit."""
    for item in Item.objects.filter(project=project, purpose="live").select_related("batch"):
        counted = [one for one in item.votes.filter(retracted_at=None) if one.set_aside_at is None]
        inside = item.slots.filter(number__lt=item.target)
        full = inside.filter(state=SlotState.DONE)
        assert item.done == len(counted) == full.count()
        assert len(counted) <= item.batch.overlap + item.batch.max_extra_votes
        people = list(item.votes.filter(retracted_at=None).values_list("person", flat=True))
        assert len(people) == len(set(people))
        assert not inside.filter(state=SlotState.DONE, votes__set_aside_at__isnull=False).exists()
        assert not item.slots.filter(number__gte=item.target, is_open=True, state=SlotState.FREE).exists()


def test_votes_of_a_paused_person_leave_every_count_and_their_slots_open_again(project, batch, raters, boss):
    for person in raters[:3]:
        for _ in range(3):
            vote(project, person, YES_1)
    assert vote(project, raters[3], YES_1) is None, "all is done"
    pause(project, raters[0], boss)
    act = set_aside(project, raters[0], boss)
    assert (act.n_votes, act.is_complete) == (3, True)
    assert counted_votes(project).count() == 6
    assert sum(sum((p.tally.n_yes, p.tally.n_no)) * p.n for p in item_patterns(project)) == 6
    check_books(project)
    for _ in range(3):
        assert vote(project, raters[3], YES_1) is not None
    assert vote(project, raters[4], YES_1) is None, "each slot was reopened once"
    check_books(project)
    assert Vote.objects.filter(person=raters[0]).count() == 3, "nothing is deleted"
    entry = AuditEntry.objects.get(act="annotation.set_aside_votes")
    assert (entry.actor, entry.person, entry.reason) == (boss, raters[0], "not read")


def test_the_person_cannot_judge_the_same_pairs_again(project, batch, raters, boss):
    vote(project, raters[0], YES_1)
    pause(project, raters[0], boss)
    act = set_aside(project, raters[0], boss)
    set_standing(project=project, person=raters[0], standing="active", reason="again", user=boss)
    seen = {act.pk} - {act.pk}
    while (receipt := vote(project, raters[0], YES_1)) is not None:
        seen.add(receipt.vote.item_id)
    assert len(seen) == 2
    check_books(project)


def test_what_nobody_replaced_counts_again_and_the_rest_stays_aside(project, batch, raters, boss):
    for person in raters[:3]:
        for _ in range(3):
            vote(project, person, YES_1)
    pause(project, raters[0], boss)
    act = set_aside(project, raters[0], boss)
    replaced = vote(project, raters[3], YES_0, ahead=False).vote.item_id
    Slot.objects.filter(state=SlotState.LEASED).update(
        state=SlotState.FREE, person=None, lane=None, token=None, expires_at=None, leased_at=None
    )
    check_books(project)
    act = restore(act, boss)
    back = set(Item.objects.filter(purpose="live").values_list("pk", flat=True)) - {replaced}
    counted = set(counted_votes(project).filter(person=raters[0]).values_list("item", flat=True))
    assert back <= counted
    check_books(project)
    with pytest.raises(ConflictError, match="already"):
        restore(act, boss)
    assert [e.act for e in AuditEntry.objects.order_by("id")][-2:] == [
        "annotation.set_aside_votes",
        "annotation.restore_votes",
    ]


def test_an_extra_vote_that_is_no_longer_needed_is_given_up(project, raters, boss):
    batch = make_batch(project, 1, overlap=3, max_extra=2)
    for person, judgement in zip(raters, [YES_1, YES_1, YES_0], strict=False):
        vote(project, person, judgement)
    item = batch.items.get()
    assert item.target == 4, "2-1 asks for one more"
    pause(project, raters[2], boss)
    act = set_aside(project, raters[2], boss)
    item.refresh_from_db()
    assert (item.done, item.target) == (2, 3)
    check_books(project)
    assert restore(act, boss).n_restored == 1
    item.refresh_from_db()
    assert (item.done, item.target) == (3, 4)
    check_books(project)


def test_two_cannot_judge_votes_of_which_one_is_set_aside_bring_the_item_back(project, raters, boss):
    batch = make_batch(project, 1)
    vote(project, raters[0], CODE_UNCLEAR)
    vote(project, raters[1], CODE_UNCLEAR)
    item = batch.items.get()
    assert item.is_set_aside
    pause(project, raters[0], boss)
    set_aside(project, raters[0], boss)
    item.refresh_from_db()
    assert not item.is_set_aside
    check_books(project)
    assert vote(project, raters[2], YES_1) is not None


def test_a_vote_that_is_set_aside_can_be_neither_undone_nor_corrected(project, batch, raters, boss):
    mine = vote(project, raters[0], YES_1).vote
    pause(project, raters[0], boss)
    set_aside(project, raters[0], boss)
    set_standing(project=project, person=raters[0], standing="active", reason="again", user=boss)
    with pytest.raises(ConflictError, match="set this vote aside"):
        votes.correct_vote(project=project, person=raters[0], vote_id=mine.pk, judgement=NO)
    with pytest.raises(NothingToUndoError):
        votes.undo(project=project, person=raters[0])


def test_only_of_who_is_out_and_only_where_there_is_a_vote(project, batch, raters, boss):
    vote(project, raters[0], YES_1)
    with pytest.raises(ConflictError, match="Pause"):
        start_set_aside(project=project, person=raters[0], reason="x", user=boss)
    project.memberships.filter(user=raters[0]).delete()
    assert set_aside(project, raters[0], boss).n_votes == 1, "who has left need not be paused"
    pause(project, raters[1], boss)
    with pytest.raises(BadInputError, match="no counted vote"):
        start_set_aside(project=project, person=raters[1], reason="x", user=boss)


def test_one_batch_or_from_a_time_on(project, raters, boss):
    first, second = make_batch(project, 2, name="first"), make_batch(project, 2, name="second")
    while vote(project, raters[0], YES_1):
        pass
    Vote.objects.filter(item__batch=first).update(created_at="2026-01-01T00:00:00Z")
    pause(project, raters[0], boss)
    act = set_aside(project, raters[0], boss, batch=second)
    assert set(Vote.objects.filter(set_aside_at__isnull=False).values_list("item__batch", flat=True)) == {second.pk}
    restore(act, boss)
    from datetime import UTC, datetime

    act = set_aside(project, raters[0], boss, since=datetime(2026, 6, 1, tzinfo=UTC))
    assert act.n_votes == 2
    assert not Vote.objects.filter(item__batch=first, set_aside_at__isnull=False).exists()
    check_books(project)


def test_in_a_closed_batch_votes_are_set_aside_without_opening_anything(project, batch, raters, boss):
    vote(project, raters[0], YES_1)
    close_batch(batch=batch)
    pause(project, raters[0], boss)
    set_aside(project, raters[0], boss)
    assert counted_votes(project).count() == 0
    assert claim_next(project=project, person=raters[1]) is None


def test_imported_votes_of_a_rater_can_be_set_aside_and_restored(project, boss):
    items = judged_project(project, ["110", "111"])
    rater = Vote.objects.filter(item=items[0]).order_by("id").first().person
    before = list(Item.objects.order_by("pk").values_list("done", "target"))
    act = set_aside(project, rater, boss)
    assert act.n_votes == 2
    assert counted_votes(project).count() == 4
    assert restore(act, boss).n_restored == 2
    assert counted_votes(project).count() == 6
    assert [done for done, _ in Item.objects.order_by("pk").values_list("done", "target")] == [d for d, _ in before]


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_votes_pauses_set_asides_and_restores_keeps_the_books(project, raters, boss, seed):
    """A walk at random through everything that touches slots."""
    draw = random.Random(seed)
    make_batch(project, 4, overlap=2, max_extra=2)
    acts: list[SetAside] = []
    for _ in range(60):
        person = draw.choice(raters)
        row = Annotator.objects.filter(project=project, person=person).first()
        is_paused = row is not None and row.standing == Standing.PAUSED
        move = draw.random()
        if move < 0.6:
            vote(project, person, draw.choice([YES_1, YES_1, YES_0, NO, CODE_UNCLEAR]), ahead=draw.random() < 0.5)
        elif move < 0.7:
            with contextlib.suppress(NothingToUndoError):
                votes.undo(project=project, person=person)
        elif move < 0.85 and not is_paused:
            pause(project, person, boss)
            if Vote.objects.filter(person=person, retracted_at=None, set_aside_at=None).exists():
                acts.append(set_aside(project, person, boss))
        elif is_paused:
            set_standing(project=project, person=person, standing="active", reason="again", user=boss)
            for act in [act for act in acts if act.person_id == person.pk]:
                acts.remove(act)
                restore(act, boss)
        check_books(project)


def test_the_person_sees_in_their_history_that_a_vote_no_longer_counts(project, batch, raters, boss, client):
    mine = vote(project, raters[0], YES_1).vote
    pause(project, raters[0], boss)
    set_aside(project, raters[0], boss)
    client.force_login(raters[0])
    assert "no longer counts" in client.get("/p/demo/judge/history/").content.decode()
    page = client.get(f"/p/demo/judge/history/{mine.pk}/").content.decode()
    assert "A curator has set this vote aside" in page
    assert "Correct the vote" not in page
