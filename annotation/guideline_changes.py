"""What differs between two texts of a guideline, as people read it: by section, paragraph and word. No Django.

Paragraphs and list items are compared first, so that a moved line end is no change; words are compared inside the
paragraphs that differ.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

SAME, ADDED, REMOVED, CHANGED = "same", "added", "removed", "changed"
ALIKE = 0.4  # paragraphs with fewer words in common are shown whole, old then new
_BLOCK_STARTS = re.compile(r"\s*(?:[-*+] |\d+[.)] |#{1,6} |\||>)")
_INTRODUCTION = "Introduction"


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring words with one fate: same, added or removed."""

    op: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list item, heading or table row."""

    op: str  # same, added, removed or changed
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class SectionChange:
    """A second-level section that is new, gone or changed, with all its blocks."""

    title: str
    op: str  # added, removed or changed
    blocks: tuple[Block, ...]

    @property
    def changed_blocks(self) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.op != SAME)


@lru_cache(maxsize=64)
def compare_guidelines(old: str, new: str) -> tuple[SectionChange, ...]:
    """The sections in which `new` differs from `old`, in the order of `new`; removed ones stand where they stood."""
    before, after = list(sections_of(old)), list(sections_of(new))
    titles = SequenceMatcher(None, [title for title, _ in before], [title for title, _ in after], autojunk=False)
    found: list[SectionChange] = []
    for op, a, b, c, d in titles.get_opcodes():
        if op == "equal":
            pairs = list(zip(before[a:b], after[c:d], strict=True))
        else:
            pairs, lone_old, lone_new = _renamed(before[a:b], after[c:d])
            found += [_whole(title, text, REMOVED) for title, text in lone_old]
            found += [_whole(title, text, ADDED) for title, text in lone_new]
        for (_, old_text), (title, new_text) in pairs:
            blocks = tuple(_compare_blocks(blocks_of(old_text), blocks_of(new_text)))
            if any(block.op != SAME for block in blocks):
                found.append(SectionChange(title, CHANGED, blocks))
    return tuple(found)


def sections_of(text: str) -> Iterator[tuple[str, str]]:
    """(title, text with its heading) of what stands before the first second-level heading, and of each section."""
    parts = ("\n" + text.strip()).split("\n## ")
    if parts[0].strip():
        yield _INTRODUCTION, parts[0].strip()
    for part in parts[1:]:
        yield part.partition("\n")[0].strip(), f"## {part.strip()}"


def blocks_of(text: str) -> list[str]:
    """Paragraphs, list items, headings and table rows, each on one line with single spaces."""
    blocks: list[list[str]] = []
    is_open = False
    for line in text.splitlines():
        if not line.strip():
            is_open = False
        elif is_open and not _BLOCK_STARTS.match(line):
            blocks[-1].append(line)
        else:
            blocks.append([line])
            is_open = not line.lstrip().startswith("#")
    return [" ".join(" ".join(lines).split()) for lines in blocks]


Sections = list[tuple[str, str]]


def _renamed(old: Sections, new: Sections) -> tuple[list[tuple[tuple[str, str], tuple[str, str]]], Sections, Sections]:
    """Sections whose title changed but whose text is much the same, paired; and what is left on both sides."""
    pairs = []
    old, new = list(old), list(new)
    for one in list(new):
        alike = max(old, key=lambda other: _ratio(other[1], one[1]), default=None)
        if alike is not None and _ratio(alike[1], one[1]) > ALIKE:
            pairs.append((alike, one))
            old.remove(alike)
            new.remove(one)
    return pairs, old, new


def _ratio(old: str, new: str) -> float:
    return SequenceMatcher(None, old.split(), new.split(), autojunk=False).quick_ratio()


def _whole(title: str, text: str, op: str) -> SectionChange:
    return SectionChange(title, op, tuple(Block(op, (Piece(op, block),)) for block in blocks_of(text)))


def _compare_blocks(old: list[str], new: list[str]) -> Iterator[Block]:
    for op, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if op == "equal":
            yield from (Block(SAME, (Piece(SAME, text),)) for text in new[c:d])
            continue
        gone, come = old[a:b], new[c:d]
        both = min(len(gone), len(come))
        for before, after in zip(gone[:both], come[:both], strict=True):
            yield from _compare_words(before, after)
        yield from (Block(REMOVED, (Piece(REMOVED, text),)) for text in gone[both:])
        yield from (Block(ADDED, (Piece(ADDED, text),)) for text in come[both:])


def _compare_words(old: str, new: str) -> Iterator[Block]:
    before, after = old.split(" "), new.split(" ")
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < ALIKE:
        yield Block(REMOVED, (Piece(REMOVED, old),))
        yield Block(ADDED, (Piece(ADDED, new),))
        return
    pieces: list[Piece] = []
    for op, a, b, c, d in matcher.get_opcodes():
        if op == "equal":
            pieces.append(Piece(SAME, " ".join(before[a:b])))
            continue
        if b > a:
            pieces.append(Piece(REMOVED, " ".join(before[a:b])))
        if d > c:
            pieces.append(Piece(ADDED, " ".join(after[c:d])))
    yield Block(CHANGED, tuple(pieces))
