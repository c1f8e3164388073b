"""What leaves through log lines, job titles and job errors is masked first.

The shell must not know the apps, and what is private is known by an app: it registers its mask when Django starts.
"""

import logging
from collections.abc import Callable

_masks: list[Callable[[str], str]] = []


def register_mask(mask: Callable[[str], str]) -> None:
    """Adds a function that gives a text back with its private parts replaced."""
    _masks.append(mask)


def masked(text: str) -> str:
    """The text as it may be kept in a log."""
    for mask in _masks:
        text = mask(text)
    return text


class MaskingFormatter(logging.Formatter):
    """Masks the finished line, traceback included: a database error may repeat the row that it refused."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))
