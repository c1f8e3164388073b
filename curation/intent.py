"""Keyword rules that tell queries with code-search intent from those without (CoSQA, appendix A). Needs no database.

A rule set is read from a TOML text: rules of a few kinds (see `curation/rule_sets/neutral.toml`). A query has no
intent when at least one rule hits it or the language keyword is missing; the verdict names all hits.

How a column of queries is judged fast (`RuleProfile.judge_all`): a block of queries is one text, which is split into
words once. Only the distinct words of the block are looked up (in a cache "word -> rules that this word hits, rules
that it makes worth trying"); nearly all lead to nothing, so that the walk over the words meets few. Symbols and the
language keyword are searched as plain text. The hits of a query are the bits of one number. Tests prove that this gives
the same hits as trying every rule's own expression on every query (`judge_plainly`).
"""

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from core.text import content_hash, normalise_query
from curation.rule_forms import END, START, WORD, Rule, RuleKind, RuleSetError

__all__ = ["Judgement", "Rule", "RuleKind", "RuleProfile", "RuleSetError", "read_rule_set"]

RULE_SET_FOLDER = Path(__file__).resolve().parent / "rule_sets"
SHIPPED_RULE_SETS = ("cosqa-strict", "cosqa-broad", "neutral")
DEFAULT_RULE_SET = "cosqa-strict"
DEFAULT_RULE_SETS = {"python": DEFAULT_RULE_SET}  # every other language, and none: the neutral rules
NEUTRAL_RULE_SET = "neutral"
MAX_FORM_CHARS = 70
MAX_CATEGORY_CHARS, MAX_NOTE_CHARS = 60, 500
MAX_RULES = 2000
MAX_RULE_SET_CHARS = 500_000
LANGUAGE_CATEGORY = "Language"
_BLOCK = 4096  # queries judged as one text; bounds the memory of judge_all
_CACHED_WORDS = 200_000  # a bound on the memory of the word cache, far above the vocabulary of one language
_LETTERS = 2  # by so many first letters the beginnings of words are looked up
_LINE_MARK = "."  # stands between the lines among their words; no word itself
_WORD_BYTES = bytes(code if chr(code) in "abcdefghijklmnopqrstuvwxyz0123456789_\n" else ord(" ") for code in range(256))
# What a plain text does not have after normalising: other white space, doubled or outer spaces, slanted quotes.
_UNTIDY = ("  ", " \n", "\n ", "`", *"\t\r\x0b\x0c\x1c\x1d\x1e\x1f")


def default_rule_set(language: str) -> str:
    """Name of the shipped rule set that suits a project's language keyword (empty: none)."""
    return DEFAULT_RULE_SETS.get(language.lower(), NEUTRAL_RULE_SET)


