"""Which reasons are looked for in which kind of text. The one table; docs/privacy.md gives the measured why.

In a query every reason counts: a query is short, and a number in it was typed by somebody about something. Code is
full of constants: digit runs, hashes, dotted versions, example addresses. What stays there names somebody or opens
something: logins, e-mail addresses, keys in a vendor's own shape, bank and card numbers, home folders.
"""

EMAIL = "e-mail"
PHONE = "phone number"
CARD = "payment card"
IBAN = "IBAN"
IP = "IP address"
MAC = "MAC address"
SECRET = "secret"
LONG_NUMBER = "long number"
NATIONAL_ID = "national id"
USER_PATH = "user path"
URL_LOGIN = "URL with credentials"
REASONS = (URL_LOGIN, EMAIL, SECRET, IBAN, CARD, NATIONAL_ID, MAC, IP, PHONE, LONG_NUMBER, USER_PATH)

QUERY, CODE, DOCSTRING, PATH, COMMENT, LOG = "query", "code", "docstring", "path", "comment", "log"

_IN_CODE = frozenset({URL_LOGIN, EMAIL, SECRET, IBAN, CARD, USER_PATH})
KINDS: dict[str, frozenset[str]] = {
    QUERY: frozenset(REASONS),
    COMMENT: frozenset(REASONS),
    CODE: _IN_CODE,
    DOCSTRING: _IN_CODE | {PHONE},
    PATH: frozenset({EMAIL, SECRET, CARD, USER_PATH, URL_LOGIN, IBAN}),
    LOG: frozenset({EMAIL, SECRET, CARD, IBAN, NATIONAL_ID, URL_LOGIN}),  # times, addresses and places must be readable
}
# Kinds written by programmers: example addresses and sample keys belong there, and hashes are no secrets.
WRITTEN_AS_EXAMPLES = frozenset({CODE, DOCSTRING})
