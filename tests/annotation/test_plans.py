"""Planned batches: what is stored, the page, the endpoints, the command; slots in the planned order."""

import json

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from annotation.models import Batch, BatchPlan, Item, Slot
from annotation.selectors.plans import ASSUMED_SECONDS, asked_queries, candidate_rows, judged_scores, measured_pace
from annotation.services.leases import claim_next
from annotation.services.plans import make_plan, plan_batch, read_settings
from core.errors import BadInputError, NotFoundError, QuarryError
from core.models import Project
from curation.models import BestMatch, Candidate, CandidateRun, Outcome, Pair
from tests.annotation.conftest import annotators, make_batch, vote
from tests.annotation.judged import judge
from tests.factories import CodeFactory, PairFactory, ProjectFactory, QueryFactory, member

pytestmark = pytest.mark.django_db


def candidates(project: Project, *, kept: int = 30, below: int = 10, over_cap: int = 3) -> CandidateRun:
    """A complete run with rows of every outcome, all with different queries."""
    run = CandidateRun.objects.create(project=project, is_complete=True, encoder="hashing", threshold=0.5)
    for number in range(kept + below + over_cap):
        query = QueryFactory(project=project, text=f"python word{run.pk}x{number} thing", n_seen=1 + number % 5)
        code = CodeFactory(project=project, name=f"run{run.pk}_{number}")
        outcome = Outcome.KEPT if number < kept else Outcome.BELOW if number < kept + below else Outcome.OVER_CAP
        score = 0.5 + number / 100 if outcome != Outcome.BELOW else 0.1 + (number - kept) / 100
        BestMatch.objects.create(run=run, query=query, code=code, score=score, outcome=outcome)
        if outcome == Outcome.KEPT:
            pair = PairFactory(project=project, query=query, code=code)
            Candidate.objects.create(run=run, pair=pair, score=score)
    return run


def settings_of(project: Project, **given):
    given.setdefault("mix_random", 80)
    given.setdefault("mix_low", 20)
    return read_settings(project, {"pairs": 20, **given})


# --- the batch ------------------------------------------------------------------------------------------------------
def test_the_plan_is_stored_and_its_numbers_add_up(project, curator):
    candidates(project)
    batch = plan_batch(project=project, settings=settings_of(project, seed=5), user=curator)
    stored = BatchPlan.objects.get(batch=batch)
    assert stored.options["seed"] == 5
    assert stored.options["mix"] == {"low": "1/5", "random": "4/5"}
    assert stored.created_by == curator
    funnel = dict(stored.funnel)
    assert funnel["candidates"] == 43
    assert funnel["over the cap of its run"] == -3
    assert sum(n for what, n in stored.funnel if what != "chosen") == funnel["chosen"] == 20
    assert {(one["mix"], one["chosen"]) for one in stored.strata} == {("random", 16), ("low", 4)}
    assert Item.objects.filter(batch=batch, stratum="low · all").count() == 4
    assert stored.estimate["pairs"] == 20


def test_pairs_below_the_threshold_become_pairs_when_planned_and_stay_no_candidates(project):
    candidates(project)
    before = Pair.objects.count()
    batch = plan_batch(project=project, settings=settings_of(project))
    assert Pair.objects.count() == before + 4
    low = Pair.objects.filter(items__batch=batch, items__stratum__startswith="low")
    assert not Candidate.objects.filter(pair__in=low).exists()
    assert [match.outcome for match in BestMatch.objects.filter(query__pairs__in=low)] == [Outcome.BELOW] * 4


def test_the_same_plan_and_seed_give_the_same_pairs_in_another_project(project):
    other = ProjectFactory(slug="other")
    PairFactory(project=other)  # so that ids differ
    for where in (project, other):
        run = CandidateRun.objects.create(project=where, is_complete=True, encoder="hashing")
        for number in range(40):
            query = QueryFactory(project=where, text=f"python same{number} thing")
            pair = PairFactory(project=where, query=query, code=CodeFactory(project=where, name=f"same_{number}"))
            Candidate.objects.create(run=run, pair=pair, score=0.5 + number / 100)
    first, second, changed = (
        make_plan(project=where, settings=settings_of(where, seed=seed, mix_random=100, mix_low=0)).selection
        for where, seed in ((project, 3), (other, 3), (project, 4))
    )
    assert first.sha256() == second.sha256() != changed.sha256()


