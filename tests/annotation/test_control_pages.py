"""Quality control pages: what curators see and decide, and nobody else."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from annotation.models import AnnotationSettings, Annotator, Batch, GoldAnswer, Item, SetAside, Vote
from annotation.selectors.control import AuditFilter, audit_entries, changes_of
from annotation.services.planting import plant_gold, share_of
from annotation.services.settings import change_settings
from annotation.services.standing import set_standing
from annotation.services.training import add_training_item, open_known
from core.audit import record
from core.errors import BadInputError
from core.jobs import run_inline
from core.models import AuditEntry, Job
from tests.annotation.conftest import YES_1, make_batch, vote
from tests.annotation.judged import judged_project
from tests.annotation.test_training import known
from tests.factories import PairFactory, member

pytestmark = pytest.mark.django_db

PAGES = ["people", "training", "settings", "audit", "audit-export"]


def address(name: str, *args) -> str:
    return reverse(f"annotation:{name}", args=["demo", *args])


@pytest.fixture
def worker(project):
    """An annotator with three votes in a batch."""
    make_batch(project, 3, name="live")
    person = member(project, "annotator", username="anna")
    for _ in range(3):
        vote(project, person, YES_1)
    return person


@pytest.mark.parametrize("name", PAGES)
def test_only_curators_see_it(name, project, curator_client, annotator_client, client):
    assert curator_client.get(address(name)).status_code == 200
    assert annotator_client.get(address(name)).status_code == 403
    assert client.get(address(name)).status_code == 302


def test_the_list_says_where_each_person_is(project, worker, curator_client):
    open_known(project=project, kind="training", known=known(project, 1))
    member(project, "annotator", username="bea")
    page = curator_client.get(address("people")).content.decode()
    rows = page.split("<tbody>")[1].split("</tr>")
    anna, bea = (next(row for row in rows if name in row) for name in ("anna", "bea"))
    assert "live pairs" in anna
    assert "training" in bea


def decide(client, username: str, **given):
    return client.post(address("person", username), given)


def test_warn_pause_set_aside_and_back_over_the_page(project, worker, curator_client):
    assert decide(curator_client, "anna", act="aside", reason="x").status_code == 422
    decide(curator_client, "anna", act="pause", reason="too fast")
    page = curator_client.get(address("person", "anna")).content.decode()
    assert "too fast" in page
    assert "Set the votes aside" in page
    assert decide(curator_client, "anna", act="aside", reason="not read").status_code == 302
    run_inline(Job.objects.get(kind="annotation.set_aside_votes"))
    assert Vote.objects.filter(set_aside_at__isnull=False).count() == 3
    act = SetAside.objects.get()
    assert decide(curator_client, "anna", act="back", reason="a mistake", decision=act.pk).status_code == 302
    run_inline(Job.objects.get(kind="annotation.restore_votes"))
    assert Vote.objects.filter(set_aside_at__isnull=False).count() == 0
    decide(curator_client, "anna", act="reinstate", reason="a mistake")
    assert Annotator.objects.get(person=worker).standing == "active"
    page = curator_client.get(address("audit")).content.decode()
    for words in ("Pause", "Set aside votes", "Restore votes", "Reinstate", "too fast"):
        assert words in page


def test_a_refused_decision_keeps_what_was_typed(project, worker, curator_client):
    answer = decide(curator_client, "anna", act="reinstate", reason="no <reason>")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "active already" in page
    assert "no &lt;reason&gt;" in page
    assert decide(curator_client, "anna", act="pause", reason="").status_code == 422
    assert decide(curator_client, "anna", act="fire", reason="x").status_code == 422
    assert decide(curator_client, "nobody", act="warn", reason="x").status_code == 404


def test_the_gate_can_be_opened_for_a_person(project, worker, curator_client):
    open_known(project=project, kind="qualification", known=known(project, 2), spare_present=False)
    assert "Let through" in curator_client.get(address("person", "anna")).content.decode()
    decide(curator_client, "anna", act="pass", reason="known to be good")
    row = Annotator.objects.get(person=worker)
    assert row.qualified_at is not None
    decide(curator_client, "anna", act="send_back", reason="once more", kind="qualification")
    row.refresh_from_db()
    assert row.qualified_at is None


# --- training ---------------------------------------------------------------------------------------------------------
def test_a_batch_is_opened_and_its_items_edited_without_javascript(project, curator_client):
    judged_project(project, ["111", "000", "nnn"])
    given = {"kind": "training", "source": "judged", "n": 3, "spare_present": "on"}
    answer = curator_client.post(address("training"), given)
    batch = Batch.objects.get(kind="training")
    assert answer.url == address("training-batch", batch.pk)
    page = curator_client.get(answer.url).content.decode()
    assert page.count("known-form") == 3
    item = batch.items.order_by("priority").first()
    refused = curator_client.post(answer.url, {"act": "change", "item": item.pk, "answer": "yes-0", "why": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.content.decode()
    curator_client.post(
        answer.url, {"act": "change", "item": item.pk, "answer": "yes-0", "why": "Not sorted.", "place": "9"}
    )
    item.refresh_from_db()
    assert (item.gold.intent, item.gold.answer, item.gold.why, item.priority) == ("yes", 0, "Not sorted.", 9)
    curator_client.post(answer.url, {"act": "out", "item": item.pk})
    item.refresh_from_db()
    assert item.is_set_aside
    curator_client.post(answer.url, {"act": "close"})
    batch.refresh_from_db()
    assert batch.is_closed


def test_a_file_is_opened_by_a_job(project, curator_client):
    rows = b"query,code,label,why\npython sort list,def s(x): return sorted(x),1,It sorts\n"
    file = SimpleUploadedFile("training.csv", rows)
    given = {"kind": "training", "source": "file", "file": file, "name": "from file"}
    assert curator_client.post(address("training"), given).status_code == 302
    report = run_inline(Job.objects.get(kind="annotation.open_known_file")).result
    assert report["items"] == 1
    assert GoldAnswer.objects.get().why == "It sorts"
    assert curator_client.post(address("training"), {"kind": "training", "source": "file"}).status_code == 422


def test_what_cannot_be_opened_is_said_at_its_field(project, curator_client):
    answer = curator_client.post(address("training"), {"kind": "training", "source": "judged", "n": 3})
    assert answer.status_code == 422
    assert "No pair is there to take" in answer.content.decode()
    answer = curator_client.post(address("training"), {"kind": "training", "source": "judged"})
    assert "How many pairs?" in answer.content.decode()


# --- settings ---------------------------------------------------------------------------------------------------------
def sent(**changed) -> dict:
    return {
        "reasons": "required",
        "search_url": "https://example.org/?q={query}",
        "qualification_bar": "75",
        "qualification_size": "8",
        "qualification_attempts": "1",
        "gold_act": "pause",
        "gold_bar": "66.5",
        "gold_window": "12",
        "gold_min_failures": "3",
        "repeat_share": "2.5",
        "repeat_after_days": "14",
        **changed,
    }


def test_all_settings_are_kept_and_put_on_record(project, curator_client):
    assert curator_client.post(address("settings"), sent()).status_code == 302
    row = AnnotationSettings.objects.get(project=project)
    assert (row.reasons, row.qualification_bar, row.gold_bar, row.repeat_share) == ("required", 0.75, 0.665, 0.025)
    assert 'value="66.5"' in curator_client.get(address("settings")).content.decode()
    entry = AuditEntry.objects.get(act="annotation.change_settings")
    assert entry.before["qualification_bar"] == 0.8
    assert entry.after["qualification_bar"] == 0.75
    curator_client.post(address("settings"), sent())
    assert AuditEntry.objects.count() == 1, "the same again changes nothing"


@pytest.mark.parametrize(
    "wrong",
    [
        {"gold_min_failures": "1"},
        {"gold_window": "2"},
        {"qualification_bar": "101"},
        {"repeat_share": "51"},
        {"search_url": "javascript:alert({query})"},
        {"search_url": "https://example.org/"},
        {"search_url": "https://example.org/?q={query}{other}"},
        {"reasons": "sometimes"},
    ],
    ids=str,
)
def test_a_setting_out_of_bounds_is_refused(project, curator_client, wrong):
    answer = curator_client.post(address("settings"), sent(**wrong))
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not AuditEntry.objects.exists()
    with pytest.raises(BadInputError):
        change_settings(project=project, given={"gold_window": 1}, user=None)


# --- gold -------------------------------------------------------------------------------------------------------------
def test_gold_is_hidden_in_a_batch_that_is_open_already(project, curator_client):
    judged_project(project, ["111", "000"] * 4)
    batch = make_batch(project, 10, name="live")
    answer = curator_client.post(address("people"), {"batch": batch.pk, "share": 20, "source": "judged"})
    assert answer.status_code == 302
    batch.refresh_from_db()
    assert batch.gold_share == 0.2
    assert batch.items.filter(purpose="gold").count() == 8
    person = member(project, "annotator", username="anna")
    seen = []
    while (receipt := vote(project, person, YES_1)) is not None:
        seen.append(receipt.vote.item.purpose)
    assert seen.count("live") == 10
    assert 1 <= seen.count("gold") <= 4
    assert plant_gold(batch=batch, share=share_of(0), source="judged") == 8
    with pytest.raises(BadInputError, match="whole number"):
        plant_gold(batch=batch, share=share_of("2.5"), source="judged")


# --- the audit log ----------------------------------------------------------------------------------------------------
def test_the_log_is_filtered_by_person_act_and_day(project, worker, curator, curator_client):
    set_standing(project=project, person=worker, standing="warned", reason="read the code", user=curator)
    add_training_item(
        project=project, pair=PairFactory(project=project), intent="no", answer=None, why="x", user=curator
    )
    assert len(audit_entries(project, AuditFilter(person="anna"))) == len(
        [entry for entry in AuditEntry.objects.all() if entry.person_id == worker.pk]
    )
    page = curator_client.get(address("audit"), {"act": "annotation.warn"}).content.decode()
    assert page.count('<tr id="entry-') == 1
    assert "<del>active</del>" in page
    assert "<ins>warned</ins>" in page
    assert "No entry fits" in curator_client.get(address("audit"), {"last": "2020-01-01"}).content.decode()
    assert curator_client.get(address("audit"), {"first": "tomorrow"}).status_code == 422


def test_the_export_holds_what_the_filter_leaves_and_no_formula(project, worker, curator, curator_client):
    set_standing(project=project, person=worker, standing="warned", reason="=1+1", user=curator)
    record("annotation.other", project=project, actor=curator, after={"a": {"b": [1, 2]}})
    answer = curator_client.get(address("audit-export"), {"act": "annotation.warn"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(row["act"], row["person"], row["reason"], row["before"]) for row in rows] == [
        ("annotation.warn", "anna", "'=1+1", "standing=active")
    ]
    assert "attachment" in answer["Content-Disposition"]


def test_changes_are_told_field_by_field(project):
    entry = record("a.b", project=project, before={"is_out": False, "n": 1}, after={"n": 2, "evidence": {"items": [3]}})
    assert [(c.name, c.before, c.after) for c in changes_of(entry)] == [
        ("evidence: items", "", "3"),
        ("is out", "no", ""),
        ("n", "1", "2"),
    ]


def test_another_projects_people_and_batches_are_not_there(project, curator_client):
    from tests.factories import ProjectFactory

    other = ProjectFactory(slug="other")
    open_known(project=other, kind="training", known=known(other, 1))
    batch = Batch.objects.get(project=other)
    assert curator_client.get(address("training-batch", batch.pk)).status_code == 404
    mine = open_known(project=project, kind="training", known=known(project, 1))
    item = Item.objects.get(batch=batch)
    assert curator_client.post(address("training-batch", mine.pk), {"act": "out", "item": item.pk}).status_code == 404
