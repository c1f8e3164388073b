"""The agreement of a project: report, page, API and command."""

import json
from fractions import Fraction

import pytest
from django.core.management import call_command

from annotation.consensus import KeepRule
from annotation.models import Batch, ImportedLabel, Vote
from annotation.quality import by_rater, headline, keep_summary
from annotation.selectors import item_patterns, items_by_disagreement, rater_patterns
from annotation.selectors.agreement import agreement_report
from tests.annotation.judged import judge, judged_project
from tests.factories import PairFactory, QueryFactory

# METHODS 7, E7b: seven pairs whose answers have an alpha of 7/24
E7B = ["111", "110", "000", "000", "10", "1", "0011"]
pytestmark = pytest.mark.django_db


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
    report = agreement_report(project)
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
    kept = {rule["text"]: (rule["kept"], rule["ones"]) for rule in agreement_report(project)["rules"]}
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
    found = [(item.ones, item.zeros) for item in items_by_disagreement(project)]
    assert found == [(1, 1), (2, 2), (2, 1), (4, 1), (3, 0)]


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


def test_what_if_is_a_link_and_a_bad_rule_is_told_beside_its_field(project, curator_client):
    judged_project(project, E7B)
    page = curator_client.get("/p/demo/agreement/?keep=unanimous&min_votes=2&min_share=3/4").content.decode()
    assert "At least 2 valid votes, all the same" in page
    page = curator_client.get("/p/demo/agreement/?keep=majority&min_votes=x&min_share=3/4").content.decode()
    assert "min_votes is a whole number" in page


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
    with django_assert_max_num_queries(5):
        agreement_report(project)
