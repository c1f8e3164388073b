"""Dashboard, scorecards, pay and ceiling: pages, API and commands."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from annotation.models import BoardState, Comment, GoldAnswer, Item, Purpose, Skip, Slot, SlotState, Vote, WorkDay
from annotation.selectors.board import alpha_by_week
from annotation.selectors.ceiling import human_ceiling_of
from annotation.selectors.scorecards import pay_rows, scorecard, scorecards
from annotation.services.board import catch_up, keep_boards_fresh
from annotation.services.leases import claim_next, sweep_leases
from annotation.services.tallies import catch_up as count_agreement
from annotation.services.tallies import mark_items
from annotation.tasks import keep_boards_fresh_duty
from core.duties import all_duties
from modeling.models import Evaluation
from tests.annotation.conftest import NO, YES_0, YES_1, make_batch, vote
from tests.annotation.judged import judge, judged_project
from tests.factories import PairFactory, ProjectFactory, UserFactory, member

pytestmark = pytest.mark.django_db


def count_all(project):
    """Everything that pages read, counted."""
    mark_items(project.pk, project.items.values_list("pk", flat=True))
    count_agreement(project, budget_s=30)
    catch_up(project=project)


@pytest.fixture
def worked(project):
    """Three people on twenty pairs; the third always differs on a fifth of them."""
    judged_project(project, ["111", "000", "110", "nnn"] * 5)
    for number, one in enumerate(Vote.objects.order_by("id")):
        seconds = 10 + number % 7
        Vote.objects.filter(pk=one.pk).update(seconds=seconds)
    count_all(project)
    return project


# --- the dashboard ----------------------------------------------------------------------------------------------------
def test_a_fresh_project_says_what_to_do(project, curator_client):
    page = curator_client.get("/p/demo/dashboard/").content.decode()
    assert "Nothing to watch yet" in page


def test_the_dashboard_shows_what_was_done(worked, curator_client):
    page = curator_client.get("/p/demo/dashboard/").content.decode()
    assert "Nobody holds a pair" not in page  # the votes are minutes old
    assert "simulated-0" in page
    assert "60" in page
    facts = curator_client.get("/api/v1/projects/demo/dashboard/").json()
    assert facts["totals"]["n_wanted"] == 60
    assert facts["forecast"]["left"] == 0
    assert facts["days"][0]["people"] == 3
    assert facts["days"][0]["answer_share"] == pytest.approx(25 / 45, abs=1e-4)
    assert facts["weeks"][0]["pairs"] == 20
    assert facts["alpha_answer"] == pytest.approx(float(json.loads(json.dumps(facts["weeks"][0]["answer"]))))


@pytest.mark.parametrize(
    "page", ["dashboard/", "dashboard/part/", "scorecards/", "scorecards/pay/", "scorecards/of/anna/"]
)
def test_only_curators_see_other_people(worked, annotator_client, stranger_client, page):
    assert annotator_client.get(f"/p/demo/{page}").status_code == 403
    assert stranger_client.get(f"/p/demo/{page}").status_code == 404
    assert Client().get(f"/p/demo/{page}").status_code == 302


def test_a_reader_sees_no_dashboard_and_the_ceiling_only(worked):
    client = Client()
    client.force_login(member(worked, "reader", username="rita"))
    assert client.get("/p/demo/dashboard/").status_code == 403
    assert client.get("/api/v1/projects/demo/scorecards/").status_code == 403
    assert client.get("/api/v1/projects/demo/ceiling/").status_code == 200


def test_nothing_new_is_a_304_and_a_vote_changes_the_answer(project, curator_client, raters):
    make_batch(project, 4)
    vote(project, raters[0], YES_1, seconds=5)
    first = curator_client.get("/p/demo/dashboard/part/")
    assert first["Cache-Control"] == "private, no-cache"
    again = {"headers": {"if-none-match": first["ETag"]}}
    assert curator_client.get("/p/demo/dashboard/part/", **again).status_code == 304
    assert curator_client.get("/p/demo/dashboard/part/?days=30", **again).status_code == 200
    vote(project, raters[0], NO, seconds=5)
    catch_up(project=project)
    assert curator_client.get("/p/demo/dashboard/part/", **again).status_code == 200


def test_a_refresh_asks_the_same_few_questions_however_much_there_is(
    worked, curator_client, django_assert_max_num_queries
):
    curator_client.get("/p/demo/dashboard/part/")
    with django_assert_max_num_queries(16):
        curator_client.get("/p/demo/dashboard/part/")


def test_without_a_worker_the_page_counts_by_itself_when_its_figures_are_old(project, curator_client, raters):
    make_batch(project, 3)
    vote(project, raters[0])
    curator_client.get("/p/demo/dashboard/")
    vote(project, raters[1])
    BoardState.objects.filter(project=project).update(counted_at=timezone.now() - timedelta(minutes=2))
    curator_client.get("/p/demo/dashboard/part/")
    assert WorkDay.objects.get(project=project).n_votes == 2


def test_the_worker_counts_only_what_somebody_looks_at(project, curator_client, raters):
    make_batch(project, 3)
    other = ProjectFactory(slug="other")
    BoardState.objects.create(project=other)
    assert keep_boards_fresh() == 0
    curator_client.get("/p/demo/dashboard/")
    vote(project, raters[0])
    assert keep_boards_fresh_duty() == 1
    assert WorkDay.objects.get(project=project).n_votes == 1
    assert BoardState.objects.get(project=other).counted_at is None
    assert "keep dashboards fresh" in [duty.name for duty in all_duties()]


def test_what_batches_want_is_forecast_with_extra_votes_and_closed_ones_left_out(project, curator_client, raters):
    batch = make_batch(project, 8, overlap=3)
    closed = make_batch(project, 5, overlap=3, name="closed one")
    closed.is_closed = True
    closed.save()
    vote(project, raters[0])
    facts = curator_client.get("/api/v1/projects/demo/dashboard/").json()
    assert [one["state"] for one in facts["batches"]] == ["closed", "open"]
    assert facts["batches"][1]["left"] == 23
    assert facts["forecast"]["left"] == 25  # and a quarter of an extra vote for each of eight pairs
    assert facts["forecast"]["reason"] == "too_early"
    assert batch.name in str(facts["batches"])


def test_skips_flags_late_votes_and_free_places_are_counted(project, curator_client, raters):
    make_batch(project, 4, overlap=2)
    item = project.items.first()
    Skip.objects.create(item=item, person=raters[0])
    Comment.objects.create(item=item, person=raters[0], is_flag=True)
    queue = curator_client.get("/api/v1/projects/demo/dashboard/").json()["queue"]
    assert (queue["skips"], queue["flags"], queue["open_flags"], queue["free"], queue["late"]) == (1, 1, 1, 8, 0)


def test_leases_that_run_out_are_counted_when_they_are_freed(project, curator_client, raters):
    make_batch(project, 3)
    past = timezone.now() - timedelta(hours=1)
    for person in raters[:2]:
        claim_next(project=project, person=person)
    Slot.objects.filter(project=project, state=SlotState.LEASED).update(expires_at=past)
    facts = curator_client.get("/api/v1/projects/demo/dashboard/").json()["queue"]
    assert (facts["leases"], facts["run_out"], facts["expired_in_7_days"]) == (0, 2, 0)
    assert sweep_leases() == 2
    assert sweep_leases() == 0
    facts = curator_client.get("/api/v1/projects/demo/dashboard/").json()["queue"]
    assert (facts["leases"], facts["run_out"], facts["expired_in_7_days"]) == (0, 0, 2)


def test_weeks_of_few_pairs_have_no_alpha(project):
    judged_project(project, ["111", "000", "110", "101"])
    count_all(project)
    assert [(week.pairs, week.answer) for week in alpha_by_week(project)] == [(4, None)]


# --- scorecards -------------------------------------------------------------------------------------------------------
def test_everybody_has_a_card_and_any_column_sorts(worked, curator_client):
    for column in ("name", "-votes", "consensus", "-gold", "findings", "nonsense"):
        page = curator_client.get("/p/demo/scorecards/", {"sort": column})
        assert page.status_code == 200
        assert page.content.decode().count("/scorecards/of/") == 3
    names = [one["person"] for one in curator_client.get("/api/v1/projects/demo/scorecards/").json()]
    assert sorted(names) == ["simulated-0", "simulated-1", "simulated-2"]


def test_against_the_others_the_one_who_differs_is_lower(worked):
    cards = {card.person.username: card for card in scorecards(worked)}
    assert cards["simulated-2"].consensus_answer.share == pytest.approx(10 / 15)
    assert cards["simulated-0"].consensus_answer.share == 1
    assert cards["simulated-2"].n_votes == 20
    assert cards["simulated-2"].answer_rate.share == pytest.approx(5 / 15)
    assert cards["simulated-2"].answer_rate.others == pytest.approx(10 / 15)


def test_the_ceiling_comes_from_the_same_comparisons(worked):
    found = human_ceiling_of(worked)
    assert (found.all_pairs.right, found.all_pairs.n, found.all_pairs.units) == (30, 35, 15)
    assert (found.kept.right, found.kept.n) == (30, 30)
    assert found.has_simulated


def test_the_ceiling_stands_beside_evaluations(worked, curator_client):
    Evaluation.objects.create(project=worked, kind="qa", checkpoint="hashing", metrics={"accuracy": 0.7})
    assert "Human ceiling of code QA: 85.7" in curator_client.get("/p/demo/evaluations/").content.decode()
    assert human_ceiling_of(ProjectFactory(slug="empty")).is_known is False
    assert "Human ceiling of code QA: 85.7" in curator_client.get("/p/demo/scorecards/").content.decode()


def gold(project, person, right):
    """A gold pair that the person judged right or wrong."""
    item = judge(project, PairFactory(project=project), "1")
    Item.objects.filter(pk=item.pk).update(purpose=Purpose.GOLD)
    GoldAnswer.objects.create(item=item, intent="yes", answer=int(right), origin="curator")
    Vote.objects.filter(item=item).update(person=person)
    return Vote.objects.get(item=item)


def test_gold_counts_right_wrong_and_unclear_apart(project, annotator):
    votes = [gold(project, annotator, right) for right in [True] * 9 + [False] * 3]
    Vote.objects.filter(pk=votes[0].pk).update(intent="unclear", answer=None)
    card = scorecard(project, annotator)
    assert (card.gold.right, card.gold.n, card.gold_unclear) == (8, 11, 1)
    assert card.gold.low < 8 / 11 < card.gold.high


def test_the_own_page_tells_nothing_about_gold_of_this_week_or_of_few(project, annotator, annotator_client):
    votes = [gold(project, annotator, True) for _ in range(12)]
    catch_up(project=project)
    assert scorecard(project, annotator, is_own=True).gold.n == 0
    last_week = timezone.now() - timedelta(days=8)
    Vote.objects.filter(pk__in=[one.pk for one in votes[:9]]).update(created_at=last_week)
    assert scorecard(project, annotator, is_own=True).gold.n == 0
    Vote.objects.filter(pk__in=[one.pk for one in votes[:10]]).update(created_at=last_week)
    assert scorecard(project, annotator, is_own=True).gold.n == 10
    assert "10 of 10 pairs with a known answer" in annotator_client.get("/p/demo/scorecard/").content.decode()


def test_gold_that_is_surely_below_the_bar_is_a_finding(project, annotator):
    for right in [False] * 14 + [True] * 6:
        gold(project, annotator, right)
    assert scorecard(project, annotator).findings == ["gold"]


def test_agreement_with_oneself_compares_the_two_judgements_of_a_pair(project, annotator):
    for first, second in ["11", "10", "nn", "0q"]:
        before, again = judge(project, PairFactory(project=project), first), judge(project, PairFactory(), second)
        Item.objects.filter(pk=again.pk).update(purpose=Purpose.REPEAT, pair=before.pair, query=before.query)
        Vote.objects.filter(item__in=[before, again]).update(person=annotator)
    found = scorecard(project, annotator).self_agreement
    assert (found.alike, found.n) == (2, 3)
    assert found.alpha == pytest.approx(6 / 11)  # units 11, 10 and nn


def test_peers_stay_unknown_while_they_are_few(project, raters):
    make_batch(project, 6, overlap=6)
    for person in raters[:3]:
        vote(project, person, seconds=10)
    catch_up(project=project)
    assert scorecard(project, raters[0]).peers == {}
    for person in raters[3:]:
        vote(project, person, seconds=20)
    catch_up(project=project)
    assert scorecard(project, raters[0]).peers["votes"] == (1, 1, 1)


def test_an_own_card_is_empty_before_the_first_vote_and_of_no_other_project(project, annotator_client):
    assert "No vote yet" in annotator_client.get("/p/demo/scorecard/").content.decode()
    ProjectFactory(slug="foreign")
    assert annotator_client.get("/p/foreign/scorecard/").status_code == 404
    assert annotator_client.get("/api/v1/projects/demo/scorecard/").json()["votes"] == 0


def test_a_card_of_nobody_here_is_a_404(project, curator_client):
    UserFactory(username="elsewhere")
    assert curator_client.get("/p/demo/scorecards/of/elsewhere/").status_code == 404
    assert curator_client.get("/api/v1/projects/demo/scorecards/elsewhere/").status_code == 404


def test_who_left_keeps_a_card(project, curator_client, raters):
    make_batch(project, 2)
    vote(project, raters[0])
    catch_up(project=project)
    raters[0].memberships.all().delete()
    assert curator_client.get("/p/demo/scorecards/of/rater0/").status_code == 200


# --- pay --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def paid(project, raters):
    """Two people, two weeks: 2026-03-02 is a Monday."""
    make_batch(project, 6)
    monday = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
    for person, moment, seconds in (
        (raters[0], monday - timedelta(microseconds=1), 30),
        (raters[0], monday, 60),
        (raters[0], monday + timedelta(days=6, hours=23, minutes=59), 1000),
        (raters[1], monday + timedelta(days=2), 0),
    ):
        made = vote(project, person, YES_0, seconds=seconds).vote
        Vote.objects.filter(pk=made.pk).update(created_at=moment)
    catch_up(project=project)
    return project


def test_weeks_begin_on_monday_and_time_is_capped(paid):
    rows = [(str(row.monday), row.person.username, row.votes, row.active_s, row.untimed) for row in pay_rows(paid)]
    assert rows == [
        ("2026-03-02", "rater0", 2, 360, 0),
        ("2026-03-02", "rater1", 1, 0, 1),
        ("2026-02-23", "rater0", 1, 30, 0),
    ]


def test_weeks_are_chosen_by_any_of_their_days(paid, curator_client):
    asked = {"first": "2026-03-04", "last": "2026-03-05", "rate": "20"}
    rows = curator_client.get("/api/v1/projects/demo/pay/", asked).json()
    assert [(row["week"], row["person"], row["amount"]) for row in rows] == [
        ("2026-03-02", "rater0", 2),
        ("2026-03-02", "rater1", 0),
    ]
    page = curator_client.get("/p/demo/scorecards/pay/", {"first": "2026-02-25", "last": "2026-02-25"})
    assert page.content.decode().count('<th scope="row"><a') == 1


@pytest.mark.parametrize(
    "given", [{"first": "yesterday"}, {"rate": "-1"}, {"first": "2026-03-09", "last": "2026-03-02"}]
)
def test_what_cannot_be_read_is_said_at_its_field(paid, curator_client, given):
    answer = curator_client.get("/p/demo/scorecards/pay/", given)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert curator_client.get("/p/demo/scorecards/pay.csv", given).status_code == 422


def test_no_name_starts_a_formula_in_a_spreadsheet(paid, raters, curator_client):
    raters[0].first_name = "=HYPERLINK(1)"
    raters[0].save()
    answer = curator_client.get("/p/demo/scorecards/pay.csv")
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {row["name"] for row in rows} == {"'=HYPERLINK(1)", ""}
    assert [row["votes"] for row in rows] == ["2", "1", "1"]


# --- commands ---------------------------------------------------------------------------------------------------------
def test_commands_say_the_same(paid, capsys, tmp_path):
    call_command("dashboard", project="demo")
    assert "votes given" in capsys.readouterr().out
    call_command("scorecards", project="demo", as_json=True)
    assert [one["votes"] for one in json.loads(capsys.readouterr().out)["people"]] == [3, 1]
    call_command("pay_report", project="demo", csv=tmp_path / "pay.csv", rate=10.0)
    assert (tmp_path / "pay.csv").read_text().splitlines()[0].endswith(",hours,amount")
    capsys.readouterr()
    call_command("count_work", project="demo", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"hours": 4, "days": 4}
