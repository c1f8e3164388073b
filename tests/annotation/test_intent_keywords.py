"""Keyword suggestions: log-odds by the formula, costs by counting."""

import math

import pytest

from annotation.intent_keywords import log_odds, suggest_keywords, terms_of
from curation.intent import read_rule_set
from curation.rule_quality import LabelledQuery, judge_labelled

RULES = """
name = "one"
[[rule]]
category = "Conceptual"
form = "why"
kind = "exact"
"""
NO_INTENT = [
    "python cheat sheet pdf",
    "best python cheat sheet",
    "python cheat sheet",
    "why is python slow",
    "python jobs in berlin",
    "python jobs",
]
INTENT = [
    "python sort list",
    "python read csv file",
    "python parse json",
    "python best way to sort a list",
    "python print jobs of a queue",
]


def outcomes(strata=False):
    labelled = [LabelledQuery(text, False, "accepted" if strata else "") for text in NO_INTENT]
    labelled += [LabelledQuery(text, True, "accepted" if strata else "") for text in INTENT]
    return judge_labelled(read_rule_set(RULES), labelled)


def test_terms_are_words_and_short_phrases():
    assert terms_of("Python C# can't") == {"python", "c#", "can't", "python c#", "c# can't", "python c# can't"}


def test_log_odds_follow_the_formula():
    first, second = {"a": 8, "b": 2}, {"a": 2, "b": 8}
    found = log_odds(first, second, prior=10.0)
    # alpha of both terms is 10 * 10 / 20 = 5; a: log(13 / 7) - log(7 / 13), variance 1 / 13 + 1 / 7
    assert found["a"] == pytest.approx(2 * math.log(13 / 7) / math.sqrt(1 / 13 + 1 / 7))
    assert found["b"] == pytest.approx(-found["a"])


def test_suggestions_carry_what_they_would_remove_and_lose():
    found = {one.term: one for one in suggest_keywords(outcomes(), read_rule_set(RULES), language="python")}
    sheet = found["cheat sheet"] if "cheat sheet" in found else found["cheat"]
    assert (sheet.removes, sheet.loses, sheet.no_intent, sheet.intent) == (3, 0, 3, 0)
    jobs = found["jobs"]
    assert (jobs.removes, jobs.loses, jobs.lost) == (2, 1, ("python print jobs of a queue",))
    assert sheet.z > jobs.z > 0


def test_what_a_rule_covers_and_the_language_are_not_suggested():
    terms = {one.term for one in suggest_keywords(outcomes(), read_rule_set(RULES), language="python")}
    assert not terms & {"why", "why is", "why is python", "python"}


def test_a_phrase_that_acts_like_its_word_is_left_out():
    terms = {one.term for one in suggest_keywords(outcomes(), read_rule_set(RULES), language="python")}
    assert len({"cheat", "sheet", "cheat sheet", "python cheat"} & terms) == 1


def test_the_log_is_estimated_by_the_weights_of_the_strata():
    found = suggest_keywords(outcomes(strata=True), read_rule_set(RULES), weights={"accepted": 40.0})
    jobs = next(one for one in found if one.term == "jobs")
    assert (jobs.removes_in_log, jobs.loses_in_log) == (80.0, 40.0)


def test_one_class_alone_suggests_nothing():
    only_good = [one for one in outcomes() if one.labelled.has_intent]
    assert suggest_keywords(only_good, read_rule_set(RULES)) == []
