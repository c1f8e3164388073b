"""Keyword rules that tell queries with code-search intent from those without (CoSQA, appendix A). Needs no database.

A rule set is read from a TOML text: rules of a few kinds (see `curation/rule_sets/cosqa-strict.toml`). A query has no
intent when at least one rule hits it or the language keyword is missing; the verdict names all hits.

How it is fast: a rule is only tried when its *trigger* is there. Words of the query are looked up in a cache
"word -> rules that this word hits, rules that this word makes worth trying"; nearly all words lead to nothing. A test
proves that this gives the same hits as trying every rule's own expression on every query.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from core.errors import QuarryError
from core.text import content_hash, normalise_query

RULE_SET_FOLDER = Path(__file__).resolve().parent / "rule_sets"
SHIPPED_RULE_SETS = ("cosqa-strict", "cosqa-broad")
DEFAULT_RULE_SET = "cosqa-strict"
MAX_GAP_WORDS = 8
MAX_FORM_CHARS = 70
LANGUAGE_CATEGORY = "Language"
_CACHED_WORDS = 200_000  # a bound on the memory of the word cache, far above the vocabulary of one language
_WORD = re.compile(r"[a-z0-9_]+")
_START, _END = r"(?<![a-z0-9_])", r"(?![a-z0-9_])"
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

    @property
    def first_word(self) -> str:
        """The word characters that the form begins with; empty for symbols."""
        start = _WORD.match(self.form)
        return start.group() if start else ""

    @property
    def opens_word(self) -> bool:
        """Whether the first word may be only the beginning of a word of the query."""
        return self.digits or self.stem or self.kind is RuleKind.STEM

    @property
    def needed_words(self) -> tuple[str, ...]:
        """Words of which one must be in the query too; empty when the first word is all one can ask for."""
        if self.kind in {RuleKind.GAP, RuleKind.GAP_ALTERNATIVE}:
            ends = _gap_parts(self)[1].split("/")
        elif self.kind is RuleKind.PHRASE:
            ends = [self.form, self.form + "s"]
        else:
            return ()
        last_words = [_WORD.findall(end)[-1:] for end in ends]
        return tuple(word for words in last_words for word in words) if all(last_words) else ()

    @property
    def is_decided_by_word(self) -> bool:
        """Whether one word of the query alone says if the rule hits."""
        one_word = self.kind in {RuleKind.EXACT, RuleKind.STEM} and not self.digits
        return one_word and _WORD.fullmatch(self.form) is not None


def _exact(rule: Rule) -> str:
    digits = r"\d*" if rule.digits else ""
    last = rule.form[-1]
    own_end = "" if _WORD.fullmatch(last) else f"(?!{re.escape(last)})"
    return _START + re.escape(rule.form) + digits + own_end + _END


def _stem(rule: Rule) -> str:
    return _START + re.escape(rule.form)


def _phrase(rule: Rule) -> str:
    return _START + _words(rule.form) + "s?" + _END


def _gap(rule: Rule) -> str:
    first, last = _gap_parts(rule)
    last = "|".join(_words(part) for part in last.split("/")) if rule.kind is RuleKind.GAP_ALTERNATIVE else _words(last)
    first_end = "" if rule.stem else _END
    # Between the parts stand at most MAX_GAP_WORDS words, so at most one more white space.
    between = rf"(?:\S*\s+){{0,{MAX_GAP_WORDS + 1}}}?\S*?"
    return f"{_START}{_words(first)}{first_end}{between}{_START}(?:{last}){_END}"


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


# What a word leads to: rules that it hits for sure, and rules to try with the words of which one must be there too.
WordEntry = tuple[tuple[int, ...], tuple[tuple[int, tuple[str, ...]], ...]]


@dataclass(frozen=True)
class Judgement:
    """The verdict on one query: `hits` holds the forms of all rules that hit, in the order of the rule set."""

    hits: tuple[str, ...]

    @property
    def has_intent(self) -> bool:
        return not self.hits


@dataclass(frozen=True)
class RuleProfile:
    """A rule set in use. Holds a cache of words, so keep one per process rather than one per query."""

    name: str
    rules: tuple[Rule, ...]
    note: str = ""
    language_inside_words: frozenset[str] = frozenset()
    _words: dict[str, WordEntry] = field(default_factory=dict, repr=False, compare=False)

    def judge(self, query: str, *, language: str = "python") -> Judgement:
        """All rules that hit the query; an empty `language` asks for no language keyword."""
        key = intent_key(query)
        hits = [self.rules[index].form for index in self._hit_indexes(key)]
        return Judgement((*hits, *self._language_hits(key, language)))

    def judge_plainly(self, query: str, *, language: str = "python") -> Judgement:
        """The same by the definition: every rule's own expression, one after the other."""
        key = intent_key(query)
        hits = [rule.form for rule in self.rules if rule.pattern.search(key)]
        return Judgement((*hits, *self._language_hits(key, language)))

    def category_of(self, form: str) -> str:
        """The category of a rule by its printed form; the language rule has one of its own."""
        return self._categories.get(form, LANGUAGE_CATEGORY)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories in the order of the text."""
        return tuple(dict.fromkeys(rule.category for rule in self.rules))

    @cached_property
    def _categories(self) -> dict[str, str]:
        return {rule.form: rule.category for rule in self.rules}

    def _language_hits(self, key: str, language: str) -> tuple[str, ...]:
        keyword = language.lower()
        if not keyword or has_language(key, keyword, inside_words=keyword in self.language_inside_words):
            return ()
        return (missing_language_form(keyword),)

    def _hit_indexes(self, key: str) -> list[int]:
        found: set[int] = set()
        words = _WORD.findall(key)
        for word in words:
            sure, to_try = self._words.get(word) or self._look_up(word)
            if sure:
                found.update(sure)
            for index, needed in to_try:
                if _any_in(needed, words) and self.rules[index].pattern.search(key):
                    found.add(index)
        if self._any_symbol is not None and self._any_symbol.search(key):
            found.update(index for index, text in self._symbols if text in key)
        return sorted(found)

    def _look_up(self, word: str) -> WordEntry:
        sure: list[int] = []
        to_try: list[tuple[int, tuple[str, ...]]] = []
        for index in self._triggers.rules_for(word):
            rule = self.rules[index]
            if rule.is_decided_by_word or rule.kind is RuleKind.SUBSTRING:
                sure.append(index)
            else:
                to_try.append((index, rule.needed_words))
        entry = (tuple(sure), tuple(to_try))
        if len(self._words) < _CACHED_WORDS:
            self._words[word] = entry
        return entry

    @cached_property
    def _triggers(self) -> "Triggers":
        return Triggers(self.rules)

    @cached_property
    def _symbols(self) -> tuple[tuple[int, str], ...]:
        return tuple((index, rule.form) for index, rule in enumerate(self.rules) if rule.kind is RuleKind.SYMBOL)

    @cached_property
    def _any_symbol(self) -> re.Pattern[str] | None:
        first = "".join(re.escape(text[0]) for _, text in self._symbols)
        return re.compile(f"[{first}]") if first else None


def _any_in(needed: tuple[str, ...], words: list[str]) -> bool:
    return not needed or any(word in words for word in needed)


class Triggers:
    """Which rules a word of a query makes worth a look: by equality, by its beginning, or by letters inside it."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._equal: dict[str, list[int]] = {}
        self._beginnings: list[tuple[str, int]] = []
        self._inside: list[tuple[str, int]] = []
        for index, rule in enumerate(rules):
            if rule.kind is RuleKind.SUBSTRING:
                self._inside.append((rule.form, index))
            elif rule.first_word and rule.opens_word:
                self._beginnings.append((rule.first_word, index))
            elif rule.first_word:
                self._equal.setdefault(rule.first_word, []).append(index)
                if rule.kind is RuleKind.PHRASE:  # a phrase of one word may end in s
                    self._equal.setdefault(rule.first_word + "s", []).append(index)

    def rules_for(self, word: str) -> list[int]:
        """Indexes of the rules, in their order."""
        found = self._equal.get(word, [])
        beginnings = [index for text, index in self._beginnings if word.startswith(text)]
        inside = [index for text, index in self._inside if text in word]
        return sorted({*found, *beginnings, *inside})


