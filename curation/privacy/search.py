"""Running the detectors over texts: one, or a column of them.

A column is settled mostly without looking at single texts: all texts together, without their letters and plain
punctuation, leave nothing at all for nine of ten queries of a code-search log. Only what leaves something is asked
for the marks that private strings have, and only what has one of those meets the detectors.
"""

import re
import string
from collections.abc import Iterator, Sequence

from curation.privacy.examples import is_example
from curation.privacy.finding import Detector, Finding
from curation.privacy.keys import MIN_RANDOM_TOKEN_CHARS, key_shapes, secrets
from curation.privacy.kinds import (
    CARD,
    CODE,
    DOCSTRING,
    EMAIL,
    IBAN,
    IP,
    KINDS,
    LONG_NUMBER,
    MAC,
    NATIONAL_ID,
    PHONE,
    QUERY,
    SECRET,
    URL_LOGIN,
    USER_PATH,
    WRITTEN_AS_EXAMPLES,
)
from curation.privacy.national import national_ids
from curation.privacy.numbers import cards, grouped_numbers, ibans, long_numbers, phones
from curation.privacy.places import emails, ip_addresses, mac_addresses, url_logins, user_paths

# In the order in which they claim a place: the more telling reason first. The number: digits that each cannot do
# without, so that a text with fewer spares its expressions.
_DETECTORS: tuple[tuple[str, Detector, int], ...] = (
    (URL_LOGIN, url_logins, 0),
    (EMAIL, emails, 0),
    (SECRET, secrets, 0),
    (IBAN, ibans, 8),
    (CARD, cards, 13),
    (NATIONAL_ID, national_ids, 4),
    (MAC, mac_addresses, 0),
    (IP, ip_addresses, 1),
    (PHONE, phones, 7),
    (LONG_NUMBER, long_numbers, 9),
    (LONG_NUMBER, grouped_numbers, 16),
    (USER_PATH, user_paths, 0),
)
_DETECTORS_OF = {
    kind: tuple(
        (key_shapes if detector is secrets and kind in WRITTEN_AS_EXAMPLES else detector, digits)
        for reason, detector, digits in _DETECTORS
        if reason in reasons
    )
    for kind, reasons in KINDS.items()
}
_DIGIT = re.compile(r"\d")
# Letters and what stands between words: no private string consists of these alone.
_PLAIN = (string.ascii_letters + " \t\"'`(),;<>[]{}=_|").encode()
_SEPARATOR = "\x00"
_LONG_TOKEN = b"a" * MIN_RANDOM_TOKEN_CHARS
_TOKEN_MARKS = (string.ascii_letters + string.digits + "+/_-").encode()
_TOKEN_SHAPE = bytes.maketrans(_TOKEN_MARKS, b"a" * len(_TOKEN_MARKS))
# What every finding without a long token leaves of a text: three digits, or marks that no sentence has.
_MARKS = re.compile(rb"@|//|\\|/[^/]*/|\d(?:\D*\d){2}|:[^:]*:[^:]*:|-(?:[^-]*-){4}", re.DOTALL)
# A named password has two digits, or one and an odd mark, and one of these words.
_PASSWORD_MARKS = re.compile(rb"\d\D*\d|\d.*[!$%^&*#?~]|[!$%^&*#?~].*\d", re.DOTALL)
_PASSWORD_WORDS = ("passw", "passph", "pwd", "secret", "token", "key", "bearer")
# What every finding contains at least one of. Anything else cannot be private and passes.
_SHAPES = re.compile(
    r"@|://|\d{6}|\d[\d ()./+-]{4,}[\dx]|\d\.\d+\.\d|[^\s.,()\[\]]{20}|[0-9a-f]:[0-9a-f:]*:"
    r"|[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2}-|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}|[\\/](?:home|users)[\\/]|-----"
    r"|[a-z]{6}\d\d[a-z]\d\d[a-z]\d{3}[a-z]|[a-z]{2} ?\d\d ?\d\d ?\d\d ?[a-d]\b|[a-z]{5}\d{4}[a-z]\b",
    re.IGNORECASE,
)


def find_private(text: str, kind: str = QUERY) -> list[Finding]:
    """All findings that do not overlap an earlier detector's, in the order of the text."""
    if not _may_be_private(text):
        return []
    taken: list[Finding] = []
    for finding in _findings(text, kind):
        if all(finding.end <= other.start or finding.start >= other.end for other in taken):
            taken.append(finding)
    return sorted(taken, key=lambda finding: finding.start)


def quarantine_reason(text: str, kind: str = QUERY) -> str:
    """Why the text must not be shown, by the most telling finding; '' when it may."""
    # A function is long and nearly always leaves marks, so the detectors' own guards settle it sooner.
    if kind not in WRITTEN_AS_EXAMPLES and not _may_be_private(text):
        return ""
    return _first_reason(text, kind)


def quarantine_reasons(texts: Sequence[str], kind: str = QUERY) -> list[str]:
    """`quarantine_reason` of every text of a column, in its order."""
    reasons = [""] * len(texts)
    for place, (left, shape) in enumerate(_columns(texts)):
        if (len(left) > 1 or _LONG_TOKEN in shape) and _may_hold(texts[place], left, shape):
            reasons[place] = _first_reason(texts[place], kind)
    return reasons


def code_reason(text: str, docstring: str = "") -> str:
    """Why a function must not be shown: by its text, then by its docstring, where more is looked for."""
    return quarantine_reason(text, CODE) or (quarantine_reason(docstring, DOCSTRING) if docstring else "")


def mask(text: str, kind: str = QUERY) -> str:
    """The text with every private part replaced by its reason in brackets."""
    parts, place = [], 0
    for finding in find_private(text, kind):
        parts += [text[place : finding.start], f"[{finding.reason}]"]
        place = finding.end
    return "".join([*parts, text[place:]])


def _may_be_private(text: str) -> bool:
    return _may_hold(text, *_reduced(text))


def _may_hold(text: str, left: bytes, shape: bytes) -> bool:
    """Whether the reduced forms of a text, and then the text itself, let a detector find anything."""
    if (_LONG_TOKEN in shape or _MARKS.search(left)) and _SHAPES.search(text):
        return True
    if not _PASSWORD_MARKS.search(left):
        return False
    lowered = text.lower()
    return any(word in lowered for word in _PASSWORD_WORDS)


def _reduced(text: str) -> tuple[bytes, bytes]:
    """The text without letters and plain punctuation, and the text with every mark of a token made alike."""
    encoded = text.encode("utf-8", "surrogatepass")
    return encoded.translate(None, delete=_PLAIN), encoded.translate(_TOKEN_SHAPE)


def _columns(texts: Sequence[str]) -> Iterator[tuple[bytes, bytes]]:
    """`_reduced` of every text, computed for all in one pass."""
    if not texts:
        return iter(())
    columns = [reduced.split(_SEPARATOR.encode()) for reduced in _reduced(_SEPARATOR.join(texts))]
    if len(columns[0]) != len(texts):  # a text holds the separator
        return map(_reduced, texts)
    return zip(*columns, strict=True)


def _first_reason(text: str, kind: str) -> str:
    return next((finding.reason for finding in _findings(text, kind)), "")


def _findings(text: str, kind: str) -> Iterator[Finding]:
    """What the kind's detectors find; in code without what only serves as an example there."""
    with_examples = kind not in WRITTEN_AS_EXAMPLES
    n_digits = len(_DIGIT.findall(text))
    for detector, digits in _DETECTORS_OF[kind]:
        if n_digits < digits:
            continue
        for finding in detector(text):
            if with_examples or not is_example(text, finding):
                yield finding
