"""Reads of the quarantine: what is held back and why, what curators decided, who looked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from core.models import Project
from curation.models import Code, CodeOccurrence, PrivacyAct, PrivacyDecision, Query, TextKind
from curation.privacy import CODE, DOCSTRING, REASONS, Finding, find_private, mask
from curation.selectors.queries import shown_text

# What a person may give as the reason; the last is for what no detector looks for.
BY_HAND = "other private text"
HAND_REASONS = (*REASONS, BY_HAND)
_CONTEXT_CHARS = 60


def rows_of(project: Project, kind: TextKind) -> QuerySet[Any]:
    """All texts of a kind in the project."""
    model = Query if kind == TextKind.QUERY else Code
    return model.objects.filter(project=project)


def held_back(project: Project, kind: TextKind, reason: str = "") -> QuerySet[Any]:
    """Quarantined texts of a kind, of one reason if given."""
    rows = rows_of(project, kind)
    return rows.filter(quarantine_reason=reason) if reason else rows.filter(quarantine_reason__gt="")


def reason_counts(project: Project, kind: TextKind) -> dict[str, int]:
    """Reason -> texts held back, most first."""
    rows = held_back(project, kind).values_list("quarantine_reason")
    return dict(rows.annotate(n=Count("id")).order_by("-n", "quarantine_reason"))


@dataclass(frozen=True)
class QuarantineCounts:
    """Texts held back by kind and reason, paths with masked parts, and the acts of people on record."""

    queries: dict[str, int]
    codes: dict[str, int]
    masked_paths: int
    acts: dict[str, int]

    def as_data(self) -> dict[str, Any]:
        return {
            "queries": {"total": sum(self.queries.values()), "by_reason": self.queries},
            "codes": {"total": sum(self.codes.values()), "by_reason": self.codes},
            "masked_paths": self.masked_paths,
            "acts": self.acts,
        }


def counts_of_quarantine(project: Project) -> QuarantineCounts:
    """What privacy holds back in a project."""
    places = CodeOccurrence.objects.filter(source__project=project)
    acts = project.privacy_decisions.order_by().values_list("act").annotate(n=Count("id"))
    return QuarantineCounts(
        queries=reason_counts(project, TextKind.QUERY),
        codes=reason_counts(project, TextKind.CODE),
        masked_paths=places.filter(path__regex=_MASKED_PATH).count(),
        acts=dict(acts),
    )


_MASKED_PATH = r"\[(" + "|".join(REASONS) + r")\]"


def decided_reasons(project: Project, kind: TextKind, hashes: Iterable[str] | None = None) -> dict[str, str]:
    """Content hash -> quarantine reason ('' for released) of the texts that curators decided about."""
    rows = PrivacyDecision.objects.filter(
        project=project, kind=kind, act__in=[PrivacyAct.RELEASE, PrivacyAct.QUARANTINE]
    ).order_by("id")
    if hashes is not None:
        rows = rows.filter(content_hash__in=list(hashes))
    return {
        key: reason if act == PrivacyAct.QUARANTINE else ""
        for key, act, reason in rows.values_list("content_hash", "act", "reason")
    }


def acts_on(project: Project, kind: TextKind, content_hash: str) -> QuerySet[PrivacyDecision]:
    """What people did with a text, latest first."""
    acts = project.privacy_decisions.filter(kind=kind, content_hash=content_hash)
    return acts.select_related("person")


def shown_private(row: Any, kind: TextKind) -> str:
    """A quarantined text with its private parts masked: a query whole, of a code only the places around them."""
    if kind == TextKind.QUERY:
        return shown_text(row)
    return shown_code(row)


def shown_code(code: Code) -> str:
    """The masked surroundings of what a code is held back for; the whole text is masked where nothing is found."""
    found = _code_findings(code)
    if code.quarantine_reason not in {finding.reason for finding in found}:
        return f"[{code.quarantine_reason}]"
    first = next(finding for finding in found if finding.reason == code.quarantine_reason)
    before = max(0, first.start - _CONTEXT_CHARS)
    # Masked whole and then cut would need the new places; so the window is masked by what was found in the whole.
    return _masked_window(code.text, found, before, min(len(code.text), first.end + _CONTEXT_CHARS))


def _code_findings(code: Code) -> list[Finding]:
    found = find_private(code.text, CODE)
    return found or find_private(code.text, DOCSTRING)


def _masked_window(text: str, found: list[Finding], start: int, end: int) -> str:
    parts, place = ["…" if start else ""], start
    for finding in found:
        if finding.end <= start or finding.start >= end:
            continue
        parts += [text[place : finding.start], f"[{finding.reason}]"]
        place = finding.end
    parts += [text[place:end], "…" if end < len(text) else ""]
    return mask(" ".join("".join(parts).split()))
