"""Adjudication: which pairs wait, what a decision does, what it leaves alone, and what releases make of it."""

import json

import pytest

from annotation.consensus import Tally, is_contested
from annotation.criteria import read_criteria
from annotation.models import Adjudication, Consensus, ConsensusRun, Decision, GuidelineExample, Item, Vote
from annotation.selectors.adjudication import (
    adjudicated_pairs,
    case_of,
    next_waiting,
    waiting_counts,
    waiting_items,
)
from annotation.selectors.labels import labels_of_query
from annotation.selectors.pools import labels_of_pairs
from annotation.services import votes as vote_services
from annotation.services.adjudication import (
    DecidedMeanwhileError,
    StillJudgedError,
    adjudicate,
    recheck_contested,
    take_back_adjudication,
)
from annotation.services.consensus import NoVotesToJoinError, start_compute_consensus
from annotation.services.releases import start_freeze_release
from core.errors import BadInputError, ConflictError, NotFoundError
from core.jobs import run_inline
from core.models import AuditEntry
from tests.annotation.conftest import CODE_UNCLEAR, YES_0, YES_1, annotators, make_batch, vote
from tests.annotation.judged import judged_project
from tests.factories import member

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge(project):
    """An adjudicator of the project."""
    return member(project, "adjudicator", username="ada")


def decide(item, person, decision="one", reason="The body does it.", **options):
    return adjudicate(project=item.project, item_id=item.pk, person=person, decision=decision, reason=reason, **options)


def split_item(project, judgements=(YES_1, YES_0, YES_1, YES_0, YES_1)) -> Item:
    """A pair judged by five people through the queue: 3-2 at the end."""
    make_batch(project, 1)
    for person, judgement in zip(annotators(project, len(judgements)), judgements, strict=True):
        vote(project, person, judgement)
    return project.items.get()


# --- which pairs are contested ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tally", "overlap", "expected"),
    [
        (Tally(n_yes=3, n_one=3), 3, False),
        (Tally(n_yes=3, n_one=2, n_zero=1), 3, True),
        (Tally(n_yes=5, n_one=4, n_zero=1), 3, False),
        (Tally(n_yes=5, n_one=3, n_zero=2), 3, True),
        (Tally(n_no=2, n_yes=1, n_one=1), 3, False),
        (Tally(n_no=2, n_yes=2, n_one=2), 3, True),
        (Tally(n_yes=1, n_one=1), 1, False),
        (Tally(n_yes=2, n_one=1, n_zero=1), 2, True),
        (Tally(n_yes=2, n_one=2), 2, False),
        (Tally(n_yes=3, n_one=2), 3, False),
    ],
)
def test_contested_means_that_people_differ_and_the_rule_does_not_settle_it(tally, overlap, expected):
    assert is_contested(tally, overlap=overlap) is expected


def test_a_pair_waits_once_all_votes_are_in_and_split(project):
    make_batch(project, 1)
    people = annotators(project, 5)
    for person, judgement in zip(people[:4], (YES_1, YES_0, YES_1, YES_0), strict=True):
        vote(project, person, judgement)
    assert project.items.get().is_contested, "2-2, and one vote more could not bring 3/4"
    assert [item.pk for item in waiting_items(project)] == [project.items.get().pk]


def test_a_correction_that_settles_the_pair_takes_it_off_the_list(project):
    item = split_item(project, (YES_1, YES_0, YES_1, YES_0))
    last = Vote.objects.filter(answer=0).latest("id")
    vote_services.correct_vote(project=project, person=last.person, vote_id=last.pk, judgement=YES_1)
    item.refresh_from_db()
    assert not item.is_contested
    assert not waiting_items(project).exists()


def test_a_pair_that_two_could_not_judge_waits_as_well(project):
    split_item(project, (CODE_UNCLEAR, CODE_UNCLEAR))
    assert waiting_counts(project) == {"": 1, "split": 0, "aside": 1, "differs": 0}


def test_a_recheck_finds_the_same_marks_from_the_votes_alone(project):
    items = judged_project(project, ["111", "1100", "10", "nn1", "1", "0c1"])
    assert recheck_contested(project) == 3
    assert recheck_contested(project) == 0
    marked = [item.pk for item in items if Item.objects.get(pk=item.pk).is_contested]
    assert marked == [items[1].pk, items[2].pk, items[5].pk]


