"""Batches change while they are judged, and big ones are opened by a job: nothing is lost, nothing is over."""

import contextlib
import json

import pytest
from django.core.management import call_command
from django.urls import reverse

from annotation.models import Batch, BatchOpening, GoldAnswer, Item, Purpose, Slot, SlotState
from annotation.services import batch_changes, leases, opening
from annotation.services.batch_changes import start_change_batch
from annotation.services.batches import close_batch, pause_batch, resume_batch
from annotation.services.items import lay_out
from annotation.services.leases import claim_next
from annotation.services.opening import open_batch_pairs, start_go_on_opening, start_open_batch
from annotation.services.plans import make_plan, start_plan_batch
from annotation.services.votes import LateVoteError, submit_vote
from core.errors import BadInputError, ConflictError
from core.jobs import RunningJob, run_inline
from core.models import AuditEntry, Job
from tests.annotation.conftest import QUERY_UNCLEAR, YES_0, YES_1, make_batch
from tests.annotation.conftest import vote as vote_and_fetch
from tests.annotation.test_plans import candidates, settings_of
from tests.annotation.test_queue_pages import propose
from tests.annotation.test_votes import judge

pytestmark = pytest.mark.django_db


def change(batch: Batch, **changes) -> Batch:
    start_change_batch(batch=batch, changes=changes)
    return batch


def vote(project, person, judgement=YES_1):
    """Judges the next pair and holds none afterwards."""
    receipt = vote_and_fetch(project, person, judgement, ahead=False)
    leases.release_leases(person=person)
    return receipt


def in_step(item: Item) -> bool:
    """Wanted slots are numbered 0 .. target - 1, the others are closed, and nothing but those counts."""
    item.refresh_from_db()
    numbers = sorted(item.slots.values_list("number", flat=True))
    wanted = item.slots.filter(number__lt=item.target)
    assert len(numbers) == len(set(numbers))
    assert wanted.count() == item.target
    assert wanted.filter(state=SlotState.DONE).count() == item.done
    assert not item.slots.filter(number__gte=item.target, is_open=True).exclude(state=SlotState.DONE).exists()
    return True


# --- votes per pair ---------------------------------------------------------------------------------------------
def test_raising_opens_places_in_touched_and_untouched_pairs(project, batch, raters):
    vote(project, raters[0])
    change(batch, overlap=5)
    assert [item.target for item in batch.items.order_by("id")] == [5, 5, 5]
    assert batch.slots.filter(is_open=True, state=SlotState.FREE).count() == 14
    assert all(in_step(item) for item in batch.items.all())
    for person in raters:
        while vote(project, person) is not None:
            pass
    assert [(item.done, item.target) for item in batch.items.all()] == [(5, 5)] * 3


def test_lowering_keeps_votes_and_who_has_a_pair_may_finish_it(project, raters):
    batch = make_batch(project, 1, overlap=4, max_extra=0)
    item = batch.items.get()
    vote(project, raters[0])
    held = claim_next(project=project, person=raters[1])
    change(batch, overlap=1)
    assert in_step(item)
    assert (item.done, item.target) == (1, 2)
    assert claim_next(project=project, person=raters[2]) is None
    judge(held)
    assert in_step(item)
    assert (item.done, item.target) == (2, 2)


def test_a_place_beyond_a_lowered_number_is_gone_when_its_person_lets_go(project, raters):
    batch = make_batch(project, 1, overlap=4, max_extra=0)
    vote(project, raters[0])
    claim_next(project=project, person=raters[1])
    change(batch, overlap=1)
    leases.release_leases(person=raters[1])
    item = batch.items.get()
    assert in_step(item)
    assert (item.done, item.target) == (1, 1)
    assert claim_next(project=project, person=raters[1]) is None


def test_lowering_takes_the_free_places_even_when_the_last_one_is_filled(project, raters):
    batch = make_batch(project, 1, overlap=3, max_extra=0)
    item = batch.items.get()
    vote(project, raters[0])
    filled = Slot.objects.get(state=SlotState.DONE)
    other = item.slots.get(number=2)
    Slot.objects.filter(pk=filled.pk).update(number=99)
    Slot.objects.filter(pk=other.pk).update(number=filled.number)
    Slot.objects.filter(pk=filled.pk).update(number=2)
    change(batch, overlap=1)
    assert in_step(item)
    assert item.target == 1
    filled.refresh_from_db()
    assert (filled.number, filled.state) == (0, SlotState.DONE)


