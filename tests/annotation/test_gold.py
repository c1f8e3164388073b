"""Gold: hidden among the live pairs, a slot per person, out of every figure but its own."""

import itertools
import re
import uuid
from collections import Counter

import pytest
from django.urls import reverse

from annotation.models import Batch, GoldAnswer, Item, Purpose, Slot, SlotState, Vote
from annotation.selectors.empty import Why, why_empty
from annotation.selectors.gold import gold_results
from annotation.selectors.labels import labels_of_query
from annotation.selectors.queue import batches_of, items_of, progress_of
from annotation.selectors.votes import counted_votes, item_patterns, rater_patterns
from annotation.services import votes
from annotation.services.gold import is_gold_turn, known_pairs, spread_answers
from annotation.services.leases import claim_next, fill_lanes
from annotation.services.plans import make_plan, plan_batch, read_settings
from annotation.services.releases import start_freeze_release
from annotation.services.tallies import catch_up, stored_bag
from core.errors import BadInputError
from core.jobs import run_inline
from core.models import Project
from curation.models import Candidate, CandidateRun
from tests.annotation.conftest import NO, YES_0, YES_1, annotators, vote
from tests.annotation.judged import judge, judged_project
from tests.factories import PairFactory, QueryFactory

pytestmark = pytest.mark.django_db


def propose(project: Project, n: int) -> CandidateRun:
    run = CandidateRun.objects.create(project=project, is_complete=True, encoder="hashing")
    for number in range(n):
        query = QueryFactory(project=project, text=f"python word{run.pk}x{number} thing")
        Candidate.objects.create(run=run, pair=PairFactory(project=project, query=query), score=0.5 + number / 1000)
    return run


@pytest.fixture
def gold_batch(project) -> Batch:
    """40 live pairs, 20 % gold from 12 unanimous pairs that strangers judged."""
    judged_project(project, ["111", "000", "nnn", "111", "000", "nnn"] * 2)
    propose(project, 40)
    given = {"pairs": 40, "gold_share": 20, "mix_random": 100, "overlap": 2, "max_extra": 0, "people": 2, "seed": 8}
    return plan_batch(project=project, settings=read_settings(project, given))


def judge_all(project, person, judgement=YES_1) -> list[Item]:
    """Judges until nothing is left; the items in the order in which they came."""
    seen = []
    while slot := claim_next(project=project, person=person):
        seen.append(slot.item)
        votes.submit_vote(
            project=project,
            person=person,
            item_id=slot.item_id,
            token=slot.token,
            key=uuid.uuid4(),
            judgement=judgement,
        )
    return seen


def test_places_of_gold_are_unforeseeable_and_their_share_is_exact():
    for share in (0.01, 0.05, 0.2, 0.33, 0.5):
        places = [place for place in range(1000) if is_gold_turn("secret", 1, 1, place, share)]
        assert len(places) == round(share * 1000)
        assert len({after - before for before, after in itertools.pairwise(places)}) > 1
        assert places != [place for place in range(1000) if is_gold_turn("secret", 1, 2, place, share)]
        assert places != [place for place in range(1000) if is_gold_turn("other", 1, 1, place, share)]
    assert not any(is_gold_turn("secret", 1, 1, place, 0) for place in range(100))


def test_each_person_gets_their_share_hidden_among_all_live_pairs(project, gold_batch):
    first, second = annotators(project, 2)
    for person in (first, second):
        purposes = Counter(item.purpose for item in judge_all(project, person))
        assert purposes[Purpose.LIVE] == 40
        assert 8 <= purposes[Purpose.GOLD] <= 11, "one in five of what they got"
    assert not gold_batch.items.filter(purpose=Purpose.LIVE).exclude(done=2).exists(), "live pairs keep their overlap"
    assert Slot.objects.filter(batch=gold_batch, item__purpose=Purpose.GOLD).exclude(state=SlotState.DONE).count() == 0
    assert why_empty(project, first).why == Why.DONE


