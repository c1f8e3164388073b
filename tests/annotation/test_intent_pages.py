"""Pages, endpoints and commands of intent samples: the same services, each with its own way to say no."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from annotation.models import IntentClassifier, IntentSample, Item
from annotation.selectors.intent import categories_of, judged_queries, sample_report
from annotation.services import intent_classifier
from annotation.services.intent_classifier import start_score_intent, start_train_intent_classifier
from annotation.services.intent_samples import start_sample_intent
from core.jobs import run_inline
from core.models import Job
from curation.models import RuleSet
from curation.selectors import current_rule_set
from tests.annotation.intent import judge_intent, log, sample_of
from tests.annotation.test_intent_classifier import BAD, GOOD

pytestmark = pytest.mark.django_db

ACCEPTED_GOOD = [f"python sort list number {number}" for number in range(6)]
ACCEPTED_BAD = [f"python cheat sheet {number}" for number in range(3)]
REJECTED_BAD = ["why is python slow", "python vs java"]
REJECTED_GOOD = ["python list with more than 3 items"]


def page(name: str, *args) -> str:
    return reverse(f"annotation:{name}", args=["demo", *args])


def api(name: str, *args) -> str:
    return reverse(f"api-{name}", args=["demo", *args])


@pytest.fixture(autouse=True)
def few_folds(monkeypatch):
    monkeypatch.setattr(intent_classifier, "FOLDS", 2)


@pytest.fixture
def sample(project):
    """Twelve judged queries and one that is still open."""
    log(project, [*ACCEPTED_GOOD, *ACCEPTED_BAD, *REJECTED_BAD, *REJECTED_GOOD, "python open question"])
    made = sample_of(project)
    votes = dict.fromkeys([*ACCEPTED_GOOD, *REJECTED_GOOD], "yyn") | dict.fromkeys(REJECTED_BAD, "nee")
    judge_intent(made, votes | dict.fromkeys(ACCEPTED_BAD, "vvo"))
    return made


@pytest.fixture
def scored(project):
    """A trained second opinion that has seen every query."""
    project.encoder = "hashing"
    project.save()
    log(project, [*GOOD, *BAD])
    judge_intent(sample_of(project), dict.fromkeys(GOOD, "yyy") | dict.fromkeys(BAD, "nnn"))
    classifier, job = start_train_intent_classifier(project=project, inline=True)
    run_inline(job)
    classifier.refresh_from_db()
    run_inline(start_score_intent(project=project, classifier=classifier, inline=True))
    return classifier


# --- figures ----------------------------------------------------------------------------------------------
def test_the_report_adds_up(project, sample):
    report = sample_report(sample, current_rule_set(project))
    assert report.progress.states == {"labelled": 12, "open": 1, "undecided": 0, "aside": 0}
    found = report.measured.quality.confusion
    assert (found.tp, found.fp, found.fn, found.tn) == (2, 1, 3, 6)
    assert report.alpha.units == 12
    figures = report.measured.log.figures
    assert figures["accepted_without_intent_share"].value == pytest.approx(3 / 9)
    assert figures["good_lost"].value == pytest.approx(1)


def test_categories_count_votes_queries_and_what_the_rules_missed(project, sample):
    report = sample_report(sample, current_rule_set(project))
    found = {one.key: (one.votes, one.queries, one.missed) for one in report.categories if one.votes}
    assert found == {"vague": (6, 3, 3), "conceptual": (4, 2, 0), "other": (3, 3, 3)}
    assert sum(one.votes for one in categories_of(judged_queries(sample), [])) == 13


def test_another_version_is_measured_on_the_same_judgements(project, sample):
    text = 'name = "mine"\n[[rule]]\ncategory = "Others"\nform = "cheat sheet"\nkind = "phrase"\n'
    mine = RuleSet.objects.create(project=project, name="mine", text=text, content_hash="x")
    report = sample_report(sample, mine, against=current_rule_set(project))
    assert (report.measured.quality.confusion.tp, report.measured.quality.confusion.fp) == (3, 0)
    gain = report.measured.intervals["accuracy"].value - report.against.intervals["accuracy"].value
    assert report.differences["accuracy"].value == pytest.approx(gain)


def test_a_query_that_is_quarantined_later_is_shown_nowhere(project, sample, curator_client):
    query = project.queries.get(text=ACCEPTED_BAD[0])
    query.quarantine_reason = "e-mail"
    query.save()
    assert len(judged_queries(sample)) == 12
    for name in ("intent-sample", "intent-queries", "intent-keywords"):
        assert query.text not in curator_client.get(page(name, sample.pk)).content.decode()


# --- pages ------------------------------------------------------------------------------------------------
def test_the_wizard_shows_what_it_would_open_and_opens_it(project, curator_client):
    log(project, [*ACCEPTED_GOOD, *REJECTED_BAD])
    given = {"n": 5, "minimum": 1, "bands": "", "overlap": 3, "max_extra": 2, "seconds": 6, "seed": 1, "rejected": 40}
    shown = curator_client.get(page("intent-wizard"), given)
    assert shown.context["plan"].as_data()["votes"] == 15
    html = shown.content.decode()
    assert "Open 5 queries" in html
    assert '<input type="hidden" name="rejected" value="40">' in html
    assert not IntentSample.objects.exists()
    assert curator_client.post(page("intent-wizard"), {**given, "name": "Round one"}).status_code == 302
    sample = IntentSample.objects.get()
    run_inline(sample.job)
    assert sample.batch.name == "Round one"
    assert Item.objects.filter(batch=sample.batch).count() == 5


def test_a_sample_that_is_not_drawn_yet_has_a_page(project, curator_client):
    log(project, ACCEPTED_GOOD)
    sample, _ = start_sample_intent(project=project)
    for name in ("intent-sample", "intent-queries", "intent-keywords"):
        assert curator_client.get(page(name, sample.pk)).status_code == 200
    assert "No query has a majority yet" in curator_client.get(page("intent-sample", sample.pk)).content.decode()
    assert curator_client.get(page("intent")).status_code == 200


def test_the_wizard_starts_with_a_plan_and_refuses_in_the_form(project, curator_client):
    assert "No queries yet" in curator_client.get(page("intent-wizard")).content.decode()
    log(project, [*ACCEPTED_GOOD, *REJECTED_BAD])
    assert curator_client.get(page("intent-wizard")).context["plan"].n == 8
    given = {"n": 5, "minimum": 4, "bands": "3, 2", "overlap": 3, "max_extra": 2, "seconds": 6, "seed": 1}
    answer = curator_client.get(page("intent-wizard"), given)
    assert answer.status_code == 400
    assert "rising numbers" in answer.content.decode()
    given |= {"bands": "two"}
    assert "whole numbers" in curator_client.get(page("intent-wizard"), given).content.decode()


def test_the_pages_of_a_sample_show_figures_and_link_to_rows(project, sample, curator_client):
    html = curator_client.get(page("intent-sample", sample.pk)).content.decode()
    for text in ("67.65 %", "82.40 %", "Votes still come in", "Too vague", "more"):
        assert text in html
    rules = current_rule_set(project)
    for query, n in (
        ("cell=fp", 1),
        ("cell=fn", 3),
        ("state=open", 1),
        ("reason=vague&cell=fn", 3),
        ("rule=why", 1),
        ("stratum=rejected/0", 3),
        ("state=nonsense", 0),
    ):
        answer = curator_client.get(f"{page('intent-queries', sample.pk)}?rule_set={rules.pk}&{query}")
        assert answer.context["n"] == len(answer.context["rows"]) == n, query
    assert "python cheat sheet 0" in curator_client.get(page("batch", sample.batch_id)).content.decode()
    assert curator_client.get(page("intent")).status_code == 200


def test_measuring_beside_another_version_from_the_page(project, sample, curator_client):
    other = RuleSet.objects.get(project=None, name="cosqa-broad")
    html = curator_client.get(f"{page('intent-sample', sample.pk)}?against={other.pk}").content.decode()
    assert "Difference" in html
    assert curator_client.get(f"{page('intent-sample', sample.pk)}?rule_set=x").status_code == 400
    assert curator_client.get(f"{page('intent-sample', sample.pk)}?rule_set=999999").status_code == 404


def test_keywords_come_with_costs(project, sample, curator_client):
    answer = curator_client.get(page("intent-keywords", sample.pk))
    terms = {keyword.term: keyword for keyword in answer.context["keywords"]}
    assert any("cheat" in term or "sheet" in term for term in terms)
    assert all(keyword.loses == 0 for term, keyword in terms.items() if "cheat" in term)


def test_a_keyword_opens_in_the_rule_editor(project, sample, curator_client):
    answer = curator_client.post(page("intent-keywords", sample.pk), {"form": "cheat sheet", "kind": "phrase"})
    draft = RuleSet.objects.get(project=project, is_draft=True)
    assert answer.url.startswith(reverse("curation:rule_set_edit", args=["demo", draft.pk]))
    html = curator_client.get(answer.url).content.decode()
    assert 'value="cheat sheet"' in html
    assert '<option value="phrase" selected>' in html
    curator_client.post(page("intent-keywords", sample.pk), {"form": "pdf", "kind": "exact"})
    assert RuleSet.objects.filter(project=project, is_draft=True).count() == 1, "the draft at hand is used"


def test_the_second_opinion_pages(project, scored, curator_client):
    html = curator_client.get(page("intent-opinion")).content.decode()
    assert "Brier score" in html
    assert "out of fold" in html
    for side in ("accepted", "rejected"):
        assert curator_client.get(f"{page('intent-opinions')}?side={side}").status_code == 200
    assert curator_client.get(f"{page('intent-opinions')}?side=both").status_code == 400
    assert curator_client.get(page("intent-wizard"), {"opinion": "on"}).status_code == 400, "the rest is missing"


def test_training_from_the_page_needs_enough_judgements(project, sample, curator_client):
    answer = curator_client.post(page("intent-opinion"), {"act": "train", "seed": 0})
    assert answer.status_code == 400
    assert "at least 20" in answer.content.decode()
    rows = "".join(f"{text},{int(text in GOOD)}\n" for text in [*GOOD, *BAD])
    upload = SimpleUploadedFile("labels.csv", f"query,label\n{rows}".encode())
    assert (
        curator_client.post(page("intent-opinion"), {"seed": 0, "encoder": "hashing", "file": upload}).status_code
        == 302
    )
    job = Job.objects.get(kind="annotation.train_intent_classifier")
    run_inline(job)
    assert IntentClassifier.objects.get().report["n"] == 72
    from pathlib import Path

    assert not Path(job.params["path"]).exists(), "the uploaded file is removed"


def test_annotators_and_strangers_stay_outside(project, sample, annotator_client, stranger_client):
    for name, *args in (("intent",), ("intent-sample", sample.pk), ("intent-opinion",), ("intent-wizard",)):
        assert annotator_client.get(page(name, *args)).status_code == 403
        assert stranger_client.get(page(name, *args)).status_code == 404


def test_a_sample_of_another_project_is_not_found(sample, curator_client, db):
    from tests.factories import ProjectFactory

    other = ProjectFactory(slug="other")
    sample.project = other
    sample.save()
    assert curator_client.get(page("intent-sample", sample.pk)).status_code == 404


# --- endpoints ----------------------------------------------------------------------------------------------
def test_the_api_plans_draws_and_measures(project, curator_client):
    log(project, [*ACCEPTED_GOOD, *ACCEPTED_BAD, *REJECTED_BAD])
    asked = {"n": 6, "minimum": 2, "bands": [], "name": "By API"}
    plan = curator_client.post(api("intent-plan"), asked, content_type="application/json").json()
    assert (plan["n"], plan["votes"], plan["frame"]) == (6, 18, 11)
    started = curator_client.post(api("intent-samples"), asked, content_type="application/json")
    assert started.status_code == 202
    run_inline(Job.objects.get(pk=started.json()["job"]))
    sample = IntentSample.objects.get(pk=started.json()["sample"])
    judge_intent(sample, dict.fromkeys(sample.queries.values_list("query__text", flat=True), "yyy"))
    listed = curator_client.get(api("intent-samples")).json()
    assert listed[0]["progress"] | {"votes": 18} == listed[0]["progress"]
    measured = curator_client.get(api("intent-sample", sample.pk)).json()
    assert measured["measured"]["n"] == 6
    assert measured["paper"] == pytest.approx({"accuracy": 0.824, "f1": 0.6765, "n": 250})
    rows = curator_client.get(api("intent-queries", sample.pk) + "?cell=fp").json()
    assert rows["count"] == len(rows["results"]) == measured["measured"]["confusion"]["fp"]
    assert curator_client.get(api("intent-keywords", sample.pk)).json() == []


def test_the_api_trains_scores_and_sorts(project, scored, curator_client):
    listed = curator_client.get(api("intent-classifiers")).json()
    assert listed[0]["report"]["n"] == 60
    assert "parameters" not in listed[0]
    answer = curator_client.get(api("intent-opinions") + "?side=accepted").json()
    chances = [row["chance"] for row in answer["results"]]
    assert chances == sorted(chances)
    assert all(row["has_intent"] is not None for row in answer["results"])
    assert curator_client.post(api("score-intent", scored.pk)).status_code == 202
    answer = curator_client.post(
        api("intent-classifiers"), json.dumps({"encoder": "hashing"}), content_type="application/json"
    )
    assert answer.status_code == 202


def test_the_api_refuses_with_reasons(project, curator_client, annotator_client):
    answer = curator_client.post(api("intent-classifiers"), {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_few_judgements")
    assert curator_client.post(api("intent-samples"), {"n": 0}, content_type="application/json").status_code == 400
    assert curator_client.get(api("intent-opinions")).status_code == 404
    assert annotator_client.get(api("intent-samples")).status_code == 403


# --- commands -----------------------------------------------------------------------------------------------
def run(capsys, *args) -> dict:
    call_command(*args, "--json")
    return json.loads(capsys.readouterr().out)


def test_the_commands_do_the_same(project, capsys):
    project.encoder = "hashing"
    project.save()
    log(project, [*GOOD, *BAD])
    plan = run(capsys, "sample_intent", "--project", "demo", "--n", "60", "--minimum", "0", "--bands", "", "--plan")
    assert not IntentSample.objects.exists()
    drawn = run(capsys, "sample_intent", "--project", "demo", "--n", "60", "--minimum", "0", "--bands", "")
    assert drawn["strata"] == plan["strata"]
    judge_intent(IntentSample.objects.get(), dict.fromkeys(GOOD, "yyn") | dict.fromkeys(BAD, "nnn"))
    measured = run(capsys, "measure_rules", "--project", "demo", "--against", "cosqa-broad")
    assert measured["progress"]["labelled"] == 60
    assert measured["differences"]["accuracy"]["value"] == 0
    keywords = run(capsys, "suggest_keywords", "--project", "demo")["keywords"]
    assert {"salary", "career"} & {one["term"] for one in keywords}
    trained = run(capsys, "train_intent_classifier", "--project", "demo")
    assert trained["n"] == 60
    assert run(capsys, "score_intent", "--project", "demo")["scored"] == 60
    call_command("measure_rules", "--project", "demo")
    assert "67.65" in capsys.readouterr().out


def test_a_command_refuses_in_one_line(project, capsys):
    with pytest.raises(SystemExit) as stop:
        call_command("sample_intent", "--project", "demo", "--bands", "two")
    assert stop.value.code == 2
    assert "--bands takes whole numbers" in capsys.readouterr().err
