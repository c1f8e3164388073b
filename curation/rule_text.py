"""Rule sets as text and as differences: writing TOML, editing one rule, comparing two sets. Needs no database."""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from curation.intent import Rule, RuleProfile, RuleSetError, check_rule, read_rule_set

KINDS_HELP = {
    "exact": "the keyword as a whole word (digits: digits may follow)",
    "stem": "the keyword at the start of a word; the word may go on",
    "phrase": "words in this order with white space between; the last may take an s",
    "gap": "first ... last, with up to eight words between (stem: the first part may go on)",
    "gap-alternative": "a gap whose last part is one of several words: turn ... on/off",
    "symbol": "the characters anywhere",
    "substring": "the letters anywhere, inside words too",
}


def write_rule_set(profile: RuleProfile) -> str:
    """The TOML text of a profile, by category, complete in itself; `read_rule_set` gives the same rules back."""
    lines = [f"name = {_quoted(profile.name)}", f"note = {_quoted(profile.note)}"]
    if profile.language_inside_words:
        words = ", ".join(_quoted(word) for word in sorted(profile.language_inside_words))
        lines += [f"language_inside_words = [{words}]"]
    for category in profile.categories:
        lines += ["", f"# --- {_one_line(category)} ---"]
        for rule in profile.rules:
            if rule.category == category:
                lines += ["", *_rule_lines(rule)]
    return "\n".join(lines) + "\n"


def _rule_lines(rule: Rule) -> list[str]:
    texts = {"category": rule.category, "form": rule.form, "kind": rule.kind.value, "note": rule.note}
    lines = [f"{key} = {_quoted(value)}" for key, value in texts.items() if value]
    return ["[[rule]]", *lines, *(f"{key} = true" for key in ("digits", "stem") if getattr(rule, key))]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(mark for mark in text if mark.isprintable())


def complete_text(text: str) -> str:
    """A rule set's text that needs no other: what it includes is written out; else the text as it is."""
    profile = read_rule_set(text)
    return write_rule_set(profile) if tomllib.loads(text).get("include") else text


@dataclass(frozen=True)
class RuleEdit:
    """One change of a rule set: `rule` takes the place of the rule with the form `old`.

    Without `old` the rule is added, without `rule` the old one is removed.
    """

    old: str = ""
    rule: Rule | None = None


def edited(profile: RuleProfile, edit: RuleEdit) -> RuleProfile:
    """The profile after an edit. Raises RuleSetError when there is no such rule, or another has the new form."""
    check_edit(profile, edit)
    rules = tuple(_replaced(profile.rules, edit))
    # A new profile reads its own text, so that what is saved is what was checked.
    return read_rule_set(write_rule_set(replace(profile, rules=rules, _words={})))


def check_edit(profile: RuleProfile, edit: RuleEdit) -> None:
    """Raises RuleSetError when the edit cannot be made."""
    forms = [rule.form for rule in profile.rules]
    if edit.old and edit.old not in forms:
        raise RuleSetError(problem=f"there is no rule {edit.old!r} in it.")
    if edit.rule is not None:
        check_rule(edit.rule)
        if edit.rule.form != edit.old and edit.rule.form in forms:
            raise RuleSetError(problem=f"the rule {edit.rule.form!r} stands in it already; change that one.")
    elif forms == [edit.old]:
        raise RuleSetError(problem="the last rule cannot be removed: a rule set needs one.")


def _replaced(rules: Iterable[Rule], edit: RuleEdit) -> Iterable[Rule]:
    for rule in rules:
        if rule.form != edit.old:
            yield rule
        elif edit.rule is not None:
            yield edit.rule
    if edit.rule is not None and not edit.old:
        yield edit.rule


def _shown(value: Any) -> str:
    return {True: "yes", False: "no", "": "(none)"}.get(value, str(value))


@dataclass(frozen=True)
class RuleChange:
    """A rule that is in both sets, but differs."""

    before: Rule
    after: Rule

    @property
    def fields(self) -> tuple[str, ...]:
        """What differs."""
        names = ("category", "kind", "digits", "stem", "note")
        return tuple(name for name in names if getattr(self.before, name) != getattr(self.after, name))

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """(what, before, after) of everything that differs, as people read it."""
        return [(name, _shown(getattr(self.before, name)), _shown(getattr(self.after, name))) for name in self.fields]


@dataclass(frozen=True)
class RuleSetDiff:
    """What it takes to get from one rule set to another."""

    added: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    changed: tuple[RuleChange, ...]
    n_same: int
    keyword_before: tuple[str, ...] = ()
    keyword_after: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.keyword_before != self.keyword_after)

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "added": [rule_data(rule) for rule in self.added],
            "removed": [rule_data(rule) for rule in self.removed],
            "changed": [
                {"before": rule_data(one.before), "after": rule_data(one.after), "fields": list(one.fields)}
                for one in self.changed
            ],
            "same": self.n_same,
            "language_inside_words": {"before": list(self.keyword_before), "after": list(self.keyword_after)},
        }


def rule_data(rule: Rule) -> dict[str, Any]:
    """A rule as plain data."""
    names = ("category", "form", "note", "digits", "stem")
    return {**{name: getattr(rule, name) for name in names}, "kind": rule.kind.value}


def diff_profiles(before: RuleProfile, after: RuleProfile) -> RuleSetDiff:
    """Rules by their form: added, removed, changed in anything but their place."""
    old, new = ({rule.form: rule for rule in profile.rules} for profile in (before, after))
    both = [form for form in new if form in old]
    changed = tuple(RuleChange(old[form], new[form]) for form in both if old[form] != new[form])
    return RuleSetDiff(
        added=tuple(rule for form, rule in new.items() if form not in old),
        removed=tuple(rule for form, rule in old.items() if form not in new),
        changed=changed,
        n_same=len(both) - len(changed),
        keyword_before=tuple(sorted(before.language_inside_words)),
        keyword_after=tuple(sorted(after.language_inside_words)),
    )
