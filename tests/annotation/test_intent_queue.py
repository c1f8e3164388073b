"""Queries judged alone: the same queue as pairs, one step, and votes that stay out of everything about pairs."""

import uuid

import pytest
from django.urls import reverse

from annotation.models import Batch, Intent, Item, Slot, SlotState, Vote
from annotation.quality import headline
from annotation.selectors import counted_votes, item_patterns, rater_patterns, worst_items
from annotation.selectors.queue import progress_of
from annotation.services import leases, votes
from annotation.services.tallies import catch_up
from annotation.services.votes import Judgement, claim_next
from core.errors import BadInputError
from tests.annotation.conftest import NO, QUERY_UNCLEAR, annotators, make_batch, vote
from tests.annotation.intent import judge_intent, log, sample_of
from tests.annotation.judged import judge as judge_pair
from tests.factories import PairFactory

pytestmark = pytest.mark.django_db
YES = Judgement("yes")


@pytest.fixture
def sample(project):
    """Three queries, intent only, three people each."""
    log(project, ["python sort list", "python read csv file", "why is python slow"])
    return sample_of(project)


def test_three_people_judge_each_query_once_and_nobody_twice(project, sample):
    people = annotators(project, 4)
    for person in people:
        while vote(project, person, YES) is not None:
            pass
    assert Vote.objects.count() == 9
    assert {item.done for item in Item.objects.all()} == {3}
    assert Vote.objects.values("item", "person").distinct().count() == 9
    assert claim_next(project=project, person=people[3]) is None


def test_a_second_sample_asks_nobody_again(project, sample):
    person = annotators(project, 1)[0]
    while vote(project, person, YES) is not None:
        pass
    again = sample_of(project, seed=5)
    assert again.queries.count() == 3
    assert Item.objects.count() == 3, "the older sample's items serve both"
    assert vote(project, person, YES) is None


@pytest.mark.parametrize(
    ("judgement", "message"),
    [
        (Judgement("yes", 1), "no code to judge"),
        (Judgement("yes", code_unclear=True), "no code to judge"),
        (Judgement("yes", reason="other"), "does not go with"),
        (Judgement("no", reason="half"), "does not go with"),
    ],
)
def test_step_2_does_not_exist_for_a_query_alone(project, sample, annotator, judgement, message):
    with pytest.raises(BadInputError, match=message):
        vote(project, annotator, judgement)
    assert not Vote.objects.exists()


def test_no_takes_a_category_or_none(project, sample, annotator):
    vote(project, annotator, NO)
    vote(project, annotator, Judgement("no", reason="vague"))
    assert list(Vote.objects.order_by("id").values_list("intent", "reason")) == [("no", ""), ("no", "vague")]


def test_cannot_judge_opens_another_slot_and_two_set_the_query_aside(project, sample):
    first, second, third = annotators(project, 3)
    vote(project, first, QUERY_UNCLEAR)
    item = Vote.objects.get().item
    item.refresh_from_db()
    assert (item.target, item.n_extra, item.is_set_aside) == (4, 1, False)
    vote(project, second, QUERY_UNCLEAR)
    item.refresh_from_db()
    assert item.is_set_aside
    assert claim_next(project=project, person=third).item_id != item.pk


def test_a_tie_asks_for_one_more_vote_and_a_majority_does_not(project):
    log(project, ["python sort list", "python read csv"])
    sample = sample_of(project, overlap=2)
    judge_intent(sample, {"python sort list": "yn", "python read csv": "yy"})
    targets = dict(Item.objects.values_list("query__text", "target"))
    assert targets == {"python sort list": 3, "python read csv": 2}


def test_undo_correction_and_skip_work_as_for_pairs(project, sample, annotator):
    receipt = vote(project, annotator, NO)
    votes.correct_vote(
        project=project, person=annotator, vote_id=receipt.vote.pk, judgement=Judgement("no", reason="tools")
    )
    votes.correct_vote(project=project, person=annotator, vote_id=receipt.vote.pk, judgement=YES)
    with pytest.raises(BadInputError):
        votes.correct_vote(
            project=project, person=annotator, vote_id=receipt.vote.pk, judgement=Judgement("yes", answer=0)
        )
    assert [revision.reason for revision in receipt.vote.revisions.order_by("id")] == ["", "tools"]
    _, held = votes.undo(project=project, person=annotator)
    assert held[0].item_id == receipt.vote.item_id
    after = votes.skip(project=project, person=annotator, token=held[0].token)
    assert after[0].item_id != held[0].item_id
    assert progress_of(project, annotator).left == 2


def test_leases_prefetch_and_expire_alike(project, sample, annotator):
    on_screen, ahead = leases.fill_lanes(project=project, person=annotator)
    assert {on_screen.lane, ahead.lane} == {0, 1}
    assert on_screen.item_id != ahead.item_id
    assert leases.renew(project=project, person=annotator, tokens=[on_screen.token, ahead.token])
    leases.release_leases(person=annotator)
    assert not Slot.objects.filter(state=SlotState.LEASED).exists()


