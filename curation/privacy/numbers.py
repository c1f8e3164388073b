"""Numbers that name somebody: bank accounts, cards, phones, and long runs of digits."""

import re
from collections.abc import Iterator

from curation.privacy.finding import Finding
from curation.privacy.kinds import CARD, IBAN, LONG_NUMBER, PHONE

MIN_LONG_NUMBER_DIGITS = 9
# Numbers that payment companies publish for testing.
TEST_CARDS = frozenset(
    {
        "4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556", "5555555555554444",
        "5105105105105100", "378282246310005", "371449635398431", "6011111111111117", "6011000990139424",
        "30569309025904", "38520000023237", "3530111333300000", "3566002020360505", "4222222222222",
    }
)  # fmt: skip

_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.IGNORECASE)
_CARD = re.compile(
    r"(?<![\d.])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\d.]\d|\d)|(?<![\d.])3\d{3}[ -]?\d{6}[ -]?\d{5}(?!\d)"
)
_DIGIT_RUN = re.compile(rf"(?<![\d.])(?<!-[0-9a-f]{{4}}-)(?<!0x)\d{{{MIN_LONG_NUMBER_DIGITS},}}(?!\d|\.\d)")
_IN_FOURS = re.compile(r"(?<![\d.-])\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?![\d.-])")
_PHONES = (
    re.compile(r"(?<![\w+])\+\d{1,3}[ .-]?(?:\(0?\d{1,4}\)[ .-]?)?\d(?:[ ./-]?\d){5,12}(?!\d|\.\d)"),
    re.compile(r"(?<![\w.+-])00\d{2}[ .-]\d(?:[ ./-]?\d){6,11}(?!\d)"),
    re.compile(r"(?<![\w.-])(?:1[ .-])?\(?[2-9]\d{2}\)?[ .-] ?[2-9]\d{2}[ .-]\d{4}(?![\w-]|\.\d)"),
    re.compile(r"(?<![\w.,-])0\d{2,4}[ /-] ?\d{3,4}(?:[ -]?\d{2,4}){1,2}(?![\w-]|\.\d)"),
    re.compile(r"(?<![\w.,-])0[1-9](?:[ .-]\d{2}){4}(?![\w-]|\.\d)"),
    re.compile(
        r"\b(?:phone|telephone|tel|mobile|cell|call|fax|whatsapp|sms)\b[ .:]*"
        r"(?:(?:me|us|no|number|nr|at|on|is|to)\b[ .:#]*){0,2}\(?\d(?:[ ()./-]{0,2}\d){6,14}(?!\d)",
        re.IGNORECASE,
    ),
)
_DATE = re.compile(r"\b(?:19|20)\d{2}[-/. ](?:0?[1-9]|1[0-2])[-/. ](?:0?[1-9]|[12]\d|3[01])\b")
_TIME_TALK = re.compile(
    r"\b(?:epoch|unix\w*|timestamps?|fromtimestamp|utcfromtimestamp|datetime|date|time|seconds|millisecond\w*|ms)\b",
    re.IGNORECASE,
)
_ERROR_TALK = re.compile(
    r"\b(?:exit code|error code|errno|winerror|status code|return code|exception code)\b", re.IGNORECASE
)
_ISBN_TALK = re.compile(r"\bisbn(?:-?1[03])?\b", re.IGNORECASE)
_EPOCH = re.compile(r"1\d{9}(?:\d{3}|\d{6}|\d{9})?")
_PLAIN_NUMBER = re.compile(
    r"\d{1,4}0+\d?|[01]+|(\d{1,3})\1+\d{0,2}|9+\d?|(?:19|20)\d{2}[01]\d[0-3]\d(?:[0-2]\d[0-5]\d(?:[0-5]\d)?)?"
)
_LIMITS = {str(2**bits - minus) for bits in range(29, 129) for minus in (0, 1)}
_SEQUENCES = "01234567890123456789", "98765432109876543210"


