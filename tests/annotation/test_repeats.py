"""Silent repeats: after days, at drawn places, once each; their votes measure nothing but the person themselves."""

import csv
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.models import AnnotationSettings, Item, Slot, Vote
from annotation.selectors.queue import batches_of, items_of
from annotation.selectors.scorecards import self_agreement
from annotation.selectors.votes import counted_votes, item_patterns
from annotation.services.batches import close_batch
from annotation.services.repeats import is_repeat_turn
from tests.annotation.conftest import NO, YES_1, annotators, make_batch, vote
from tests.annotation.judged import judged_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(project):
    """An annotator who judged six pairs ten days ago, all with a 1."""
    make_batch(project, 6, name="old", overlap=2)
    person = annotators(project, 1)[0]
    while vote(project, person, YES_1):
        pass
    Vote.objects.update(created_at=timezone.now() - timedelta(days=10))
    return person


def judge_rest(project, person, judgement) -> list[Item]:
    seen = []
    while (receipt := vote(project, person, judgement)) is not None:
        seen.append(receipt.vote.item)
    return seen


def repeats_in(items: list[Item]) -> list[Item]:
    return [item for item in items if item.purpose == "repeat"]


def test_the_share_of_repeats_is_as_asked_and_cannot_be_foreseen():
    turns = [is_repeat_turn("secret", 1, slot, 0.1) for slot in range(20_000)]
    assert abs(sum(turns) / len(turns) - 0.1) < 0.01
    assert turns != [is_repeat_turn("secret", 2, slot, 0.1) for slot in range(20_000)]
    assert turns != [is_repeat_turn("other", 1, slot, 0.1) for slot in range(20_000)]
    assert not any(is_repeat_turn("secret", 1, slot, 0) for slot in range(1000))


def test_old_pairs_come_again_once_and_live_ones_still_all_come(project, person):
    AnnotationSettings.objects.create(project=project, repeat_share=0.5)
    make_batch(project, 30, name="new", overlap=2)
    seen = judge_rest(project, person, NO)
    again = repeats_in(seen)
    assert 3 <= len(again) <= 6
    assert len({item.pair_id for item in again}) == len(again), "each pair once"
    assert sum(item.purpose == "live" for item in seen) == 30
    assert {item.batch.name for item in again} == {"old"}


def test_a_repeat_counts_in_self_agreement_and_in_nothing_else(project, person):
    AnnotationSettings.objects.create(project=project, repeat_share=0.5)
    new = make_batch(project, 20, name="new", overlap=2)
    before = {batch.name: (batch.n_items, batch.n_votes, batch.n_wanted) for batch in batches_of(project)}
    again = repeats_in(judge_rest(project, person, NO))
    assert again
    assert counted_votes(project).count() == 6 + 20
    assert sum(pattern.n for pattern in item_patterns(project)) == 26
    after = {batch.name: (batch.n_items, batch.n_votes, batch.n_wanted) for batch in batches_of(project)}
    assert after["old"] == before["old"]
    assert after["new"][0] == before["new"][0] == items_of(new).count()
    found = self_agreement(project)[person.pk]
    assert (found.n, found.share) == (len(again), 0.0)


def test_nothing_is_repeated_too_soon_when_off_or_out_of_a_closed_batch(project, person):
    make_batch(project, 10, name="off")
    assert repeats_in(judge_rest(project, person, YES_1)) == []
    wanted = AnnotationSettings.objects.create(project=project, repeat_share=0.5, repeat_after_days=30)
    make_batch(project, 10, name="too soon")
    assert repeats_in(judge_rest(project, person, YES_1)) == []
    wanted.repeat_after_days = 7
    wanted.save()
    close_batch(batch=project.batches.get(name="old"))
    make_batch(project, 10, name="closed")
    assert repeats_in(judge_rest(project, person, YES_1)) == []


def test_repeats_have_slots_of_their_own_that_are_never_open(project, person):
    AnnotationSettings.objects.create(project=project, repeat_share=0.5)
    make_batch(project, 30, name="new", overlap=2)
    again = repeats_in(judge_rest(project, person, YES_1))
    assert Item.objects.filter(purpose="repeat").count() == len(again)
    assert not Slot.objects.filter(item__purpose="repeat", is_open=True).exists()


# --- commands ---------------------------------------------------------------------------------------------------------
def test_the_commands_do_the_same_over_the_same_services(project, person, tmp_path, capsys):
    judged_project(project, ["111", "000"])
    call_command("open_training", project="demo", pairs=2, name="start")
    assert project.batches.get(name="start").kind == "training"
    with pytest.raises(SystemExit):
        call_command("set_standing", project="demo", person=person.username, reason="x", set_aside=True)
    assert "Pause" in capsys.readouterr().err
    call_command("set_standing", project="demo", person=person.username, reason="fast", standing="paused")
    call_command("set_standing", project="demo", person=person.username, reason="fast", set_aside=True, batch="old")
    assert Vote.objects.filter(set_aside_at__isnull=False).count() == 6
    act = project.set_asides.get()
    call_command("set_standing", project="demo", person=person.username, reason="sorry", restore=act.pk)
    assert not Vote.objects.filter(set_aside_at__isnull=False).exists()
    path = tmp_path / "audit.csv"
    call_command("export_audit", str(path), project="demo", person=person.username)
    with path.open(newline="") as file:
        acts = [row["act"] for row in csv.DictReader(file)]
    assert acts[-3:] == ["annotation.pause", "annotation.set_aside_votes", "annotation.restore_votes"]


def test_a_file_of_training_items_over_the_command(project, tmp_path, capsys):
    path = tmp_path / "items.csv"
    path.write_text("query,code,label,why\npython sort,def s(x): return x,0,no\nbad,,,\n")
    call_command("open_training", project="demo", file=path, name="file")
    assert "line 3" in capsys.readouterr().out
    assert project.batches.get(name="file").items.count() == 1
    with pytest.raises((SystemExit, CommandError)):
        call_command("open_training", project="demo", source="judged")