# What a word leads to: bits of the rules that it hits for sure, and rules to try (bit, texts of which one must be in
# the query too, what says whether it hits).
Trial = tuple[int, tuple[str, ...], Callable[[str], object]]
WordEntry = tuple[int, tuple[Trial, ...]]
_NOTHING: WordEntry = (0, ())


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
        return Judgement(self.judge_all([query], language=language)[0])

    def judge_all(self, queries: Sequence[str], *, language: str = "python") -> list[tuple[str, ...]]:
        """The forms of all rules that hit, for each query of a column, in the order of the rule set; () is accepted."""
        judged: list[tuple[str, ...]] = []
        for start in range(0, len(queries), _BLOCK):
            judged += self._judge_block(queries[start : start + _BLOCK], language.lower())
        return judged

    def judge_plainly(self, query: str, *, language: str = "python") -> Judgement:
        """The same by the definition: every rule's own expression, one after the other."""
        key, keyword = intent_key(query), language.lower()
        hits = [rule.form for rule in self.rules if rule.pattern.search(key) and not is_in_keyword(rule, keyword)]
        if not self._has_language(key, keyword):
            hits.append(missing_language_form(keyword))
        return Judgement(tuple(hits))

    def category_of(self, form: str) -> str:
        """The category of a rule by its printed form; the language rule has one of its own."""
        return self._categories.get(form, LANGUAGE_CATEGORY)

    def rules_off(self, language: str) -> tuple[Rule, ...]:
        """Rules that do not apply for a language because its keyword itself would be hit (`c#`; `-` in objective-c)."""
        return tuple(rule for rule in self.rules if is_in_keyword(rule, language.lower()))

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories in the order of the text."""
        return tuple(dict.fromkeys(rule.category for rule in self.rules))

    @cached_property
    def _categories(self) -> dict[str, str]:
        return {rule.form: rule.category for rule in self.rules}

    def _has_language(self, key: str, keyword: str) -> bool:
        return not keyword or has_language(key, keyword, inside_words=keyword in self.language_inside_words)

    def _judge_block(self, queries: Sequence[str], keyword: str) -> list[tuple[str, ...]]:
        text = _block_text(queries)
        keys = text.split("\n")
        masks = [0] * len(keys)
        self._mark_words(text, keys, masks)
        self._mark_symbols(text, keys, masks)
        off = sum(1 << index for index, rule in enumerate(self.rules) if is_in_keyword(rule, keyword))
        if off:
            masks = [mask & ~off for mask in masks]
        self._mark_language(keys, masks, keyword)
        forms = [*(rule.form for rule in self.rules), missing_language_form(keyword)]
        hits = {mask: _forms_of(mask, forms) for mask in set(masks)}
        return [hits[mask] for mask in masks]

    def _mark_words(self, text: str, keys: list[str], masks: list[int]) -> None:
        """Rules that begin with a word or a part of one."""
        # Everything but word characters becomes a space; beyond ASCII there are no word characters.
        spaced = text.encode("ascii", "replace").translate(_WORD_BYTES)
        words = spaced.replace(b"\n", f" {_LINE_MARK} ".encode()).decode("ascii").split()
        hot = self._hot_words(set(words))
        line = tried = 0
        for word in filter({*hot, _LINE_MARK}.__contains__, words):
            if word == _LINE_MARK:
                line += 1
                tried = 0
                continue
            sure, trials = hot[word]
            masks[line] |= sure
            for bit, needed, hits in trials:
                if tried & bit:
                    continue
                tried |= bit
                if _any_in(needed, keys[line]) and hits(keys[line]):
                    masks[line] |= bit

    def _hot_words(self, words: set[str]) -> dict[str, WordEntry]:
        """Those of the words that lead to anything."""
        known, look_up = self._words.get, self._look_up
        entries = ((word, known(word) or look_up(word)) for word in words)
        return {word: entry for word, entry in entries if entry is not _NOTHING}

    def _mark_symbols(self, text: str, keys: list[str], masks: list[int]) -> None:
        for index, symbol in self._symbols:
            if symbol in text:
                for line, key in enumerate(keys):
                    if symbol in key:
                        masks[line] |= 1 << index

    def _mark_language(self, keys: list[str], masks: list[int], keyword: str) -> None:
        missing = 1 << len(self.rules)
        if keyword in self.language_inside_words:
            lacking = [line for line, key in enumerate(keys) if keyword not in key]
        else:
            lacking = [line for line, key in enumerate(keys) if not self._has_language(key, keyword)]
        for line in lacking:
            masks[line] |= missing

    def _look_up(self, word: str) -> WordEntry:
        sure, trials = 0, []
        for index in self._triggers.rules_for(word):
            rule = self.rules[index]
            if rule.is_decided_by_word or rule.kind is RuleKind.SUBSTRING:
                sure |= 1 << index
            else:
                trials.append((1 << index, rule.needed_words, rule.hits))
        entry = (sure, tuple(trials)) if sure or trials else _NOTHING
        if len(self._words) < _CACHED_WORDS:
            self._words[word] = entry
        return entry

    @cached_property
    def _triggers(self) -> "Triggers":
        return Triggers(self.rules)

    @cached_property
    def _symbols(self) -> tuple[tuple[int, str], ...]:
        return tuple((index, rule.form) for index, rule in enumerate(self.rules) if rule.kind is RuleKind.SYMBOL)


def _forms_of(mask: int, forms: list[str]) -> tuple[str, ...]:
    """The forms whose bits are set, in their order."""
    found = []
    while mask:
        lowest = mask & -mask
        found.append(forms[lowest.bit_length() - 1])
        mask ^= lowest
    return tuple(found)


def _any_in(needed: tuple[str, ...], key: str) -> bool:
    for word in needed:  # a generator would cost more than the search
        if word in key:
            return True
    return not needed


def is_in_keyword(rule: Rule, language: str) -> bool:
    """Whether the language keyword alone hits the rule, which would then reject every query with the keyword."""
    keyword = language.lower()
    return bool(keyword) and rule.first_letters in keyword and rule.pattern.search(keyword) is not None


def _block_text(queries: Sequence[str]) -> str:
    """The `intent_key` of every query, a line each; nothing is normalised where the whole text shows no need of it."""
    text = "\n".join(queries)
    tidy = text.isascii() and text.count("\n") == len(queries) - 1 and not any(part in text for part in _UNTIDY)
    if not tidy or text != text.strip(" "):
        text = "\n".join([normalise_query(query) for query in queries])
    return text.lower()


class Triggers:
    """Which rules a word of a query makes worth a look: by equality, by its beginning, or by letters inside it."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._equal: dict[str, list[int]] = {}
        self._beginnings: dict[str, list[tuple[str, int]]] = {}  # by their first letters
        self._inside: list[tuple[str, int]] = []
        for index, rule in enumerate(rules):
            first = rule.first_word
            if rule.kind is RuleKind.SUBSTRING:
                self._inside.append((rule.form, index))
            elif first and rule.opens_word:
                self._beginnings.setdefault(first[:_LETTERS], []).append((first, index))
            elif first:
                self._equal.setdefault(first, []).append(index)
                if rule.kind is RuleKind.PHRASE:  # a phrase of one word may end in s
                    self._equal.setdefault(first + "s", []).append(index)

    def rules_for(self, word: str) -> set[int]:
        """Indexes of the rules."""
        equal = self._equal.get(word, ())
        near = [self._beginnings[start] for start in (word[:1], word[:_LETTERS]) if start in self._beginnings]
        if not (equal or near or self._inside):  # nearly all words
            return set()
        found = set(equal)
        for beginnings in near:
            found.update([index for text, index in beginnings if word.startswith(text)])
        found.update([index for text, index in self._inside if text in word])
        return found


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
        end = r"(?![a-z0-9_#+])" if len(keyword) == 1 else END
        _language_patterns[keyword] = re.compile(rf"{START}{re.escape(keyword)}(?:\d[\d.]*)?{end}")
    return _language_patterns[keyword]


