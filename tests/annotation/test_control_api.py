"""Quality control over the API: the same services as the pages, for curators only."""

import json

import pytest
from django.urls import reverse

from annotation.models import AnnotationSettings, SetAside, Vote
from annotation.services.training import open_known
from core.jobs import run_inline
from core.models import AuditEntry, Job
from tests.annotation.conftest import YES_1, make_batch, vote
from tests.annotation.judged import judged_project
from tests.annotation.test_training import known
from tests.factories import PairFactory, member

pytestmark = pytest.mark.django_db


def at(name: str, *args) -> str:
    return reverse(f"api-{name}", args=["demo", *args])


def send(client, method: str, name: str, *args, **body):
    return getattr(client, method)(at(name, *args), json.dumps(body), content_type="application/json")


@pytest.fixture
def worker(project):
    make_batch(project, 2, name="live")
    person = member(project, "annotator", username="anna")
    while vote(project, person, YES_1):
        pass
    return person


@pytest.mark.parametrize("name", ["people", "trainings", "annotation-settings", "audit"])
def test_annotators_are_refused(name, project, annotator_client, curator_client):
    assert annotator_client.get(at(name)).status_code == 403
    assert curator_client.get(at(name)).status_code == 200


def test_pause_set_aside_and_restore(project, worker, curator_client):
    refused = send(curator_client, "post", "set-asides", "anna", reason="not read")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    told = send(curator_client, "post", "standing", "anna", standing="paused", reason="too fast").json()
    assert (told["standing"], told["reason"], told["gate"]) == ("paused", "too fast", "paused")
    assert send(curator_client, "post", "set-asides", "anna", reason="not read").status_code == 202
    run_inline(Job.objects.get(kind="annotation.set_aside_votes"))
    listed = curator_client.get(at("set-asides", "anna")).json()
    assert [(one["n_votes"], one["is_complete"]) for one in listed] == [(2, True)]
    act = SetAside.objects.get()
    assert send(curator_client, "post", "restore-votes", "anna", act.pk, reason="a mistake").status_code == 202
    run_inline(Job.objects.get(kind="annotation.restore_votes"))
    assert not Vote.objects.filter(set_aside_at__isnull=False).exists()
    assert curator_client.get(at("person", "anna")).json()["votes_aside"] == 0
    assert curator_client.get(at("person", "nobody")).status_code == 404


def test_training_is_opened_extended_and_changed(project, curator_client):
    judged_project(project, ["111", "000"])
    made = send(curator_client, "post", "trainings", kind="training", source="judged", n=2)
    assert made.status_code == 201
    batch = made.json()["id"]
    pair = PairFactory(project=project)
    item = send(curator_client, "post", "training-items", pair=pair.pk, intent="no", why="A tool.").json()
    assert (item["intent"], item["answer"], item["origin"]) == ("no", None, "curator")
    changed = send(
        curator_client, "put", "training-item", item["id"], intent="yes", answer=1, why="It does.", is_out=True
    ).json()
    assert (changed["answer"], changed["why"], changed["is_out"]) == (1, "It does.", True)
    assert len(curator_client.get(at("training", batch)).json()) == 3
    assert send(curator_client, "post", "trainings", kind="live", source="judged").status_code == 400
    assert send(curator_client, "post", "training-items", pair=pair.pk + 999, intent="no").status_code == 404


def test_a_person_is_let_through(project, worker, curator_client):
    open_known(project=project, kind="qualification", known=known(project, 1), spare_present=False)
    assert curator_client.get(at("person", "anna")).json()["gate"] == "qualification"
    told = send(curator_client, "post", "gate", "anna", act="let_through", reason="known").json()
    assert told["gate"] == "open"
    assert send(curator_client, "post", "gate", "anna", act="grant_attempt", reason="x").status_code == 409


def test_settings_change_in_part(project, curator_client):
    told = send(curator_client, "put", "annotation-settings", gold_bar=0.6).json()
    assert (told["gold_bar"], told["gold_window"]) == (0.6, 10)
    assert AnnotationSettings.objects.get().gold_bar == 0.6
    assert send(curator_client, "put", "annotation-settings", gold_min_failures=1).status_code == 400
    assert send(curator_client, "put", "annotation-settings", search_url="ftp://x/{query}").status_code == 400


def test_gold_is_planted(project, curator_client):
    judged_project(project, ["111", "000"])
    batch = make_batch(project, 4, name="live")
    assert send(curator_client, "post", "plant-gold", batch.pk, share=10).json() == {"gold_pairs": 2}


def test_the_log_is_read_page_by_page(project, worker, curator_client):
    for standing in ("warned", "paused", "active"):
        send(curator_client, "post", "standing", "anna", standing=standing, reason="r")
    page = curator_client.get(at("audit"), {"person": "anna", "act": "annotation.pause"}).json()
    assert [(one["act"], one["person"], one["actor"]) for one in page["entries"]] == [
        ("annotation.pause", "anna", AuditEntry.objects.latest("id").actor.username)
    ]
    assert page["entries"][0]["before"] == {"standing": "warned"}
    assert page["next"] == ""
    assert curator_client.get(at("audit"), {"first": "soon"}).status_code == 400
