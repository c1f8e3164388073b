"""The acts of the judge page and the keys that do them. No database.

Two acts clash when one key does both and both can be meant at the same time: step 1 and step 2 may share keys, the
acts of always may share none. Enter, Space, Tab and Escape belong to the browser: they press and move.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from annotation.models import Reason

STEP_1, STEP_2 = frozenset({1}), frozenset({2})
ALWAYS = STEP_1 | STEP_2


@dataclass(frozen=True)
class Act:
    """Something a key does. `label` is a lazy translation; `steps`: when the act can be meant."""

    name: str
    label: Any
    key: str
    steps: frozenset[int] = ALWAYS


ANSWERS = (
    Act("no", _("Step 1: the query does not look for code"), "n", STEP_1),
    Act("yes", _("Step 1: the query looks for code"), "y", STEP_1),
    Act("zero", _("Step 2: the code does not answer"), "0", STEP_2),
    Act("one", _("Step 2: the code answers"), "1", STEP_2),
    Act("unclear", _("Cannot judge: the query in step 1, the code in step 2"), "u"),
    Act("skip", _("Skip: somebody else gets the pair"), "s"),
    Act("undo", _("Back to step 1; in step 1, take the last vote or skip back"), "Backspace"),
)
TOOLS = (
    Act("flag", _("Flag the pair for the curator"), "f"),
    Act("comment", _("Write a comment"), "c"),
    Act("guideline", _("Go to the guideline"), "g"),
    Act("web", _("Search the web for the query, in a new tab"), "w"),
    Act("copy", _("Copy the code"), "p"),
    Act("wrap", _("Break or scroll long lines"), "z"),
    Act("smaller", _("Smaller text"), "-"),
    Act("larger", _("Larger text"), "+"),
    Act("help", _("Show all keys"), "?"),
)
REASONS = (
    Act("debugging", _("No: debugging"), "d", STEP_1),
    Act("conceptual", _("No: a concept is to be explained"), "e", STEP_1),
    Act("tools", _("No: using tools"), "t", STEP_1),
    Act("knowledge", _("No: programming knowledge"), "k", STEP_1),
    Act("vague", _("No: too vague"), "v", STEP_1),
    Act("full", _("Answers: all of the demand"), "a", STEP_2),
    Act("exceeds", _("Answers: more than the demand"), "x", STEP_2),
    Act("category", _("Answers: a kind of what is asked for"), "m", STEP_2),
    Act("half", _("Does not answer: at most half"), "h", STEP_2),
    Act("slight", _("Does not answer: only slightly related"), "l", STEP_2),
    Act("other", _("Another reason"), "o"),
)
GROUPS = ((pgettext_lazy("a group of keys", "Answers"), ANSWERS), (_("Tools"), TOOLS), (_("Reasons"), REASONS))
ACTS = {act.name: act for _title, acts in GROUPS for act in acts}

# Which answer a reason stands for, as the shipped guideline has it; another reason goes with either.
ANSWER_OF_REASON = {Reason.FULL: 1, Reason.EXCEEDS: 1, Reason.CATEGORY: 1, Reason.HALF: 0, Reason.SLIGHT: 0}

SIGNS = {"Backspace": "⌫", "ArrowLeft": "←", "ArrowRight": "→"}  # keys that print nothing, and how they are shown
_BY_NAME = {name.lower(): name for name in SIGNS}


@dataclass(frozen=True)
class Key:
    """A key as the page shows it: `sign` on the button, `name` for who cannot see the sign; both may be empty."""

    name: str

    @property
    def sign(self) -> str:
        return SIGNS.get(self.name, self.name)

    @property
    def is_named(self) -> bool:
        """Whether the sign needs its name said."""
        return self.name in SIGNS


def as_key(text: str) -> str | None:
    """The key that somebody named: one printed character, small, or a name of SIGNS; "" for none, None for no key."""
    text = text.strip()
    if len(text) <= 1:
        return text.lower() if text.isprintable() else None
    return _BY_NAME.get(text.lower())


def keys_of(own: Mapping[str, str]) -> dict[str, str]:
    """The key of every act: a person's own ones, else those that come with Quarry, except where these would clash."""
    chosen = {name: key for name, key in own.items() if name in ACTS}
    keys = {}
    for name, act in ACTS.items():
        taken = any(key == act.key and ACTS[other].steps & act.steps for other, key in chosen.items())
        keys[name] = chosen.get(name, "" if taken else act.key)
    return keys


def clashes_in(keys: Mapping[str, str]) -> dict[str, list[str]]:
    """Acts whose key also does another act that can be meant at the same time: {act: the others}."""
    found = {
        name: [other for other in keys if other != name and keys[other] == key and _meet(ACTS[name], ACTS[other])]
        for name, key in keys.items()
        if key
    }
    return {name: others for name, others in found.items() if others}


def _meet(one: Act, other: Act) -> bool:
    return bool(one.steps & other.steps)


def own_keys(keys: Mapping[str, str]) -> dict[str, str]:
    """What of these keys differs from those that come with Quarry."""
    return {name: key for name, key in keys.items() if key != ACTS[name].key}
