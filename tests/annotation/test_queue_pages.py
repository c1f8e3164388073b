"""Pages, endpoints and the command: the same services, each with its own way to say no."""

import json
import uuid

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from annotation.models import Batch, Comment, Item, Skip, Slot, SlotState, Vote
from annotation.services.leases import claim_next
from core.models import Project
from curation.models import Candidate, CandidateRun
from tests.annotation.conftest import make_batch, vote
from tests.factories import PairFactory, member

pytestmark = pytest.mark.django_db


def page(name: str, *args) -> str:
    return reverse(f"annotation:{name}", args=["demo", *args])


def api(name: str, *args) -> str:
    return reverse(f"api-{name}", args=["demo", *args])


def propose(project: Project, n: int) -> CandidateRun:
    """A candidate run with n pairs."""
    run = CandidateRun.objects.create(project=project)
    for pair in PairFactory.create_batch(n, project=project):
        Candidate.objects.create(run=run, pair=pair, score=0.8)
    return run


def lease(client: Client) -> dict:
    return client.post(api("claim"), {}, content_type="application/json").json()["leases"][0]


def ballot(held: dict, **values) -> dict:
    given = {"key": held["key"], "token": held["token"], "item": held["item"], "intent": "yes", "answer": 1}
    return {**given, **values}


def send(client: Client, name: str, body: dict, *args, method: str = "post"):
    return getattr(client, method)(api(name, *args), body, content_type="application/json")


# --- the judge page -----------------------------------------------------------------------------------------
def test_the_page_shows_query_code_provenance_and_guideline(batch, annotator_client):
    pair = batch.items.first().pair
    html = annotator_client.get(page("judge")).content.decode()
    for text in (pair.query.text, pair.code.name, "part-docstring", "Step 1: does the query look for code?"):
        assert text in html


def test_hostile_text_is_shown_as_text(project, annotator_client):
    pair = PairFactory(project=project, query__text="<script>alert(1)</script> python")
    pair.code.text = 'def f():\n    """</code></pre><img src=x onerror=alert(1)>"""\n'
    pair.code.save()
    from annotation.services.batches import open_batch

    open_batch(project=project, pairs=[pair])
    html = annotator_client.get(page("judge")).content.decode()
    assert "<script>alert" not in html
    assert "<img" not in html


def test_a_plain_form_votes_and_shows_the_next_pair(batch, annotator_client, annotator, project):
    annotator_client.get(page("judge"))
    slot = Slot.objects.get(state=SlotState.LEASED)
    answer = annotator_client.post(
        page("judge"),
        {"token": slot.token, "item": slot.item_id, "key": uuid.uuid4(), "intent": "yes", "answer": "unclear"},
    )
    assert answer.status_code == 302
    assert Vote.objects.get().code_unclear
    assert Slot.objects.get(state=SlotState.LEASED).lane == 0, "nothing is fetched ahead without a script"


def test_step_two_left_over_from_a_changed_step_one_is_dropped(batch, annotator_client):
    annotator_client.get(page("judge"))
    slot = Slot.objects.get(state=SlotState.LEASED)
    given = {"token": slot.token, "item": slot.item_id, "key": uuid.uuid4(), "intent": "no", "answer": "1"}
    annotator_client.post(page("judge"), given)
    assert (Vote.objects.get().intent, Vote.objects.get().answer) == ("no", None)


@pytest.mark.parametrize(
    "given",
    [{}, {"act": "dance"}, {"token": "x", "item": "1"}, {"token": str(uuid.uuid4()), "item": "x", "intent": "no"}],
)
def test_a_form_that_does_not_fit_is_answered_on_the_page(batch, annotator_client, given):
    answer = annotator_client.post(page("judge"), given)
    assert answer.status_code == 422
    assert "alert" in answer.content.decode()
    assert not Vote.objects.exists()


def test_plain_forms_skip_undo_comment_and_take_skips_back(project, annotator_client, annotator):
    make_batch(project, 2, overlap=1, max_extra=0)
    annotator_client.get(page("judge"))
    slot = Slot.objects.get(state=SlotState.LEASED)
    annotator_client.post(page("judge"), {"act": "comment", "item": slot.item_id, "text": "hm", "is_flag": "1"})
    annotator_client.post(page("judge"), {"act": "skip", "token": slot.token})
    assert (Comment.objects.get().is_flag, Skip.objects.get().item_id) == (True, slot.item_id)
    vote(project, annotator)
    html = annotator_client.get(page("judge")).content.decode()
    assert "You skipped one" in html
    annotator_client.post(page("judge"), {"act": "unskip"})
    assert not Skip.objects.exists()
    annotator_client.post(page("judge"), {"act": "undo"})
    assert Vote.objects.get().retracted_at is not None


