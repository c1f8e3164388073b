"""A private part of a text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A private part of a text: why, and where (offsets of the text)."""

    reason: str
    start: int
    end: int


Detector = Callable[[str], Iterator[Finding]]
