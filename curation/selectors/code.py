"""Reads of code."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from core.models import Project
from curation.code_filters import KEPT
from curation.models import Code, CodeOccurrence, CodeSource


def proposable_codes(project: Project) -> QuerySet[Code]:
    """Codes that may be proposed: paired and not quarantined, in the order of their content hash."""
    return Code.objects.filter(project=project, is_paired=True, quarantine_reason="").order_by("content_hash")


def code_base(project: Project) -> Iterator[tuple[int, str, str]]:
    """(id, name, text) of every code that may be proposed, in the order of their content hash."""
    yield from proposable_codes(project).values_list("pk", "name", "text").iterator(chunk_size=2000)


def code_counts(project: Project) -> dict[str, int]:
    """Distinct codes of the project: all, paired, unpaired, quarantined."""
    codes = Code.objects.filter(project=project)
    return {
        "all": codes.count(),
        "paired": codes.filter(is_paired=True, quarantine_reason="").count(),
        "unpaired": codes.filter(is_paired=False, quarantine_reason="").count(),
        "quarantined": codes.exclude(quarantine_reason="").count(),
    }


def browse_codes(
    project: Project, *, state: str = "", reason: str = "", source: int | None = None, text: str = ""
) -> QuerySet[Code]:
    """Codes by state (paired, unpaired, quarantined), reason, source, and text in name or documentation.

    With a source, the reason is that of an occurrence in it (`kept`, `duplicate` and the filters' reasons), so that the
    rows are those which the source's counts count.
    """
    codes = Code.objects.filter(project=project)
    if state == "paired":
        codes = codes.filter(is_paired=True, quarantine_reason="")
    elif state == "unpaired":
        codes = codes.filter(is_paired=False, quarantine_reason="")
    elif state == "quarantined":
        codes = codes.exclude(quarantine_reason="")
    if source is not None:
        places: dict[str, Any] = {"source": source}
        if reason:
            places["filter_reason"] = "" if reason == KEPT else reason
        codes = codes.filter(pk__in=CodeOccurrence.objects.filter(**places).values("code"))
    elif reason:
        codes = codes.filter(is_paired=True) if reason == KEPT else codes.filter(filter_reason=reason)
    if text:
        found = Q(name__icontains=text) | Q(docstring__icontains=text)
        codes = codes.filter(found, quarantine_reason="")  # a search must not tell what a quarantined text holds
    return codes


def code_sources(project: Project) -> QuerySet[CodeSource]:
    """Code sources, newest first, with their jobs."""
    return CodeSource.objects.filter(project=project).select_related("job")
