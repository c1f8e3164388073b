"""Training before qualification before live work: feedback, the bar, attempts, and what a curator may decide."""

import uuid
from types import SimpleNamespace

import pytest

from annotation.models import AnnotationSettings, Annotator, GoldAnswer, Item, Purpose, QualificationAttempt, Slot, Vote
from annotation.selectors.votes import counted_votes, item_patterns
from annotation.services import votes
from annotation.services.gate import GateState, gate
from annotation.services.gold import GoldPair
from annotation.services.leases import claim_next, fill_lanes, free_expired_leases, release_leases
from annotation.services.training import (
    add_training_item,
    change_item,
    feedback_for,
    grant_attempt,
    known_answers,
    let_through,
    open_known,
    send_back,
    take_out_item,
)
from annotation.services.training_files import start_open_known_file
from annotation.services.votes import Judgement, NothingToUndoError
from core.errors import BadInputError, ConflictError
from core.jobs import JobFailedError, run_inline
from core.models import AuditEntry
from tests.annotation.conftest import CODE_UNCLEAR, NO, YES_0, YES_1, annotators, make_batch
from tests.annotation.judged import judged_project
from tests.factories import PairFactory, member

pytestmark = pytest.mark.django_db


def known(project, n: int, *, answers=(1, 0)) -> list[GoldPair]:
    """n new pairs with their answers in turn (None: no intent)."""
    pairs = PairFactory.create_batch(n, project=project)
    given = [answers[place % len(answers)] for place in range(n)]
    return [
        GoldPair(pair.pk, pair.query_id, "no" if answer is None else "yes", answer, "curator", f"because {place}")
        for place, (pair, answer) in enumerate(zip(pairs, given, strict=True))
    ]


def answer(project, person, right: bool = True) -> Vote | None:
    """Claims the next pair and judges it as it should be, or not; live pairs get a 1. None where there is none."""
    slot = claim_next(project=project, person=person)
    if slot is None:
        return None
    truth = GoldAnswer.objects.filter(item=slot.item_id).first() or SimpleNamespace(intent="yes", answer=1)
    judgement = Judgement(truth.intent, truth.answer) if right else NO if truth.intent == "yes" else YES_1
    return send(project, person, slot, judgement)


def send(project, person, slot, judgement) -> Vote:
    return votes.submit_vote(
        project=project,
        person=person,
        item_id=slot.item_id,
        token=slot.token,
        key=uuid.uuid4(),
        judgement=judgement,
    ).vote


def purpose_next(project, person) -> str | None:
    slot = claim_next(project=project, person=person)
    return slot.item.purpose if slot else None


def settings_of(project, **values) -> AnnotationSettings:
    return AnnotationSettings.objects.update_or_create(project=project, defaults=values)[0]


@pytest.fixture
def person(project):
    return annotators(project, 1)[0]


@pytest.fixture
def live(project):
    return make_batch(project, 20, name="live")


def test_a_newcomer_goes_through_training_and_qualification_before_live_pairs(project, live, person):
    open_known(project=project, kind="training", known=known(project, 3))
    open_known(project=project, kind="qualification", known=known(project, 4))
    settings_of(project, qualification_size=3, qualification_bar=0.6)
    seen = []
    while len(seen) < 12:
        seen.append(answer(project, person).item.purpose)
    assert seen[:6] == ["training"] * 3 + ["qualification"] * 3
    assert set(seen[6:]) == {"live"}
    row = Annotator.objects.get(project=project, person=person)
    assert row.trained_at
    assert row.qualified_at
    assert not row.failed_at
    acts = set(AuditEntry.objects.filter(person=person).values_list("act", flat=True))
    assert acts == {"annotation.train", "annotation.qualify"}
    assert not counted_votes(project).exclude(item__purpose="live").exists()
    assert sum(pattern.n for pattern in item_patterns(project)) == seen.count("live")


def test_feedback_is_given_on_training_and_on_nothing_else(project, live, person):
    open_known(project=project, kind="training", known=known(project, 2, answers=(1, None)))
    open_known(project=project, kind="qualification", known=known(project, 1))
    by_right = {}
    for right in (True, False):
        vote = answer(project, person, right=right)
        feedback = feedback_for(vote)
        assert feedback.is_right is right
        assert feedback.why.startswith("because")
        by_right[right] = feedback.intent
        assert (feedback.answer is None) == (feedback.intent == "no")
    assert set(by_right.values()) == {"yes", "no"}
    qualifying = answer(project, person)
    assert qualifying.item.purpose == Purpose.QUALIFICATION
    assert feedback_for(qualifying) is None
    assert feedback_for(answer(project, person)) is None


