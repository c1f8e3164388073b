"""A pair as the judge page shows it: code coloured and told apart, provenance."""

import re
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from django.core.cache import cache
from django.db.models import Max, QuerySet
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from annotation.models import AnnotationSettings, Guideline, LateSubmission, Purpose, Slot
from core.models import Project, User
from core.prepared import Prepared
from core.rendering import highlighted
from curation.models import Code, CodeOccurrence

_first_place = Prepared(
    lambda code: CodeOccurrence.objects.filter(code=code).select_related("source").order_by("id")[:1]
)
TOLD_PURPOSES = frozenset({Purpose.TRAINING, Purpose.QUALIFICATION})  # gold and repeats look like any other pair
GUIDELINE_VERSION_KEPT_S = 5
PARTS_KEPT = 256  # pairs, of some 10 kB each: what several people judge at about the same time
_TOKEN, _KEY = secrets.token_hex(), secrets.token_hex()


# --- the pair on the page -----------------------------------------------------------------------------
@dataclass(frozen=True)
class CodePart:
    """A run of lines: header, docstring or body, as highlighted HTML."""

    name: str
    html: SafeString


@dataclass(frozen=True)
class ShownPair:
    """A leased pair as the page shows it. `key` names the vote that this showing may lead to."""

    token: uuid.UUID | None
    item_id: int
    key: uuid.UUID
    lane: int | None
    query: str
    parts: list[CodePart]
    provenance: list[str]
    has_code: bool = True  # False: only the intent of the query is asked for
    stage: str = ""  # "training" or "qualification" before live work


def shown_pair(slot: Slot) -> ShownPair:
    """The pair of a leased slot (see `services.leases.slots_to_show`), code coloured and told apart."""
    pair = slot.item.pair
    return ShownPair(
        token=slot.token,
        item_id=slot.item_id,
        key=uuid.uuid4(),
        lane=slot.lane,
        query=str(slot.item.query),  # says only that it is held back, when it is
        parts=code_parts(pair.code) if pair else [],
        provenance=provenance(pair.code) if pair else [],
        has_code=pair is not None,
        stage=slot.item.purpose if slot.item.purpose in TOLD_PURPOSES else "",
    )


def pair_html(pair: ShownPair) -> str:
    """The pair as HTML in the reader's language. What two showings of a pair share is rendered once."""
    html = _html_without_names(
        get_language() or "",
        pair.item_id,
        pair.has_code,
        pair.stage,
        pair.query,
        tuple(pair.provenance),
        tuple(pair.parts),
    )
    return html.replace(_TOKEN, str(pair.token)).replace(_KEY, str(pair.key))


@lru_cache(maxsize=PARTS_KEPT)
def _html_without_names(
    language: str,
    item_id: int,
    has_code: bool,
    stage: str,
    query: str,
    pieces: tuple[str, ...],
    parts: tuple[CodePart, ...],
) -> str:
    """The pair with marks in place of its token and its key, which nobody can foresee and so no text contains."""
    shown = {
        "token": _TOKEN,
        "key": _KEY,
        "item_id": item_id,
        "has_code": has_code,
        "stage": stage,
        "query": query,
        "provenance": pieces,
        "parts": parts,
    }
    return render_to_string("annotation/_pair.html", {"pair": shown})


def code_parts(code: Code) -> list[CodePart]:
    """The code's lines as header, docstring and body, in the order of its language: Python's docstring stands inside,
    that of other languages above. Code without a docstring is a header and a body."""
    if code.quarantine_reason:
        return [CodePart("body", mark_safe("[held back for privacy]\n"))]
    return list(_coloured_parts(CodeText(code.text, code.language, code.header, code.docstring)))


class CodeText(NamedTuple):
    """What of a code decides how it looks; equal ones are coloured once."""

    text: str
    language: str
    header: str
    docstring: str


@lru_cache(maxsize=PARTS_KEPT)
def _coloured_parts(code: CodeText) -> tuple[CodePart, ...]:
    coloured = re.sub(r"^<pre[^>]*><code>|</code></pre>$", "", highlighted(code.text.rstrip("\n"), code.language))
    lines = coloured.rstrip("\n").split("\n")
    if code.language != "python":
        return _shown(list(_cuts_above(code, lines)))
    header_end = _lines_of_header(code, lines)
    doc_end = _end_of_docstring(lines, header_end)
    cuts = [("header", lines[:header_end]), ("docstring", lines[header_end:doc_end]), ("body", lines[doc_end:])]
    return _shown(cuts)


def _shown(cuts: list[tuple[str, list[str]]]) -> tuple[CodePart, ...]:
    return tuple(CodePart(name, mark_safe("\n".join(part) + "\n")) for name, part in cuts if part)


def _cuts_above(code: CodeText, lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Documentation above the header: cut by where the stored header stands in the text."""
    at = code.text.find(code.header) if code.header else -1
    doc_end = code.text.count("\n", 0, at) if at > 0 else 0
    header_end = doc_end + code.header.count("\n") + 1 if at >= 0 else 1
    yield from (("docstring", lines[:doc_end]), ("header", lines[doc_end:header_end]), ("body", lines[header_end:]))


def _lines_of_header(code: CodeText, lines: list[str]) -> int:
    """Lines up to the docstring where there is one, else as many as the header has."""
    if code.docstring:
        first = next((index for index, line in enumerate(lines) if 'class="sd"' in line), None)
        if first is not None:
            return first
    return min(len(lines), len(code.header.splitlines()) or 1)


def _end_of_docstring(lines: list[str], start: int) -> int:
    """Index after the last line of the run of docstring lines at `start`; empty lines inside belong to it."""
    end = start
    for index in range(start, len(lines)):
        if 'class="sd"' in lines[index]:
            end = index + 1
        elif lines[index].strip():
            break
    return end


def provenance(code: Code) -> list[str]:
    """Where the code stands, in pieces: qualified name, place, lines, licence."""
    if code.quarantine_reason:
        return []
    place = _first_place.first(code=code.pk)
    if place is None:
        return [code.name]
    lines = f"lines {place.start_line}-{place.end_line}" if place.end_line else ""
    source = " ".join(part for part in (place.repository or place.source.name, place.source.version[:12]) if part)
    return [part for part in (place.qualified_name or code.name, source, place.path, lines, place.licence) if part]


# --- what stands around the pair ----------------------------------------------------------------------
def search_address(wanted: AnnotationSettings, query: str) -> str:
    """Where the web is searched for the query; "" where the curator wants no link, or none that is http(s)."""
    if not wanted.search_url.startswith(("https://", "http://")):
        return ""
    return wanted.search_url.replace("{query}", quote(query, safe=""))


def guideline_version(project: Project) -> int:
    """The newest version, 0 without one; asked of the database at most every few seconds, for every vote asks it."""
    key = guideline_version_key(project.pk)
    known = cache.get(key)
    if known is None:
        known = Guideline.objects.filter(project=project).aggregate(newest=Max("version"))["newest"] or 0
        cache.set(key, known, GUIDELINE_VERSION_KEPT_S)
    return int(known)


def guideline_version_key(project_id: int) -> str:
    """Where the newest version is kept; whoever writes a version drops it."""
    return f"guideline-version-{project_id}"


def late_submissions_of(project: Project, person: User) -> QuerySet[LateSubmission]:
    """The person's votes that came when their slot was no longer theirs, newest first: kept, not counted."""
    late = LateSubmission.objects.filter(item__project=project, person=person)
    return late.select_related("item__query", "item__pair__code", "item__batch").order_by("-id")