def test_nobody_gets_as_gold_what_they_have_judged(project):
    people = annotators(project, 3)
    propose(project, 3)
    plan_batch(project=project, settings=read_settings(project, {"pairs": 3, "people": 3, "mix_random": 100}))
    for person in people:
        judge_all(project, person)
    propose(project, 40)
    given = {"pairs": 30, "people": 3, "gold_share": 30, "mix_random": 100, "name": "with gold"}
    batch = plan_batch(project=project, settings=read_settings(project, given))
    assert batch.items.filter(purpose=Purpose.GOLD).count() == 3
    notes = make_plan(project=project, settings=read_settings(project, {**given, "pairs": 8})).notes
    assert any("gold runs out" in note and "0 are new" in note for note in notes)
    assert all(item.purpose == Purpose.LIVE for item in judge_all(project, people[0]))


def test_gold_cannot_be_told_from_live(project, gold_batch, annotator, annotator_client):
    """Neither by the page, nor by what the API says, nor by the numbers of items."""
    shapes, places, left = {Purpose.LIVE: set(), Purpose.GOLD: set()}, {Purpose.LIVE: [], Purpose.GOLD: []}, []
    for _ in range(30):
        answer = annotator_client.post(reverse("api-claim", args=["demo"]), {}, content_type="application/json").json()
        lease = answer["leases"][0]
        item = Item.objects.get(pk=lease["item"])
        page = annotator_client.get(reverse("annotation:judge", args=["demo"])).content.decode()
        assert "gold" not in (page + str(answer)).lower()
        html = re.sub(r'(data-\w+=")[^"]*|>[^<]*', r"\1", lease["html"])  # tags and attributes, without their texts
        shapes[Purpose(item.purpose)].add((tuple(sorted(lease)), html[: html.index("<pre")]))
        places[Purpose(item.purpose)].append(item.pk)
        left.append(progress_of(project, annotator).left)
        body = {"key": lease["key"], "token": lease["token"], "item": lease["item"], "intent": "yes", "answer": 1}
        sent = annotator_client.post(reverse("api-votes", args=["demo"]), body, content_type="application/json")
        assert sent.status_code == 200
    assert len(places[Purpose.GOLD]) >= 4
    assert shapes[Purpose.LIVE] == shapes[Purpose.GOLD]
    live = sorted(places[Purpose.LIVE])
    assert live[0] < places[Purpose.GOLD][0] < live[-1], "numbers of gold lie among those of live pairs"
    assert places[Purpose.LIVE] != live, "and live ones come in no order either"
    assert [before - after for before, after in itertools.pairwise(left)] == [1] * 29, "left counts down evenly"
    history = annotator_client.get(reverse("annotation:history", args=["demo"])).content.decode()
    assert "gold" not in history.lower()


def test_gold_votes_enter_no_figure_but_their_own(project, gold_batch):
    (person, other) = annotators(project, 2)
    before = (item_patterns(project), [str(one) for one in rater_patterns(project)], counted_votes(project).count())
    gold = list(GoldAnswer.objects.filter(item__batch=gold_batch).select_related("item__pair__query"))
    labels = [
        labels_of_query(project, query_hash=one.item.query.content_hash, code_ids=[one.item.pair.code_id])
        for one in gold
    ]
    catch_up(project)
    disagreements = stored_bag(project.pk)
    for judge_of in (person, other):
        for answer in gold:
            slot = Slot.objects.create(
                item=answer.item,
                project=project,
                batch=gold_batch,
                pair=answer.item.pair,
                number=answer.item.slots.count(),
                state=SlotState.DONE,
                person=judge_of,
            )
            Vote.objects.create(
                slot=slot, item=answer.item, project=project, person=judge_of, key=uuid.uuid4(), intent="yes", answer=0
            )
    after = (item_patterns(project), [str(one) for one in rater_patterns(project)], counted_votes(project).count())
    assert after == before
    catch_up(project)
    assert stored_bag(project.pk) == disagreements
    assert labels == [
        labels_of_query(project, query_hash=one.item.query.content_hash, code_ids=[one.item.pair.code_id])
        for one in gold
    ]
    assert batches_of(project).get(pk=gold_batch.pk).n_items == 40
    assert {item.purpose for item in items_of(gold_batch)} == {Purpose.LIVE}
    assert {item.purpose for item in items_of(gold_batch, "gold")} == {Purpose.GOLD}


