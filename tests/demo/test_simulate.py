"""Simulated annotators are seeded, imperfect and depend on nothing else."""

import subprocess
import sys

from demo.simulate import PANEL, SimulatedAnnotator, hidden_truth, simulated_vote, uniform

PAIRS = [(f"pair-{n}", 0.3 + 0.6 * (n % 50) / 50) for n in range(600)]
PERFECT = SimulatedAnnotator("perfect", intent_error=0.0, answer_error=0.0, unclear=0.0)


def test_the_same_seed_gives_the_same_votes_in_another_process():
    program = "from demo.simulate import uniform; print(uniform(7, 'answer', 'pair-1'))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(other.stdout) == uniform(7, "answer", "pair-1")
    assert [simulated_vote(PANEL[0], *pair, seed=1) for pair in PAIRS] == [
        simulated_vote(PANEL[0], *pair, seed=1) for pair in PAIRS
    ]


def test_another_seed_gives_other_votes():
    first = [simulated_vote(PANEL[0], *pair, seed=1) for pair in PAIRS]
    assert first != [simulated_vote(PANEL[0], *pair, seed=2) for pair in PAIRS]


def test_a_person_who_never_errs_says_the_hidden_truth():
    for pair in PAIRS:
        has_intent, answer = hidden_truth(*pair, seed=3)
        vote = simulated_vote(PERFECT, *pair, seed=3)
        assert (vote.intent == "yes") == has_intent
        assert vote.answer == (answer if has_intent else None)


def test_people_err_about_as_often_as_they_are_said_to():
    person = SimulatedAnnotator("p", intent_error=0.0, answer_error=0.2, unclear=0.0)
    judged = [(simulated_vote(person, *pair, seed=5), hidden_truth(*pair, seed=5)) for pair in PAIRS]
    wrong = [vote.answer != answer for vote, (has_intent, answer) in judged if has_intent]
    assert 0.15 < sum(wrong) / len(wrong) < 0.25


def test_a_higher_score_is_more_often_an_answer():
    low = sum(hidden_truth(f"x{n}", 0.35, seed=1)[1] for n in range(500))
    high = sum(hidden_truth(f"x{n}", 0.80, seed=1)[1] for n in range(500))
    assert low < 100 < 400 < high


def test_step_two_is_absent_after_no_intent_and_when_the_code_is_unclear():
    votes = [simulated_vote(PANEL[2], *pair, seed=9) for pair in PAIRS]
    assert {vote.answer for vote in votes if vote.intent == "no" or vote.code_unclear} == {None}
    assert {vote.answer for vote in votes if vote.intent == "yes" and not vote.code_unclear} == {0, 1}
