"""Near-duplicate queries: those that ask the same thing in other words. No Django, no library.

Two queries are near duplicates when they hold the same content words, whatever their order, endings, question words
and the language keyword, and when the words around "to", "from" and the like stand on the same sides: "convert list
to string python" is "how to convert lists to a string", and not "convert string to list". The key of a query is exact,
so grouping takes one pass whatever the size (about 100,000 queries in two seconds), and it is the same every time.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NO_DEMAND = """
    a an the how what which can could do does did is are be will would should i we you my your me us our it its this
    that there please best way using use via for of and with by code example examples script program
"""
STOP_WORDS = frozenset(_NO_DEMAND.split())  # words that carry no demand of their own
# Words whose two sides matter: what goes in, what comes out.
DIRECTIONS = {"to": "to", "into": "to", "2": "to", "from": "from", "in": "in", "inside": "in", "on": "in", "at": "in"}
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[^\w\s?!.,;:'\"]+")
_VERSION = re.compile(r"\d+(?:\.\d+)*")
_VOWELS = frozenset("aeiouy")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as grouping sees it: any identity, its text, how often it was asked."""

    key: str
    text: str
    n_seen: int
    near: str = ""  # its near_key, where the caller knows it


def stem(word: str) -> str:
    """A word without its plainest English endings: lists -> list, sorting -> sort, copies -> copy."""
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= 3 and _VOWELS & set(root):
            return _undouble(root)
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def _undouble(root: str) -> str:
    """runn -> run, but call stays call; parse and pars meet in pars."""
    return root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "lsz" else root


def near_key(query: str, language: str = "") -> str:
    """The same text for near-duplicate queries; "" for a query without a content word.

    language: the project's keyword; it is left out, its version ("python 3", "python3") is not.
    """
    content: list[str] = []
    sides: list[str] = []
    pending: list[tuple[str, str]] = []  # direction words whose right side is still to come
    for word in _words(query.casefold(), language.casefold()):
        if word in DIRECTIONS and content:
            pending.append((DIRECTIONS[word], content[-1]))
        elif word not in STOP_WORDS and word not in DIRECTIONS:
            root = stem(word)
            sides += [f"{left} {direction} {root}" for direction, left in pending]
            pending.clear()
            content.append(root)
    return " ".join([*sorted(content), *(f"({side})" for side in sorted(set(sides)))])


def _words(text: str, language: str) -> list[str]:
    """Words of a query without the language keyword; its version, attached or apart, becomes one word: v3."""
    words: list[str] = []
    after_language = False
    for word in _WORD.findall(text):
        is_language = bool(language) and word.startswith(language)
        version = word[len(language) :] if is_language else word if after_language else ""
        after_language = is_language and not version
        if version and _VERSION.fullmatch(version):
            words.append(f"v{version}")
        elif not after_language:
            words.append(word)
    return words


def near_groups(queries: Iterable[Asked], *, language: str = "") -> list[list[Asked]]:
    """Groups of at least two near duplicates; in each the one to keep first, larger groups first.

    The keeper is the most asked query, then the shortest text, then the smallest key: whatever order they came in.
    """
    found: defaultdict[str, list[Asked]] = defaultdict(list)
    for query in queries:
        if key := query.near or near_key(query.text, language):
            found[key].append(query)
    groups = [sorted(group, key=keeper_order) for group in found.values() if len(group) > 1]
    return sorted(groups, key=lambda group: (-len(group), group[0].key))


def keeper_order(query: Asked) -> tuple[int, int, str]:
    """Sorts a group: the keeper first."""
    return -query.n_seen, len(query.text), query.key


def left_out(groups: Sequence[Sequence[Asked]]) -> dict[str, str]:
    """Key of each query that is not asked -> key of the one that is asked in its place."""
    return {query.key: group[0].key for group in groups for query in group[1:]}
