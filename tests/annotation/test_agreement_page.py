"""The agreement of a project: report, page, API and command."""

import json
from fractions import Fraction

import pytest
from django.core.management import call_command

from annotation.consensus import KeepRule
from annotation.models import Batch, ImportedLabel, Vote
from annotation.quality import Scheme, by_rater, headline, keep_summary
from annotation.selectors import item_patterns, rater_patterns, worst_items
from annotation.selectors.agreement import agreement_report, chosen_rule
from annotation.services.tallies import catch_up
from tests.annotation.judged import judge, judged_project
from tests.factories import PairFactory, QueryFactory

# METHODS 7, E7b: seven pairs whose answers have an alpha of 7/24
E7B = ["111", "110", "000", "000", "10", "1", "0011"]
pytestmark = pytest.mark.django_db


def report_of(project, **options):
    """The report after everything that was marked has been counted, as pages give it."""
    catch_up(project)
    return agreement_report(project, **options)


def test_alpha_of_the_answers_is_that_of_the_worked_example(project):
    judged_project(project, E7B)
    measured = headline(item_patterns(project))
    assert measured.answer.value == pytest.approx(7 / 24)
    assert (measured.answer.n, measured.answer.units) == (18, 6)
    assert measured.intent.value is None


def test_pilots_retracted_votes_imported_labels_and_quarantine_do_not_count(project):
    judged_project(project, E7B)
    pilot = Batch.objects.create(project=project, name="pilot", is_pilot=True)
    judge(project, PairFactory(project=project), "101", batch=pilot)
    taken_back = judge(project, PairFactory(project=project), "101")
    Vote.objects.filter(item=taken_back).update(retracted_at="2026-01-01T00:00:00Z")
    ImportedLabel.objects.create(pair=PairFactory(project=project), source="elsewhere", label=1)
    private = judge(project, PairFactory(project=project), "101")
    private.query.quarantine_reason = "e-mail address"
    private.query.save()
    assert headline(item_patterns(project)).answer.n == 18
    report = report_of(project)
    assert [batch["name"] for batch in report["batches"]] == ["batch", "pilot"]


def test_cannot_judge_and_no_intent_are_missing_answers(project):
    judged_project(project, ["11n", "11q", "11c", "00n", "10"])
    assert headline(item_patterns(project)).answer.n == 10
    assert headline(item_patterns(project)).intent.n == 3 + 2 + 3 + 3 + 2


def test_the_intent_of_a_query_is_pooled_over_its_pairs(project):
    query = QueryFactory(project=project)
    judge(project, PairFactory(project=project, query=query), "11n")
    judge(project, PairFactory(project=project, query=query), "nnn")
    summary = keep_summary(item_patterns(project), KeepRule(min_share=Fraction(1, 2)))
    assert summary.removed == {"no_intent": 2}


def test_keep_rules_leave_what_they_say_and_the_default_really_removes_pairs(project):
    judged_project(project, ["111"] * 4 + ["000"] * 3 + ["110"] * 2 + ["11110"] + ["nnn"])
    kept = {rule["text"]: (rule["kept"], rule["ones"]) for rule in report_of(project)["rules"]}
    assert kept == {
        "at least 3 valid votes, and any majority of the answers": (10, 7),
        "at least 3 valid votes, and a majority of at least 2/3 of the answers": (10, 7),
        "at least 3 valid votes, and a majority of at least 3/4 of the answers": (8, 5),
        "at least 3 valid votes, and an alpha_u of the pair of at least 0": (8, 5),
        "at least 3 valid votes, all the same": (7, 4),
    }


def test_a_rater_who_always_differs_stands_out_against_the_rest(project):
    judged_project(project, ["1110", "0001"] * 6)
    raters = by_rater(rater_patterns(project))
    values = [rater.answer.value for rater in raters]
    assert max(values[:3]) > 0.3 > 0 > values[3]
    assert all(rater.n_votes == 12 for rater in raters)
    assert raters[0].answer_share == 0.5


def test_pairs_come_with_the_lowest_alpha_u_first(project):
    judged_project(project, ["111", "10", "1100", "110", "1", "11110"])
    catch_up(project)
    found = [(row.n_one, row.n_zero) for row in worst_items(project)]
    assert found == [(1, 1), (2, 1), (2, 2), (4, 1), (3, 0)]  # of equal ones the newest first
    assert worst_items(project, Scheme.INTENT).count() == 5


def test_the_page_says_what_the_numbers_mean(project, curator_client):
    judged_project(project, E7B)
    page = curator_client.get("/p/demo/agreement/").content.decode()
    assert "0.292" in page
    assert "−0.275" in page or "-0.275" in page
    assert "selected" in page
    assert "0.63" in page
    assert "undefined" in page
    assert "simulated" in page


