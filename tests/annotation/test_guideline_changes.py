"""What a reader sees of a changed guideline: the right sections, paragraphs and words, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.guideline_changes import ADDED, CHANGED, REMOVED, SAME, blocks_of, compare_guidelines, sections_of

OLD = """# How to judge

Two questions decide.

## Step 1: intent

Yes when code would be
the best reply.

- one: sorts a list
- two: reads a file

## Step 2: answer

It answers when at least half is done.
"""


def only(old, new):
    (section,) = compare_guidelines(old, new)
    return section


def test_the_same_text_has_no_changes():
    assert compare_guidelines(OLD, OLD) == ()


def test_line_ends_and_spaces_inside_a_paragraph_are_no_change():
    assert compare_guidelines(OLD, OLD.replace("be\nthe", "be the").replace("Two questions", "Two  questions")) == ()


def test_a_changed_word_is_shown_with_its_paragraph_alone():
    section = only(OLD, OLD.replace("at least half", "at least two thirds"))
    assert (section.title, section.op) == ("Step 2: answer", CHANGED)
    (block,) = section.changed_blocks
    assert [(piece.op, piece.text) for piece in block.pieces] == [
        (SAME, "It answers when at least"),
        (REMOVED, "half"),
        (ADDED, "two thirds"),
        (SAME, "is done."),
    ]


def test_a_new_list_item_is_one_added_block():
    section = only(OLD, OLD.replace("- two:", "- one and a half: copies a file\n- two:"))
    assert [(block.op, block.pieces[0].text) for block in section.changed_blocks] == [
        (ADDED, "- one and a half: copies a file")
    ]


def test_a_paragraph_written_anew_is_shown_whole_old_then_new():
    section = only(OLD, OLD.replace("Two questions decide.", "Read slowly, please, everything below here."))
    assert section.title == "Introduction"
    assert [block.op for block in section.changed_blocks] == [REMOVED, ADDED]


def test_new_and_removed_sections_are_told():
    new = OLD.replace("## Step 2: answer\n\nIt answers when at least half is done.", "## Habits\n\nTake your time.")
    assert [(section.title, section.op) for section in compare_guidelines(OLD, new)] == [
        ("Step 2: answer", REMOVED),
        ("Habits", ADDED),
    ]


def test_a_renamed_section_keeps_its_text():
    section = only(OLD, OLD.replace("## Step 1: intent", "## Step 1: does it look for code"))
    assert section.title == "Step 1: does it look for code"
    assert len(section.changed_blocks) == 1


WORDS = st.lists(st.sampled_from(["list", "sort", "file", "yes", "no", "- item", "### Part", "\n", "\n\n"]))


@given(WORDS, WORDS)
def test_pieces_put_together_are_the_two_texts(old_words, new_words):
    """Removed and same words are the old text, added and same ones the new: nothing is lost, nothing invented."""
    old, new = "# T\n\n" + "\n".join(old_words), "# T\n\n" + "\n".join(new_words)
    changed = {section.title for section in compare_guidelines(old, new)}
    for text, other in ((old, REMOVED), (new, ADDED)):
        shown = [
            " ".join(piece.text for piece in block.pieces if piece.op in (SAME, other))
            for section in compare_guidelines(old, new)
            for block in section.blocks
        ]
        told = " ".join(" ".join(shown).split())
        for title, part in sections_of(text):
            if title in changed:
                for block in blocks_of(part):
                    assert block in told


@pytest.mark.parametrize("text", ["", "\n\n", "no heading at all"])
def test_odd_texts_are_compared_too(text):
    assert compare_guidelines(text, OLD)
    assert compare_guidelines(text, text) == ()