@pytest.mark.parametrize("name", ["judge", "history", "guideline", "batches"])
def test_pages_of_a_foreign_project_do_not_exist(project, stranger_client, name):
    assert stranger_client.get(page(name)).status_code == 404


def test_readers_neither_judge_nor_open_batches(project, batch):
    client = Client()
    client.force_login(member(project, "reader", username="rita"))
    assert client.get(page("judge")).status_code == 403
    assert client.get(page("batches")).status_code == 200
    assert client.post(page("batches"), {}).status_code == 403
    assert client.post(page("batch-change", batch.pk), {"act": "close"}).status_code == 403


def test_annotators_do_not_see_the_votes_of_others(project, batch, annotator_client):
    assert annotator_client.get(page("item", batch.items.first().pk)).status_code == 403
    assert annotator_client.get(page("batch", batch.pk)).status_code == 403


# --- history ---------------------------------------------------------------------------------------------------
def test_history_lists_own_votes_and_corrects_them(project, batch, annotator, annotator_client, curator):
    mine = vote(project, annotator).vote
    theirs = vote(project, curator).vote
    assert mine.item.query.text in annotator_client.get(page("history")).content.decode()
    assert annotator_client.get(page("own-vote", theirs.pk)).status_code == 404
    annotator_client.post(page("history"), {"vote": mine.pk, "intent": "no"})
    mine.refresh_from_db()
    assert (mine.intent, mine.answer) == ("no", None)
    assert "Earlier values" in annotator_client.get(page("own-vote", mine.pk)).content.decode()


def test_comments_of_others_show_only_after_the_own_vote(project, batch, annotator, curator):
    from annotation.selectors.queue import comments_for

    slot = claim_next(project=project, person=annotator)
    Comment.objects.create(item=slot.item, person=curator, text="clearly 1")
    assert list(comments_for(slot.item, annotator, is_curator=False)) == []
    vote(project, annotator)
    assert comments_for(slot.item, annotator, is_curator=False).count() == 1


# --- guideline -----------------------------------------------------------------------------------------------------
def test_a_curator_writes_the_next_version_and_others_read_it(project, curator_client, annotator_client):
    curator_client.post(page("guideline-edit"), {"text": "# Judge well\n\n## Step 1: intent\n"})
    assert "Judge well" in annotator_client.get(page("guideline")).content.decode()
    assert "How to judge a pair" in annotator_client.get(page("guideline") + "?version=1").content.decode()
    assert annotator_client.get(page("guideline") + "?version=9").status_code == 404
    assert annotator_client.get(page("guideline-edit")).status_code == 403


# --- batches --------------------------------------------------------------------------------------------------------
def test_a_curator_opens_pauses_and_closes_a_batch_on_the_page(project, curator_client):
    propose(project, 3)
    given = {"limit": 2, "overlap": 2, "max_extra": 1, "name": "mine"}
    answer = curator_client.post(page("batches"), given, follow=True)
    batch = Batch.objects.get()
    assert "2 pairs, 2 votes each" in answer.content.decode()
    for act, state in (("pause", (True, False)), ("resume", (False, False)), ("close", (False, True))):
        curator_client.post(page("batch-change", batch.pk), {"act": act})
        batch.refresh_from_db()
        assert (batch.is_paused, batch.is_closed) == state
    again = curator_client.post(page("batches"), given)
    assert "already has a batch called mine" in again.content.decode()


def test_the_pages_of_a_batch_and_of_a_pair_show_what_happened(project, batch, annotator, curator_client):
    stored = vote(project, annotator).vote
    html = curator_client.get(page("batch", batch.pk)).content.decode()
    assert "1 of 3" in html
    assert annotator.username in html, "who holds a pair now"
    assert "1 answers" in curator_client.get(page("item", stored.item_id)).content.decode()
    for show in ("open", "finished", "extra", "aside", "flagged", "nonsense"):
        assert curator_client.get(page("batch", batch.pk) + f"?show={show}").status_code == 200


