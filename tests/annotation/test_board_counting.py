"""Counting work: what is kept by hour and day is what a count of all votes gives, whatever happened to the votes."""

import random
import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from annotation.models import BoardState, RaterKind, SetAside, Vote, VoteRevision, WorkDay, WorkHour
from annotation.services import board
from annotation.services.board import catch_up, rebuild
from annotation.services.votes import NothingToUndoError, correct_vote, undo
from annotation.work import COUNTS, IDLE_LIMIT_S, CountedVote, Sums, Times, band_of, bin_of, quantile, seconds_of
from tests.annotation.conftest import NO, YES_0, YES_1, annotators, make_batch, vote
from tests.annotation.judged import judged_project

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)


def at(vote, when):
    """Moves a vote to another time, which no service ever does."""
    Vote.objects.filter(pk=vote.pk).update(created_at=when)


def kept(project):
    """All kept rows, as plain values."""
    names = [*COUNTS, "active_s", "times"]
    hours = WorkHour.objects.filter(project=project).order_by("hour", "person_id")
    days = WorkDay.objects.filter(project=project).order_by("day")
    return list(hours.values("hour", "person_id", *names)), list(days.values("day", "n_people", *names))


def is_exact(project):
    """What is kept equals what a count from nothing keeps."""
    before = kept(project)
    rebuild(project=project)
    return before == kept(project)


def test_a_day_of_work_is_counted(project, batch, raters):
    vote(project, raters[0], YES_1, seconds=20)
    vote(project, raters[0], NO, seconds=5)
    vote(project, raters[1], YES_0, seconds=40)
    assert catch_up(project=project).is_complete
    day = WorkDay.objects.get(project=project)
    assert (day.n_votes, day.n_people, day.n_yes, day.n_no, day.n_one, day.n_zero) == (3, 2, 2, 1, 1, 1)
    assert day.active_s == 65
    assert Times.read(day.times).median == pytest.approx(20, rel=0.05)
    assert WorkHour.objects.filter(project=project).count() == 2


def test_nothing_is_written_when_nothing_changed(project, batch, raters):
    vote(project, raters[0])
    catch_up(project=project)
    version = BoardState.objects.get(project=project).version
    first = WorkHour.objects.get(project=project).pk
    catch_up(project=project)
    assert BoardState.objects.get(project=project).version == version
    assert WorkHour.objects.get(project=project).pk == first


def test_undo_correction_and_votes_of_long_past_days_are_followed(project, raters):
    make_batch(project, 6)
    old = [vote(project, raters[0], YES_1, seconds=10).vote for _ in range(3)]
    for number, given_vote in enumerate(old):
        at(given_vote, NOON - timedelta(days=40 - number))
    catch_up(project=project)
    assert is_exact(project)
    correct_vote(project=project, person=raters[0], vote_id=old[0].pk, judgement=NO)
    undo(project=project, person=raters[0])  # the newest of the three
    assert catch_up(project=project).hours >= 2
    days = list(WorkDay.objects.filter(project=project).values_list("n_votes", "n_no", "n_retracted", "n_corrected"))
    assert days == [(1, 1, 0, 1), (1, 0, 0, 0), (0, 0, 1, 0)]
    assert is_exact(project)


def test_votes_set_aside_and_restored_are_followed(project, raters):
    make_batch(project, 4)
    votes = [vote(project, raters[0], YES_1).vote for _ in range(3)]
    for number, one in enumerate(votes):
        at(one, NOON - timedelta(days=number))
    catch_up(project=project)
    BoardState.objects.filter(project=project).update(looked_for_set_asides_at=timezone.now() - timedelta(hours=1))
    now = timezone.now()
    Vote.objects.filter(project=project).update(set_aside_at=now)
    act = SetAside.objects.create(project=project, person=raters[0], reason="too fast", created_at=now)
    catch_up(project=project)
    sums = [sum(row[name] for row in kept(project)[1]) for name in ("n_votes", "n_set_aside")]
    assert sums == [0, 3]
    Vote.objects.filter(project=project).update(set_aside_at=None)
    act.taken_back_at = timezone.now()
    act.save()
    catch_up(project=project)
    assert sum(row["n_votes"] for row in kept(project)[1]) == 3
    assert is_exact(project)


def test_a_vote_that_becomes_visible_late_is_counted_all_the_same(project, raters):
    """A transaction that began before a turn and ended after it: its vote is older than the mark."""
    make_batch(project, 3)
    vote(project, raters[0])
    catch_up(project=project)
    late = vote(project, raters[1]).vote
    at(late, timezone.now() - board.SETTLE / 2)
    catch_up(project=project)
    assert sum(row["n_votes"] for row in kept(project)[1]) == 2


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_counts_are_those_from_nothing(project, raters, seed):
    """Votes, undo, corrections, votes set aside and back, at all times of three days, with turns in between."""
    rng = random.Random(seed)
    make_batch(project, 12, overlap=3)
    for _ in range(60):
        person = rng.choice(raters[:3])
        mine = list(project.votes.filter(person=person, retracted_at=None, set_aside_at=None).order_by("id"))
        act = rng.choice(["vote", "vote", "vote", "undo", "correct", "aside", "count"])
        if act == "vote" and (
            receipt := vote(project, person, rng.choice([YES_1, YES_0, NO]), seconds=rng.random() * 400)
        ):
            at(receipt.vote, NOON + timedelta(hours=rng.randrange(-36, 36)))
            BoardState.objects.filter(project=project).update(counted_to=None)  # as if it had been given just now
        elif act == "undo" and mine:
            with suppress(NothingToUndoError):
                undo(project=project, person=person)
        elif act == "correct" and mine:
            correct_vote(
                project=project, person=person, vote_id=rng.choice(mine).pk, judgement=rng.choice([YES_1, YES_0, NO])
            )
        elif act == "aside":
            now = timezone.now() if rng.random() < 0.5 else None
            project.votes.filter(person=person).update(set_aside_at=now)
            SetAside.objects.create(project=project, person=person, reason="a test", created_at=timezone.now())
        elif act == "count":
            catch_up(project=project)
    assert catch_up(project=project).is_complete
    assert is_exact(project)