def test_the_page_of_a_project_without_votes_says_what_to_do(project, curator_client):
    assert "No votes yet" in curator_client.get("/p/demo/agreement/").content.decode()


def test_a_rule_is_a_link_and_a_bad_one_is_told_beside_its_field(project, curator_client):
    judged_project(project, E7B)
    page = curator_client.get("/p/demo/agreement/").content.decode()
    assert "/p/demo/agreement/rule/?keep=unanimous&amp;min_votes=3" in page
    page = curator_client.get("/p/demo/agreement/rule/?keep=unanimous&min_votes=2&min_share=3/4").content.decode()
    assert "At least 2 valid votes, all the same" in page
    page = curator_client.get("/p/demo/agreement/rule/?keep=majority&min_votes=x&min_share=3/4").content.decode()
    assert "min_votes is a whole number" in page
    assert "Borderline" not in page


def test_names_of_raters_are_for_curators(project, curator_client, curator):
    from django.test import Client

    from tests.factories import member

    judged_project(project, E7B)
    reader = Client()
    reader.force_login(member(project, "reader", username="rita"))
    assert "simulated-0" in curator_client.get("/p/demo/agreement/").content.decode()
    assert "simulated-0" not in reader.get("/p/demo/agreement/").content.decode()
    assert "simulated-0" not in reader.get("/api/v1/projects/demo/agreement/").content.decode()


def test_the_list_of_disagreements_shows_votes_page_by_page(project, curator_client):
    judged_project(project, ["110"] * 30 + ["111"])
    first = curator_client.get("/p/demo/agreement/pairs/")
    page = first.context["page"]
    assert len(page.rows) == 25
    assert "simulated-2" in first.content.decode()
    rest = curator_client.get("/p/demo/agreement/pairs/", {"after": page.next}).context["page"]
    assert len(rest.rows) == 6
    assert {item.pk for item in page.rows}.isdisjoint(item.pk for item in rest.rows)


def test_the_api_answers_with_the_same_numbers_and_a_what_if(project, curator_client):
    judged_project(project, E7B)
    report = curator_client.get("/api/v1/projects/demo/agreement/?keep=alpha-u&min_votes=2&min_alpha_u=-0.3").json()
    assert report["answer"]["alpha"] == pytest.approx(0.291667)
    assert report["what_if"]["kept"] == 4
    refused = curator_client.get("/api/v1/projects/demo/agreement/?keep=alpha-u")
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_input")


def test_the_command_prints_the_same_as_json_and_for_people(project, capsys):
    judged_project(project, E7B)
    call_command("agreement", "--project", "demo", "--json")
    assert json.loads(capsys.readouterr().out)["answer"]["alpha"] == pytest.approx(0.291667)
    call_command("agreement", "--project", "demo")
    assert "0.292" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call_command("agreement", "--project", "nobody")


def test_the_number_of_statements_does_not_grow_with_the_votes(project, django_assert_max_num_queries):
    judged_project(project, ["110"] * 20)
    catch_up(project)
    with django_assert_max_num_queries(8):
        agreement_report(project)


# --- three ways to compare, and by group --------------------------------------------------------------------------
def test_the_combined_label_has_no_intent_as_a_third_value(project):
    judged_project(project, ["11n", "000", "nn0", "1c1"])
    report = report_of(project)
    assert report["combined"]["n"] == 3 + 3 + 3 + 2
    assert report["answer"]["n"] == 2 + 3 + 2
    assert report["intent"]["n"] == 3 * 4


def test_percent_and_ac1_stand_beside_alpha(project):
    judged_project(project, ["111"] * 18 + ["110"] * 2)
    answer = report_of(project)["answer"]
    assert answer["percent"] == pytest.approx((18 + 2 / 3) / 20, abs=1e-6)
    assert answer["alpha"] < 0.3 < 0.9 < answer["ac1"]  # prevalence


def test_every_pair_stands_in_one_week_one_version_and_one_band(project):
    judged_project(project, E7B)
    report = report_of(project)
    for name in ("weeks", "guidelines", "bands"):
        assert sum(row["items"] for row in report[name]) == len(E7B)
        assert sum(row["answer"]["n"] for row in report[name]) == report["answer"]["n"]
    assert report["bands"][0]["low"] is None
    assert report["guidelines"][0]["name"] == "not stamped"


def test_intervals_of_annotators_hold_their_alpha(project):
    judged_project(project, ["1110", "0001", "1111", "0000", "1100"] * 8)
    for rater in report_of(project)["raters"]:
        low, high = rater["answer"]["interval"]
        assert low <= rater["answer"]["alpha"] <= high