def missing_language_form(language: str) -> str:
    """The name under which a missing language keyword is reported."""
    return f"{language.lower()} missing"


def read_rule_set(text: str) -> RuleProfile:
    """A profile from its TOML text. Raises RuleSetError that names the rule and what is wrong with it.

    `include` names shipped rule sets whose rules come first.
    """
    data = _toml(text)
    included = [_included(name) for name in _texts(data, "include")]
    own = tuple(read_rule(entry, number=number) for number, entry in enumerate(_rule_entries(data), start=1))
    rules = (*(rule for profile in included for rule in profile.rules), *own)
    _refuse_too_many(rules)
    inside_words = [word for profile in included for word in profile.language_inside_words]
    return RuleProfile(
        name=_short_text(data, "name", 60),
        note=_short_text(data, "note", 1000),
        rules=rules,
        language_inside_words=frozenset([*inside_words, *_texts(data, "language_inside_words")]),
    )


def _toml(text: str) -> dict[str, Any]:
    if len(text) > MAX_RULE_SET_CHARS:
        raise RuleSetError(problem=f"it is longer than {MAX_RULE_SET_CHARS:,} characters.")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RuleSetError(problem=f"it is not valid TOML ({error}).") from error


def _included(name: str) -> RuleProfile:
    if name not in SHIPPED_RULE_SETS:
        raise RuleSetError(problem=f"it includes {name[:60]!r}; there are: {', '.join(SHIPPED_RULE_SETS)}.")
    return read_rule_set(shipped_rule_set_text(name))


