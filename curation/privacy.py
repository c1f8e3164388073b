"""Detectors of personal data and secrets in short texts. Needs no database and no library.

`find_private(text)` gives the findings with their reason and place; `quarantine_reason` the first reason, or ''.
One cheap expression lets nearly every query of a code-search log pass without asking any detector. Each detector knows
the look-alikes of its kind (versions, loopback addresses, ISBN, hashes in a how-to) and lets them pass.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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

MIN_LONG_NUMBER_DIGITS = 9
MIN_RANDOM_TOKEN_CHARS = 20


@dataclass(frozen=True)
class Finding:
    """A private part of a text: why, and where (offsets of the text)."""

    reason: str
    start: int
    end: int


Detector = Callable[[str], Iterator[Finding]]

# Nothing private does without one of these marks; this settles nine of ten queries.
_MARKS = re.compile(r"[@0-9/\\]|-----")
# What every finding contains at least one of. Anything else cannot be private and passes at once.
_PREFILTER = re.compile(
    r"@|://|\d[\d ().+/-]{4,}\d|\d\.\d+\.\d|[^\s.,()\[\]]{20}|[0-9a-f]:[0-9a-f:]*:|[\\/](?:home|users)[\\/]"
    r"|passw|pwd|secret|token|api.?key|bearer|-----begin",
    re.IGNORECASE,
)


def _may_be_private(text: str) -> bool:
    return _MARKS.search(text) is not None and _PREFILTER.search(text) is not None


def find_private(text: str) -> list[Finding]:
    """All findings that do not overlap an earlier detector's, in the order of the text."""
    if not _may_be_private(text):
        return []
    taken: list[Finding] = []
    for detector in _DETECTORS:
        for finding in detector(text):
            if all(finding.end <= other.start or finding.start >= other.end for other in taken):
                taken.append(finding)
    return sorted(taken, key=lambda finding: finding.start)


def quarantine_reason(text: str) -> str:
    """Why the text must not be shown, by the most telling finding; '' when it may."""
    if not _may_be_private(text):
        return ""
    for detector in _DETECTORS:
        for finding in detector(text):
            return finding.reason
    return ""


def mask(text: str) -> str:
    """The text with every private part replaced by its reason in brackets."""
    parts, place = [], 0
    for finding in find_private(text):
        parts += [text[place : finding.start], f"[{finding.reason}]"]
        place = finding.end
    return "".join([*parts, text[place:]])


# --- e-mail and addresses with logins ----------------------------------------------------------------------------

_EMAIL = re.compile(r"[\w.+%-]*\w@(?:[a-z0-9](?:[a-z0-9-]{0,62})\.)+[a-z]{2,24}\b", re.IGNORECASE)
_URL_LOGIN = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://([^\s/@:]{1,200}):([^\s/@]{1,200})@[^\s/]+", re.IGNORECASE)
_URL_KEY = re.compile(
    r"://\S*?[?&;#](?:\w*token|\w*key|\w*secret|password|passwd|pwd|auth|sig|signature|session\w*)=([^\s&]{8,})",
    re.IGNORECASE,
)
# user:password@host stands for itself in explanations
_PLACEHOLDERS = {
    "user",
    "username",
    "usr",
    "pass",
    "password",
    "passwd",
    "pwd",
    "secret",
    "name",
    "login",
    "xxx",
    "***",
}


def _emails(text: str) -> Iterator[Finding]:
    if "@" not in text:
        return
    for hit in _EMAIL.finditer(text):
        if not hit.group().lower().startswith("git@"):
            yield Finding(EMAIL, *hit.span())


def _url_logins(text: str) -> Iterator[Finding]:
    if "://" not in text:
        return
    for hit in _URL_LOGIN.finditer(text):
        if {part.lower().strip("<>{}[]$") for part in hit.groups()} - _PLACEHOLDERS:
            yield Finding(URL_LOGIN, *hit.span())
    for hit in _URL_KEY.finditer(text):
        if _looks_random(hit.group(1)):
            yield Finding(URL_LOGIN, *hit.span())