def test_never_below_the_votes_that_are_there(project, batch, raters):
    for person in raters[:3]:
        vote(project, person)
    change(batch, overlap=1, max_extra_votes=0)
    item = batch.items.get(done=3)
    assert in_step(item)
    assert item.target == 3
    assert batch.items.filter(target=1).count() == 2


def test_raising_again_uses_the_closed_places(project, raters):
    batch = make_batch(project, 2, overlap=3, max_extra=0)
    vote(project, raters[0])
    change(batch, overlap=1)
    change(batch, overlap=3)
    assert batch.slots.count() == 6
    assert batch.slots.filter(is_open=True, state=SlotState.FREE).count() == 5
    assert all(in_step(item) for item in batch.items.all())


def test_fewer_extra_votes_close_the_one_that_was_opened(project, raters):
    batch = make_batch(project, 1)
    for person, judgement in zip(raters, (YES_1, YES_1, YES_0), strict=False):
        vote(project, person, judgement)
    item = batch.items.get()
    assert item.target == 4
    change(batch, max_extra_votes=0)
    assert in_step(item)
    assert (item.target, item.n_extra) == (3, 0)


def test_an_item_set_aside_hands_nothing_out_whatever_the_number(project, raters):
    batch = make_batch(project, 1)
    for person in raters[:2]:
        vote(project, person, QUERY_UNCLEAR)
    change(batch, overlap=5)
    assert batch.items.get().is_set_aside
    assert claim_next(project=project, person=raters[2]) is None


def test_many_items_take_a_job_that_does_the_same(project, batch, raters, monkeypatch):
    monkeypatch.setattr(batch_changes, "SETTLE_WITHOUT_JOB", 2)
    vote(project, raters[0])
    _, job = start_change_batch(batch=batch, changes={"overlap": 2}, inline=True)
    assert (job.kind, batch.items.filter(target=3).count()) == ("annotation.settle_batch", 3)
    run_inline(job)
    assert batch.items.filter(target=2).count() == 3
    assert all(in_step(item) for item in batch.items.all())
    assert batch_changes.settle_batch(batch=batch)["items"] == 3, "doing it again changes nothing"
    assert batch.slots.filter(is_open=True, state=SlotState.FREE).count() == 5


def test_votes_that_come_before_the_job_bring_their_own_item_into_step(project, batch, raters, monkeypatch):
    monkeypatch.setattr(batch_changes, "SETTLE_WITHOUT_JOB", 0)
    start_change_batch(batch=batch, changes={"overlap": 1, "max_extra_votes": 0}, inline=True)
    item = vote(project, raters[0]).vote.item
    assert in_step(item)
    assert (item.done, item.target) == (1, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"overlap": 0}, {"overlap": 10}, {"max_extra_votes": -1}, {"priority": 5000}, {"min_lease_s": 1}, {"name": " "},
        {"max_votes_per_day": 0}, {"is_closed": True},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_changes_nothing(batch, changes):
    with pytest.raises(BadInputError):
        start_change_batch(batch=batch, changes=changes)
    assert not AuditEntry.objects.filter(act="annotation.change_batch").exists()


def test_changes_are_on_the_record_with_before_and_after(project, batch, curator):
    start_change_batch(batch=batch, changes={"priority": -2, "overlap": 3, "name": "Better"}, user=curator)
    pause_batch(batch=batch, user=curator)
    first, second = AuditEntry.objects.filter(act="annotation.change_batch").order_by("id")
    assert first.before == {"name": "batch of 3", "priority": 0}
    assert first.after == {"name": "Better", "priority": -2}
    assert (second.before, second.after, second.actor) == ({"is_paused": False}, {"is_paused": True}, curator)