def test_held_back_pairs_wait_for_nobody(project):
    items = judged_project(project, ["10", "10"])
    recheck_contested(project)
    items[0].query.quarantine_reason = "e-mail"
    items[0].query.save()
    assert [item.pk for item in waiting_items(project)] == [items[1].pk]


def test_the_next_pair_comes_in_the_order_of_the_list_and_then_from_its_beginning(project, judge):
    items = judged_project(project, ["10", "10", "10"])
    recheck_contested(project)
    assert next_waiting(project, "split", after=items[0].pk).pk == items[1].pk
    assert next_waiting(project, "split", after=items[2].pk).pk == items[0].pk
    for item in items[:2]:
        decide(item, judge)
    assert next_waiting(project, "split", after=items[2].pk) is None


# --- deciding --------------------------------------------------------------------------------------------------
def test_a_decision_is_kept_beside_the_votes_with_reason_and_audit(project, judge):
    (item,) = judged_project(project, ["110"])
    made = decide(item, judge, cause="guideline")
    assert (made.label, made.intent, made.had_voted, made.cause) == (1, "yes", False, "guideline")
    assert (made.votes["n_one"], made.votes["n_zero"]) == (2, 1)
    assert [v.answer for v in item.votes.order_by("id")] == [1, 1, 0]
    entry = AuditEntry.objects.get(act="annotation.adjudicate")
    assert (entry.actor, entry.before, entry.after["decision"]) == (judge, {}, "one")
    assert entry.reason == "The body does it."


def test_a_second_decision_replaces_the_first_which_stays_on_record(project, judge, curator):
    (item,) = judged_project(project, ["110"])
    first = decide(item, judge)
    second = decide(item, curator, "zero", "It sorts keys.", replaces=first.pk)
    first.refresh_from_db()
    assert first.ended_at is not None
    case = case_of(item, judge)
    assert (case.standing, case.earlier) == (second, [first])
    assert AuditEntry.objects.filter(act="annotation.adjudicate").latest("id").before["decision"] == "one"


def test_the_same_decision_again_changes_nothing(project, judge):
    (item,) = judged_project(project, ["110"])
    assert decide(item, judge) == decide(item, judge)
    assert Adjudication.objects.count() == 1


def test_two_adjudicators_do_not_write_over_each_other_unseen(project, judge, curator):
    (item,) = judged_project(project, ["110"])
    first = decide(item, judge, replaces=None)
    with pytest.raises(DecidedMeanwhileError, match="ada has decided"):
        decide(item, curator, "zero", "Otherwise.", replaces=None)
    take_back_adjudication(project=project, item_id=item.pk, person=judge, reason="A slip.")
    with pytest.raises(ConflictError, match="taken back meanwhile"):
        decide(item, curator, "zero", "Otherwise.", replaces=first.pk)


def test_a_decision_taken_back_leaves_the_votes_to_speak_and_stays_on_record(project, judge):
    (item,) = judged_project(project, ["110"])
    decide(item, judge, "zero")
    take_back_adjudication(project=project, item_id=item.pk, person=judge, reason="A slip.")
    assert adjudicated_pairs(project) == {}
    assert Adjudication.objects.get().ended_at is not None
    assert AuditEntry.objects.filter(act="annotation.take_back_adjudication", reason="A slip.").exists()
    with pytest.raises(NotFoundError):
        take_back_adjudication(project=project, item_id=item.pk, person=judge, reason="Again.")


def test_an_adjudicator_who_voted_is_told_apart(project):
    item = split_item(project)
    voter = item.votes.first().person
    assert case_of(item, voter).own_vote is not None
    assert decide(item, voter).had_voted


@pytest.mark.parametrize(
    ("given", "field"),
    [({"decision": "maybe"}, "decision"), ({"reason": "  "}, "reason"), ({"cause": "moon"}, "cause")],
)
def test_what_cannot_be_a_decision_is_refused_by_field(project, judge, given, field):
    (item,) = judged_project(project, ["110"])
    with pytest.raises(BadInputError) as refused:
        decide(item, judge, **{"decision": "one", "reason": "So.", **given})
    assert refused.value.fields["field"] == field


