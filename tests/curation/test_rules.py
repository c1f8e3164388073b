"""Applying and measuring rule sets."""

import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from core.errors import ConflictError, NotFoundError
from core.jobs import run_inline
from core.models import Job
from curation.intent import read_rule_set, shipped_rule_set_text
from curation.models import Adoption, RuleHit, RuleSet, Verdict
from curation.reading import LogFileError
from curation.rule_quality import Confusion, LabelledQuery, measure_rules, read_labelled
from curation.selectors import current_rule_set, proposable_queries
from curation.selectors.queries import BadFilterError, QueryFilter, filtered_queries, rule_counts
from curation.services import rule_sets
from curation.services.rule_sets import find_rule_set, install_shipped_rule_sets
from curation.services.rules import start_apply_rules
from tests.factories import ProjectFactory, QueryFactory

TEXTS = [
    "python sort list",
    "what is python",
    "how to debug a python module: help",
    "sort list in java",
    "python mail anna@example.org",
]


@pytest.fixture
def queries(project):
    made = [QueryFactory(project=project, text=text) for text in TEXTS]
    made[-1].quarantine_reason = "e-mail"
    made[-1].save()
    return made


def apply(project, name="cosqa-strict"):
    return run_inline(start_apply_rules(project=project, rule_set=find_rule_set(project, name))).result


# --- shipped rule sets --------------------------------------------------------------------------------------------


def test_shipped_rule_sets_are_installed_once(db):
    first = install_shipped_rule_sets()
    assert [str(rule_set) for rule_set in first] == ["cosqa-strict v1", "cosqa-broad v1", "neutral v1"]
    assert install_shipped_rule_sets() == first
    assert RuleSet.objects.count() == 3


def test_a_changed_shipped_text_becomes_a_new_version(db, monkeypatch):
    install_shipped_rule_sets()
    monkeypatch.setattr(
        rule_sets,
        "shipped_rule_set_text",
        lambda name: shipped_rule_set_text(name).replace('note = "', 'note = "New. ', 1),
    )
    assert [rule_set.version for rule_set in install_shipped_rule_sets()] == [2, 2, 2]
    assert [rule_set.version for rule_set in install_shipped_rule_sets()] == [2, 2, 2]
    assert find_rule_set(None, "cosqa-strict").version == 2


def test_the_rule_set_in_use_follows_the_language_until_one_is_adopted(project):
    assert current_rule_set(project).name == "cosqa-strict"
    assert current_rule_set(ProjectFactory(slug="other", language="java")).name == "neutral"
    own = RuleSet.objects.create(project=project, name="own", text=shipped_rule_set_text("cosqa-broad"))
    begun = Adoption.objects.create(project=project, rule_set=own)
    assert current_rule_set(project).name == "cosqa-strict"
    begun.adopted_at = timezone.now()
    begun.save()
    assert current_rule_set(project) == own


def test_a_new_shipped_version_waits_until_somebody_applies_it(project, queries, monkeypatch):
    apply(project)
    used = current_rule_set(project)
    monkeypatch.setattr(
        rule_sets,
        "shipped_rule_set_text",
        lambda name: shipped_rule_set_text(name).replace('note = "', 'note = "New. ', 1),
    )
    assert str(install_shipped_rule_sets()[0]) == "cosqa-strict v2"
    assert current_rule_set(project) == used
    assert str(current_rule_set(ProjectFactory())) == "cosqa-strict v2"
    apply(project)
    assert str(current_rule_set(project)) == "cosqa-strict v2"


def test_an_unknown_rule_set_names_the_known_ones(db):
    with pytest.raises(NotFoundError, match="cosqa-broad, cosqa-strict"):
        find_rule_set(None, "nothing")


# --- applying -----------------------------------------------------------------------------------------------------


def test_every_verdict_names_all_rules_hit(project, queries):
    apply(project)
    hits = {
        verdict.query.text: sorted(verdict.hits.values_list("rule", flat=True)) for verdict in Verdict.objects.all()
    }
    assert hits == {
        "python sort list": [],
        "what is python": ["what is"],
        "how to debug a python module: help": [":", "debug", "module"],
        "sort list in java": ["python missing"],
    }


