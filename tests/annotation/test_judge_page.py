"""The judge page and own history from the server's side: what stands between pairs, what the answers carry."""

import uuid

import pytest
from django.urls import reverse

from annotation.judge_words import judge_words
from annotation.models import AnnotationSettings, Annotator, LateSubmission, Reason, Slot, Standing, Vote
from annotation.selectors.shown import guideline_version, search_address
from annotation.services.gold import GoldPair
from annotation.services.guidelines import current_guideline, publish_guideline
from annotation.services.leases import fill_lanes
from annotation.services.preferences import see_guideline
from annotation.services.training import open_known
from annotation.services.votes import submit_vote
from annotation.templatetags.judging import reason_label
from annotation.views.judge import judgement_of
from core.errors import BadInputError
from tests.annotation.conftest import NO, YES_1, make_batch, vote
from tests.factories import PairFactory

pytestmark = pytest.mark.django_db


def page_of(project, name="judge", *args) -> str:
    return reverse(f"annotation:{name}", args=[project.slug, *args])


def api_of(project, name: str) -> str:
    return reverse(f"api-{name}", args=[project.slug])


def form_of(project, person, **given) -> dict:
    """What the plain form sends for the pair on screen."""
    slot = fill_lanes(project=project, person=person, ahead=False)[0]
    return {"item": slot.item_id, "token": slot.token, "key": uuid.uuid4(), "guideline": 1, **given}


def write_next_version(project, note="") -> int:
    text = current_guideline(project).text
    changed = text.replace("Ten to twenty seconds is usual", "Half a minute is usual")
    return publish_guideline(project=project, text=changed, note=note).version


# --- a plain form as a judgement ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"intent": "no", "reason": "debugging"}, ("no", None, "debugging")),
        ({"intent": "no", "answer": "1", "reason": "full"}, ("no", None, "")),
        ({"intent": "yes", "answer": "1", "reason": "full"}, ("yes", 1, "full")),
        ({"intent": "yes", "answer": "0", "reason": "debugging"}, ("yes", 0, "")),
        ({"intent": "yes", "answer": "unclear", "reason": "full"}, ("yes", None, "")),
        ({"intent": "unclear", "reason": "other"}, ("unclear", None, "")),
    ],
    ids=["no with reason", "left from step 2", "answer with reason", "left from step 1", "code unclear", "unclear"],
)
def test_what_is_left_over_from_before_a_change_is_dropped(given, wanted):
    judgement = judgement_of(given)
    assert (judgement.intent, judgement.answer, judgement.reason) == wanted


def test_a_form_without_an_intent_is_refused():
    with pytest.raises(BadInputError):
        judgement_of({"answer": "1"})


# --- around the pair ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("https://s.example/?q={query}", "https://s.example/?q=c%2B%2B%20%26%20%22x%22"),
        ("https://s.example/", "https://s.example/"),
        ("javascript:alert({query})", ""),
        ("", ""),
    ],
    ids=["filled", "no place", "no address", "none"],
)
def test_the_search_link_is_an_address_of_the_web_or_none(project, pattern, address):
    assert search_address(AnnotationSettings(project=project, search_url=pattern), 'c++ & "x"') == address


def test_the_page_carries_the_link_and_none_where_the_curator_wants_none(project, annotator_client, batch):
    assert "duckduckgo.com/?q=python%20sort" in annotator_client.get(page_of(project)).content.decode()
    AnnotationSettings.objects.create(project=project, search_url="")
    assert 'id="web"' not in annotator_client.get(page_of(project)).content.decode()


def test_every_word_of_the_scripts_is_text():
    assert all(isinstance(text, str) and text for text in judge_words().values())


def test_a_reason_has_words_wherever_it_is_stored():
    assert {reason_label(reason) for reason in Reason.values} == {str(reason.label) for reason in Reason}
    assert (reason_label("gone"), reason_label(None)) == ("gone", "")


# --- between pairs ------------------------------------------------------------------------------------------------
def test_a_newcomer_is_stamped_and_shown_the_pair(project, annotator_client, annotator, batch):
    current_guideline(project)
    version = write_next_version(project)
    assert 'id="judge"' in annotator_client.get(page_of(project)).content.decode()
    assert Annotator.objects.get(person=annotator).guideline_seen == version


def test_changes_come_before_the_pair_until_they_are_read(project, annotator_client, annotator, batch):
    annotator_client.get(page_of(project))
    version = write_next_version(project, note="Slower, please")
    page = annotator_client.get(page_of(project)).content.decode()
    assert "Slower, please" in page
    assert "<ins>Half a minute</ins>" in page
    assert 'id="judge"' not in page
    annotator_client.post(page_of(project), {"act": "seen", "version": version})
    assert 'id="judge"' in annotator_client.get(page_of(project)).content.decode()


def test_a_change_that_was_taken_back_is_no_change(project, annotator_client, annotator, batch):
    annotator_client.get(page_of(project))
    text = current_guideline(project).text
    write_next_version(project)
    publish_guideline(project=project, text=text)
    assert 'id="judge"' in annotator_client.get(page_of(project)).content.decode()
    assert Annotator.objects.get(person=annotator).guideline_seen == 3


def test_nobody_has_seen_a_version_that_is_not_there_or_unsees_one(project, annotator_client, annotator):
    current_guideline(project)
    address = api_of(project, "guideline-seen")
    assert annotator_client.post(address, {"version": 99}, "application/json").status_code == 204
    assert Annotator.objects.get(person=annotator).guideline_seen == 1
    write_next_version(project)
    annotator_client.post(address, {"version": 2}, "application/json")
    see_guideline(project=project, person=annotator, version=1)
    assert Annotator.objects.get(person=annotator).guideline_seen == 2


