"""The guideline: versions with author and note, changes since, examples that come and go, answers adopted."""

import pytest

from annotation.models import GuidelineExample
from annotation.selectors.guidelines import changes_between, changes_since, examples_in_force, shown_examples
from annotation.services.adjudication import adjudicate
from annotation.services.discussion import (
    QUESTIONS_HEADING,
    adopt_answer,
    answer_question,
    ask_question,
    text_with_answer,
)
from annotation.services.guidelines import (
    MAX_CHARS,
    GuidelineMovedError,
    add_example,
    current_guideline,
    publish_guideline,
    remove_example,
)
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import AuditEntry
from tests.annotation.conftest import annotators, make_batch, vote
from tests.annotation.judged import judged_project

pytestmark = pytest.mark.django_db


def example(item, curator, **options):
    given = {"intent": "yes", "answer": 1, "why": "A clear case.", **options}
    return add_example(project=item.project, item=item, user=curator, **given)


# --- versions ----------------------------------------------------------------------------------------------------
def test_a_version_knows_who_wrote_it_and_why(project, curator):
    first = current_guideline(project)
    second = publish_guideline(project=project, text=first.text + "\nMore.\n", author=curator, note="  More\nwords. ")
    assert (second.version, second.author, second.note) == (2, curator, "More words.")
    entry = AuditEntry.objects.get(act="annotation.publish_guideline")
    assert (entry.actor, entry.before, entry.after) == (curator, {"version": 1}, {"version": 2})


def test_the_same_text_makes_no_version(project, curator):
    first = current_guideline(project)
    assert publish_guideline(project=project, text=first.text.replace("\n", "\r\n"), author=curator) == first


@pytest.mark.parametrize("text", ["", " \n ", "x" * (MAX_CHARS + 1)], ids=["empty", "blank", "huge"])
def test_a_text_that_is_no_guideline_is_refused(project, text):
    with pytest.raises(BadInputError):
        publish_guideline(project=project, text=text)


def test_nobody_writes_over_a_version_they_have_not_seen(project, curator):
    current_guideline(project)
    publish_guideline(project=project, text="# Two", author=curator, based_on=1)
    with pytest.raises(GuidelineMovedError, match="Version 2 was put in force"):
        publish_guideline(project=project, text="# Mine", author=curator, based_on=1)
    assert current_guideline(project).text == "# Two\n"


def test_a_private_part_of_the_note_is_masked(project, curator):
    made = publish_guideline(project=project, text="# New", author=curator, note="asked by anna@firm.se")
    assert made.note == "asked by [e-mail]"


# --- what changed -------------------------------------------------------------------------------------------------
def test_changes_since_a_version_gather_all_notes_and_compare_the_ends(project, curator):
    publish_guideline(project=project, text="# A\n\n## Step 1: x\n\nOne.", author=curator)
    publish_guideline(project=project, text="# A\n\n## Step 1: x\n\nOne. Two.", author=curator, note="Two")
    publish_guideline(project=project, text="# A\n\n## Step 1: x\n\nOne. Two. Three.", author=curator, note="Three")
    changes = changes_since(project, 2)
    assert changes is not None
    assert (changes.since, changes.version) == (2, 4)
    assert [(note.version, note.note, note.author) for note in changes.notes] == [
        (4, "Three", "cora"),
        (3, "Two", "cora"),
    ]
    (section,) = changes.sections
    assert [piece.text for block in section.changed_blocks for piece in block.pieces if piece.op == "added"] == [
        "Two. Three."
    ]


@pytest.mark.parametrize("seen", [0, 3, 7], ids=["never seen one", "up to date", "from the future"])
def test_there_is_nothing_to_tell(project, seen):
    publish_guideline(project=project, text="# A")
    publish_guideline(project=project, text="# B")
    assert changes_since(project, seen) is None


def test_a_project_without_a_guideline_has_no_changes(project):
    assert changes_since(project, 0) is None


def test_a_change_that_was_taken_back_is_an_empty_one(project):
    for text in ("# A", "# B", "# A"):
        publish_guideline(project=project, text=text)
    changes = changes_since(project, 2)
    assert changes is not None
    assert changes.is_empty
    assert len(changes.notes) == 2