def test_cannot_judge_is_not_right(project, person):
    open_known(project=project, kind="training", known=known(project, 1))
    slot = claim_next(project=project, person=person)
    assert feedback_for(send(project, person, slot, CODE_UNCLEAR)).is_right is False


def test_training_comes_in_the_curators_order_and_what_is_passed_over_comes_again(project, person):
    batch = open_known(project=project, kind="training", known=known(project, 3))
    order = list(batch.items.order_by("priority").values_list("pk", flat=True))
    slot = claim_next(project=project, person=person)
    assert slot.item_id == order[0]
    votes.skip(project=project, person=person, token=slot.token)
    got = []
    while vote := answer(project, person):
        got.append(vote.item_id)
    assert got == [order[1], order[2], order[0]]


def test_both_lanes_hold_training_items_but_never_a_live_one(project, live, person):
    open_known(project=project, kind="training", known=known(project, 2))
    held = fill_lanes(project=project, person=person)
    assert [slot.item.purpose for slot in held] == ["training", "training"]
    send(project, person, held[0], YES_1)
    held = fill_lanes(project=project, person=person)
    assert [slot.item.purpose for slot in held] == ["training"], "what follows depends on the vote on the last one"
    send(project, person, held[0], YES_1)
    assert purpose_next(project, person) == "live"


def test_slots_that_were_let_go_reach_nobody_else(project, person):
    """They are not open, so the live claim passes them by, and the next person gets them in their own turn."""
    batch = open_known(project=project, kind="training", known=known(project, 1))
    other = member(project, "annotator", username="other")
    Annotator.objects.create(project=project, person=other, trained_at="2026-01-01T00:00:00Z")
    first = claim_next(project=project, person=person)
    release_leases(person=person)
    assert claim_next(project=project, person=other) is None
    again = claim_next(project=project, person=person)
    assert again.pk == first.pk, "the slot is used again"
    Slot.objects.filter(pk=again.pk).update(expires_at="2026-01-01T00:00:00Z")
    free_expired_leases(project=project)
    assert claim_next(project=project, person=other) is None
    assert batch.items.get().slots.count() == 1


def test_the_bar_is_met_exactly(project, live, person):
    open_known(project=project, kind="qualification", known=known(project, 5))
    settings_of(project, qualification_size=5, qualification_bar=0.8, qualification_attempts=1)
    for place in range(5):
        answer(project, person, right=place != 2)
    attempt = QualificationAttempt.objects.get()
    assert (attempt.n_right, attempt.size, attempt.is_passed) == (4, 5, True)
    assert gate(project, person).state == GateState.OPEN


def test_who_misses_the_bar_gets_other_items_and_then_nothing(project, live, person):
    open_known(project=project, kind="qualification", known=known(project, 7))
    settings_of(project, qualification_size=3, qualification_bar=0.8, qualification_attempts=2)
    first = [answer(project, person, right=False).item_id for _ in range(3)]
    assert gate(project, person).state == GateState.QUALIFICATION
    second = [answer(project, person, right=False).item_id for _ in range(3)]
    assert not set(first) & set(second)
    assert gate(project, person).state == GateState.FAILED
    assert claim_next(project=project, person=person) is None
    row = Annotator.objects.get(project=project, person=person)
    assert row.failed_at
    assert not row.qualified_at
    assert AuditEntry.objects.filter(act="annotation.fail_qualification", person=person).count() == 1
    curator = member(project, "curator", username="boss")
    with pytest.raises(ConflictError, match="Too few"):
        grant_attempt(project=project, person=person, reason="try again", user=curator)
    open_known(project=project, kind="qualification", known=known(project, 2))
    grant_attempt(project=project, person=person, reason="try again", user=curator)
    for _ in range(3):
        answer(project, person)
    assert gate(project, person).state == GateState.OPEN
    assert purpose_next(project, person) == "live"


def test_an_attempt_that_is_over_can_neither_be_undone_nor_corrected(project, live, person):
    open_known(project=project, kind="qualification", known=known(project, 2, answers=(1,)))
    settings_of(project, qualification_size=2, qualification_bar=1, qualification_attempts=1)
    vote = answer(project, person, right=False)
    votes.undo(project=project, person=person)
    vote = answer(project, person, right=False)
    votes.correct_vote(project=project, person=person, vote_id=vote.pk, judgement=YES_0)
    last = answer(project, person)
    assert gate(project, person).state == GateState.FAILED
    with pytest.raises(NothingToUndoError):
        votes.undo(project=project, person=person)
    with pytest.raises(ConflictError, match="is over"):
        votes.correct_vote(project=project, person=person, vote_id=last.pk, judgement=YES_1)