# --- secrets ------------------------------------------------------------------------------------------------------

_KEY_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bsk-(?:[a-z]+-)*[\w]{20,}"
    r"|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\bhf_[a-z0-9]{24,}|\bpypi-\w{16,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|-----BEGIN [A-Z ]*PRIVATE KEY-----",
    re.IGNORECASE,
)
_NAMED_SECRET = re.compile(
    r"\b(?:password|passwd|passphrase|pwd|secret|api[ _-]?key|access[ _-]?key|auth[ _-]?token|token|bearer)\b"
    r"\s*(?:is\b|[=:]|\s)\s*[\"']?([^\s\"',;()\[\]{}<>]{6,})",
    re.IGNORECASE,
)
_RUN = re.compile(rf"[A-Za-z0-9+/]{{{MIN_RANDOM_TOKEN_CHARS},}}={{0,2}}")
_HEX_ID = re.compile(r"\b(?:[0-9a-f]{32,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)
_HASH_TALK = re.compile(
    r"\b(?:md5|sha\d*|hash\w*|checksum|digest|uuid\d?|guid|commit|hex\w*|binary|base64)\b", re.IGNORECASE
)
_CHANGES = re.compile(r"[a-zA-Z]\d|\d[a-zA-Z]|[a-z][A-Z]")
_LETTER, _DIGIT = re.compile(r"[a-zA-Z]"), re.compile(r"\d")


def _secrets(text: str) -> Iterator[Finding]:
    for hit in _KEY_SHAPES.finditer(text):
        yield Finding(SECRET, *hit.span())
    for hit in _NAMED_SECRET.finditer(text):
        if _looks_like_password(hit.group(1)):
            yield Finding(SECRET, *hit.span(1))
    for hit in _RUN.finditer(text):
        if _looks_random(hit.group()) and not _HASH_TALK.search(text) and not _is_path(text, hit):
            yield Finding(SECRET, *hit.span())
    if not _HASH_TALK.search(text):
        for hit in _HEX_ID.finditer(text):
            if _LETTER.search(hit.group()) and _DIGIT.search(hit.group()):
                yield Finding(SECRET, *hit.span())


def _looks_like_password(value: str) -> bool:
    """Letters and digits or odd characters together; a word of the language or an identifier is none."""
    letters, digits = _LETTER.search(value), len(_DIGIT.findall(value))
    odd = any(mark in value for mark in "!$%^&*#?~")
    return bool(letters) and (
        (digits >= 2 and not value.startswith(("utf", "python", "sha", "oauth"))) or (odd and digits >= 1)
    )


def _looks_random(run: str) -> bool:
    """Letters and digits change places often, or case jumps about: no identifier, no path, no number."""
    return bool(_LETTER.search(run)) and len(_DIGIT.findall(run)) >= 3 and len(_CHANGES.findall(run)) >= 5


def _is_path(text: str, hit: re.Match[str]) -> bool:
    """Slashes cut a path into short words; base64 has them far apart."""
    return hit.group().count("/") >= 2 and max(map(len, hit.group().split("/"))) < MIN_RANDOM_TOKEN_CHARS // 2


# --- numbers ------------------------------------------------------------------------------------------------------

_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.IGNORECASE)
_CARD = re.compile(
    r"(?<![\d.])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\d.]\d|\d)|(?<![\d.])3\d{3}[ -]?\d{6}[ -]?\d{5}(?!\d)"
)
_NATIONAL_ID = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_DIGIT_RUN = re.compile(rf"(?<![\d.])(?<!-[0-9a-f]{{4}}-)\d{{{MIN_LONG_NUMBER_DIGITS},}}(?!\d|\.\d)")
_IN_FOURS = re.compile(r"(?<![\d.-])\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?![\d.-])")
_PHONES = (
    re.compile(r"(?<![\w+])\+\d{1,3}[ .-]?(?:\(0?\d{1,4}\)[ .-]?)?\d(?:[ ./-]?\d){5,12}(?!\d)"),
    re.compile(r"(?<![\w.+-])00\d{2}[ .-]\d(?:[ ./-]?\d){6,11}(?!\d)"),
    re.compile(r"(?<![\w.-])(?:1[ .-])?\(?[2-9]\d{2}\)?[ .-] ?[2-9]\d{2}[ .-]\d{4}(?![\w-]|\.\d)"),
    re.compile(r"(?<![\w.,-])0\d{2,4}[ /-] ?\d{3,4}(?:[ -]?\d{2,4}){1,2}(?![\w-]|\.\d)"),
    re.compile(
        r"\b(?:phone|telephone|tel|mobile|cell|call|fax|whatsapp|sms)\b[ .:]*"
        r"(?:(?:me|us|no|number|nr|at|on|is|to)\b[ .:#]*){0,2}\(?\d(?:[ ()./-]{0,2}\d){6,14}(?!\d)",
        re.IGNORECASE,
    ),
)
_DATE = re.compile(r"\b(?:19|20)\d{2}[-/. ](?:0?[1-9]|1[0-2])[-/. ](?:0?[1-9]|[12]\d|3[01])\b")
_TIME_TALK = re.compile(
    r"\b(?:epoch|unix\w*|timestamps?|datetime|date|time|seconds|millisecond\w*|ms)\b", re.IGNORECASE
)
_ISBN_TALK = re.compile(r"\bisbn\b", re.IGNORECASE)
_EPOCH = re.compile(r"1\d{9}(?:\d{3}|\d{6}|\d{9})?")
_PLAIN_NUMBER = re.compile(
    r"\d{1,4}0+|[01]+|(\d{1,3})\1+\d{0,2}|9+\d?|(?:19|20)\d{2}[01]\d[0-3]\d(?:[0-2]\d[0-5]\d(?:[0-5]\d)?)?"
)
_LIMITS = {str(2**bits - minus) for bits in range(29, 129) for minus in (0, 1)}
_SEQUENCES = "01234567890123456789", "98765432109876543210"