def test_slots_come_up_in_the_planned_order_while_item_numbers_say_nothing(project):
    candidates(project)
    settings = settings_of(project, order="score", mix_random=100, mix_low=0)
    batch = plan_batch(project=project, settings=settings)
    scores = dict(Candidate.objects.values_list("pair_id", "score"))
    slots = list(Slot.objects.filter(batch=batch).order_by("id").values_list("pair_id", "number", "priority"))
    assert len(slots) == 60
    assert [scores[pair] for pair, number, _ in slots if number == 0] == sorted(
        (scores[pair] for pair, number, _ in slots if number == 0), reverse=True
    )
    assert {priority for _, _, priority in slots} == {0}, "the claim stays short only while priorities are equal"
    items = list(Item.objects.filter(batch=batch).order_by("id").values_list("pair_id", flat=True))
    assert [scores[pair] for pair in items] != sorted((scores[pair] for pair in items), reverse=True)
    (person,) = annotators(project, 1)
    assert scores[claim_next(project=project, person=person).pair_id] == max(scores[pair] for pair in items)


def test_what_is_in_a_batch_already_is_not_opened_again(project):
    candidates(project, kept=12, below=0)
    plan_batch(project=project, settings=settings_of(project, pairs=8, mix_random=100, mix_low=0))
    again = make_plan(project=project, settings=settings_of(project, pairs=8, mix_random=100, mix_low=0))
    assert dict(again.selection.funnel)["already in a batch"] == -8
    assert len(again.selection.chosen) == 4
    assert again.notes == ["Only 4 of the 8 pairs that were asked for can be opened."]
    plan_batch(project=project, settings=settings_of(project, mix_random=100, mix_low=0))
    with pytest.raises(BadInputError, match="no pair left to open"):
        plan_batch(project=project, settings=settings_of(project, mix_random=100, mix_low=0))


def test_quarantined_texts_stay_out_of_preview_and_batch(project):
    run = candidates(project, kept=5, below=0, over_cap=0)
    hidden = run.candidates.first().pair.query
    hidden.quarantine_reason = "e-mail"
    hidden.save()
    plan = make_plan(project=project, settings=settings_of(project, mix_random=100, mix_low=0))
    assert dict(plan.selection.funnel)["held back for privacy"] == -1
    assert hidden.text not in json.dumps(plan.to_dict())
    assert all(row.text == "" for row in candidate_rows(project, [run]).rows if row.is_hidden)
    judge(project, run.candidates.first().pair, "111")
    assert asked_queries(project) == [], "nor does a quarantined query speak for its near duplicates"


# --- settings and pace --------------------------------------------------------------------------------------------
def test_the_pace_is_measured_where_people_voted_and_an_assumption_elsewhere(project):
    pace = measured_pace(project)
    assert (pace.seconds, "assumption" in pace.seconds_from) == (ASSUMED_SECONDS, True)
    make_batch(project, 3)
    (person,) = annotators(project, 1)
    for seconds in (10.0, 20.0, 90.0):
        vote(project, person, seconds=seconds)
    pace = measured_pace(project)
    assert (pace.seconds, pace.seconds_from) == (20.0, "median of the latest 3 votes")
    assert read_settings(project, {}).seconds == 20


def test_simulated_votes_are_no_measured_pace(project):
    judge(project, PairFactory(project=project), "111")
    assert "assumption" in measured_pace(project).seconds_from


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seconds": "a while"}, "seconds is a number"),
        ({"pairs": "2.5"}, "whole number"),
        ({"mix_random": 50, "mix_low": 20}, "70 %"),
        ({"band_head": 50}, "50 %"),
        ({"order": "backwards"}, "no order backwards"),
        ({"seed": -1}, "seed"),
        ({"gold_share": "2.5"}, "whole number of per cent"),
        ({"overlap": 99}, "overlap"),
        ({"pairs": ""}, "Give a budget"),
        ({"runs": [12345]}, "12345"),
        ({"wage": "9" * 20}, "out of bounds"),
    ],
)
def test_refusals_say_what_is_wrong(project, given, says):
    candidates(project, kept=3, below=0)
    with pytest.raises(QuarryError, match=says):
        make_plan(project=project, settings=settings_of(project, **given))