def test_items_that_go_away_end_the_attempt_with_what_was_judged(project, live, person):
    batch = open_known(project=project, kind="qualification", known=known(project, 3))
    settings_of(project, qualification_size=3, qualification_bar=0.9)
    answer(project, person)
    release_leases(person=person)
    for item in batch.items.exclude(pk__in=Vote.objects.values("item")):
        take_out_item(item=item)
    assert claim_next(project=project, person=person) is None, "this claim settles it"
    attempt = QualificationAttempt.objects.get()
    assert (attempt.n_right, attempt.size, attempt.is_passed) == (1, 1, True)
    assert purpose_next(project, person) == "live"


def test_people_at_work_are_not_called_back_unless_asked(project, live):
    worker, newcomer = annotators(project, 2)
    answer(project, worker)
    open_known(project=project, kind="training", known=known(project, 1))
    assert purpose_next(project, worker) == "live"
    assert purpose_next(project, newcomer) == "training"
    open_known(project=project, kind="qualification", known=known(project, 1), spare_present=False)
    release_leases(person=worker)
    assert purpose_next(project, worker) == "qualification"


def test_a_closed_batch_is_no_gate_and_an_empty_one_neither(project, live, person):
    batch = open_known(project=project, kind="training", known=known(project, 1))
    take_out_item(item=batch.items.get())
    assert purpose_next(project, person) == "live"
    take_out_item(item=batch.items.get(), is_out=False)
    release_leases(person=person)
    assert purpose_next(project, person) == "training"
    batch.is_closed = True
    batch.save()
    assert purpose_next(project, person) == "live"


def test_nobody_trains_or_qualifies_on_a_pair_that_they_know(project, live, person):
    open_known(project=project, kind="training", known=(pairs := known(project, 2)))
    for _ in pairs:
        answer(project, person)
    open_known(project=project, kind="qualification", known=known(project, 1), spare_present=False)
    release_leases(person=person)
    vote = answer(project, person)
    assert vote.item.purpose == Purpose.QUALIFICATION
    assert vote.item.pair_id not in {pair.pair for pair in pairs}


def test_a_curator_lets_through_and_sends_back(project, live, person):
    curator = member(project, "curator", username="boss")
    open_known(project=project, kind="training", known=known(project, 1))
    open_known(project=project, kind="qualification", known=known(project, 2))
    assert purpose_next(project, person) == "training"
    let_through(project=project, person=person, kind="qualification", reason="knows it all", user=curator)
    assert purpose_next(project, person) == "live"
    release_leases(person=person)
    send_back(project=project, person=person, kind="qualification", reason="or does not", user=curator)
    assert purpose_next(project, person) == "qualification"
    entry = AuditEntry.objects.filter(act="annotation.let_through").get()
    assert (entry.actor, entry.person, entry.reason) == (curator, person, "knows it all")
    assert entry.before["qualified_at"] is None
    assert entry.after["qualified_at"]
    with pytest.raises(BadInputError, match="reason"):
        let_through(project=project, person=person, kind="training", reason=" ", user=curator)


# --- items ------------------------------------------------------------------------------------------------------------
def test_an_item_is_added_changed_and_taken_out_on_record(project):
    curator = member(project, "curator", username="boss")
    pair = PairFactory(project=project)
    item = add_training_item(
        project=project, pair=pair, intent="yes", answer=1, why="It sorts. Ask qn@firm.se", user=curator
    )
    assert item.batch.kind == "training"
    assert item.gold.why == "It sorts. Ask [e-mail]"
    with pytest.raises(ConflictError, match="already"):
        add_training_item(project=project, pair=pair, intent="yes", answer=1, why="again", user=curator)
    second = add_training_item(
        project=project, pair=PairFactory(project=project), intent="no", answer=None, why="A tool.", user=curator
    )
    assert second.batch == item.batch
    assert second.priority == item.priority + 1
    change_item(item=item, intent="yes", answer=0, why="It does not sort.", user=curator)
    entry = AuditEntry.objects.get(act="annotation.change_item")
    assert entry.before == {"answer": 1, "why": "It sorts. Ask [e-mail]"}
    assert entry.after == {"answer": 0, "why": "It does not sort."}
    take_out_item(item=item, user=curator)
    assert AuditEntry.objects.filter(act="annotation.take_out_item", subject_id=item.pk).exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"intent": "yes", "answer": None, "why": "x"}, "answer"),
        ({"intent": "no", "answer": 1, "why": "x"}, "answer"),
        ({"intent": "unclear", "answer": None, "why": "x"}, "answer"),
        ({"intent": "yes", "answer": 1, "why": "  "}, "why"),
        ({"intent": "yes", "answer": 1, "why": "x", "kind": "live"}, "kind"),
    ],
)
def test_an_item_without_a_clear_answer_is_refused(project, given, field):
    with pytest.raises(BadInputError) as refusal:
        add_training_item(project=project, pair=PairFactory(project=project), **given)
    assert refusal.value.fields["field"] == field
    assert not Item.objects.exists()


