"""Secrets: keys in a vendor's own shape, values that are called a password, and random-looking tokens."""

import re
from collections.abc import Iterator

from curation.privacy.finding import Finding
from curation.privacy.kinds import SECRET

MIN_RANDOM_TOKEN_CHARS = 20
# The shapes are the prefixes that vendors publish so that scanners can find leaked keys.
_KEY_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bsk-(?:[a-z]+-)*\w{20,}|\b[sr]k_(?:live|test)_\w{16,}|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{30,}"
    r"|\bhf_[a-z0-9]{24,}|\bpypi-\w{16,}|\bnpm_[a-z0-9]{30,}|\bdop_v1_[0-9a-f]{40,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|\b\d{8,10}:AA[\w-]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----",
    re.IGNORECASE,
)
# Every shape begins with one of these; looking for them is far cheaper than trying all shapes at every place.
_KEY_BEGINNINGS = (
    "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "sk_live_", "sk_test_",
    "rk_live_", "rk_test_", "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "aiza", "hf_", "pypi-", "npm_", "dop_v1_",
    "sg.", "eyj", ":aa", "-----begin",
)  # fmt: skip
_NAMED_SECRET = re.compile(
    r"\b(?:password|passwd|passphrase|pwd|secret(?:[ _-]?key)?|api[ _-]?key|access[ _-]?key|auth[ _-]?token|token"
    r"|bearer)"
    r"[\"']?\s*(?:is\b|[=:]|\s)\s*[\"']?([^\s\"',;()\[\]{}<>]{6,})",
    re.IGNORECASE,
)
_RUN = re.compile(rf"[A-Za-z0-9+/]{{{MIN_RANDOM_TOKEN_CHARS},}}={{0,2}}")
_HEX_ID = re.compile(r"\b(?:[0-9a-f]{32,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)
_HASH_TALK = re.compile(
    r"\b(?:md5|sha\d*|hash\w*|checksum|digest|uuid\d?|guid|commit|hex\w*|binary|base64)\b", re.IGNORECASE
)
_CHANGES = re.compile(r"[a-zA-Z]\d|\d[a-zA-Z]|[a-z][A-Z]")
_LETTER, _DIGIT = re.compile(r"[a-zA-Z]"), re.compile(r"\d")
_ALPHABET = re.compile(r"abcdefgh|ABCDEFGH", re.IGNORECASE)
_WORDS_WITH_DIGITS = ("utf", "python", "sha", "oauth", "base64", "0x", "http", "md5", "numpy", "word2vec")


def secrets(text: str) -> Iterator[Finding]:
    """Keys by shape, named passwords, and runs that look random where the text is not about hashes or ids."""
    yield from key_shapes(text)
    for hit in _NAMED_SECRET.finditer(text):
        if looks_like_password(hit.group(1)):
            yield Finding(SECRET, *hit.span(1))
    if _HASH_TALK.search(text):
        return
    for hit in _RUN.finditer(text):
        if looks_random(hit.group()) and not _is_path(hit.group()):
            yield Finding(SECRET, *hit.span())
    for hit in _HEX_ID.finditer(text):
        if _LETTER.search(hit.group()) and _DIGIT.search(hit.group()):
            yield Finding(SECRET, *hit.span())


def key_shapes(text: str) -> Iterator[Finding]:
    """Keys in a vendor's own shape alone: what counts in code, where hashes and sample passwords are constants."""
    lowered = text.lower()
    if any(beginning in lowered for beginning in _KEY_BEGINNINGS):
        for hit in _KEY_SHAPES.finditer(text):
            yield Finding(SECRET, *hit.span())


def is_key_shape(found: str) -> bool:
    """Whether a found secret carries a vendor's shape, so that it is one wherever it stands."""
    return _KEY_SHAPES.match(found) is not None and not re.search(r"EXAMPLE|X{6}|0{8}|1234567890", found, re.IGNORECASE)


def looks_like_password(value: str) -> bool:
    """Letters and digits or odd characters together; a word of the language or an identifier is none."""
    letters, digits = _LETTER.search(value), len(_DIGIT.findall(value))
    odd = any(mark in value for mark in "!$%^&*#?~")
    return bool(letters) and (
        (digits >= 2 and not value.lower().startswith(_WORDS_WITH_DIGITS)) or (odd and digits >= 1)
    )


def looks_random(run: str) -> bool:
    """Letters and digits change places often, or case jumps about: no identifier, no path, no number."""
    return (
        bool(_LETTER.search(run))
        and len(_DIGIT.findall(run)) >= 3
        and len(_CHANGES.findall(run)) >= 5
        and not _ALPHABET.search(run)
    )


def _is_path(run: str) -> bool:
    """Slashes cut a path into short words; base64 has them far apart."""
    return run.count("/") >= 2 and max(map(len, run.split("/"))) < MIN_RANDOM_TOKEN_CHARS // 2