def test_a_release_has_the_same_bytes_with_and_without_gold_votes(project, settings, tmp_path):
    from annotation.criteria import read_criteria

    settings.QUARRY_HOME = tmp_path
    judged_project(project, ["111", "000"] * 12)

    def frozen(name: str) -> str:
        release, job = start_freeze_release(project=project, name=name, criteria=read_criteria(), inline=True)
        run_inline(job)
        release.refresh_from_db()
        return release.content_sha256

    before = frozen("v1")
    item = judge(project, PairFactory(project=project), "111")
    Item.objects.filter(pk=item.pk).update(purpose=Purpose.GOLD)
    assert frozen("v2") == before


def test_results_say_who_was_right_and_follow_a_correction(project, gold_batch):
    person, other = annotators(project, 2)
    judge_all(project, person, YES_1)
    result = next(one for one in gold_results(project, gold_batch) if one.person == person)
    known = GoldAnswer.objects.filter(item__votes__person=person)
    assert result.seen == known.count() == result.right + result.wrong
    assert result.right == known.filter(intent="yes", answer=1).count() > 0
    wrong = Vote.objects.filter(person=person, item__gold__intent="no").first()
    votes.correct_vote(project=project, person=person, vote_id=wrong.pk, judgement=NO)
    assert gold_results(project, gold_batch)[0].right == result.right + 1
    assert [one.person for one in gold_results(project)] == [person], "who saw none has no row"
    vote(project, other, YES_0)


def test_undo_and_skip_of_gold_lose_nothing(project, gold_batch):
    (person,) = annotators(project, 1)
    while True:
        slot = claim_next(project=project, person=person)
        if slot.item.purpose == Purpose.GOLD:
            break
        vote_on = {"item_id": slot.item_id, "token": slot.token, "key": uuid.uuid4(), "judgement": YES_1}
        votes.submit_vote(project=project, person=person, **vote_on)
    votes.submit_vote(
        project=project, person=person, item_id=slot.item_id, token=slot.token, key=uuid.uuid4(), judgement=YES_1
    )
    taken_back, held = votes.undo(project=project, person=person)
    assert taken_back.item == slot.item
    assert held[0].item == slot.item
    held = votes.skip(project=project, person=person, token=held[0].token)
    assert slot.item_id not in {one.item_id for one in held}
    assert len(fill_lanes(project=project, person=person)) == 2
    assert slot.item_id not in {item.pk for item in judge_all(project, person)}


def test_gold_comes_from_unanimous_pairs_of_three_people_or_from_imported_labels(project):
    judged_project(project, ["111", "11", "110", "000", "nnn", "1111", "11c", "qqq"])
    found = [(pair.intent, pair.answer) for pair in known_pairs(project, "judged")]
    assert Counter(found) == {("yes", 1): 2, ("yes", 0): 1, ("no", None): 1}
    assert known_pairs(project, "imported") == []
    assert [pair.answer for pair in spread_answers(known_pairs(project, "judged"), 3)].count(1) == 1


def test_without_known_pairs_gold_is_refused_in_words(project):
    propose(project, 10)
    with pytest.raises(BadInputError, match="three people, or an imported"):
        plan_batch(project=project, settings=read_settings(project, {"pairs": 5, "gold_share": 10, "mix_random": 100}))


def test_only_curators_see_the_results(project, gold_batch, curator_client, annotator_client, annotator):
    judge_all(project, annotator)
    page = reverse("annotation:batch", args=["demo", gold_batch.pk])
    assert "Gold seen" in curator_client.get(page).content.decode()
    assert annotator_client.get(page).status_code == 403
    api = reverse("api-gold-results", args=["demo", gold_batch.pk])
    assert curator_client.get(api).json()[0]["person"] == annotator.username
    assert annotator_client.get(api).status_code == 403
