"""Which functions may be proposed to people, and why the rest may not. Knows no database and no Django.

The filters of PRODUCT.md for Python, after CodeSearchNet and CoSQA: complete, documented in English, no special
tokens, no tests, within length bounds. A function that fails is kept as *unpaired*, with the first reason hit.

English is told cheaply, without a model: a docstring is taken as not English when more than a tenth of its letters lie
outside ASCII, when the function words of another Latin-script language outnumber the English ones, or when ten or more
words hold no English function word at all.
"""

import re
from collections.abc import Callable

from curation.extraction import Function

MIN_DOCSTRING_WORDS = 3  # CodeSearchNet drops shorter documentation
MAX_DOCSTRING_WORDS = 400
MIN_LINES = 3  # CodeSearchNet drops shorter functions
MAX_LINES = 120
MAX_CHARS = 6_000
MAX_NON_ASCII_SHARE = 0.1

KEPT = "kept"
DUPLICATE = "duplicate"
IMPORTED = "imported pair"

_WORD = re.compile(r"[^\W\d_]+")
_SPECIAL = re.compile(r"<img\b|https?://", re.IGNORECASE)
_TEST_PATH = re.compile(r"(^|/)(tests?|testing|idle_test)/|(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$")
_STUB = re.compile(r"(?:\s|#[^\n]*(?:\n|$)|pass\b|\.\.\.|raise NotImplementedError(?:\([^\n]*\))?(?=\s|$))*\Z")
_ENGLISH_WORDS = """
a an the of to in is are was be been if it its that this these those and or not for with by from as on at into than then
when which whose will can may must should has have had does do each any all no one only return returns given using used
otherwise between via per
"""
# French, German, Spanish, Portuguese, Italian, Dutch: frequent words that are neither English nor usual identifiers.
_FOREIGN_WORDS = """
le la les des du une est dans pour avec sont cette ce qui que et der das und ist nicht ein eine einer mit von wird dem
werden oder el los las para una como esta este um uma da na di che gli della nel sono het een voor niet wordt
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_FOREIGN = frozenset(_FOREIGN_WORDS.split())

REASONS: dict[str, str] = {
    "nested": "Nested function: it needs the function around it.",
    "test": "Test code.",
    "dunder": "Special method such as __len__.",
    "undocumented": "No docstring.",
    "stub": "No body beyond pass, ... or NotImplementedError.",
    "docstring too short": f"Fewer than {MIN_DOCSTRING_WORDS} words of documentation.",
    "docstring too long": f"More than {MAX_DOCSTRING_WORDS} words of documentation.",
    "special token": "Documentation with <img, http:// or https://.",
    "not English": "Documentation that does not read as English.",
    "too short": f"Fewer than {MIN_LINES} lines.",
    "too long": f"More than {MAX_LINES} lines or {MAX_CHARS:,} characters.",
    IMPORTED: "Came with a ready pair; an import does not vouch for it.",
    DUPLICATE: "The same text stands elsewhere in this source.",
}


def is_english(text: str) -> bool:
    """Whether documentation reads as English, by the cheap rule of this module's docstring."""
    letters = sum(character.isalpha() for character in text)
    if letters and sum(character.isalpha() and not character.isascii() for character in text) > (
        MAX_NON_ASCII_SHARE * letters
    ):
        return False
    words = [word.lower() for word in _WORD.findall(text)]
    english = sum(word in _ENGLISH for word in words)
    foreign = sum(word in _FOREIGN for word in words)
    return foreign <= english and (english > 0 or len(words) < 10)


def is_test(function: Function, path: str) -> bool:
    """Whether a function is test code, by its file or its name."""
    names = function.name.split(".")
    return bool(_TEST_PATH.search(path)) or names[-1].startswith("test_") or names[0].startswith("Test")


def _is_dunder(function: Function, path: str) -> bool:
    name = function.name.rpartition(".")[2]
    return name.startswith("__") and name.endswith("__")


def _is_too_long(function: Function, path: str) -> bool:
    return len(function.text) > MAX_CHARS or function.text.count("\n") >= MAX_LINES


_CHECKS: tuple[tuple[str, Callable[[Function, str], bool]], ...] = (
    ("nested", lambda function, path: function.is_nested),
    ("test", is_test),
    ("dunder", _is_dunder),
    ("undocumented", lambda function, path: not function.docstring),
    ("stub", lambda function, path: bool(_STUB.match(function.body))),
    ("docstring too short", lambda function, path: len(_WORD.findall(function.docstring)) < MIN_DOCSTRING_WORDS),
    ("docstring too long", lambda function, path: len(function.docstring.split()) > MAX_DOCSTRING_WORDS),
    ("special token", lambda function, path: bool(_SPECIAL.search(function.docstring))),
    ("not English", lambda function, path: not is_english(function.docstring)),
    ("too short", lambda function, path: function.text.count("\n") + 1 < MIN_LINES),
    ("too long", _is_too_long),
)


def reason_to_leave_out(function: Function, path: str = "") -> str:
    """The first filter that a function of a file fails (a key of REASONS); empty when it may be proposed."""
    return next((reason for reason, fails in _CHECKS if fails(function, path)), "")