# --- examples ---------------------------------------------------------------------------------------------------
def test_an_example_comes_with_a_version_and_goes_with_one(project, curator):
    (item,) = judged_project(project, ["110"])
    made = example(item, curator)
    assert (made.since.version, current_guideline(project).version) == (2, 2)
    assert [one.query for one in shown_examples(project)] == [item.query.text]
    remove_example(project=project, example_id=made.pk, user=curator)
    assert shown_examples(project) == []
    assert [one.id for one in shown_examples(project, version=2)] == [made.pk]
    assert shown_examples(project, version=1) == []
    both, gone = changes_between(project, 1, 2), changes_between(project, 2, 3)
    assert both is not None
    assert gone is not None
    assert ([one.id for one in both.examples_added], both.n_examples_removed) == ([made.pk], 0)
    assert ([one.id for one in gone.examples_added], gone.n_examples_removed) == ([], 1)
    through = changes_between(project, 1, 3)
    assert through is not None
    assert through.is_empty, "it came and went in between"


def test_an_example_that_privacy_holds_back_shows_nowhere(project, curator):
    (item,) = judged_project(project, ["110"])
    example(item, curator)
    item.pair.code.quarantine_reason = "e-mail"
    item.pair.code.save()
    assert not examples_in_force(project).exists()
    changes = changes_since(project, 1)
    assert changes is not None
    assert changes.examples_added == []


def test_a_pair_that_people_still_judge_is_no_example(project, curator):
    make_batch(project, 1)
    vote(project, annotators(project, 1)[0])
    with pytest.raises(ConflictError, match="tell them the answer"):
        example(project.items.get(), curator)
    assert current_guideline(project).version == 1


@pytest.mark.parametrize(
    "given",
    [
        {"why": " "},
        {"intent": "unclear", "answer": None},
        {"intent": "no", "answer": 1},
        {"intent": "yes", "answer": None},
    ],
    ids=["no reason", "unclear", "no with an answer", "yes without one"],
)
def test_an_example_is_a_clear_case_with_a_reason(project, curator, given):
    (item,) = judged_project(project, ["110"])
    with pytest.raises(BadInputError):
        example(item, curator, **given)
    assert not GuidelineExample.objects.exists()


def test_no_pair_is_an_example_twice_and_none_is_removed_twice(project, curator):
    (item,) = judged_project(project, ["110"])
    made = example(item, curator)
    with pytest.raises(ConflictError):
        example(item, curator)
    remove_example(project=project, example_id=made.pk, user=curator)
    with pytest.raises(NotFoundError):
        remove_example(project=project, example_id=made.pk, user=curator)
    assert example(item, curator).since.version == 4


# --- answers ---------------------------------------------------------------------------------------------------
def answered(project, annotator, curator):
    question = ask_question(project=project, person=annotator, text="Does a  print\ncount?")
    return answer_question(project=project, question_id=question.pk, answer="Yes.", user=curator)


def test_an_answer_becomes_a_version_by_one_press(project, curator, annotator):
    question = answered(project, annotator, curator)
    published = adopt_answer(project=project, question_id=question.pk, user=curator)
    question.refresh_from_db()
    assert (published.version, question.adopted) == (2, published)
    assert published.text.endswith(f"{QUESTIONS_HEADING}\n\n- **Does a print count?** Yes.\n")
    with pytest.raises(ConflictError):
        adopt_answer(project=project, question_id=question.pk, user=curator)


def test_answers_gather_in_one_section_wherever_it_stands(project, curator, annotator):
    question = answered(project, annotator, curator)
    text = f"# A\n\n{QUESTIONS_HEADING}\n\n- **Old?** Yes.\n\n## Habits\n\nSlow.\n"
    assert text_with_answer(text, question) == (
        f"# A\n\n{QUESTIONS_HEADING}\n\n- **Old?** Yes.\n- **Does a print count?** Yes.\n\n## Habits\n\nSlow.\n"
    )


def test_an_answer_is_only_adopted_with_a_changed_text(project, curator, annotator):
    question = answered(project, annotator, curator)
    with pytest.raises(BadInputError, match="not in it"):
        adopt_answer(project=project, question_id=question.pk, user=curator, text=current_guideline(project).text)
    unanswered = ask_question(project=project, person=annotator, text="And this?")
    with pytest.raises(ConflictError, match="no answer yet"):
        adopt_answer(project=project, question_id=unanswered.pk, user=curator)


def test_an_adjudicated_pair_becomes_an_example_with_its_reason(project, curator):
    (item,) = judged_project(project, ["110"])
    made = adjudicate(project=project, item_id=item.pk, person=curator, decision="zero", reason="Sorts keys.")
    example(item, curator, intent=made.intent, answer=made.label, why=made.reason)
    (shown,) = shown_examples(project)
    assert (shown.intent, shown.answer, shown.why) == ("yes", 0, "Sorts keys.")
