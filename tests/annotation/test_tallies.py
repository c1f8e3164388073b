"""Counts of agreement that follow the votes: after any acts they are what a count from scratch gives."""

import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from annotation.consensus import Tally
from annotation.models import AgreementCount, Batch, Item, ItemTally, Purpose, Vote
from annotation.quality import ItemPattern, RaterPattern
from annotation.selectors.tallies import counted_groups, counted_items, counted_people, counted_raters, n_waiting
from annotation.selectors.votes import item_patterns, rater_patterns
from annotation.services.batches import open_batch
from annotation.services.imports import start_import_votes
from annotation.services.tallies import (
    catch_up,
    catch_up_all,
    count_marked,
    monday_of,
    read_states,
    settle_counts,
    start_recount_agreement,
    stored_bag,
)
from annotation.services.votes import NothingToUndoError, correct_vote, undo
from annotation.tallies import (
    CountedVote,
    ItemState,
    Kind,
    Value,
    bag_of,
    band_edges,
    band_of,
    change_of,
    key_text,
    keys_of,
    read_key,
    value_of,
)
from core.errors import QuarryError
from core.jobs import run_inline
from core.models import Project
from curation.models import Candidate, CandidateRun, TextKind
from curation.services.privacy import quarantine_texts, release_texts
from tests.annotation.conftest import CODE_UNCLEAR, NO, QUERY_UNCLEAR, YES_0, YES_1, annotators, vote
from tests.annotation.judged import judge, judged_project
from tests.factories import PairFactory, ProjectFactory, QueryFactory

values = st.sampled_from(list(Value))
votes_of_item = st.dictionaries(st.integers(1, 6), st.tuples(values, st.sampled_from(["", "half"])), max_size=5)
states = st.builds(
    ItemState,
    batch_id=st.integers(1, 2),
    is_pilot=st.booleans(),
    is_set_aside=st.booleans(),
    week=st.sampled_from(["2026-11-09", "2026-11-16"]),
    guideline=st.sampled_from([None, 0, 1, 2]),
    band=st.sampled_from([None, -1, 11]),
    stratum=st.sampled_from(["", 'kept "often" | é', "é" * 40, '"' * 40]),
    pool=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    votes=votes_of_item.map(
        lambda given: tuple(CountedVote(person, *facts) for person, facts in sorted(given.items()))
    ),
)


steady = settings(deadline=None, suppress_health_check=list(HealthCheck))  # a busy machine is no mistake


# --- the pure part ------------------------------------------------------------------------------------------------
@steady
@given(states)
def test_a_state_comes_back_from_its_text(state):
    assert ItemState.from_text(state.to_text()) == state


@steady
@given(states)
def test_keys_come_back_from_their_text_and_fit_their_column(state):
    longest = AgreementCount._meta.get_field("key").max_length
    for _, key in keys_of(state):
        assert read_key(key_text(key)) == key
        assert len(key_text(key)) <= longest


@steady
@given(st.lists(st.tuples(states, states), max_size=6))
def test_changes_of_states_add_up_to_the_bag_of_the_new_ones(moves):
    bag = bag_of(old for old, _ in moves)
    for old, new in moves:
        bag.update(change_of([old], [new]))
    assert +bag == bag_of(new for _, new in moves)
    assert not any(n < 0 for n in bag.values())


def test_a_band_holds_its_lower_edge():
    assert [band_of(score) for score in (0.55, 0.5999, -0.01, None, float("nan"))] == [11, 11, -1, None, None]
    assert band_edges(11) == (0.55, 0.6)


def test_weeks_begin_on_monday_in_utc():
    assert monday_of(datetime(2026, 11, 20, 12, tzinfo=UTC)) == "2026-11-16"
    assert monday_of(datetime.fromisoformat("2026-11-16T00:30:00+02:00")) == "2026-11-09"


# --- in step with the votes ---------------------------------------------------------------------------------------
def from_scratch(project: Project) -> Counter:
    """The bag of a project, from its votes."""
    live = project.items.filter(purpose=Purpose.LIVE).values_list("pk", flat=True)
    return bag_of(read_states(list(live)).values())


