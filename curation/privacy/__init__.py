"""Personal data and secrets in texts: what is looked for, where, and how it is masked. Needs no database.

`quarantine_reasons` asks for a whole column, `quarantine_reason` for one text, `find_private` gives the places and
`mask` covers them. What is looked for depends on the kind of text (`kinds.py`), because code is full of constants,
hashes and example addresses that would be telling in a search query.
"""

from curation.privacy.finding import Finding
from curation.privacy.kinds import (
    CARD,
    CODE,
    COMMENT,
    DOCSTRING,
    EMAIL,
    IBAN,
    IP,
    KINDS,
    LOG,
    LONG_NUMBER,
    MAC,
    NATIONAL_ID,
    PATH,
    PHONE,
    QUERY,
    REASONS,
    SECRET,
    URL_LOGIN,
    USER_PATH,
)
from curation.privacy.numbers import passes_luhn
from curation.privacy.search import code_reason, find_private, mask, quarantine_reason, quarantine_reasons

__all__ = [
    "CARD",
    "CODE",
    "COMMENT",
    "DOCSTRING",
    "EMAIL",
    "IBAN",
    "IP",
    "KINDS",
    "LOG",
    "LONG_NUMBER",
    "MAC",
    "NATIONAL_ID",
    "PATH",
    "PHONE",
    "QUERY",
    "REASONS",
    "SECRET",
    "URL_LOGIN",
    "USER_PATH",
    "Finding",
    "code_reason",
    "find_private",
    "mask",
    "passes_luhn",
    "quarantine_reason",
    "quarantine_reasons",
]