def test_a_run_of_another_project_cannot_be_planned_from(project):
    foreign = candidates(ProjectFactory(slug="foreign"), kept=2, below=0)
    with pytest.raises(NotFoundError):
        make_plan(project=project, settings=settings_of(project, runs=[foreign.pk]))


# --- scores beside judgements -----------------------------------------------------------------------------------------
def test_judged_scores_hold_candidates_and_planned_pairs_below_the_threshold(project):
    run = candidates(project, kept=3, below=2, over_cap=0)
    kept = [one.pair for one in run.candidates.order_by("score")]
    low = PairFactory(
        project=project,
        query=run.best_matches.filter(outcome="below")[0].query,
        code=run.best_matches.filter(outcome="below")[0].code,
    )
    for pair, votes in ((kept[0], "110"), (kept[1], "000"), (kept[2], "nnn"), (low, "00")):
        judge(project, pair, votes)
    scores = {pair.pk: score for score, pair in ((one.score, one.pair) for one in run.candidates.all())}
    low_score = run.best_matches.get(query=low.query).score
    assert judged_scores(run) == sorted([(low_score, 0), (scores[kept[0].pk], 1), (scores[kept[1].pk], 0)])
    assert judged_scores(run, batch=make_batch(project, 1)) == []


# --- page, endpoints, command ---------------------------------------------------------------------------------------
FORM = {
    "pairs": 10,
    "overlap": 3,
    "max_extra": 2,
    "seconds": 30,
    "extra": 0.5,
    "wage": 20,
    "people": 3,
    "hours": 4,
    "per_query": 1,
    "mix_random": 80,
    "mix_low": 20,
    "order": "mixed",
    "gold_source": "judged",
    "seed": 0,
}


def address(name: str = "plan", *args) -> str:
    return reverse(f"annotation:{name}", args=["demo", *args])


def test_the_page_previews_without_opening_and_opens_what_it_showed(project, curator_client):
    run = candidates(project)
    shown = curator_client.post(address(), {**FORM, "runs": [run.pk], "act": "preview"})
    assert shown.status_code == 200
    html = shown.content.decode()
    for text in (
        "Preview: 10 pairs",
        "not opened yet",
        "over the cap of its run",
        "below",
        "Open it as previewed: 10 pairs",
    ):
        assert text in html
    assert not Batch.objects.exists()
    answer = curator_client.post(address(), {**FORM, "runs": [run.pk], "act": "open"})
    batch = Batch.objects.get()
    assert answer.url == address("batch", batch.pk)
    page = curator_client.get(answer.url).content.decode()
    assert "The plan: 10 pairs" in page
    assert batch.plan.chosen_sha256 == shown.context["plan"].selection.sha256()
    rows = curator_client.get(answer.url, {"show": "stratum:low · all"})
    assert len(rows.context["page"]) == 2


def test_only_what_was_previewed_is_opened(project, curator_client):
    run = candidates(project)
    shown = curator_client.post(address(), {**FORM, "runs": [run.pk], "act": "preview"})
    previewed = shown.context["plan"].selection.sha256()
    assert f'value="{previewed}"' in shown.content.decode()
    changed = {**FORM, "runs": [run.pk], "act": "open", "previewed": previewed, "seed": 99}
    refused = curator_client.post(address(), changed)
    assert refused.status_code == 422
    assert "look at the new preview" in refused.content.decode()
    assert not Batch.objects.exists()
    again = {**changed, "previewed": refused.context["plan"].selection.sha256()}
    assert curator_client.post(address(), again).status_code == 302
    assert Batch.objects.get().plan.chosen_sha256 == again["previewed"] != previewed