def summed(rows: list[ItemPattern] | list[RaterPattern]) -> Counter:
    """Patterns without their order; equal ones as one."""
    counts: Counter = Counter()
    for row in rows:
        facts = {name: getattr(row, name) for name in row.__slots__ if name != "n"}
        counts[tuple(facts.values())] += row.n
    return counts


def assert_in_step(project: Project) -> None:
    assert catch_up(project, budget_s=60)
    assert n_waiting(project) == 0
    assert stored_bag(project.pk) == from_scratch(project)
    assert all(n > 0 for n in AgreementCount.objects.filter(project=project).values_list("n", flat=True))
    live, pilot = counted_items(project)
    assert summed(live) == summed(item_patterns(project))
    assert summed(pilot) == summed(item_patterns(project, is_pilot=True))
    assert summed(counted_raters(project)) == summed(rater_patterns(project))


@pytest.mark.django_db
def test_votes_are_counted_once_marked_and_the_same_again_changes_nothing(project):
    judged_project(project, ["111", "110", "nnn", "1c0", "q", "01q0"])
    assert n_waiting(project) > 0
    assert_in_step(project)
    before = stored_bag(project.pk)
    assert count_marked(project.pk) == 0
    Item.objects.first().save()  # a mark without a change
    assert catch_up_all() == 1
    assert stored_bag(project.pk) == before


@pytest.mark.django_db
def test_each_breakdown_holds_every_item_once(project):
    judged_project(project, ["111", "110", "nnn", "1c0"])
    catch_up(project)
    for kind in (Kind.WEEK, Kind.GUIDELINE, Kind.BAND, Kind.STRATUM):
        assert sum(sum(tallies.values()) for tallies in counted_groups(project, kind).values()) == 4
    assert sum(row.n for row in counted_people(project)) == 4 * 3


@pytest.mark.django_db
def test_a_pair_stands_in_the_band_of_the_run_that_proposed_it_first(project):
    pair = judged_project(project, ["111"])[0].pair
    for score in (0.62, 0.91):
        run = CandidateRun.objects.create(project=project)
        Candidate.objects.create(run=run, pair=pair, score=score)
    catch_up(project)
    assert counted_groups(project, Kind.BAND) == {12: {Tally(n_yes=3, n_one=3): 1}}


@pytest.mark.django_db
def test_a_recount_finds_and_mends_wrong_counts(project):
    judged_project(project, ["111", "110"])
    catch_up(project)
    right = stored_bag(project.pk)
    AgreementCount.objects.filter(kind=Kind.ITEM).update(n=7)
    AgreementCount.objects.create(project=project, kind=Kind.WEEK, key='["1999-01-04",3,0,0,3,0]', n=5)
    AgreementCount.objects.filter(kind=Kind.PAIR).first().delete()
    result = run_inline(start_recount_agreement(project=project, inline=True)).result
    assert result == {"pairs": 2, "wrong_counts": 2 + 1 + 1}
    assert stored_bag(project.pk) == right
    assert settle_counts(project) == 0


@pytest.mark.django_db
def test_a_recount_brings_items_in_that_nobody_marked(project):
    judged_project(project, ["111", "110"])
    catch_up(project)
    Vote.objects.filter(answer=0).update(answer=1)  # behind everybody's back
    assert stored_bag(project.pk) != from_scratch(project)
    run_inline(start_recount_agreement(project=project, inline=True))
    assert_in_step(project)


@pytest.mark.django_db
def test_pages_count_only_for_so_long(project):
    judged_project(project, ["111"] * 4)
    assert not catch_up(project, budget_s=-1) or n_waiting(project) == 0
    assert_in_step(project)