# --- two annotators -----------------------------------------------------------------------------------------------
def test_two_people_at_a_time(project, curator_client):
    judged_project(project, ["1110", "0001", "111-"] * 4)
    answer = curator_client.get("/api/v1/projects/demo/agreement/annotators/").json()
    assert answer["n_people"] == 4
    assert len(answer["pairs"]) == 6
    worst = answer["pairs"][0]
    assert "simulated-3" in {worst["one"]["name"], worst["other"]["name"]}
    assert worst["alpha"] < 0
    best = [row for row in answer["pairs"] if "simulated-3" not in {row["one"]["name"], row["other"]["name"]}]
    assert {(row["alpha"], row["units"]) for row in best} == {(1.0, 12)}
    page = curator_client.get("/p/demo/agreement/annotators/").content.decode()
    assert 'class="heat-5"' in page
    assert 'class="heat-0"' in page


def test_a_page_without_two_people_on_a_pair_says_so(project, curator_client):
    judged_project(project, ["1", "0"])
    assert "No two people" in curator_client.get("/p/demo/agreement/annotators/").content.decode()


def test_other_watchers_see_numbers_in_place_of_names(project):
    judged_project(project, ["110"] * 3)
    for address in ("/p/demo/agreement/annotators/", "/api/v1/projects/demo/agreement/annotators/"):
        shown = watcher(project).get(address).content.decode()
        assert "annotator 1" in shown
        assert "simulated-" not in shown


def watcher(project):
    from django.test import Client

    from tests.factories import member

    client = Client()
    client.force_login(member(project, "reader", username="rita"))
    return client


# --- the keep rule ------------------------------------------------------------------------------------------------
def test_borderline_pairs_lie_on_both_sides_of_the_bar_and_nearest_come_first(project, curator_client):
    judged_project(project, ["111"] * 30 + ["110"] * 30 + ["1110"] + ["11000"] + ["nnn"] * 3 + ["10"])
    answer = curator_client.get("/api/v1/projects/demo/agreement/rule/").json()
    found = [(row["ones"], row["zeros"], row["is_kept"]) for row in answer["borderline"]]
    assert found == [(3, 1, True)] + [(3, 0, True)] * 9 + [(2, 1, False)] * 10
    assert answer["kept"] == 31
    assert answer["judged"] == 66
    assert [round(step["bar"], 3) for step in answer["sweep"]] == [0.5, 0.6, 0.667, 0.75, 1.0]
    kept = [step["kept"] for step in answer["sweep"]]
    assert kept == sorted(kept, reverse=True)


def test_a_rule_without_pairs_near_its_bar_says_so(project, curator_client):
    judged_project(project, ["nnn", "1"])
    page = curator_client.get("/p/demo/agreement/rule/").content.decode()
    assert "The bar decides no pair" in page


@pytest.mark.parametrize("keep", ["majority", "alpha-u", "unanimous"])
def test_borderline_pairs_of_each_rule_say_what_the_rule_decides(project, curator_client, keep):
    judged_project(project, E7B * 3)
    answer = curator_client.get(f"/api/v1/projects/demo/agreement/rule/?keep={keep}&min_votes=2&min_alpha_u=0").json()
    kept = {(row["ones"], row["zeros"]) for row in answer["borderline"] if row["is_kept"]}
    removed = {(row["ones"], row["zeros"]) for row in answer["borderline"] if not row["is_kept"]}
    assert kept == {(3, 0), (0, 3)}
    assert removed == {(2, 1), (2, 2), (1, 1)}


def test_the_curator_chooses_the_rule_that_releases_start_from(project, curator, curator_client):
    from core.models import AuditEntry

    judged_project(project, E7B)
    assert chosen_rule(project) == KeepRule()
    given = {"keep": "unanimous", "min_votes": "2", "min_share": "3/4", "min_alpha_u": "0"}
    for _ in range(2):  # the second press changes nothing
        assert curator_client.post("/p/demo/agreement/rule/", given).status_code == 302
    assert chosen_rule(project).to_dict() == {"keep": "unanimous", "min_votes": 2}
    entry = AuditEntry.objects.get(act="annotation.choose_keep_rule")
    assert (entry.actor, entry.before["rule"]["keep"], entry.after["rule"]["keep"]) == (
        curator,
        "majority",
        "unanimous",
    )
    page = curator_client.get("/p/demo/agreement/rule/").content.decode()
    assert "Releases of this project start from this rule" in page
    page = curator_client.get("/p/demo/releases/").content.decode()
    assert '<option value="unanimous" selected>' in page