def test_pairs_that_people_are_still_judging_are_not_decided(project, judge):
    batch = make_batch(project, 1)
    vote(project, annotators(project, 1)[0])
    item = project.items.get()
    with pytest.raises(StillJudgedError):
        decide(item, judge)
    batch.is_closed = True
    batch.save()
    assert decide(item, judge).label == 1


def test_private_text_in_a_reason_is_masked(project, judge):
    (item,) = judged_project(project, ["110"])
    assert decide(item, judge, reason="As anna@firm.se says.").reason == "As [e-mail] says."


def test_foreign_and_held_back_pairs_are_not_found(project, judge):
    (item,) = judged_project(project, ["110"])
    with pytest.raises(NotFoundError):
        adjudicate(project=project, item_id=item.pk + 9, person=judge, decision="one", reason="So.")
    item.pair.code.quarantine_reason = "e-mail"
    item.pair.code.save()
    with pytest.raises(NotFoundError):
        decide(item, judge)


# --- what follows ----------------------------------------------------------------------------------------------
def freeze(project, name, tmp_path, settings):
    settings.QUARRY_HOME = tmp_path
    release, job = start_freeze_release(
        project=project, name=name, criteria=read_criteria(dev="0", test="0"), inline=True
    )
    run_inline(job)
    release.refresh_from_db()
    folder = tmp_path / release.path
    rows = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    return release, folder, {row["query"]: row for row in rows}


def test_releases_carry_adjudicated_labels_and_tell_them_apart(project, judge, settings, tmp_path):
    items = judged_project(project, ["111", "110", "100", "000", "111", "qq1"])
    plain, _, _ = freeze(project, "plain", tmp_path, settings)
    assert "adjudicated" not in plain.stats["statistics"]["origins"]
    decide(items[1], judge, "one")
    decide(items[2], judge, "one", "The votes misread it.")
    decide(items[3], judge, "no_intent")
    decide(items[4], judge, "unusable")
    release, folder, rows = freeze(project, "decided", tmp_path, settings)
    origins = {query[-1]: (row["label"], row["origin"]) for query, row in rows.items()}
    assert origins == {"0": (1, "votes"), "1": (1, "adjudicated"), "2": (1, "adjudicated")}
    assert rows[items[2].query.text]["votes_for"] == 1, "the votes stand as they were given"
    assert release.stats["removed"]["adjudicated_no_intent"] == 1
    assert release.stats["removed"]["adjudicated_unusable"] == 1
    assert release.stats["statistics"]["origins"] == {"adjudicated": 2, "votes": 1}
    card = (folder / "README.md").read_text()
    assert "2 pairs carry the label of an adjudicator" in card
    assert "no code-search intent, by an adjudicator: 1" in card


def test_a_release_does_not_change_by_a_decision_that_was_taken_back(project, judge, settings, tmp_path):
    items = judged_project(project, ["111", "110", "000"])
    before, _, _ = freeze(project, "before", tmp_path, settings)
    decide(items[1], judge)
    take_back_adjudication(project=project, item_id=items[1].pk, person=judge, reason="A slip.")
    after, _, _ = freeze(project, "after", tmp_path, settings)
    assert before.content_sha256 == after.content_sha256


def test_labels_shown_beside_searches_and_pools_follow_the_decision(project, judge):
    items = judged_project(project, ["111", "110"])
    decide(items[0], judge, "no_intent")
    decide(items[1], judge, "zero")
    pairs = [item.pair_id for item in items]
    found = labels_of_pairs(project, pairs)
    assert {pair: label.label for pair, label in found.labels.items()} == {pairs[1]: 0}
    assert found.labels[pairs[1]].is_adjudicated
    assert (found.no_intent, found.unresolved, found.waiting) == (1, 0, 0)
    for item, expected in ((items[0], {}), (items[1], {items[1].pair.code_id: 0})):
        codes = [item.pair.code_id]
        assert labels_of_query(project, query_hash=item.query.content_hash, code_ids=codes) == expected


def test_decisions_on_pilots_stay_out_of_releases(project, judge):
    (item,) = judged_project(project, ["110"])
    item.batch.is_pilot = True
    item.batch.save()
    decide(item, judge)
    assert adjudicated_pairs(project) == {}