def test_what_privacy_holds_back_is_no_item(project):
    pair = PairFactory(project=project)
    pair.query.quarantine_reason = "e-mail"
    pair.query.save()
    with pytest.raises(BadInputError, match="holds this pair back"):
        add_training_item(project=project, pair=pair, intent="yes", answer=1, why="x")


def test_known_answers_leave_out_pairs_that_people_are_still_to_judge(project):
    items = judged_project(project, ["111", "000", "nnn", "110"])
    found = known_answers(project, source="judged", n=10)
    assert {pair.pair for pair in found} == {item.pair_id for item in items[:3]}
    Item.objects.filter(pk=items[0].pk).update(target=5)
    assert {pair.pair for pair in known_answers(project, source="judged", n=10)} == {i.pair_id for i in items[1:3]}
    open_known(project=project, kind="training", known=known_answers(project, source="judged", n=1))
    assert len(known_answers(project, source="judged", n=10)) == 1
    open_known(project=project, kind="qualification", known=known_answers(project, source="judged", n=10))
    with pytest.raises(BadInputError, match="No pair is there"):
        known_answers(project, source="judged", n=10)


# --- files ------------------------------------------------------------------------------------------------------------
def run_file(project, path, **options):
    return run_inline(start_open_known_file(project=project, kind="training", path=path, inline=True, **options))


def test_a_file_brings_items_with_their_reasons_and_tells_what_does_not_fit(project, tmp_path):
    path = tmp_path / "training.csv"
    path.write_text(
        "query,code,label,intent,why\n"
        '"python sort list","def s(x): return sorted(x)",1,,It sorts\n'
        '"install python","def t(x): return x",,no,A tool\n'
        '"python reverse","def r(x): return x[::-1]",2,,\n'
        '"python reverse","def r(x): return x[::-1]",,,\n'
        ",,1,,\n",
        encoding="utf-8",
    )
    report = run_file(project, path, name="from a file").result
    assert report["items"] == 2
    assert [problem["line"] for problem in report["problems"]] == [4, 5, 6]
    answers = GoldAnswer.objects.filter(item__batch=report["batch"]).order_by("why")
    assert [(one.intent, one.answer, one.why, one.origin) for one in answers] == [
        ("no", None, "A tool", "file"),
        ("yes", 1, "It sorts", "file"),
    ]
    again = run_file(project, path, name="from a file").result
    assert again["batch"] == report["batch"], "run again, it changes nothing"
    assert Item.objects.count() == 2


def test_json_lines_may_name_pairs_by_number(project, tmp_path):
    pair = PairFactory(project=project)
    path = tmp_path / "training.jsonl"
    path.write_text(f'{{"task": "{pair.pk}", "label": 0, "why": "no"}}\n{{"task": "999999", "label": 1}}\n')
    report = run_file(project, path).result
    assert report["items"] == 1
    assert report["problems"] == [{"line": 2, "reason": "the project has no pair 999999"}]


def test_a_file_without_a_fitting_row_is_refused(project, tmp_path):
    path = tmp_path / "training.csv"
    path.write_text("query,code,label\n,,1\n")
    with pytest.raises(JobFailedError, match="No row of training"):
        run_file(project, path)


def test_the_usual_claim_costs_one_query_at_the_gate(project, live, person, django_assert_num_queries):
    open_known(project=project, kind="training", known=known(project, 1))
    let_through(project=project, person=person, kind="qualification", reason="known", user=None)
    with django_assert_num_queries(1):
        assert gate(project, person).state == GateState.OPEN