def test_a_query_that_is_quarantined_later_is_handed_to_nobody(project, sample, annotator):
    slot = claim_next(project=project, person=annotator)
    leases.release_leases(person=annotator)
    slot.item.query.quarantine_reason = "e-mail"
    slot.item.query.save()
    seen = set()
    while (held := claim_next(project=project, person=annotator)) is not None:
        seen.add(held.item_id)
        vote(project, annotator, YES)
    assert len(seen) == 2
    assert slot.item_id not in seen


# --- they stay among themselves -----------------------------------------------------------------------------
def test_votes_on_intent_alone_change_nothing_about_pairs(project):
    made = log(project, ["python sort list", "python read csv"])
    pair = PairFactory(project=project, query=made["python sort list"])
    judge_pair(project, pair, "110")
    before = [item_patterns(project), rater_patterns(project), headline(item_patterns(project))]
    judge_intent(sample_of(project), {"python sort list": "nnn", "python read csv": "yyn"})
    assert [item_patterns(project), rater_patterns(project), headline(item_patterns(project))] == before
    assert counted_votes(project).count() == 3
    catch_up(project)
    assert [row.item.pair for row in worst_items(project)] == [pair]


def test_a_release_is_the_same_with_and_without_them(project):
    from annotation.criteria import read_criteria
    from annotation.services.releases import start_freeze_release
    from core.jobs import run_inline
    from tests.annotation.judged import judged_project

    judged_project(project, ["111", "000", "111", "000", "111", "000", "111", "000", "111", "000"])
    criteria = read_criteria(seed=0)
    first, job = start_freeze_release(project=project, name="before", criteria=criteria, inline=True)
    run_inline(job)
    log(project, ["python parse json file"])
    for query in project.queries.exclude(text="python parse json file"):
        query.verdicts.create(rule_set=sample_rules(project), has_intent=True)
    sample = sample_of(project)
    judge_intent(sample, dict.fromkeys(project.queries.values_list("text", flat=True), "nnn"))
    second, job = start_freeze_release(project=project, name="after", criteria=criteria, inline=True)
    run_inline(job)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.stats["statistics"] == second.stats["statistics"]
    assert first.stats["statistics"]["pairs"] == 10


def sample_rules(project):
    from curation.selectors import current_rule_set

    return current_rule_set(project)


# --- page and endpoints ------------------------------------------------------------------------------------
def page(name: str, *args) -> str:
    return reverse(f"annotation:{name}", args=["demo", *args])


def test_the_page_shows_the_query_alone(sample, annotator_client):
    html = annotator_client.get(page("judge")).content.decode()
    assert 'data-kind="query"' in html
    assert "there is no code to judge" in html
    assert "pair-code" not in html
    assert "Step 2, after yes" not in html


def test_without_javascript_yes_ends_it_and_no_may_say_why(sample, annotator_client):
    for intent, reason, stored in (("yes", "vague", ""), ("no", "vague", "vague")):
        held = annotator_client.get(page("judge")).context["pair"]
        form = {"act": "vote", "token": held.token, "item": held.item_id, "key": held.key, "reason": reason}
        assert annotator_client.post(page("judge"), {**form, "intent": intent}).status_code == 302
        assert (Vote.objects.latest("id").intent, Vote.objects.latest("id").reason) == (intent, stored)


def test_the_endpoint_takes_one_press(sample, annotator_client):
    held = annotator_client.post(reverse("api-claim", args=["demo"]), {}, content_type="application/json").json()
    lease = held["leases"][0]
    assert 'data-kind="query"' in lease["html"]
    body = {"key": str(uuid.uuid4()), "token": lease["token"], "item": lease["item"], "intent": "yes"}
    answer = annotator_client.post(reverse("api-votes", args=["demo"]), body, content_type="application/json")
    assert answer.status_code == 200
    assert Vote.objects.get().intent == Intent.YES


def test_history_and_the_own_vote_say_what_was_asked(sample, project, annotator, annotator_client):
    given = vote(project, annotator, YES).vote
    assert "has intent" in annotator_client.get(page("history")).content.decode()
    html = annotator_client.get(page("own-vote", given.pk)).content.decode()
    assert "does not answer" not in html
    assert "intent only" in html


def test_pairs_and_queries_alone_come_in_one_queue(project, sample, annotator):
    make_batch(project, 1)
    kinds = []
    while (slot := claim_next(project=project, person=annotator)) is not None:
        kinds.append(slot.pair_id is not None)
        vote(project, annotator, Judgement("yes", 1) if slot.pair_id else YES)
    assert kinds == [False, False, False, True]


def test_a_sample_comes_first_unless_it_is_told_to_wait(project, annotator):
    make_batch(project, 1)
    log(project, ["python read csv"])
    sample_of(project, comes_first=False)
    assert claim_next(project=project, person=annotator).pair_id is not None
    vote(project, annotator, Judgement("no"))
    leases.release_leases(person=annotator)
    Batch.objects.filter(kind="intent_only").update(priority=-5)
    assert claim_next(project=project, person=annotator).pair_id is None
