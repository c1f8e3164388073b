"""National identity numbers. A shape finds candidates; python-stdnum's check digits decide, and are asked on hits only.

Shapes that stand alone (US social security, UK national insurance) have no check digit and count as they are.
Bare digits with only one check digit are taken where a word beside them says what they are.
"""

import importlib
import re
from collections.abc import Iterator

from curation.privacy.finding import Finding
from curation.privacy.kinds import NATIONAL_ID
from curation.privacy.numbers import is_known_number

_NO_CHECK_DIGIT = (
    re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),  # US
    re.compile(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", re.IGNORECASE),  # UK
)
# What explanations write instead of a real one.
_NOBODY = {"123-45-6789", "111-11-1111", "QQ123456C", "AB123456C"}
_BARE = r"(?<![\d.+-])\d{%s}(?![\d.-]\d|\d)"
_CHECKED: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"(?<!\d)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\d)"), ("br.cpf",)),
    (re.compile(r"(?<!\d)\d{1,2}\.\d{3}\.\d{3}-[\dk](?!\w)", re.IGNORECASE), ("cl.rut",)),
    (re.compile(r"(?<!\d)\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}(?!\d)"), ("be.nn",)),
    (re.compile(r"(?<!\d)756\.?\d{4}\.?\d{4}\.?\d{2}(?!\d)"), ("ch.ssn",)),
    (re.compile(r"\b\d{8}-?[A-Z]\b|\b[XYZ]-?\d{7}-?[A-Z]\b", re.IGNORECASE), ("es.dni", "es.nie")),
    (re.compile(r"\b\d{6}[-+A]\d{3}[0-9A-Y]\b", re.IGNORECASE), ("fi.hetu",)),
    (re.compile(r"(?<![\d-])(?:\d{2})?\d{6}[-+]\d{4}(?![\d-])"), ("se.personnummer",)),
    (re.compile(r"(?<![\d-])\d{6}-[1-8]\d{6}(?![\d-])"), ("kr.rrn",)),
    (re.compile(r"(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}(?!\d)"), ("fr.nir",)),
    (re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b", re.IGNORECASE), ("it.codicefiscale",)),
    (re.compile(r"\b[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d\b", re.IGNORECASE), ("mx.curp",)),
    (re.compile(r"(?<!\d)\d{17}[\dX](?!\w)", re.IGNORECASE), ("cn.ric",)),
    (re.compile(r"(?<![\d-])[2-9]\d{3}([ -])\d{4}\1\d{4}(?![\d -]*\d)"), ("in_.aadhaar",)),
    (re.compile(_BARE % "11"), ("pl.pesel", "tr.tckimlik", "no.fodselsnummer", "br.cpf")),
    (re.compile(_BARE % "13"), ("ro.cnp", "za.idnr")),
)
_NAMED = re.compile(
    r"\b(?P<what>sin|nhs|bsn|tfn|steuer-?id|pan|idnr|social insurance|tax file|burgerservicenummer|cpr|teudat zehut"
    r"|aadhaar)\b"
    r"\W*(?:(?:no|nr|number|num|is|card)\b\W*){0,2}(?P<id>[A-Z]{5}\d{4}[A-Z]\b|\d(?:[ -]?\d){7,11}(?!\d))",
    re.IGNORECASE,
)
_NAMED_CHECKS = {
    "sin": "ca.sin", "social insurance": "ca.sin", "nhs": "gb.nhs", "bsn": "nl.bsn", "burgerservicenummer": "nl.bsn",
    "tfn": "au.tfn", "tax file": "au.tfn", "steuerid": "de.idnr", "steuer-id": "de.idnr", "idnr": "de.idnr",
    "pan": "in_.pan", "cpr": "dk.cpr", "teudat zehut": "il.idnr", "aadhaar": "in_.aadhaar",
}  # fmt: skip


def national_ids(text: str) -> Iterator[Finding]:
    """Identity numbers of some twenty countries."""
    for pattern in _NO_CHECK_DIGIT:
        for hit in pattern.finditer(text):
            if hit.group().replace(" ", "").upper() not in _NOBODY:
                yield Finding(NATIONAL_ID, *hit.span())
    for pattern, schemes in _CHECKED:
        for hit in pattern.finditer(text):
            if any(_is_valid(scheme, hit.group()) for scheme in schemes) and not is_known_number(
                re.sub(r"\D", "", hit.group()), text
            ):
                yield Finding(NATIONAL_ID, *hit.span())
    for hit in _NAMED.finditer(text):
        if _is_valid(_NAMED_CHECKS[hit["what"].lower()], hit["id"]):
            yield Finding(NATIONAL_ID, *hit.span("id"))


def _is_valid(scheme: str, found: str) -> bool:
    module = importlib.import_module(f"stdnum.{scheme}")
    return bool(module.is_valid(found.upper()))
