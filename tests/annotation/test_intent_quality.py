"""Measured quality of rules: counts, leave-one-out, intervals, estimates for the whole log."""

import json
import random

import pytest
from django.core.management import call_command

from curation.intent import read_rule_set
from curation.rule_intervals import log_estimates, paired_difference, sample_intervals
from curation.rule_quality import Confusion, LabelledQuery, Outcome, confusion_of, measure_rules

RULES = """
name = "two"
[[rule]]
category = "Conceptual"
form = "why"
kind = "exact"
[[rule]]
category = "Tools"
form = "pip"
kind = "exact"
[[rule]]
category = "Tools"
form = "install"
kind = "stem"
"""


def outcomes(tp=0, fp=0, fn=0, tn=0, stratum=""):
    kinds = [(False, True)] * tp + [(True, True)] * fp + [(False, False)] * fn + [(True, False)] * tn
    return [
        Outcome(LabelledQuery(f"query {stratum} {number}", has_intent, stratum, number), is_rejected)
        for number, (has_intent, is_rejected) in enumerate(kinds)
    ]


def test_the_papers_figures_follow_from_its_confusion():
    found = confusion_of(outcomes(tp=46, tn=160, fp=20, fn=24))
    assert found == Confusion(tp=46, fp=20, fn=24, tn=160)
    assert found.accuracy == pytest.approx(0.824000, abs=5e-7)
    assert found.f1_no_intent == pytest.approx(0.676471, abs=5e-7)
    assert found.f1_intent == pytest.approx(0.879121, abs=5e-7)
    assert found.f1_macro == pytest.approx(0.777796, abs=5e-7)


def labelled():
    return [
        LabelledQuery("why is python slow", False),
        LabelledQuery("why python pip fails", False),
        LabelledQuery("python pip install numpy", False),
        LabelledQuery("python pip list parse", True),
        LabelledQuery("python sort list", True),
        LabelledQuery("python thoughts", False),
    ]


def test_leaving_a_rule_out_is_what_measuring_without_it_gives():
    whole = measure_rules(read_rule_set(RULES), labelled())
    blocks = RULES.strip().split("[[rule]]")
    for score in whole.rules:
        rest = [block for block in blocks[1:] if f'form = "{score.rule}"' not in block]
        without = measure_rules(read_rule_set("[[rule]]".join([blocks[0], *rest])), labelled())
        assert score.f1_without == pytest.approx(without.confusion.f1_no_intent), score.rule
    costs = {score.rule: (score.hits, score.cost, score.only, score.only_bad) for score in whole.rules}
    assert costs == {"pip": (3, 1, 1, 0), "why": (2, 0, 0, 1), "install": (1, 0, 0, 0)}


def test_intervals_hold_the_figure_and_depend_on_the_seed_alone():
    sample = outcomes(tp=46, tn=160, fp=20, fn=24)
    found = sample_intervals(sample, seed=3)
    shuffled = random.Random(1).sample(sample, len(sample))
    assert sample_intervals(shuffled, seed=3) == found
    assert sample_intervals(sample, seed=4) != found
    f1 = found["f1_no_intent"]
    assert f1.low < f1.value < f1.high
    # The spread of F1 at these counts, by the delta method: about 0.04 standard deviation.
    assert 0.10 < f1.high - f1.low < 0.22


def test_perfect_rules_have_an_interval_of_no_width():
    f1 = sample_intervals(outcomes(tp=5, tn=5))["f1_no_intent"]
    assert f1.low == f1.value == f1.high == 1.0


def test_estimates_weight_each_stratum_by_its_size():
    sample = outcomes(fn=1, tn=9, stratum="accepted") + outcomes(tp=6, fp=4, stratum="rejected")
    found = log_estimates(sample, {"accepted": 900, "rejected": 100})
    values = {name: estimate.value for name, estimate in found.figures.items()}
    assert found.covered == 1.0
    assert values["accepted_without_intent"] == pytest.approx(90)
    assert values["accepted_without_intent_share"] == pytest.approx(0.1)
    assert values["good_lost"] == pytest.approx(40)
    assert values["good_lost_share"] == pytest.approx(40 / 850)
    assert values["no_intent_share"] == pytest.approx(150 / 1000)
    assert values["accuracy_log"] == pytest.approx(870 / 1000)


def test_weighted_estimates_meet_the_truth_of_a_known_log():
    """Samples of a made log: the estimates scatter around the truth, and most intervals hold it."""
    generator = random.Random(7)
    truth = outcomes(fn=150, tn=750, stratum="a") + outcomes(tp=60, fp=40, stratum="r")
    inside, total = 0, 0.0
    for trial in range(40):
        drawn = generator.sample(truth[:900], 60) + generator.sample(truth[900:], 40)
        estimate = log_estimates(drawn, {"a": 900, "r": 100}, seed=trial, resamples=300).figures[
            "accepted_without_intent_share"
        ]
        total += estimate.value
        inside += estimate.low <= 150 / 900 <= estimate.high
    assert total / 40 == pytest.approx(150 / 900, abs=0.02)
    assert inside >= 34


def test_a_stratum_without_judgements_is_said_to_be_missing():
    found = log_estimates(outcomes(tn=3, stratum="accepted"), {"accepted": 60, "rejected": 40})
    assert found.covered == pytest.approx(0.6)
    assert log_estimates([], {"accepted": 60}).figures == {}


def test_a_paired_difference_is_zero_for_twins_and_narrower_than_two_intervals():
    sample = outcomes(tp=46, tn=160, fp=20, fn=24)
    same = paired_difference(sample, sample)["f1_no_intent"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = [Outcome(one.labelled, one.is_rejected and one.cell != "fp") for one in sample[:56]] + sample[56:]
    gain = paired_difference(sample, better)["accuracy"]
    assert gain.value == pytest.approx(10 / 250)
    assert gain.excludes_zero
    with pytest.raises(ValueError, match="same labelled"):
        paired_difference(sample, sample[1:])


@pytest.mark.django_db
def test_a_labelled_file_is_measured_with_intervals_too(tmp_path, capsys):
    path = tmp_path / "labels.csv"
    path.write_text("query,label\nwhy is python slow,0\npython sort list,1\npython cheat sheet,0\npython why sort,1\n")
    call_command("evaluate_rules", str(path), "--json")
    found = json.loads(capsys.readouterr().out)
    accuracy = found["intervals"]["accuracy"]
    assert accuracy["value"] == found["accuracy"] == 0.5
    assert accuracy["low"] < 0.5 < accuracy["high"]
    assert {rule["rule"]: rule["f1_without"] for rule in found["rules"]} == {"why": 0.0}