def test_a_name_in_use_is_refused(project, batch):
    other = make_batch(project, 1, name="other")
    with pytest.raises(ConflictError):
        start_change_batch(batch=other, changes={"name": batch.name})


def test_a_paused_batch_is_paused_in_one_row(project, batch, annotator):
    slots = list(batch.slots.order_by("id").values_list("pk", "is_open"))
    pause_batch(batch=batch)
    assert list(batch.slots.order_by("id").values_list("pk", "is_open")) == slots
    assert claim_next(project=project, person=annotator) is None
    close_batch(batch=batch)
    with pytest.raises(ConflictError):
        resume_batch(batch=batch)


# --- the layout of slots ------------------------------------------------------------------------------------------
def test_a_layout_keeps_votes_and_leases_and_numbers_them_first():
    slots = [
        Slot(pk=1, number=0, state=SlotState.FREE, is_open=True),
        Slot(pk=2, number=1, state=SlotState.DONE),
        Slot(pk=3, number=2, state=SlotState.LEASED, is_open=True),
        Slot(pk=4, number=3, state=SlotState.DONE),  # its vote does not count
    ]
    layout = lay_out(slots, {2}, 1, is_open=True)
    assert layout.target == 2
    assert {(slot.pk, number, opens) for slot, number, opens in layout.changes} == {
        (1, 2, False),  # closed, behind
        (3, 0, False),  # may be finished, but is open to nobody else
    }
    assert layout.missing == []
    assert lay_out(slots, {2}, 5, is_open=True).missing == [3, 4]


# --- opening by a job -----------------------------------------------------------------------------------------------
class KilledError(Exception):
    """The process goes away."""


def killed_after(monkeypatch, n: int) -> None:
    """Makes the job stop after `n` reports of progress, between two commits."""
    done = []

    def progress(self, *args, **kwargs) -> None:
        done.append(1)
        if len(done) > n:
            raise KilledError

    monkeypatch.setattr(RunningJob, "progress", progress)


def run_of(job: Job) -> RunningJob:
    run = RunningJob(job.pk, "token")
    run.beats_itself = True  # nobody asks whether the job is still its own
    return run


def test_a_big_batch_is_opened_by_a_job_and_is_the_same_batch(project):
    propose(project, 9)
    batch, job = start_open_batch(project=project, limit=7, overlap=2, priority=-1, inline=True)
    assert (batch.items.count(), batch.priority, batch.opening.n) == (0, -1, 7)
    run_inline(job)
    assert (batch.items.count(), batch.slots.count()) == (7, 14)
    batch.opening.refresh_from_db()
    assert batch.opening.is_complete
    with pytest.raises(ConflictError):
        start_go_on_opening(batch=batch)


def test_an_opening_killed_half_way_goes_on_and_opens_nothing_twice(project, monkeypatch):
    propose(project, 9)
    batch, job = start_open_batch(project=project, limit=7, overlap=2, inline=True)
    opening_row = batch.opening
    with monkeypatch.context() as patched:
        patched.setattr("annotation.services.batches.OPEN_PAIRS_AT_ONCE", 2)
        killed_after(patched, 2)
        with pytest.raises(KilledError):
            open_batch_pairs(run=run_of(job), opening=opening_row)
    assert 0 < batch.items.count() < 7
    assert not BatchOpening.objects.get().is_complete
    open_batch_pairs(run=run_of(job), opening=BatchOpening.objects.get())
    assert (batch.items.count(), batch.slots.count()) == (7, 14)
    assert Item.objects.values("pair").distinct().count() == 7


def test_the_rest_of_an_opening_waits_for_a_job_that_still_runs(project):
    propose(project, 3)
    batch, job = start_open_batch(project=project)
    with pytest.raises(ConflictError, match="being opened"):
        start_go_on_opening(batch=batch)
    Job.objects.filter(pk=job.pk).update(state="failed")
    run_inline(start_go_on_opening(batch=batch, inline=True))
    assert batch.items.count() == 3


def test_nothing_to_open_makes_no_batch(project):
    with pytest.raises(BadInputError, match="no pair left"):
        start_open_batch(project=project)
    assert not project.batches.exists()


