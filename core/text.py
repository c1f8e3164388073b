"""Canonical text and content hashes. Contains no business logic and needs no database.

A content hash is BLAKE2b-128 over a version byte and the canonical text (RFC 7693), in hex: 32 characters. The
version is part of the hashed bytes, so a changed canonical form can never meet an old hash.
"""

import hashlib
import re
import unicodedata

HASH_VERSION = b"\x01"
HASH_CHARS = 32
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "″": '"', "`": "'"})
_SPACES = re.compile(r"\s+")


def content_hash(canonical: str, *, person: bytes = b"quarry") -> str:
    """Hex BLAKE2b-128 of a canonical text; `person` (at most 16 bytes) keeps kinds of text apart."""
    digest = hashlib.blake2b(HASH_VERSION, digest_size=16, person=person)
    digest.update(canonical.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def normalise_query(raw: str) -> str:
    """The query as shown: NFKC, straight quotes, single spaces, stripped. Case is kept."""
    if raw.isascii():  # nothing to compose; most of a log
        return " ".join(raw.replace("`", "'").split())
    text = unicodedata.normalize("NFKC", raw).translate(_QUOTES)
    return _SPACES.sub(" ", text).strip()


def query_key(normalised: str) -> str:
    """The form in which two queries are the same: the normalised text, case-folded."""
    return normalised.casefold()


def query_hash(normalised: str) -> str:
    """Content hash of a query: two spellings that differ only in case share it."""
    return content_hash(query_key(normalised), person=b"query")


def canonical_code(raw: str) -> str:
    """Code text for identity: line ends as LF, no white space at line ends or around the whole."""
    lines = raw.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def code_hash(raw: str) -> str:
    """Content hash of a code function."""
    return content_hash(canonical_code(raw), person=b"code")