def intent_key(query: str) -> str:
    """The text that rules look at: NFKC, straight quotes, single spaces, lower case; punctuation stays."""
    return normalise_query(query).lower()


def has_language(key: str, language: str, *, inside_words: bool = False) -> bool:
    """Whether the keyword stands in the text as a whole word; digits and dots may follow (`python3.12`).

    `inside_words` takes it anywhere (`wxpython`), for keywords that are part of no other language's name.
    """
    keyword = language.lower()
    return keyword in key and (inside_words or _language_pattern(keyword).search(key) is not None)


_language_patterns: dict[str, re.Pattern[str]] = {}


def _language_pattern(keyword: str) -> re.Pattern[str]:
    if keyword not in _language_patterns:
        # A language of one letter is not its neighbours: c is neither c# nor c++.
        end = r"(?![a-z0-9_#+])" if len(keyword) == 1 else _END
        _language_patterns[keyword] = re.compile(rf"{_START}{re.escape(keyword)}(?:\d[\d.]*)?{end}")
    return _language_patterns[keyword]


def missing_language_form(language: str) -> str:
    """The name under which a missing language keyword is reported."""
    return f"{language.lower()} missing"


def read_rule_set(text: str) -> RuleProfile:
    """A profile from its TOML text. Raises RuleSetError that names the rule and what is wrong with it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleSetError(problem=f"it is not valid TOML ({error}).") from error
    rules = tuple(_read_rule(number, entry) for number, entry in enumerate(_rule_entries(data), start=1))
    repeated = {rule.form for rule in rules if sum(other.form == rule.form for other in rules) > 1}
    if repeated:
        raise RuleSetError(problem=f"the rule {sorted(repeated)[0]!r} stands in it more than once.")
    return RuleProfile(
        name=str(data.get("name", "")),
        note=str(data.get("note", "")),
        rules=rules,
        language_inside_words=frozenset(_texts(data, "language_inside_words")),
    )


def _texts(data: dict[str, Any], key: str) -> list[str]:
    values = data.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RuleSetError(problem=f"{key} must be a list of texts.")
    return [value.lower() for value in values]


def _rule_entries(data: dict[str, Any]) -> list[Any]:
    entries = data.get("rule")
    if not isinstance(entries, list) or not entries:
        raise RuleSetError(problem="it has no [[rule]] entries.")
    return entries


def _read_rule(number: int, entry: Any) -> Rule:
    known = {"category", "form", "kind", "note", "digits", "stem"}
    if not isinstance(entry, dict) or set(entry) - known:
        extra = ", ".join(sorted(set(entry) - known)) if isinstance(entry, dict) else "no table"
        raise RuleSetError(problem=f"rule {number} has unknown entries: {extra}.")
    form = normalise_query(str(entry.get("form", ""))).lower()
    if not form or len(form) > MAX_FORM_CHARS:
        raise RuleSetError(problem=f"rule {number} needs a form of 1 to {MAX_FORM_CHARS} characters.")
    try:
        kind = RuleKind(entry.get("kind", ""))
    except ValueError as error:
        choice = ", ".join(RuleKind)
        raise RuleSetError(
            problem=f"rule {number} ({form!r}) has the kind {entry.get('kind')!r}; known: {choice}."
        ) from error
    rule = Rule(
        category=str(entry.get("category", "")),
        form=form,
        kind=kind,
        note=str(entry.get("note", "")),
        digits=bool(entry.get("digits", False)),
        stem=bool(entry.get("stem", False)),
    )
    _check_form(number, rule)
    return rule


def _check_form(number: int, rule: Rule) -> None:
    if not rule.category:
        raise RuleSetError(problem=f"rule {number} ({rule.form!r}) needs a category.")
    if rule.kind is RuleKind.SUBSTRING and not _WORD.fullmatch(rule.form):
        raise RuleSetError(problem=f"rule {number} ({rule.form!r}): a substring rule takes letters and digits only.")
    if rule.kind not in {RuleKind.SYMBOL, RuleKind.SUBSTRING} and not rule.first_word:
        raise RuleSetError(
            problem=f"rule {number} ({rule.form!r}) must begin with a letter or a digit; else use symbol."
        )
    _ = rule.pattern  # a gap without two parts is refused here


def shipped_rule_set_text(name: str) -> str:
    """The TOML text of a shipped rule set."""
    return (RULE_SET_FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def rule_set_hash(text: str) -> str:
    """Content hash of a rule set's text."""
    return content_hash(text, person=b"rules")


def judge_all(profile: RuleProfile, queries: Iterable[str], *, language: str = "python") -> list[Judgement]:
    """Verdicts in the order of the queries."""
    return [profile.judge(query, language=language) for query in queries]