@pytest.mark.parametrize("kills", [(), (1,), (2, 3), (4,)])
def test_a_planned_batch_opened_by_a_job_is_the_one_that_was_previewed(project, monkeypatch, kills):
    candidates(project)
    for pair in list(project.pairs.order_by("id"))[:8]:
        pair.imported_labels.create(source="labels", label=pair.pk % 2)
    wanted = settings_of(project, pairs=10, overlap=2, gold_share=20, gold_source="imported", mix_low=0, mix_random=100)
    plan = make_plan(project=project, settings=wanted)
    batch, job = start_plan_batch(project=project, settings=wanted, inline=True, max_without_job=3)
    assert batch.plan.chosen_sha256 == plan.selection.sha256()
    for kill in kills:
        with monkeypatch.context() as patched:
            patched.setattr("annotation.services.batches.SLOTS_OF_ITEMS_AT_ONCE", 3)
            patched.setattr("annotation.services.batches.OPEN_PAIRS_AT_ONCE", 4)
            patched.setattr("core.db._FIRST_CHUNK_ROWS", 2)
            killed_after(patched, kill)
            with contextlib.suppress(KilledError):
                open_batch_pairs(run=run_of(job), opening=BatchOpening.objects.get())
    open_batch_pairs(run=run_of(job), opening=BatchOpening.objects.get())
    in_order = list(batch.slots.filter(number=0).order_by("id").values_list("pair__query", "pair__code"))
    assert in_order == [one.row.ids for one in plan.selection.chosen]
    assert batch.slots.count() == 2 * len(plan.selection.chosen)
    gold = batch.items.filter(purpose=Purpose.GOLD)
    assert gold.count() == GoldAnswer.objects.filter(item__batch=batch).count() == len(plan.gold) > 0
    assert BatchOpening.objects.get().chosen == {}


def test_few_planned_pairs_need_no_job(project):
    candidates(project)
    batch, job = start_plan_batch(project=project, settings=settings_of(project, mix_low=0, mix_random=100))
    assert job is None
    assert batch.items.exists()


# --- pages, endpoints, commands ---------------------------------------------------------------------------------------
def page(name: str, batch: Batch) -> str:
    return reverse(f"annotation:{name}", args=["demo", batch.pk])


def form_of(batch: Batch, **changes) -> dict[str, object]:
    given = {name: getattr(batch, name) for name in batch_changes.CHANGEABLE} | changes
    return {
        "act": "settings",
        **{name: value for name, value in given.items() if value is not None and value is not False},
    }


def test_the_settings_page_changes_numbers_and_invites(project, batch, curator_client, raters):
    html = curator_client.get(page("batch-settings", batch)).content.decode()
    assert "Votes per pair" in html
    assert "rater0" in html
    given = form_of(batch, overlap=4, priority=-3, is_invited_only="on", max_votes_per_day=50)
    assert curator_client.post(page("batch-settings", batch), given).status_code == 302
    batch.refresh_from_db()
    assert (batch.overlap, batch.priority, batch.is_invited_only, batch.max_votes_per_day) == (4, -3, True, 50)
    assert batch.items.filter(target=4).count() == 3
    people = {"act": "people", "people": [raters[0].pk, raters[1].pk]}
    assert curator_client.post(page("batch-settings", batch), people).status_code == 302
    curator_client.post(page("batch-settings", batch), {"act": "people", "people": [raters[1].pk]})
    assert list(batch.members.values_list("person", flat=True)) == [raters[1].pk]
    html = curator_client.get(page("batch", batch)).content.decode()
    assert "1 invited person" in html
    assert "50 a day" in html


def test_a_setting_that_does_not_fit_is_refused_at_its_field(project, batch, curator_client):
    make_batch(project, 1, name="taken")
    answer = curator_client.post(page("batch-settings", batch), form_of(batch, name="taken", overlap=3))
    assert answer.status_code == 422
    assert "choose another name" in answer.content.decode()
    assert curator_client.post(page("batch-settings", batch), form_of(batch, overlap=12)).status_code == 422
    batch.refresh_from_db()
    assert (batch.name, batch.overlap) == ("batch of 3", 3)