def _ibans(text: str) -> Iterator[Finding]:
    for hit in _IBAN.finditer(text):
        compact = hit.group().replace(" ", "").upper()
        if (
            15 <= len(compact) <= 34
            and int("".join(str(int(mark, 36)) for mark in compact[4:] + compact[:4])) % 97 == 1
        ):
            yield Finding(IBAN, *hit.span())


def _cards(text: str) -> Iterator[Finding]:
    for hit in _CARD.finditer(text):
        digits = re.sub(r"\D", "", hit.group())
        if (
            13 <= len(digits) <= 19
            and len(set(digits)) > 1
            and passes_luhn(digits)
            and not _is_known_number(digits, text)
        ):
            yield Finding(CARD, *hit.span())


def passes_luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _national_ids(text: str) -> Iterator[Finding]:
    for hit in _NATIONAL_ID.finditer(text):
        if hit.group() != "123-45-6789":
            yield Finding(NATIONAL_ID, *hit.span())


def _phones(text: str) -> Iterator[Finding]:
    for pattern in _PHONES:
        for hit in pattern.finditer(text):
            digits = re.sub(r"\D", "", hit.group())
            if 7 <= len(digits) <= 15 and not _DATE.search(hit.group()) and not _is_known_number(digits, text):
                yield Finding(PHONE, *hit.span())


def _long_numbers(text: str) -> Iterator[Finding]:
    for hit in _DIGIT_RUN.finditer(text):
        if not _is_known_number(hit.group(), text):
            yield Finding(LONG_NUMBER, *hit.span())


def _grouped_numbers(text: str) -> Iterator[Finding]:
    """Sixteen digits in fours, as cards and accounts are written, whatever their check digit says."""
    for hit in _IN_FOURS.finditer(text):
        groups = re.split(r"[ -]", hit.group())
        is_list = all(_PLAIN_NUMBER.fullmatch(group) or group.startswith(("19", "20")) for group in groups)
        if not is_list and not _is_known_number("".join(groups), text):
            yield Finding(LONG_NUMBER, *hit.span())


