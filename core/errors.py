"""Refusals with a code, an HTTP status and named fields.

Services raise these; the page, the API (problem+json) and the command line (exit status 2) each show the same
text. A plain Python exception, in contrast, is a bug.
"""

from collections.abc import Callable
from typing import Any, ClassVar

_translate: Callable[[str], str] = str


def translate_with(function: Callable[[str], str]) -> None:
    """From now on refusals are put into the reader's language by `function`; without Django they stay English."""
    global _translate
    _translate = function


def _(text: str) -> str:
    """Marks a text for tools/translations.py. This module is used without Django, so `translate_with` does the rest."""
    return text


class QuarryError(Exception):
    """Base of every refusal.

    Subclasses set `code` (stable, machine-readable), `status` (HTTP) and `template`, whose placeholders are the
    keyword arguments given at the raise; the arguments stay readable as `fields`. A template that an annotator may
    meet is marked with `gettext_lazy` (a lazy text, hence no plain str) and filled in the reader's language.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    template: ClassVar[Any] = _("Something is wrong.")

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(_translate(str(self.template)).format(**fields))


class BadInputError(QuarryError):
    """Input that cannot be used, where no narrower class exists; say what, where and what to do."""

    code = "bad_input"
    template: ClassVar[Any] = "{problem}"


class NotFoundError(QuarryError):
    """A named thing does not exist, or not for the person asking."""

    code, status = "not_found", 404
    template = _("There is no {what} named {name}.")


class NotAllowedError(QuarryError):
    """The person's role in the project does not allow the act."""

    code, status = "not_allowed", 403
    template = _("This needs the role {needed} in project {project}.")


class ConflictError(QuarryError):
    """The thing is in a state that does not allow the act."""

    code, status = "conflict", 409
    template = "{problem}"