def test_settings_are_for_curators(batch, annotator_client, stranger_client):
    assert annotator_client.get(page("batch-settings", batch)).status_code == 403
    assert stranger_client.get(page("batch-settings", batch)).status_code == 404


def test_big_batches_are_opened_by_a_job_from_the_page_and_the_endpoint(project, curator_client, monkeypatch):
    monkeypatch.setattr(opening, "OPEN_WITHOUT_JOB", 2)
    propose(project, 6)
    given = {"overlap": 2, "max_extra": 1, "limit": 3, "priority": -1}
    assert curator_client.post(reverse("annotation:batches", args=["demo"]), given).status_code == 302
    batch = Batch.objects.get()
    html = curator_client.get(page("batch", batch)).content.decode()
    assert f"job-{batch.opening.job_id}" in html
    assert "Open the rest" not in html
    Job.objects.update(state="cancelled")
    assert "Open the rest" in curator_client.get(page("batch", batch)).content.decode()
    curator_client.post(page("batch-change", batch), {"act": "go_on"})
    assert Job.objects.filter(kind="annotation.open_batch").count() == 2
    answer = curator_client.post(reverse("api-batches", args=["demo"]), {"limit": 3}, content_type="application/json")
    assert answer.status_code == 201
    assert answer.json()["opening_job"] == Job.objects.order_by("-id").first().pk


def test_the_endpoints_change_invite_and_list_late_votes(project, batch, curator_client, raters):
    address = reverse("api-batch", args=["demo", batch.pk])
    answer = curator_client.patch(address, {"overlap": 2, "max_votes_per_person": 9}, content_type="application/json")
    assert (answer.json()["overlap"], answer.json()["max_votes_per_person"], answer.json()["job"]) == (2, 9, None)
    assert curator_client.get(address).json()["n_wanted"] == 6
    people = reverse("api-batch-people", args=["demo", batch.pk])
    given = {"people": ["rater1", "rater0"]}
    assert curator_client.post(people, given, content_type="application/json").json()["people"] == ["rater0", "rater1"]
    assert curator_client.post(people, {"people": ["nobody"]}, content_type="application/json").status_code == 404
    assert curator_client.delete(reverse("api-batch-person", args=["demo", batch.pk, "rater0"])).status_code == 204
    assert curator_client.get(people).json()["people"] == ["rater1"]
    late_vote(project, raters)
    listed = curator_client.get(reverse("api-late-votes", args=["demo", batch.pk])).json()
    assert [(late["person"], late["payload"]["intent"]) for late in listed] == [("rater0", "yes")]


def late_vote(project, raters) -> None:
    slot = claim_next(project=project, person=raters[0])
    leases.release_leases(person=raters[0])
    with pytest.raises(LateVoteError):
        submit_vote(
            project=project, person=raters[0], item_id=slot.item_id, token=slot.token, key=slot.token, judgement=YES_1
        )


def test_late_votes_are_listed_for_the_curator_alone(project, batch, raters, curator_client):
    late_vote(project, raters)
    html = curator_client.get(page("batch", batch) + "?show=late").content.decode()
    assert "1, answers" in html
    assert "rater0" in html
    from django.test import Client

    from tests.factories import member

    reader = Client()
    reader.force_login(member(project, "reader", username="rita"))
    assert reader.get(page("batch", batch) + "?show=late").status_code == 400


def test_the_commands_open_and_change(project, raters, capsys):
    propose(project, 3)
    call_command(
        "open_batch", project="demo", name="one", per_day=4, priority=2, invited_only=True, as_json=True, limit=2
    )
    assert json.loads(capsys.readouterr().out)["pairs"] == 2
    call_command(
        "change_batch", project="demo", batch="one", overlap=2, per_day=0, invite=["rater0"], act="pause", as_json=True
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["votes per pair"], told["per person and day"], told["invited"], told["state"]) == (
        2,
        "no limit",
        "rater0",
        "paused",
    )
    with pytest.raises(SystemExit):
        call_command("change_batch", project="demo", batch="one")
    with pytest.raises(SystemExit):
        call_command("change_batch", project="demo", batch="none", overlap=2)
