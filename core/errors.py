"""Refusals with a code, an HTTP status and named fields.

Services raise these; the page, the API (problem+json) and the command line (exit status 2) each show the same
text. A plain Python exception, in contrast, is a bug.
"""

from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class QuarryError(Exception):
    """Base of every refusal.

    Subclasses set `code` (stable, machine-readable), `status` (HTTP) and `template`, whose placeholders are the
    keyword arguments given at the raise; the arguments stay readable as `fields`. A template that an annotator may
    meet is marked with `gettext_lazy` and filled in the reader's language.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    template: ClassVar[str | Promise] = _("Something is wrong.")

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(str(self.template).format(**fields))


class BadInputError(QuarryError):
    """Input that cannot be used, where no narrower class exists; say what, where and what to do."""

    code = "bad_input"
    template: ClassVar[str | Promise] = "{problem}"


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