def test_every_turn_names_the_newest_guideline(project, annotator_client, batch):
    current_guideline(project)
    claim = annotator_client.post(api_of(project, "claim"), {}, "application/json").json()
    assert claim["guideline"] == guideline_version(project) == 1
    version = write_next_version(project)
    tokens = [lease["token"] for lease in claim["leases"]]
    beat = annotator_client.post(api_of(project, "heartbeat"), {"tokens": tokens}, "application/json").json()
    assert (beat["guideline"], beat["standing"], beat["reason"]) == (version, "active", "")


def test_a_heartbeat_tells_of_a_warning(project, annotator_client, annotator, batch):
    Annotator.objects.create(project=project, person=annotator, standing=Standing.WARNED, reason="Slow down.")
    beat = annotator_client.post(api_of(project, "heartbeat"), {"tokens": []}, "application/json").json()
    assert (beat["standing"], beat["reason"]) == ("warned", "Slow down.")
    assert "Slow down." in annotator_client.get(page_of(project)).content.decode()


# --- training -----------------------------------------------------------------------------------------------------
@pytest.fixture
def training(project, batch):
    pair = PairFactory(project=project)
    known = [GoldPair(pair.pk, pair.query_id, "yes", 0, "curator", "It only sorts.")]
    return open_known(project=project, kind="training", known=known)


def test_a_vote_on_a_training_pair_brings_the_right_answer(project, annotator_client, annotator, training):
    claim = annotator_client.post(api_of(project, "claim"), {}, "application/json").json()
    lease = claim["leases"][0]
    assert 'data-stage="training"' in lease["html"]
    body = {"item": lease["item"], "token": lease["token"], "key": lease["key"], "intent": "yes", "answer": 1}
    answer = annotator_client.post(api_of(project, "votes"), body, "application/json").json()
    assert answer["feedback"] == {"is_right": False, "intent": "yes", "answer": 0, "why": "It only sorts."}
    live = answer["leases"][0]
    assert 'data-stage=""' in live["html"]
    body = {"item": live["item"], "token": live["token"], "key": live["key"], "intent": "no"}
    assert annotator_client.post(api_of(project, "votes"), body, "application/json").json()["feedback"] is None


def test_the_plain_form_shows_the_right_answer_to_its_owner_only(
    project, annotator_client, curator_client, annotator, training
):
    sent = annotator_client.post(page_of(project), form_of(project, annotator, intent="yes", answer="1"))
    assert sent.url == f"{page_of(project)}?after={Vote.objects.get().pk}"
    assert "It only sorts." in annotator_client.get(sent.url).content.decode()
    assert "It only sorts." not in curator_client.get(sent.url).content.decode()
    assert annotator_client.get(page_of(project) + "?after=no").status_code == 200


# --- undo ---------------------------------------------------------------------------------------------------------
def test_undo_says_whether_a_vote_came_back(project, annotator_client, annotator, batch):
    vote(project, annotator)
    claim = annotator_client.post(api_of(project, "claim"), {}, "application/json").json()
    annotator_client.post(api_of(project, "skip"), {"token": claim["leases"][0]["token"]}, "application/json")
    undo = api_of(project, "undo")
    assert annotator_client.post(undo, {}, "application/json").json()["is_vote"] is False
    assert annotator_client.post(undo, {}, "application/json").json()["is_vote"] is True
    assert annotator_client.post(undo, {}, "application/json").status_code == 409


# --- own history --------------------------------------------------------------------------------------------------
def test_the_history_shows_kinds_of_votes(project, annotator_client, annotator):
    make_batch(project, 3)
    said = [vote(project, annotator, judgement).vote for judgement in (YES_1, NO)]
    queries = [str(one.item.query) for one in said]
    for show, wanted in {"": queries, "one": queries[:1], "no": queries[1:], "zero": [], "nonsense": queries}.items():
        page = annotator_client.get(page_of(project, "history"), {"show": show}).content.decode()
        assert [query for query in queries if query in page] == wanted, show


def test_corrected_votes_are_found_with_their_earlier_values(project, annotator_client, annotator, batch):
    first, second = (vote(project, annotator).vote for _ in range(2))
    correction = {"vote": first.pk, "intent": "no", "reason": "vague"}
    assert annotator_client.post(page_of(project, "history"), correction, follow=True).status_code == 200
    page = annotator_client.get(page_of(project, "history"), {"show": "corrected"}).content.decode()
    assert str(first.item.query) in page
    assert str(second.item.query) not in page
    own = annotator_client.get(page_of(project, "own-vote", first.pk)).content.decode()
    assert "Too vague" in own
    assert "1 answers" in own.split("Earlier values")[1]


def test_a_correction_without_its_second_step_is_said_on_the_votes_own_page(
    project, annotator_client, annotator, batch
):
    first = vote(project, annotator).vote
    answer = annotator_client.post(page_of(project, "history"), {"vote": first.pk, "intent": "yes"})
    assert answer.status_code == 422
    assert "Step 2 is missing" in answer.content.decode()


def test_what_came_too_late_is_shown_to_its_owner_alone(project, annotator_client, curator_client, annotator, batch):
    slot = fill_lanes(project=project, person=annotator)[0]
    token = slot.token
    Slot.objects.filter(pk=slot.pk).update(token=uuid.uuid4())
    with pytest.raises(Exception, match="no longer yours"):
        submit_vote(
            project=project, person=annotator, item_id=slot.item_id, token=token, key=uuid.uuid4(), judgement=YES_1
        )
    assert LateSubmission.objects.count() == 1
    page = annotator_client.get(page_of(project, "history"), {"show": "late"}).content.decode()
    assert str(slot.item.query) in page
    assert "never counted" in page
    assert (
        str(slot.item.query) not in curator_client.get(page_of(project, "history"), {"show": "late"}).content.decode()
    )