def test_the_counts_add_up(project, queries):
    report = apply(project)
    assert report["queries"] == 5
    assert report["queries"] == report["quarantined"] + report["accepted"] + report["rejected"] + report["unjudged"]
    assert (report["quarantined"], report["accepted"], report["rejected"], report["changed"]) == (1, 1, 3, 4)
    assert report["by_rule"] == {":": 1, "debug": 1, "module": 1, "python missing": 1, "what is": 1}
    assert report["by_category"] == {
        "Debugging": 1,
        "Conceptual": 1,
        "Programming Knowledge": 0,
        "Tools Usage": 1,
        "Others": 1,
        "Language": 1,
    }


def test_applying_again_changes_nothing(project, queries):
    apply(project)
    before = list(RuleHit.objects.order_by("id").values_list("id", "verdict_id", "rule"))
    assert apply(project)["changed"] == 0
    assert list(RuleHit.objects.order_by("id").values_list("id", "verdict_id", "rule")) == before


def test_another_language_changes_only_what_it_must(project, queries):
    apply(project)
    project.language = "java"
    project.save()
    assert apply(project)["changed"] == 4
    used = find_rule_set(project, "cosqa-strict")
    assert set(proposable_queries(project, used).values_list("text", flat=True)) == {"sort list in java"}
    project.language = ""
    project.save()
    apply(project)
    kept = set(proposable_queries(project, used).values_list("text", flat=True))
    assert kept == {"python sort list", "sort list in java"}


def test_two_rule_sets_have_verdicts_of_their_own(project, queries):
    apply(project)
    apply(project, "cosqa-broad")
    assert Verdict.objects.count() == 8
    assert rule_counts(project, find_rule_set(project, "cosqa-broad")).rejected == 3


def test_an_empty_project_is_refused(project):
    with pytest.raises(ConflictError, match="Ingest a search log first"):
        start_apply_rules(project=project, rule_set=current_rule_set(project))


def test_a_waiting_job_of_the_same_kind_is_not_doubled(project, queries):
    first = start_apply_rules(project=project, rule_set=current_rule_set(project))
    assert start_apply_rules(project=project, rule_set=current_rule_set(project)) == first
    assert Job.objects.count() == 1


# --- filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "texts"),
    [
        ({"verdict": "accepted"}, [0]),
        ({"verdict": "rejected"}, [1, 2, 3]),
        ({"verdict": "quarantined"}, [4]),
        ({"verdict": "unjudged"}, []),
        ({"rule": "what is"}, [1]),
        ({"category": "Debugging"}, [2]),
        ({"category": "Language"}, [3]),
        ({"reason": "e-mail"}, [4]),
        ({"text": "SORT"}, [0, 3]),
        ({"text": "anna"}, []),
        ({"verdict": "rejected", "text": "java"}, [3]),
        ({}, [0, 1, 2, 3, 4]),
        ({"log": "1"}, []),
    ],
)
def test_filters_narrow_the_list_and_text_search_skips_quarantine(project, queries, params, texts):
    apply(project)
    found = filtered_queries(project, current_rule_set(project), QueryFilter.parse(params))
    assert set(found.values_list("text", flat=True)) == {TEXTS[index] for index in texts}


@pytest.mark.parametrize(
    "params", [{"verdict": "user__password"}, {"log": "-1"}, {"log": "x"}, {"text": "a\0"}, {"text": "x" * 300}]
)
def test_values_that_make_no_sense_are_refused(params):
    with pytest.raises(BadFilterError):
        QueryFilter.parse(params)


# --- measuring ----------------------------------------------------------------------------------------------------


def test_the_worked_number_of_the_method_sheet():
    found = Confusion(tp=46, tn=160, fp=20, fn=24)
    assert found.accuracy == pytest.approx(0.824000, abs=1e-6)
    assert found.f1_no_intent == pytest.approx(0.676471, abs=1e-6)
    assert found.f1_intent == pytest.approx(0.879121, abs=1e-6)
    assert found.f1_macro == pytest.approx(0.777796, abs=1e-6)


