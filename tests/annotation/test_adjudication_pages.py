"""Pages and API of adjudication, consensus and the guideline: who may, what is shown, what a form says back."""

import pytest
from django.core.management import call_command
from django.test import Client

from annotation.models import Adjudication, ConsensusRun, GuidelineExample, Item, Purpose
from annotation.services.adjudication import adjudicate, recheck_contested
from annotation.services.guidelines import current_guideline, publish_guideline
from core.jobs import run_inline
from tests.annotation.judged import judged_project
from tests.factories import member

pytestmark = pytest.mark.django_db
LIST, API = "/p/demo/adjudication/", "/api/v1/projects/demo/"


@pytest.fixture
def items(project) -> list[Item]:
    """Three split pairs and one that all agree on."""
    made = judged_project(project, ["110", "001", "10", "111"])
    recheck_contested(project)
    return made


@pytest.fixture
def judge(project):
    return member(project, "adjudicator", username="ada")


@pytest.fixture
def judge_client(judge) -> Client:
    client = Client()
    client.force_login(judge)
    return client


def html(client, address) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


# --- the list and the page of a pair --------------------------------------------------------------------------------
def test_the_list_shows_what_waits_and_why(judge_client, items):
    page = html(judge_client, LIST)
    for item in items[:3]:
        assert item.query.text in page
    assert items[3].query.text not in page
    assert "Start deciding" in page
    assert "No pair waits" in html(judge_client, f"{LIST}?show=aside")
    assert "not been compared yet" in html(judge_client, f"{LIST}?show=differs")
    assert "Nothing is decided yet" in html(judge_client, f"{LIST}?show=decided")


@pytest.mark.parametrize("role", ["annotator", "reader"])
def test_only_adjudicators_and_curators_decide(project, items, role):
    client = Client()
    client.force_login(member(project, role, username="other"))
    one = f"{LIST}{items[0].pk}/"
    for address in (LIST, one, f"{API}adjudication/", f"{API}adjudication/decided/"):
        assert client.get(address).status_code == 403
    assert client.post(one, {"decision": "one", "reason": "So."}).status_code == 403
    put = client.put(
        f"{API}items/{items[0].pk}/adjudication/", {"decision": "one", "reason": "So."}, "application/json"
    )
    assert put.status_code == 403
    assert not Adjudication.objects.exists()


def test_deciding_leads_to_the_next_pair_of_the_list_and_at_the_end_to_the_pair(judge_client, items):
    asked = {"decision": "one", "reason": "So.", "replaces": ""}
    first = judge_client.post(f"{LIST}{items[0].pk}/?show=split", asked)
    assert first.headers["Location"] == f"{LIST}{items[1].pk}/?show=split"
    judge_client.post(f"{LIST}{items[1].pk}/?show=split", asked)
    last = judge_client.post(f"{LIST}{items[2].pk}/?show=split", asked, follow=True)
    assert last.redirect_chain[-1][0] == f"/p/demo/items/{items[2].pk}/"
    assert "No other pair of this list waits" in last.content.decode()
    assert Adjudication.objects.count() == 3


def test_a_form_without_a_reason_comes_back_with_the_choice_kept(judge_client, items):
    response = judge_client.post(f"{LIST}{items[0].pk}/", {"decision": "zero", "reason": ""})
    page = response.content.decode()
    assert response.status_code == 422
    assert "This field is required" in page
    assert 'value="zero" data-key="0" required checked' in page


def test_what_somebody_else_decided_meanwhile_is_said_and_kept(judge_client, curator, project, items):
    adjudicate(project=project, item_id=items[0].pk, person=curator, decision="zero", reason="Mine.")
    asked = {"decision": "one", "reason": "Other.", "replaces": ""}
    response = judge_client.post(f"{LIST}{items[0].pk}/", asked)
    assert response.status_code == 422
    assert "cora has decided this pair meanwhile" in response.content.decode()
    assert Adjudication.objects.get().reason == "Mine."


def test_names_of_raters_are_the_curators_to_see(judge_client, curator_client, items):
    for address in (f"{LIST}{items[0].pk}/", f"/p/demo/items/{items[0].pk}/"):
        assert "simulated-0" not in html(judge_client, address)
        assert "Annotator 1" in html(judge_client, address)
        assert "simulated-0" in html(curator_client, address)


def test_an_adjudicator_who_voted_is_told_so(project, judge, judge_client, items):
    vote = items[0].votes.first()
    items[0].slots.filter(pk=vote.slot_id).update(person=judge)
    items[0].votes.filter(pk=vote.pk).update(person=judge)
    assert "You voted on this pair yourself" in html(judge_client, f"{LIST}{items[0].pk}/")
    judge_client.post(f"{LIST}{items[0].pk}/", {"decision": "one", "reason": "So."})
    assert "had voted" in html(judge_client, f"{LIST}?show=decided")


@pytest.mark.parametrize("purpose", [Purpose.GOLD, Purpose.TRAINING])
def test_only_live_pairs_have_the_page(judge_client, items, purpose):
    Item.objects.filter(pk=items[0].pk).update(purpose=purpose)
    assert judge_client.get(f"{LIST}{items[0].pk}/").status_code == 404