def _refuse_too_many(rules: tuple[Rule, ...]) -> None:
    if len(rules) > MAX_RULES:
        raise RuleSetError(problem=f"it has {len(rules):,} rules; at most {MAX_RULES:,} are taken.")
    seen: set[str] = set()
    for rule in rules:
        if rule.form in seen:
            raise RuleSetError(problem=f"the rule {rule.form!r} stands in it more than once.")
        seen.add(rule.form)


def _short_text(data: dict[str, Any], key: str, most: int) -> str:
    value = data.get(key, "")
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise RuleSetError(problem=f"{key} must be a text of at most {most} characters.")
    return value


def _texts(data: dict[str, Any], key: str) -> list[str]:
    values = data.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RuleSetError(problem=f"{key} must be a list of texts.")
    return [value.lower() for value in values]


def _rule_entries(data: dict[str, Any]) -> list[Any]:
    entries = data.get("rule", [] if data.get("include") else None)
    if not isinstance(entries, list) or (not entries and not data.get("include")):
        raise RuleSetError(problem="it has no [[rule]] entries.")
    return entries


def read_rule(entry: Any, *, number: int = 1) -> Rule:
    """A rule from its entry (category, form, kind, note, digits, stem); RuleSetError names it by its number."""
    known = {"category", "form", "kind", "note", "digits", "stem"}
    if not isinstance(entry, dict) or set(entry) - known:
        extra = ", ".join(sorted(set(entry) - known)) if isinstance(entry, dict) else "no table"
        raise RuleSetError(problem=f"rule {number} has unknown entries: {extra}.")
    form, kind = _read_form(number, entry), _read_kind(number, entry)
    rule = Rule(
        category=_short_text(entry, "category", MAX_CATEGORY_CHARS),
        form=form,
        kind=kind,
        note=_short_text(entry, "note", MAX_NOTE_CHARS),
        digits=entry.get("digits", False) is True,
        stem=entry.get("stem", False) is True,
    )
    check_rule(rule, place=f"rule {number}")
    return rule


def _read_form(number: int, entry: dict[str, Any]) -> str:
    form = normalise_query(str(entry.get("form", ""))).lower()
    if not form or len(form) > MAX_FORM_CHARS or not form.isprintable():
        raise RuleSetError(problem=f"rule {number} needs a form of 1 to {MAX_FORM_CHARS} characters.")
    return form


def _read_kind(number: int, entry: dict[str, Any]) -> RuleKind:
    try:
        return RuleKind(entry.get("kind", ""))
    except ValueError as error:
        form, kind, choice = entry.get("form"), entry.get("kind"), ", ".join(RuleKind)
        raise RuleSetError(problem=f"rule {number} ({form!r}) has the kind {kind!r}; known: {choice}.") from error


def check_rule(rule: Rule, *, place: str = "the rule") -> None:
    """Raises RuleSetError, which names the rule by its `place`, when its kind cannot take its form."""
    if not rule.category or rule.category == LANGUAGE_CATEGORY:
        problem = f"{place} ({rule.form!r}) needs a category (not {LANGUAGE_CATEGORY}, which the keyword has)."
        raise RuleSetError(problem=problem)
    if rule.kind is RuleKind.SUBSTRING and not WORD.fullmatch(rule.form):
        raise RuleSetError(problem=f"{place} ({rule.form!r}): a substring rule takes letters and digits only.")
    if rule.kind not in {RuleKind.SYMBOL, RuleKind.SUBSTRING} and not rule.first_word:
        raise RuleSetError(problem=f"{place} ({rule.form!r}) must begin with a letter or a digit; else use symbol.")
    if rule.digits and rule.kind is not RuleKind.EXACT:
        raise RuleSetError(problem=f"{place} ({rule.form!r}): digits goes with the kind exact only.")
    if rule.stem and rule.kind not in {RuleKind.GAP, RuleKind.GAP_ALTERNATIVE}:
        raise RuleSetError(problem=f"{place} ({rule.form!r}): stem goes with the kinds gap and gap-alternative only.")
    _ = rule.pattern  # a gap without two parts is refused here


def shipped_rule_set_text(name: str) -> str:
    """The TOML text of a shipped rule set."""
    return (RULE_SET_FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def rule_set_hash(text: str) -> str:
    """Content hash of a rule set's text."""
    return content_hash(text, person=b"rules")