def ibans(text: str) -> Iterator[Finding]:
    """Bank accounts with a right check number (ISO 13616, ISO 7064 mod 97-10)."""
    for hit in _IBAN.finditer(text):
        end = _iban_end(hit.group())
        if end:
            yield Finding(IBAN, hit.start(), hit.start() + end)


def _iban_end(found: str) -> int:
    """Length of the longest beginning of the hit, cut at its spaces, that is an IBAN; 0 for none.

    Spaced groups run on into the next word: "DE89 ... 00 with" must still be seen.
    """
    ends = [len(found), *(place.start() for place in reversed(list(re.finditer(" ", found))))]
    for end in ends:
        compact = found[:end].replace(" ", "").upper()
        if 15 <= len(compact) <= 34 and sum(map(str.isdigit, compact)) >= 8 and _mod_97(compact) == 1:
            return end
    return 0


def _mod_97(compact: str) -> int:
    return int("".join(str(int(mark, 36)) for mark in compact[4:] + compact[:4])) % 97


def cards(text: str) -> Iterator[Finding]:
    """Payment cards: 13 to 19 digits with a right check digit."""
    for hit in _CARD.finditer(text):
        number = re.sub(r"\D", "", hit.group())
        right = 13 <= len(number) <= 19 and len(set(number)) > 1 and passes_luhn(number)
        if right and not is_known_number(number, text):
            yield Finding(CARD, *hit.span())


def passes_luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def phones(text: str) -> Iterator[Finding]:
    """Phone numbers as people write them; one with a country code is checked against the numbering plans."""
    for pattern in _PHONES:
        for hit in pattern.finditer(text):
            number = re.sub(r"\D", "", hit.group())
            if 7 <= len(number) <= 15 and not _is_no_phone(hit.group(), number, text):
                yield Finding(PHONE, *hit.span())


def _is_no_phone(found: str, number: str, text: str) -> bool:
    if _DATE.search(found) or is_known_number(number, text):
        return True
    if found.startswith("+"):
        return not _is_possible_number(found)
    pairs = re.split(r"[ .-]", found)
    return len(pairs) == 5 and all(map(str.isdigit, pairs)) and sorted(map(int, pairs)) == list(map(int, pairs))


def _is_possible_number(found: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(found, None))
    except phonenumbers.NumberParseException:
        return False


def long_numbers(text: str) -> Iterator[Finding]:
    """Nine digits or more in one run that are no date, limit, sequence, time or book number."""
    for hit in _DIGIT_RUN.finditer(text):
        if not is_known_number(hit.group(), text):
            yield Finding(LONG_NUMBER, *hit.span())


def grouped_numbers(text: str) -> Iterator[Finding]:
    """Sixteen digits in fours, as cards and accounts are written, whatever their check digit says."""
    for hit in _IN_FOURS.finditer(text):
        groups = re.split(r"[ -]", hit.group())
        is_list = all(_PLAIN_NUMBER.fullmatch(group) or group.startswith(("19", "20")) for group in groups)
        if not is_list and not is_known_number("".join(groups), text):
            yield Finding(LONG_NUMBER, *hit.span())


def is_known_number(digits: str, text: str) -> bool:
    """Numbers that name nobody: round, repeated, binary, dates, powers of two, sequences, times, ISBN, exit codes."""
    if _PLAIN_NUMBER.fullmatch(digits) or digits in _LIMITS or any(digits in run for run in _SEQUENCES):
        return True
    if _EPOCH.fullmatch(digits) and _TIME_TALK.search(text):
        return True
    if len(digits) <= 10 and _ERROR_TALK.search(text):
        return True
    return _is_isbn(digits, text)


def _is_isbn(digits: str, text: str) -> bool:
    if len(digits) == 13 and digits.startswith(("978", "979")):
        return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0
    return len(digits) in {9, 10} and _ISBN_TALK.search(text) is not None