def test_a_decision_is_taken_back_by_form(judge_client, project, judge, items):
    adjudicate(project=project, item_id=items[0].pk, person=judge, decision="zero", reason="Mine.")
    assert "Take the decision back" in html(judge_client, f"{LIST}{items[0].pk}/")
    judge_client.post(f"{LIST}{items[0].pk}/take-back/", {"reason": "A slip."})
    assert Adjudication.objects.get().ended_at is not None
    assert items[0].query.text in html(judge_client, f"{LIST}?show=split")


# --- an adjudicated pair is put to use --------------------------------------------------------------------------------
def test_one_press_makes_a_decided_pair_an_example(curator_client, judge_client, project, judge, items):
    adjudicate(project=project, item_id=items[0].pk, person=judge, decision="zero", reason="It sorts keys.")
    use = f"/p/demo/items/{items[0].pk}/use/"
    assert judge_client.post(use, {"use": "example"}).status_code == 403
    assert (
        "example of the guideline from version 2"
        in curator_client.post(use, {"use": "example"}, follow=True).content.decode()
    )
    guideline = html(curator_client, "/p/demo/guideline/")
    assert "It sorts keys." in guideline
    example = GuidelineExample.objects.get()
    curator_client.post(f"/p/demo/guideline/examples/{example.pk}/remove/")
    assert "It sorts keys." not in html(curator_client, "/p/demo/guideline/")
    assert "It sorts keys." in html(curator_client, "/p/demo/guideline/?version=2")


def test_one_press_makes_a_decided_pair_a_training_item(curator_client, project, judge, items):
    adjudicate(project=project, item_id=items[0].pk, person=judge, decision="zero", reason="It sorts keys.")
    page = curator_client.post(f"/p/demo/items/{items[0].pk}/use/", {"use": "training"}, follow=True)
    assert "training item now" in page.content.decode()
    training = Item.objects.get(purpose=Purpose.TRAINING, pair=items[0].pair)
    assert (training.gold.answer, training.gold.why) == (0, "It sorts keys.")


def test_deciding_and_showing_it_as_an_example_is_one_form(curator_client, items):
    asked = {"decision": "one", "reason": "All of it.", "also": ["example"]}
    page = curator_client.post(f"{LIST}{items[0].pk}/", asked, follow=True).content.decode()
    assert "example of the guideline from version 2" in page
    refused = curator_client.post(f"{LIST}{items[1].pk}/", {**asked, "decision": "unusable"}, follow=True)
    assert "An example is a clear case" in refused.content.decode()
    assert Adjudication.objects.count() == 2, "the decision stands without its example"


# --- consensus ----------------------------------------------------------------------------------------------------
def test_the_consensus_is_computed_by_form_and_read_by_readers(project, curator_client, items):
    page = "/p/demo/consensus/"
    assert "Not computed yet" in html(curator_client, page)
    assert curator_client.post(page, {"seed": 1, "restarts": 2}).status_code == 302
    run_inline(project.jobs.get(kind="annotation.compute_consensus"))
    reader = Client()
    reader.force_login(member(project, "reader", username="rita"))
    shown = html(reader, page)
    assert "Annotator 1" in shown
    assert "simulated-0" not in shown
    assert reader.post(page, {"seed": 1, "restarts": 2}).status_code == 403
    assert "simulated-0" in html(curator_client, f"{page}?show=all")
    assert items[3].query.text in html(curator_client, f"{page}?show=all")


def test_a_consensus_without_votes_says_why(project, curator_client):
    response = curator_client.post("/p/demo/consensus/", {"seed": 0, "restarts": 1})
    assert response.status_code == 422
    assert "No pair has two votes yet" in response.content.decode()
    assert not ConsensusRun.objects.exists()


def test_the_command_prints_every_method(project, items, capsys):
    call_command("consensus", "--project=demo", "--restarts=2")
    printed = capsys.readouterr().out
    for word in ("majority", "Dawid-Skene", "MACE", "differing"):
        assert word in printed


# --- the API ------------------------------------------------------------------------------------------------------
def test_deciding_over_the_api(judge_client, items):
    waiting = judge_client.get(f"{API}adjudication/?show=split").json()
    assert [row["item"] for row in waiting["results"]] == [item.pk for item in items[:3]]
    assert waiting["counts"] == {"any": 3, "split": 3, "aside": 0, "differs": 0}
    assert waiting["results"][0]["votes"]["n_one"] == 2
    address = f"{API}items/{items[0].pk}/adjudication/"
    asked = {"decision": "one", "reason": "So.", "replaces": None}
    made = judge_client.put(address, asked, "application/json").json()
    assert (made["label"], made["person"], made["had_voted"]) == (1, "ada", False)
    again = judge_client.put(address, {**asked, "decision": "zero"}, "application/json")
    assert (again.status_code, again.json()["code"]) == (409, "decided_meanwhile")
    assert [row["id"] for row in judge_client.get(f"{API}adjudication/decided/").json()["results"]] == [made["id"]]
    assert judge_client.post(address, {"reason": "A slip."}, "application/json").status_code == 200
    assert judge_client.get(f"{API}adjudication/decided/").json()["results"] == []
    bad = judge_client.put(address, {"decision": "moon", "reason": "So."}, "application/json")
    assert bad.status_code == 400


