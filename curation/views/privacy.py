"""The quarantine: what is held back and why, looking at a text, deciding about it, scanning again, k-anonymity."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from core.access import person_of, project_for
from core.errors import BadInputError, QuarryError
from core.models import Project, Role
from core.paging import keyset_page
from curation.models import TextKind
from curation.privacy import REASONS
from curation.selectors.privacy import (
    HAND_REASONS,
    acts_on,
    counts_of_quarantine,
    held_back,
    reason_counts,
    rows_of,
    shown_private,
)
from curation.selectors.queries import PREVIEWED_K, current_rule_set, withheld_preview
from curation.services.privacy import SCAN_PRIVACY, quarantine_texts, release_texts, reveal_text, start_scan_privacy
from curation.views.queries import curates, ticked

COUNTED_AT_ONCE = 100_000  # queries whose askers are counted for a page; above, on request
READERS = (Role.ADJUDICATOR, Role.READER)
PLURAL = {TextKind.QUERY: "Queries", TextKind.CODE: "Codes"}


@login_required
@require_safe
def quarantine(request: HttpRequest, slug: str) -> HttpResponse:
    """Counts by reason, k-anonymity and its preview, the last scan, and the latest acts of people."""
    project = project_for(request.user, slug, *READERS)
    counts = counts_of_quarantine(project)
    may_decide = curates(request, project)
    rule_set = current_rule_set(project)
    is_counted = "k" in request.GET or project.queries.count() <= COUNTED_AT_ONCE
    sizes = tuple(sorted({*PREVIEWED_K, project.k_anonymity}))
    preview = withheld_preview(project, rule_set, sizes) if is_counted else {}
    scan = project.jobs.filter(kind=SCAN_PRIVACY, state="done").order_by("-id").first()
    context = {
        "project": project,
        "section": "quarantine",
        "counts": counts,
        "n_queries": sum(counts.queries.values()),
        "n_codes": sum(counts.codes.values()),
        "rows": _by_reason(project, counts.queries, counts.codes, linked=may_decide),
        "preview": [{"k": k, "n": n, "is_current": k == project.k_anonymity} for k, n in preview.items()],
        "rule_set": rule_set,
        "scan": scan,
        "scan_changes": _changes(scan.result) if scan else [],
        "decisions": project.privacy_decisions.select_related("person")[:10] if may_decide else [],
        "curates": may_decide,
    }
    return render(request, "curation/quarantine.html", context)


def _by_reason(
    project: Project, queries: dict[str, int], codes: dict[str, int], *, linked: bool
) -> list[dict[str, Any]]:
    """One row a reason, in the order of the detectors, reasons given by hand last."""
    names = [*REASONS, *sorted({*queries, *codes} - set(REASONS))]
    return [
        {
            "reason": reason,
            "queries": queries.get(reason, 0),
            "codes": codes.get(reason, 0),
            "query_href": list_address(project, TextKind.QUERY, reason) if linked else "",
            "code_href": list_address(project, TextKind.CODE, reason) if linked else "",
        }
        for reason in names
        if queries.get(reason) or codes.get(reason)
    ]


def list_address(project: Project, kind: TextKind, reason: str = "") -> str:
    """Address of the quarantined texts of a kind."""
    address = reverse("curation:quarantined", args=[project.slug, kind.value])
    return f"{address}?{urlencode({'reason': reason})}" if reason else address


def _changes(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The last scan in sentences: what is newly held back, what no longer, what has another reason now."""
    labels = {"newly_held": "newly held back", "no_longer_held": "no longer held back", "other_reason": "other reason"}
    return [
        {"kind": PLURAL[kind], "what": label, "reason": reason, "n": n}
        for kind in TextKind
        for name, label in labels.items()
        for reason, n in result.get(kind.value, {}).get(name, {}).items()
    ]