def test_releases_of_the_api_and_the_command_start_from_the_chosen_rule(project, curator_client):
    judged_project(project, E7B)
    chosen = {"keep": "unanimous", "min_votes": 2}
    answer = curator_client.put("/api/v1/projects/demo/agreement/rule/", chosen, content_type="application/json")
    assert answer.json()["text"] == "at least 2 valid votes, all the same"
    answer = curator_client.post("/api/v1/projects/demo/releases/", {"name": "one"}, content_type="application/json")
    assert answer.status_code == 202
    assert project.releases.get(name="one").criteria["keep_rule"] == chosen
    call_command("freeze_release", "--project", "demo", "--name", "two", "--detach", "--min-votes", "3")
    assert project.releases.get(name="two").criteria["keep_rule"] == {"keep": "unanimous", "min_votes": 3}


def test_only_curators_choose(project):
    judged_project(project, E7B)
    reader = watcher(project)
    given = {"keep": "unanimous", "min_votes": "2", "min_share": "3/4"}
    assert reader.post("/p/demo/agreement/rule/", given).status_code == 403
    answer = reader.put("/api/v1/projects/demo/agreement/rule/", given, content_type="application/json")
    assert answer.status_code == 403
    assert reader.post("/p/demo/agreement/").status_code == 403
    assert reader.post("/api/v1/projects/demo/agreement/recount/").status_code == 403
    assert reader.get("/api/v1/projects/demo/agreement/pairs/").status_code == 403
    assert chosen_rule(project) == KeepRule()


# --- where people differ ------------------------------------------------------------------------------------------
def test_what_people_confuse_is_counted_by_pairs_and_by_votes(project, curator_client):
    judged_project(project, ["110", "1100", "11n", "111", "1c1"])
    answer = curator_client.get("/api/v1/projects/demo/agreement/cases/").json()
    found = {(row["one"], row["other"]): (row["pairs"], row["votes"], row["section"]) for row in answer["confusions"]}
    assert found == {
        ("0", "1"): (2, 2 + 4, "Step 2"),
        ("no intent", "1"): (1, 2, "Step 1"),
        ("1", "cannot judge"): (1, 2, "When you cannot judge"),
    }


def test_reasons_on_which_others_agree_least_come_first(project, curator_client):
    items = judged_project(project, ["110", "110", "111"])
    for item in items:
        for number, vote in enumerate(item.votes.order_by("id")):
            vote.reason = "full" if vote.answer else "half"
            vote.reason = vote.reason if number != 1 else ""
            vote.save()
    answer = curator_client.get("/api/v1/projects/demo/agreement/cases/").json()
    found = [(row["reason"], row["votes"], row["others"], row["agreeing"]) for row in answer["reasons"]]
    assert found == [("half", 2, 4, 0.0), ("full", 4, 8, 0.75)]
    page = curator_client.get("/p/demo/agreement/cases/").content.decode()
    assert "At most half of the demand" in page
    listed = curator_client.get("/p/demo/agreement/pairs/?reason=half").context["page"].rows
    assert {row.item_id for row in listed} == {items[0].pk, items[1].pk}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("?differing=0-1", [(2, 2), (2, 1)]),
        ("?scheme=intent&differing=none-1", [(2, 0)]),
        ("?differing=1-unclear", [(2, 0)]),
        ("?differing=nonsense&batch=99999999999999999999&reason=x", [(2, 2), (2, 1), (2, 0), (2, 0), (3, 0)]),
        ("?stratum=", [(2, 2), (2, 1), (2, 0), (2, 0), (3, 0)]),
        ("?stratum=other", []),
    ],
)
def test_the_list_of_pairs_is_filtered_by_its_address(project, curator_client, address, found):
    judged_project(project, ["110", "1100", "11n", "111", "1c1"])
    page = curator_client.get(f"/p/demo/agreement/pairs/{address}").context["page"]
    assert sorted((row.n_one, row.n_zero) for row in page.rows) == sorted(found)
    answer = curator_client.get(f"/api/v1/projects/demo/agreement/pairs/{address}")
    if "nonsense" in address:
        assert answer.status_code == 400
    else:
        assert sorted((row["ones"], row["zeros"]) for row in answer.json()["results"]) == sorted(found)


def test_what_is_held_back_stands_in_no_list_even_before_it_is_counted(project, curator_client):
    from curation.models import Query

    item = judged_project(project, ["110"])[0]
    catch_up(project)
    Query.objects.filter(pk=item.query_id).update(quarantine_reason="e-mail address")  # and no mark
    for address in ("agreement/pairs/", "agreement/rule/"):
        assert item.query.text not in curator_client.get(f"/p/demo/{address}").content.decode()


def test_curators_have_all_votes_counted_anew(project, curator_client):
    judged_project(project, ["110"])
    assert curator_client.post("/p/demo/agreement/").status_code == 302
    again = curator_client.post("/api/v1/projects/demo/agreement/recount/")
    assert again.status_code == 202
    assert [job.pk for job in project.jobs.filter(kind="annotation.recount_agreement")] == [again.json()["job"]]