def test_the_consensus_over_the_api(project, judge_client, curator_client, items):
    assert judge_client.get(f"{API}consensus/").status_code == 404
    assert judge_client.post(f"{API}consensus/", {}, "application/json").status_code == 403
    started = curator_client.post(f"{API}consensus/", {"restarts": 2}, "application/json")
    assert started.status_code == 202
    run_inline(project.jobs.get(pk=started.json()["job"]))
    found = judge_client.get(f"{API}consensus/").json()
    assert (found["report"]["pairs"], found["raters"][0]["name"]) == (4, "annotator 1")
    assert curator_client.get(f"{API}consensus/").json()["raters"][0]["name"].startswith("simulated")
    rows = judge_client.get(f"{API}consensus/pairs/").json()["results"]
    assert {row["item"]: row["majority"] for row in rows} == {
        items[0].pk: "1",
        items[1].pk: "0",
        items[2].pk: "",
        items[3].pk: "1",
    }
    assert len(judge_client.get(f"{API}consensus/pairs/?differs=true").json()["results"]) < 4


def test_the_guideline_over_the_api(curator_client, judge_client, items):
    found = judge_client.get(f"{API}guideline/").json()
    assert found["version"] == 1
    asked = {"text": found["text"] + "\nMore.\n", "note": "More", "based_on": 1}
    assert judge_client.post(f"{API}guideline/", asked, "application/json").status_code == 403
    made = curator_client.post(f"{API}guideline/", asked, "application/json")
    assert (made.status_code, made.json()["version"], made.json()["author"]) == (201, 2, "cora")
    late = curator_client.post(f"{API}guideline/", {**asked, "text": "# Other"}, "application/json")
    assert (late.status_code, late.json()["code"]) == (409, "guideline_moved")
    changes = judge_client.get(f"{API}guideline/changes/").json()
    assert (changes["since"], changes["version"], changes["notes"]) == (1, 2, ["More"])
    assert changes["sections"][0]["blocks"][-1]["pieces"] == [{"op": "added", "text": "More."}]
    assert judge_client.get(f"{API}guideline/changes/?from=5&to=2").status_code == 404
    example = {"item": items[3].pk, "intent": "yes", "answer": 1, "why": "All of it."}
    added = curator_client.post(f"{API}guideline/examples/", example, "application/json").json()
    assert added["since"] == 3
    assert [row["id"] for row in judge_client.get(f"{API}guideline/examples/").json()] == [added["id"]]
    assert curator_client.delete(f"{API}guideline/examples/{added['id']}/").status_code == 204
    assert judge_client.get(f"{API}guideline/examples/").json() == []


# --- the guideline's pages --------------------------------------------------------------------------------------------
def test_the_editor_shows_what_changes_before_it_is_put_in_force(project, curator_client):
    text = current_guideline(project).text
    edit, asked = "/p/demo/guideline/edit/", {"text": text.replace("Two questions", "Three questions"), "based_on": 1}
    page = curator_client.post(edit, {**asked, "act": "preview"}).content.decode()
    assert "<ins>Three</ins>" in page
    assert "<del>Two</del>" in page
    assert current_guideline(project).version == 1
    curator_client.post(edit, {**asked, "act": "publish", "note": "Three"})
    assert current_guideline(project).version == 2
    changes = html(curator_client, "/p/demo/guideline/changes/?from=1&to=2")
    assert "<ins>Three</ins>" in changes
    assert "cora" in changes


def test_the_editor_tells_of_a_version_that_came_meanwhile_and_keeps_the_text(project, curator_client):
    current_guideline(project)
    publish_guideline(project=project, text="# Theirs")
    edit, asked = "/p/demo/guideline/edit/", {"text": "# Mine", "based_on": 1, "act": "publish"}
    response = curator_client.post(edit, asked)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Version 2 was put in force while you wrote" in page
    assert "# Mine" in page
    assert 'name="based_on" value="2"' in page
    curator_client.post(edit, {**asked, "based_on": 2})
    assert current_guideline(project).text == "# Mine\n"


@pytest.mark.parametrize("query", ["", "?from=1", "?from=9&to=1", "?from=x&to=y", "?from=99999999999999999999"])
def test_any_pair_of_versions_gives_a_page(project, annotator_client, query):
    current_guideline(project)
    assert annotator_client.get(f"/p/demo/guideline/changes/{query}").status_code == 200


def test_the_command_prints_and_publishes_the_guideline(project, tmp_path, capsys):
    call_command("guideline", "--project=demo")
    assert "How to judge a pair" in capsys.readouterr().out
    file = tmp_path / "new.md"
    file.write_text("# New\n")
    call_command("guideline", "--project=demo", f"--publish={file}", "--note=Shorter")
    assert (current_guideline(project).version, current_guideline(project).note) == (2, "Shorter")
    with pytest.raises(SystemExit):
        call_command("guideline", "--project=demo", f"--publish={tmp_path / 'nothing.md'}")
