"""One intent rule: its kinds, what each kind means as an expression, and what of a query makes it worth a try.

Needs no database. Rules are of our own few kinds, never free expressions, so that nobody can write one that hangs the
server: `Rule.hits` takes steps linear in the text (tests try the worst forms and texts we know of).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from core.errors import QuarryError

MAX_GAP_WORDS = 8
WORD = re.compile(r"[a-z0-9_]+")
START, END = r"(?<![a-z0-9_])", r"(?![a-z0-9_])"
_GAP = re.compile(r"\s*\.\.\.\s*")


class RuleSetError(QuarryError):
    """A rule set's text cannot be used."""

    code = "bad_rule_set"
    template = "The rule set cannot be used: {problem}"


class RuleKind(StrEnum):
    EXACT = "exact"
    STEM = "stem"
    PHRASE = "phrase"
    GAP = "gap"
    GAP_ALTERNATIVE = "gap-alternative"
    SYMBOL = "symbol"
    SUBSTRING = "substring"


@dataclass(frozen=True)
class Rule:
    """One rule: its category, its printed form (which is also its name) and how it matches."""

    category: str
    form: str
    kind: RuleKind
    note: str = ""
    digits: bool = False  # exact: digits may follow
    stem: bool = False  # gap: the first part may go on

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The rule as one expression over `intent_key` text; the meaning of the rule."""
        return re.compile(_EXPRESSIONS[self.kind](self))

    @cached_property
    def hits(self) -> Callable[[str], object]:
        """Whether the rule hits an `intent_key` text (truth of the answer), in steps linear in its length.

        The same as searching `pattern`, which for a gap would take quadratic steps on texts made for it.
        """
        if self.kind in {RuleKind.GAP, RuleKind.GAP_ALTERNATIVE}:
            return GapSearch(self)
        return self.pattern.search

    @property
    def first_word(self) -> str:
        """The word characters that the form begins with; empty for symbols."""
        start = WORD.match(self.form)
        return start.group() if start else ""

    @cached_property
    def first_letters(self) -> str:
        """What every text that the rule hits contains: its first word, or the whole symbol."""
        return self.first_word or self.form

    @property
    def opens_word(self) -> bool:
        """Whether the first word may be only the beginning of a word of the query."""
        return self.digits or self.stem or self.kind is RuleKind.STEM

    @cached_property
    def needed_words(self) -> tuple[str, ...]:
        """Words of which one must be in the query too; empty when the first word is all one can ask for."""
        if self.kind in {RuleKind.GAP, RuleKind.GAP_ALTERNATIVE}:
            ends = _gap_parts(self)[1].split("/")
        elif self.kind is RuleKind.PHRASE:
            ends = [self.form, self.form + "s"]
        else:
            return ()
        last_words = [WORD.findall(end)[-1:] for end in ends]
        return tuple(word for words in last_words for word in words) if all(last_words) else ()

    @property
    def is_decided_by_word(self) -> bool:
        """Whether one word of the query alone says if the rule hits."""
        one_word = self.kind in {RuleKind.EXACT, RuleKind.STEM} and not self.digits
        return one_word and WORD.fullmatch(self.form) is not None


def _exact(rule: Rule) -> str:
    digits = r"\d*" if rule.digits else ""
    last = rule.form[-1]
    own_end = "" if WORD.fullmatch(last) else f"(?!{re.escape(last)})"
    return START + re.escape(rule.form) + digits + own_end + END


def _stem(rule: Rule) -> str:
    return START + re.escape(rule.form)


def _phrase(rule: Rule) -> str:
    return START + _words(rule.form) + "s?" + END


def _gap(rule: Rule) -> str:
    first, last = _gap_expressions(rule)
    # Between the parts stand at most MAX_GAP_WORDS words, so at most one more white space.
    between = rf"(?:\S*\s+){{0,{MAX_GAP_WORDS + 1}}}?\S*?"
    return f"{first}{between}{last}"


def _gap_expressions(rule: Rule) -> tuple[str, str]:
    first, last = _gap_parts(rule)
    choices = last.split("/") if rule.kind is RuleKind.GAP_ALTERNATIVE else [last]
    if not all(choice.strip() for choice in choices):
        raise RuleSetError(problem=f"the rule {rule.form!r} needs a word on each side of '/'.")
    first_end = "" if rule.stem else END
    return f"{START}{_words(first)}{first_end}", f"{START}(?:{'|'.join(map(_words, choices))}){END}"


class GapSearch:
    """A gap's search in linear steps: of the last parts after a first one, the nearest has the fewest words between."""

    def __init__(self, rule: Rule) -> None:
        first, last = _gap_expressions(rule)
        # Looking ahead consumes nothing, so that parts which overlap are all found.
        self._first, self._last = re.compile(f"(?=({first}))"), re.compile(f"(?={last})")

    def __call__(self, key: str) -> bool:
        starts = [match.start() for match in self._last.finditer(key)]
        place = 0
        for match in self._first.finditer(key) if starts else ():
            end = match.end(1)
            while place < len(starts) and starts[place] < end:
                place += 1
            if place == len(starts):
                return False
            if key.count(" ", end, starts[place]) <= MAX_GAP_WORDS + 1:
                return True
        return False


def _literal(rule: Rule) -> str:
    return re.escape(rule.form)


def _words(text: str) -> str:
    return r"\s+".join(re.escape(word) for word in text.split())


def _gap_parts(rule: Rule) -> tuple[str, str]:
    parts = _GAP.split(rule.form)
    if len(parts) != 2 or not all(parts):
        raise RuleSetError(problem=f"the gap rule {rule.form!r} needs the form 'first ... last'.")
    return parts[0], parts[1]


_EXPRESSIONS = {
    RuleKind.EXACT: _exact,
    RuleKind.STEM: _stem,
    RuleKind.PHRASE: _phrase,
    RuleKind.GAP: _gap,
    RuleKind.GAP_ALTERNATIVE: _gap,
    RuleKind.SYMBOL: _literal,
    RuleKind.SUBSTRING: _literal,
}