def test_who_may_judge_is_not_told_why_a_pair_was_chosen(project, curator_client):
    candidates(project)
    batch = plan_batch(project=project, settings=settings_of(project))
    page = address("batch", batch.pk)
    dora = Client()
    dora.force_login(member(project, "adjudicator", username="dora"))
    assert "Strata" not in dora.get(page).content.decode()
    assert dora.get(page, {"show": "stratum:low · all"}).status_code == 400
    assert dora.get(page, {"show": "gold"}).status_code == 400
    assert "Strata" in curator_client.get(page).content.decode()
    gold = PairFactory(project=project)
    item = Item.objects.create(project=project, batch=batch, query=gold.query, pair=gold, purpose="gold", target=0)
    assert dora.get(address("item", item.pk)).status_code == 404
    assert curator_client.get(address("item", item.pk)).status_code == 200


def test_the_estimate_answers_as_one_types_and_names_what_is_wrong(project, curator_client):
    run = candidates(project)
    given = {**FORM, "runs": [run.pk], "pairs": "", "budget": "12"}
    html = curator_client.post(address("plan-estimate"), given).content.decode()
    assert "<html" not in html
    assert ">20<" in html.replace(" ", "").replace("\n", ""), "3.5 votes of 30 s at 20 an hour: 0.583 a pair"
    assert "Add people" in curator_client.post(address("plan-estimate"), {**given, "people": 1}).content.decode()
    assert (
        "Seconds per vote" in curator_client.post(address("plan-estimate"), {**given, "seconds": "x"}).content.decode()
    )


def test_a_refusal_stands_at_its_field(project, curator_client):
    run = candidates(project)
    shown = curator_client.post(address(), {**FORM, "runs": [run.pk], "people": 1})
    assert shown.status_code == 422
    assert "Add people" in str(shown.context["form"].errors["people"])


def test_the_address_names_the_run_and_judgements_name_the_threshold(project, curator_client):
    run = candidates(project, kept=40, below=0, over_cap=0)
    for candidate in run.candidates.select_related("pair"):
        judge(project, candidate.pair, "111" if candidate.score >= 0.75 else "000")
    candidates(project, kept=2, below=0)
    form = curator_client.get(address(), {"run": run.pk}).context["form"]
    assert form.initial["runs"] == [run.pk]
    assert 0.65 < form.initial["near_score"] < 0.75
    assert "suggested by" in form.fields["near_score"].help_text
    assert "near_score" not in curator_client.get(address(), {"run": "x"}).context["form"].initial


def test_without_candidates_the_page_says_where_to_begin(project, curator_client):
    assert "Propose pairs first" in curator_client.get(address()).content.decode()


@pytest.mark.parametrize("name", ["plan", "plan-estimate"])
def test_planning_is_for_curators(project, annotator_client, stranger_client, name):
    assert annotator_client.post(address(name), FORM).status_code == 403
    assert stranger_client.post(address(name), FORM).status_code == 404


def test_the_endpoints_preview_open_and_read(project, curator_client):
    candidates(project)
    body = {"pairs": 6, "mix": {"random": 100}, "seed": 9}

    def post(name: str):
        return curator_client.post(reverse(name, args=["demo"]), body, content_type="application/json")

    preview = post("api-plan-preview").json()
    assert (preview["chosen"], preview["settings"]["seed"]) == (6, 9)
    assert not Batch.objects.exists()
    opened = post("api-plan-batch")
    assert (opened.status_code, opened.json()["n_items"]) == (201, 6)
    stored = curator_client.get(reverse("api-batch-plan", args=["demo", opened.json()["id"]])).json()
    assert stored["chosen_sha256"] == preview["sha256"]
    assert stored["funnel"] == preview["funnel"]
    body["mix"] = {"random": 10}
    assert post("api-plan-batch").status_code == 400


def test_the_command_shows_and_opens(project, capsys):
    candidates(project)
    call_command("plan_batch", project="demo", pairs="5", mix="random=60,low=40", dry_run=True)
    assert "nothing is opened" in capsys.readouterr().out
    assert not Batch.objects.exists()
    call_command("plan_batch", project="demo", pairs="5", mix="random=60,low=40", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["chosen"], Batch.objects.get().pk) == (5, told["batch"])
    with pytest.raises(SystemExit) as ended:
        call_command("plan_batch", project="demo", pairs="5", mix="random:60")
    assert ended.value.code == 2
    assert "NAME=PERCENT" in capsys.readouterr().err
