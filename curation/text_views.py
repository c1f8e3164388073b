"""Which part of a function is encoded and shown (METHODS 4). Knows no database."""

from typing import Protocol

VIEWS = {
    "full": "the whole function, documentation included",
    "no_doc": "header and body, without documentation",
    "doc_only": "the documentation alone",
}


class HasParts(Protocol):
    """What a view is made of; a Code row has it."""

    text: str
    header: str
    docstring: str
    body: str


def code_text(code: HasParts, view: str = "full") -> str:
    """The text of a code under a view; a code without documentation shows its whole text under `doc_only`."""
    if view == "full":
        return code.text
    if view == "no_doc":
        return f"{code.header}\n{code.body}"
    if view == "doc_only":
        return code.docstring or code.text
    raise ValueError(f"{view!r} is no text view; use one of {', '.join(VIEWS)}")
