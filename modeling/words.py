"""Which words a query and a code share. What overlaps, not a claim of why the code was found. No Django."""

import re

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Words that every query or function has say nothing about a match.
_EVERYWHERE = frozenset(
    _WORD.findall(
        """a an and are as at be by can def do does for from get has have how i if in into is it its me my not of on or
        return self so that the then there this to use using was what when where which with without you"""
    )
)


def words_of(text: str) -> set[str]:
    """Lower-case words of a text or code: identifiers are split at underscores and capitals."""
    return {part.lower() for word in _WORD.findall(text) for part in _CAMEL.split(word) if part}


def common_words(query: str, code: str) -> list[str]:
    """The words of the query, in its order, that stand in the code; words that stand everywhere are left out.

    A plural and its singular count as the same word.
    """
    there = words_of(code)
    stems = {_singular(word) for word in there}
    asked = dict.fromkeys(part.lower() for word in _WORD.findall(query) for part in _CAMEL.split(word) if part)
    return [word for word in asked if word not in _EVERYWHERE and (word in there or _singular(word) in stems)]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