# --- endpoints --------------------------------------------------------------------------------------------------------
def test_a_vote_over_the_api_brings_the_next_pairs_and_a_repeat_is_the_same(batch, annotator_client):
    held = lease(annotator_client)
    first = send(annotator_client, "votes", ballot(held, have=[held["token"]])).json()
    again = send(annotator_client, "votes", ballot(held)).json()
    assert (first["is_repeat"], again["is_repeat"], first["vote"]) == (False, True, again["vote"])
    assert first["last"] == held["key"]
    assert [one["lane"] for one in first["leases"]] == [0, 1]
    known = send(annotator_client, "claim", {"have": [one["token"] for one in first["leases"]]}).json()
    assert all("html" not in one for one in known["leases"])


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"intent": "perhaps"}, 400, "invalid"),
        ({"answer": None}, 400, "bad_input"),
        ({"intent": "no"}, 400, "bad_input"),
        ({"token": str(uuid.uuid4())}, 409, "late_vote"),
        ({"token": str(uuid.uuid4()), "item": 10**6}, 404, "not_found"),
    ],
)
def test_votes_that_do_not_fit_are_problems_with_a_code(batch, annotator_client, values, status, code):
    answer = send(annotator_client, "votes", ballot(lease(annotator_client), **values))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Vote.objects.exists()


def test_a_key_with_another_vote_is_a_422(batch, annotator_client):
    held = lease(annotator_client)
    send(annotator_client, "votes", ballot(held))
    assert send(annotator_client, "votes", ballot(held, answer=0)).status_code == 422


def test_undo_over_the_api_names_the_vote_and_a_repeat_changes_nothing(batch, annotator_client):
    held = lease(annotator_client)
    send(annotator_client, "votes", ballot(held))
    back = [send(annotator_client, "undo", {"key": held["key"]}).json() for _ in range(2)]
    assert back[0]["leases"][0]["item"] == back[1]["leases"][0]["item"] == held["item"]
    assert send(annotator_client, "undo", {}).json()["code"] == "nothing_to_undo"


def test_skip_heartbeat_correction_and_comment_over_the_api(batch, annotator_client):
    held = lease(annotator_client)
    beat = send(annotator_client, "heartbeat", {"tokens": [held["token"], str(uuid.uuid4())]}).json()
    assert (beat["alive"], beat["mine"], beat["left"]) == ([held["token"]], 0, 3)
    assert send(annotator_client, "comments", {"item": held["item"], "is_flag": True}).status_code == 201
    stored = send(annotator_client, "votes", ballot(held)).json()
    send(annotator_client, "vote", {"intent": "no"}, stored["vote"], method="put")
    assert Vote.objects.get().intent == "no"
    after = send(annotator_client, "skip", {"token": stored["leases"][0]["token"]}).json()
    assert after["leases"][0]["token"] == stored["leases"][1]["token"]


def test_the_api_opens_lists_and_changes_batches(project, curator_client, annotator_client):
    propose(project, 2)
    opened = send(curator_client, "batches", {"overlap": 2, "limit": 1})
    assert (opened.status_code, opened.json()["n_items"], opened.json()["n_wanted"]) == (201, 1, 2)
    assert curator_client.get(api("batches")).json()[0]["name"] == "Batch 1"
    assert send(curator_client, "batch", {"act": "pause"}, opened.json()["id"]).json()["is_paused"]
    assert send(annotator_client, "batches", {}).status_code == 403
    assert send(curator_client, "batches", {"run": 99}).status_code == 404


def test_the_api_of_a_foreign_project_does_not_exist(batch, stranger_client):
    for name in ("claim", "votes", "undo", "skip", "heartbeat", "comments", "batches"):
        assert send(stranger_client, name, {}).status_code == 404, name


# --- the command -----------------------------------------------------------------------------------------------------
def test_the_command_opens_a_batch_and_reports_it(project, capsys):
    propose(project, 3)
    call_command("open_batch", "--project", "demo", "--overlap", "2", "--limit", "2", "--pilot", "--json")
    report = json.loads(capsys.readouterr().out)
    assert (report["pairs"], report["overlap"], report["name"]) == (2, 2, "Batch 1")
    assert Batch.objects.get().is_pilot
    call_command("open_batch", "--project", "demo", "--name", "rest")
    assert "rest is open in demo" in capsys.readouterr().out
    assert Item.objects.count() == 3


@pytest.mark.parametrize(
    "options", [["--project", "nowhere"], ["--project", "demo"], ["--project", "demo", "--run", "7"]]
)
def test_the_command_refuses_with_status_two(project, options, capsys):
    with pytest.raises(SystemExit) as end:
        call_command("open_batch", *options)
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_batch_can_be_opened_from_one_candidate_run(project):
    propose(project, 2)
    run = propose(project, 1)
    call_command("open_batch", "--project", "demo", "--run", str(run.pk))
    assert Item.objects.get().pair == run.candidates.get().pair
