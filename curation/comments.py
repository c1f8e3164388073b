"""In-line comments that say what the code below does (METHODS 8.2). Knows no database, no Django and no language.

A reader of a language hands over the comments inside one function body, markers still on; `describing_comments` joins
neighbouring lines, drops what is no description (too short, notes to oneself, directives of tools, code that was
commented out) and returns the rest with their lines.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MIN_WORDS = 4
MAX_COMMENTS = 50  # of one function: a longer one is a listing, not code with remarks
MAX_COMMENT_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class RawComment:
    """One comment token: first and last line (of the function's text, from 1), its text with markers."""

    start_line: int
    end_line: int
    text: str
    is_alone: bool  # nothing else stands on its lines


@dataclass(frozen=True, slots=True)
class Comment:
    """A description inside a function, lines joined; `end_line` is the last line it stands on."""

    start_line: int
    end_line: int
    text: str


_LEAD = re.compile(r"^\s*(?:#+:?|/{2,}!?|/\*+!?|\*+(?!/)|--+)?\s?")
_TAIL = re.compile(r"\s*\*+/\s*$")
_HAS_LETTER = re.compile(r"[^\W\d_]")
_NOTE = re.compile(r"\W*(?:todo|fixme|xxx|hack)\b", re.IGNORECASE)
_DIRECTIVE = re.compile(
    r"\W*(?:noqa|pylint|flake8|pyflakes|type:\s*ignore|mypy|pyright|pragma|isort|fmt:|yapf|ruff|nosec|bandit|pytype|"
    r"eslint|jshint|jslint|jscs|tslint|prettier|istanbul|globals?\s|nolint|go:|\+build|rubocop|phpcs|phpstan|psalm|"
    r"codingstandards|checkstyle|suppress|nopmd|noinspection|@ts-|ts-ignore|#?region\b|#?endregion\b|<editor-fold|"
    r"</editor-fold|-\*-|coding[:=]|vim?:|frozen_string_literal|!/)",
    re.IGNORECASE,
)
_CODE_MARK = re.compile(r"=|\(.*\)|;|\{|\breturn\b|\bimport\b", re.DOTALL)


def describing_comments(raw: Iterable[RawComment], is_code: Callable[[str], bool]) -> tuple[Comment, ...]:
    """The comments that describe code, in order. `is_code(text)`: the text parses as code of the language."""
    kept: list[Comment] = []
    for group in _joined(raw):
        lines = [line for comment in group for line in _stripped(comment.text)]
        text = " ".join(line.strip() for line in lines if line.strip())
        if is_description(text) and not looks_like_code("\n".join(lines), is_code):
            kept.append(Comment(group[0].start_line, group[-1].end_line, text[:MAX_COMMENT_CHARS]))
            if len(kept) == MAX_COMMENTS:
                break
    return tuple(kept)


def is_description(text: str) -> bool:
    """Whether a comment, markers off, is long enough and neither a note to oneself nor a directive."""
    words = sum(_HAS_LETTER.search(word) is not None for word in text.split())
    return words >= MIN_WORDS and not _NOTE.match(text) and not _DIRECTIVE.match(text)


def looks_like_code(text: str, is_code: Callable[[str], bool]) -> bool:
    """Code that was commented out: it has a mark of code and parses, or it ends as a statement does."""
    if text.rstrip().endswith((";", "{")):
        return True
    return _CODE_MARK.search(text) is not None and is_code(text)


def _joined(raw: Iterable[RawComment]) -> list[list[RawComment]]:
    """Comments alone on neighbouring lines are one; a comment behind code stays by itself."""
    groups: list[list[RawComment]] = []
    for comment in raw:
        before = groups[-1][-1] if groups else None
        if before and before.is_alone and comment.is_alone and comment.start_line == before.end_line + 1:
            groups[-1].append(comment)
        else:
            groups.append([comment])
    return groups


def _stripped(text: str) -> list[str]:
    """The lines of a comment without the marks around and in front of them; indentation inside is kept."""
    return [_LEAD.sub("", _TAIL.sub("", line), count=1) for line in text.split("\n")]