@login_required
@require_safe
def quarantined(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    """Quarantined texts of a kind, private parts masked, to release one or many."""
    project = project_for(request.user, slug, Role.CURATOR)
    which, reason = _kind(kind), request.GET.get("reason", "")
    counts = reason_counts(project, which)
    if reason and reason not in {*HAND_REASONS, *counts}:
        raise BadInputError(problem=f"There is no reason {reason[:40]}.")
    page = keyset_page(held_back(project, which, reason), request)
    context = {
        "project": project,
        "section": "quarantine",
        "kind": which.value,
        "plural": PLURAL[which],
        "reason": reason,
        "counts": counts,
        "page": page,
        "rows": [{"row": row, "masked": shown_private(row, which)} for row in page],
    }
    return render(request, "curation/quarantined.html", context)


def _kind(given: str) -> TextKind:
    if given not in TextKind.values:
        raise Http404("There is no such kind of text.")
    return TextKind(given)


@login_required
@never_cache
@require_safe
def quarantined_text(request: HttpRequest, slug: str, kind: str, pk: int) -> HttpResponse:
    """One text with its record; the private part stays masked until somebody asks to see it."""
    project = project_for(request.user, slug, Role.CURATOR)
    return _text_page(request, project, _kind(kind), pk, revealed="")


def _text_page(request: HttpRequest, project: Project, kind: TextKind, pk: int, *, revealed: str) -> HttpResponse:
    row = rows_of(project, kind).filter(pk=pk).first()
    if row is None:
        raise Http404("There is no such text in this project.")
    context = {
        "project": project,
        "section": "quarantine",
        "kind": kind.value,
        "row": row,
        "masked": shown_private(row, kind) if row.quarantine_reason else "",
        "revealed": revealed,
        "decisions": acts_on(project, kind, row.content_hash)[:50],
        "hand_reasons": HAND_REASONS,
        "back": list_address(project, kind, row.quarantine_reason),
        "own_page": reverse(
            "curation:query" if kind == TextKind.QUERY else "curation:function", args=[project.slug, pk]
        ),
    }
    return render(request, "curation/quarantined_text.html", context)


@login_required
@never_cache
@require_POST
def reveal(request: HttpRequest, slug: str, kind: str, pk: int) -> HttpResponse:
    """Shows the whole text once, in the answer; who looked is on record."""
    project = project_for(request.user, slug, Role.CURATOR)
    which = _kind(kind)
    text = reveal_text(project=project, kind=which, pk=pk, person=person_of(request))
    return _text_page(request, project, which, pk, revealed=text)


@login_required
@require_POST
def release(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    """Releases the ticked texts."""
    project = project_for(request.user, slug, Role.CURATOR)
    which, ids = _kind(kind), ticked(request.POST.getlist("text"))
    if not ids:
        messages.warning(request, "Tick at least one text.")
    else:
        note = request.POST.get("note", "")
        n = release_texts(project=project, kind=which, ids=ids, note=note, person=person_of(request))
        messages.success(request, f"Released: {n:,}. New queries have no verdict until the rules are applied again.")
    return redirect(list_address(project, which, request.POST.get("reason", "")[:60]))


@login_required
@require_POST
def hold_back(request: HttpRequest, slug: str, kind: str, pk: int) -> HttpResponse:
    """Quarantines one text by hand."""
    project = project_for(request.user, slug, Role.CURATOR)
    which, given = _kind(kind), request.POST
    try:
        n = quarantine_texts(
            project=project,
            kind=which,
            ids=[pk],
            reason=given.get("reason", ""),
            note=given.get("note", ""),
            person=person_of(request),
        )
    except QuarryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The text is held back." if n else "The text was held back already.")
    return redirect("curation:quarantined_text", slug, which.value, pk)


@login_required
@require_POST
def scan(request: HttpRequest, slug: str) -> HttpResponse:
    """Queues the detectors over the whole project."""
    project = project_for(request.user, slug, Role.CURATOR)
    try:
        start_scan_privacy(project=project, user=person_of(request))
    except QuarryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The scan is queued. Its result will stand here.")
    return redirect("curation:quarantine", slug)


@login_required
@require_safe
def decisions(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything that people looked at, released or held back."""
    project = project_for(request.user, slug, Role.CURATOR)
    page = keyset_page(project.privacy_decisions.select_related("person"), request)
    context = {"project": project, "section": "quarantine", "page": page}
    return render(request, "curation/quarantine_record.html", context)