def _is_known_number(digits: str, text: str) -> bool:
    """Numbers that name nobody: round, repeated, binary, dates, powers of two, sequences, epochs, ISBN."""
    if _PLAIN_NUMBER.fullmatch(digits) or digits in _LIMITS or any(digits in run for run in _SEQUENCES):
        return True
    if _EPOCH.fullmatch(digits) and _TIME_TALK.search(text):
        return True
    return _is_isbn(digits, text)


def _is_isbn(digits: str, text: str) -> bool:
    if len(digits) == 13 and digits.startswith(("978", "979")):
        return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0
    return len(digits) in {9, 10} and _ISBN_TALK.search(text) is not None


# --- machines and places ------------------------------------------------------------------------------------------

_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_VERSION_TALK = re.compile(r"(?:\bv|\bversions?|\brelease|==|>=|<=|~=)\s*$", re.IGNORECASE)
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE)
_MAC = re.compile(r"(?<![\w:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:-])", re.IGNORECASE)
_PUBLIC_RESOLVERS = {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "1.2.3.4"}
_USER_PATH = re.compile(r"(?<![\w.])(?:[a-z]:)?[\\/](home|users)[\\/]{1,2}([\w.-]+)", re.IGNORECASE)
_ROUTE_TALK = re.compile(
    r"\b(?:routes?|routing|api|endpoint|url\w*|flask|django|rest|https?|fastapi|request\w*)\b", re.IGNORECASE
)
_NOBODY = {
    "user", "users", "username", "user1", "name", "yourname", "you", "me", "myuser", "ubuntu", "pi", "ec2-user", "root",
    "admin", "public", "default", "shared", "runner", "vagrant", "jovyan", "app", "docker", "linuxbrew",
    "someone", "xxx", "foo", "...", "administrator", "bin", "lib", "login", "test",
}  # fmt: skip


def _ip_addresses(text: str) -> Iterator[Finding]:
    for hit in _IPV4.finditer(text):
        if _is_telling_ipv4(hit.group()) and not _VERSION_TALK.search(text[: hit.start()]):
            yield Finding(IP, *hit.span())
    if text.count(":") >= 2:
        for hit in _IPV6.finditer(text):
            if _is_telling_ipv6(hit.group()):
                yield Finding(IP, *hit.span())


def _is_telling_ipv4(address: str) -> bool:
    octets = [int(octet) for octet in address.split(".")]
    if max(octets) > 255 or address in _PUBLIC_RESOLVERS:
        return False
    return octets[0] not in {0, 127, 255}  # unspecified, loopback, netmask


def _is_telling_ipv6(address: str) -> bool:
    groups = [group for group in address.split(":") if group]
    if len(groups) < 3 or (len(groups) < 4 and len(groups[0]) < 3):  # a slice or a time of day
        return False
    try:
        return not ipaddress.IPv6Address(address).is_loopback
    except ValueError:
        return False


def _mac_addresses(text: str) -> Iterator[Finding]:
    for hit in _MAC.finditer(text):
        if len(set(hit.group().lower()) - {":", "-"}) > 2:
            yield Finding(MAC, *hit.span())


def _user_paths(text: str) -> Iterator[Finding]:
    for hit in _USER_PATH.finditer(text):
        is_route = hit.group(1).lower() == "users" and "\\" not in hit.group() and _ROUTE_TALK.search(text)
        if hit.group(2).lower().strip(".") not in _NOBODY and not is_route:
            yield Finding(USER_PATH, *hit.span())


_DETECTORS: tuple[Detector, ...] = (
    _url_logins,
    _emails,
    _secrets,
    _ibans,
    _cards,
    _national_ids,
    _mac_addresses,
    _ip_addresses,
    _phones,
    _long_numbers,
    _grouped_numbers,
    _user_paths,
)


def quarantine_reasons(texts: Sequence[str]) -> list[str]:
    """`quarantine_reason` of every text of a column, in its order."""
    return [quarantine_reason(text) for text in texts]