# --- consensus by three methods --------------------------------------------------------------------------------
def compute(project, **options) -> ConsensusRun:
    run, job = start_compute_consensus(project=project, inline=True, **options)
    run_inline(job)
    run.refresh_from_db()
    return run


def test_the_consensus_stores_a_row_per_pair_with_two_votes(project):
    items = judged_project(project, ["111", "000", "nn1", "10", "1", "1q", "110"])
    run = compute(project)
    rows = {row.item_id: row for row in Consensus.objects.all()}
    assert set(rows) == {items[n].pk for n in (0, 1, 2, 3, 6)}
    labels = {n: rows[items[n].pk].majority for n in (0, 1, 2, 3, 6)}
    assert labels == {0: "1", 1: "0", 2: "no", 3: "", 6: "1"}
    assert rows[items[6].pk].majority_share == pytest.approx(2 / 3)
    assert all(0 < row.mace_share <= 1 and 0 < row.dawid_skene_share <= 1 for row in rows.values())
    assert (run.is_current, run.report["pairs"], run.report["votes"]) == (True, 5, 14)
    assert {rater.n_votes for rater in run.raters.all()} <= {5, 4}
    assert sum(run.report["labels"]["majority"].values()) == 5


def test_the_same_votes_and_seed_give_the_same_rows_and_the_new_run_takes_the_place_of_the_old(project):
    judged_project(project, ["111", "000", "nn1", "10", "110", "001"])

    def facts():
        names = ("item", "majority", "dawid_skene", "dawid_skene_share", "mace", "mace_share", "differs")
        return list(Consensus.objects.order_by("item").values_list(*names))

    first = compute(project, seed=3)
    before = facts()
    second = compute(project, seed=3)
    assert facts() == before
    assert not first.rows.exists()
    assert list(project.consensus_runs.filter(is_current=True)) == [second]


def test_run_a_second_time_the_job_doubles_nothing(project):
    judged_project(project, ["111", "000", "10"])
    run, job = start_compute_consensus(project=project, inline=True)
    Consensus.objects.create(
        run=run, item=project.items.first(), n_votes=3, dawid_skene="1", dawid_skene_share=1, mace="1", mace_share=1
    )  # left over from an attempt that was killed
    run_inline(job)
    assert run.rows.count() == 3


def test_pairs_on_which_the_methods_differ_wait_for_an_adjudicator(project, judge):
    items = judged_project(project, ["111", "000"])
    run = compute(project)
    run.rows.filter(item=items[0]).update(differs=True)
    assert waiting_counts(project)["differs"] == 1
    decide(items[0], judge)
    assert waiting_counts(project)["differs"] == 0


def test_careless_raters_are_trusted_less(project):
    judged_project(project, ["1110", "0001", "1110", "0001", "1110", "0001", "1111", "0000"] * 3)
    run = compute(project)
    least = run.raters.order_by("mace").first()
    assert least.person.username.endswith("-3")
    assert run.raters.order_by("dawid_skene").first() == least


def test_nothing_to_join_and_numbers_out_of_range_are_refused_at_once(project):
    with pytest.raises(NoVotesToJoinError):
        start_compute_consensus(project=project)
    for given in ({"seed": -1}, {"restarts": 0}, {"restarts": 10_000}):
        with pytest.raises(BadInputError):
            start_compute_consensus(project=project, **given)


def test_the_job_corrects_marks_that_went_wrong(project):
    items = judged_project(project, ["110", "111"])
    Item.objects.filter(pk=items[1].pk).update(is_contested=True)
    assert compute(project).report["marks_corrected"] == 2
    assert [Item.objects.get(pk=item.pk).is_contested for item in items] == [True, False]


def test_no_vote_is_touched_by_any_of_it(project, judge):
    items = judged_project(project, ["110", "000"])
    before = list(Vote.objects.order_by("id").values())
    compute(project)
    decide(items[0], judge, "zero")
    assert list(Vote.objects.order_by("id").values()) == before
    assert not GuidelineExample.objects.exists()
    assert Decision(Adjudication.objects.get().decision) == Decision.ZERO