def test_imported_votes_are_nobodys_work(project):
    judged_project(project, ["110", "111"])
    Vote.objects.filter(project=project, person__username="simulated-0").update(rater_kind=RaterKind.IMPORTED)
    catch_up(project=project)
    assert WorkDay.objects.get(project=project).n_votes == 4


def test_only_one_counts_at_a_time_and_a_dead_counter_keeps_nobody_out_for_long(project, batch, raters):
    vote(project, raters[0])
    held = board._take_turn(project)
    assert not catch_up(project=project).is_complete
    assert not WorkDay.objects.filter(project=project).exists()
    BoardState.objects.filter(pk=held.pk).update(busy_until=timezone.now() - timedelta(seconds=1))
    assert catch_up(project=project).is_complete


def test_a_turn_without_time_goes_on_where_it_stopped(project, raters):
    make_batch(project, 5)
    for number in range(4):
        at(vote(project, raters[0]).vote, NOON - timedelta(days=number))
    seen = []
    while not (caught := catch_up(project=project, budget_s=0)).is_complete:
        seen.append(BoardState.objects.get(project=project).share_done)
    assert seen == [0.25, 0.5, 0.75, 1.0]
    assert caught.hours == 0
    assert WorkDay.objects.filter(project=project).count() == 4
    assert is_exact(project)


def test_an_hour_has_no_more_than_an_hour_and_an_open_page_no_more_than_five_minutes():
    sums = Sums()
    for _ in range(20):
        sums.add(a_vote(seconds=3000))
    assert sums.active_ms == 20 * 1000 * IDLE_LIMIT_S
    assert sums.active_s == 3600


def a_vote(**fields):
    plain = {
        "intent": "yes",
        "answer": 1,
        "code_unclear": False,
        "is_retracted": False,
        "is_set_aside": False,
        "is_corrected": False,
        "is_wanted": True,
        "is_live": True,
        "seconds": 10.0,
        "n_lines": 10,
    }
    return CountedVote(**{**plain, **fields})


def test_time_on_a_vote_taken_back_is_time_all_the_same():
    sums = Sums()
    sums.add(a_vote(is_retracted=True, seconds=30))
    sums.add(a_vote(is_set_aside=True, seconds=30))
    sums.add(a_vote(seconds=0))
    assert (sums.active_s, sums.counts["n_votes"], sums.counts["n_untimed"]) == (60, 1, 1)
    assert sums.times.all == Counter()


def test_gold_training_and_repeats_are_work_but_no_labels():
    sums = Sums()
    sums.add(a_vote(is_wanted=False, is_live=False))
    assert sums.counts["n_votes"] == 1
    assert sums.counts["n_one"] == sums.counts["n_wanted"] == sums.counts["n_live"] == 0


@given(st.floats(min_value=0.2, max_value=3600))
def test_a_bin_is_right_to_within_five_per_cent(seconds):
    assert seconds_of(bin_of(seconds)) == pytest.approx(seconds, rel=0.05)


@given(st.lists(st.floats(min_value=0.2, max_value=3600), min_size=1, max_size=60), st.sampled_from([0.05, 0.5, 0.9]))
def test_a_quantile_from_bins_is_that_of_the_list(times, share):
    bins = Counter(bin_of(seconds) for seconds in times)
    ordered = sorted(times)
    exact = next(value for place, value in enumerate(ordered, 1) if place >= share * len(ordered))
    assert quantile(bins, share) == pytest.approx(exact, rel=0.05)


def test_of_nothing_there_is_no_median():
    assert Times().median is None
    assert quantile({}, 0.5) is None


@pytest.mark.parametrize(
    ("lines", "intent", "band"),
    [(None, "yes", "query"), (3, "no", "query"), (7, "yes", "short"), (8, "yes", "medium"), (51, "yes", "very_long")],
)
def test_bands_say_what_there_was_to_read(lines, intent, band):
    assert band_of(lines, intent) == band


def test_a_revision_without_a_project_of_its_own_is_not_mixed_up(project, raters):
    """Marks are per project: another project's corrections move nothing here."""
    from tests.factories import ProjectFactory

    other = ProjectFactory(slug="other")
    make_batch(project, 2)
    make_batch(other, 2)
    mine = vote(project, raters[0]).vote
    theirs = vote(other, annotators(other, 1)[0]).vote
    VoteRevision.objects.create(vote=theirs, act="correction", intent="no")
    catch_up(project=project)
    catch_up(project=other)
    assert WorkDay.objects.get(project=project).n_corrected == 0
    assert WorkDay.objects.get(project=other).n_corrected == 1
    assert mine.key != uuid.UUID(int=0)