def test_nothing_to_divide_by_is_zero_and_no_error():
    found = Confusion(0, 0, 0, 0)
    assert (found.accuracy, found.f1_no_intent, found.f1_intent) == (0, 0, 0)


def test_each_rule_shows_its_hits_and_its_cost():
    profile = read_rule_set(shipped_rule_set_text("cosqa-strict"))
    labelled = [
        LabelledQuery("python sort list", True),
        LabelledQuery("parse utf-8 python", True),
        LabelledQuery("python import module", True),
        LabelledQuery("python import error", False),
        LabelledQuery("best python", False),
    ]
    quality = measure_rules(profile, labelled)
    assert quality.confusion == Confusion(tp=1, fp=2, fn=1, tn=1)
    scores = {score.rule: (score.hits, score.cost, score.only) for score in quality.rules}
    assert scores == {"import": (2, 1, 0), "module": (1, 1, 0), "-": (1, 1, 1)}
    assert next(score for score in quality.rules if score.rule == "import").precision == 0.5
    assert quality.wrongly_rejected == [("parse utf-8 python", ("-",)), ("python import module", ("import", "module"))]
    assert quality.wrongly_kept == ["best python"]


LABELLED = "query,label\npython sort list,1\nwhat is python,0\nbest python,0\nparse utf-8 python,1\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", LABELLED),
        ("l.jsonl", '{"query": "python sort list", "label": 1}\n{"query": "what is python", "label": false}\n'),
        ("l.tsv", "label\tquery\nyes\tpython sort list\nno\twhat is python\n"),
    ],
)
def test_labelled_files_are_read_in_each_shape(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_labelled(tmp_path / name)[:2] == [
        LabelledQuery("python sort list", True),
        LabelledQuery("what is python", False),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("query,label\npython a,2\n", "line 2 needs a query and a label"),
        ("query,label\npython a\n", "line 2: too few columns"),
        ("query,note\npython a,1\n", "no column label"),
        ("query,label\n", "no query"),
        ("", "empty"),
        ("python a\npython b\n", "no table"),
    ],
)
def test_a_labelled_file_with_a_fault_is_refused_with_its_line(tmp_path, text, problem):
    path = tmp_path / "l.csv"
    if problem == "no table":
        path = tmp_path / "l"
    path.write_text(text)
    with pytest.raises(LogFileError, match=problem):
        read_labelled(path)


# --- the commands -------------------------------------------------------------------------------------------------


def test_apply_rules_command_reports_as_json_and_as_text(project, queries, capsys):
    call_command("apply_rules", "--project", "demo", "--rule-set", "cosqa-strict", "--json")
    assert json.loads(capsys.readouterr().out)["accepted"] == 1
    call_command("apply_rules", "--project", "demo")
    out = capsys.readouterr().out
    assert "rejected" in out
    assert "what is (1)" in out


def test_evaluate_rules_command_reports_both_f1s(db, tmp_path, capsys):
    path = tmp_path / "l.csv"
    path.write_text(LABELLED)
    call_command("evaluate_rules", str(path), "--json")
    data = json.loads(capsys.readouterr().out)
    assert data["confusion"] == {"tp": 1, "fp": 1, "fn": 1, "tn": 1, "positive": "no intent"}
    assert data["accuracy"] == data["f1_no_intent"] == data["f1_intent"] == 0.5
    call_command("evaluate_rules", str(path), "--rule-set", "cosqa-broad")
    assert "67.65" in capsys.readouterr().out


@pytest.mark.parametrize(
    "args",
    [
        ("apply_rules", "--project", "nowhere"),
        ("apply_rules", "--project", "demo"),
        ("apply_rules", "--project", "demo", "--rule-set", "nothing"),
        ("evaluate_rules", "/nowhere/l.csv"),
        ("evaluate_rules", "/nowhere/l.csv", "--rule-set", "nothing"),
    ],
)
def test_bad_input_ends_the_commands_with_status_2(project, capsys, args):
    with pytest.raises(SystemExit) as stop:
        call_command(*args)
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