@pytest.mark.django_db
def test_imported_votes_are_marked(project, tmp_path):
    lines = ["query,code,worker,label"]
    lines += [f'python sort,"def f(): return {n}",w{w},{w % 2}' for n in range(3) for w in range(3)]
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run_inline(start_import_votes(project=project, path=path, inline=True))
    assert_in_step(project)
    assert sum(row.n for row in counted_items(project)[0]) == 3


JUDGEMENTS = [YES_1, YES_1, YES_0, NO, QUERY_UNCLEAR, CODE_UNCLEAR]
acts = st.lists(
    st.tuples(
        st.sampled_from(["vote"] * 6 + ["undo", "correct", "hold", "release", "hold code", "pilot", "aside", "count"]),
        st.integers(0, 4),
        st.integers(0, 5),
    ),
    max_size=25,
)


class InStep(TestCase):
    """Any acts in any order, counted at any time."""

    @settings(steady, max_examples=40)
    @given(acts)
    def test_counts_follow_votes_undos_corrections_quarantine_pilots_and_votes_set_aside(self, given):
        project = ProjectFactory(slug=f"p{uuid.uuid4().hex[:12]}")
        query = QueryFactory(project=project)
        pairs = [*PairFactory.create_batch(2, project=project, query=query), PairFactory(project=project)]
        batch = open_batch(project=project, pairs=pairs, name="all", overlap=2, max_extra=2)
        people = annotators(project, 5)
        for act, who, what in given:
            self.do(project, batch, people[who], act, what)
        assert_in_step(project)

    def do(self, project, batch, person, act, what):
        newest = project.votes.filter(person=person, retracted_at=None).order_by("-id").first()
        if act == "vote":
            with suppress(QuarryError):  # the slot of a vote that was set aside by hand may be another's
                vote(project, person, JUDGEMENTS[what])
        elif act == "undo":
            with suppress(NothingToUndoError):
                undo(project=project, person=person)
        elif act == "correct" and newest and newest.set_aside_at is None:
            correct_vote(project=project, person=person, vote_id=newest.pk, judgement=JUDGEMENTS[what])
        elif act == "aside" and newest:
            newest.set_aside_at = None if newest.set_aside_at else datetime.now(UTC)
            newest.save(update_fields=["set_aside_at"])
        elif act == "pilot":
            batch = Batch.objects.get(pk=batch.pk)
            batch.is_pilot = not batch.is_pilot
            batch.save()
        elif act in {"hold", "release"}:
            ids = project.queries.order_by("id").values_list("pk", flat=True)
            chosen = [ids[what % len(ids)]]
            if act == "hold":
                quarantine_texts(project=project, kind=TextKind.QUERY, ids=chosen, reason="other private text")
            else:
                release_texts(project=project, kind=TextKind.QUERY, ids=chosen)
        elif act == "hold code":
            code = project.items.order_by("id")[what % 3].pair.code_id
            quarantine_texts(project=project, kind=TextKind.CODE, ids=[code], reason="other private text")
        elif act == "count":
            count_marked(project.pk, at_once=1 + what)


@pytest.mark.django_db
def test_a_vote_leaves_one_mark_and_goes_with_its_transaction(project, raters, batch):
    before = n_waiting(project)
    vote(project, raters[0])
    assert n_waiting(project) == before + 1


@pytest.mark.django_db
def test_intents_are_pooled_over_the_pairs_of_a_query(project):
    query = QueryFactory(project=project)
    judge(project, PairFactory(project=project, query=query), "11n")
    catch_up(project)
    judge(project, PairFactory(project=project, query=query), "nnn")
    assert_in_step(project)
    assert set(ItemTally.objects.values_list("pool_yes", "pool_no")) == {(2, 4)}


def test_every_vote_has_a_letter():
    assert [value_of(*vote) for vote in [("no", None), ("yes", 1), ("yes", 0), ("yes", None), ("unclear", None)]] == [
        *"n10cq"
    ]


@pytest.mark.django_db
def test_the_command_recounts(project, capsys):
    judged_project(project, ["111", "110"])
    call_command("agreement", "--project", "demo", "--recount")
    assert "2 pairs" in capsys.readouterr().out
