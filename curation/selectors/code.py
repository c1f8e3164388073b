"""Reads of code."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from core.models import Project
from curation.code_filters import KEPT, REASONS
from curation.models import Code, CodeOccurrence, CodeSource

NOT_STATED = "not stated"


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
    project: Project,
    *,
    state: str = "",
    reason: str = "",
    source: int | None = None,
    text: str = "",
    language: str = "",
    licence: str = "",
    group: int | None = None,
) -> QuerySet[Code]:
    """Codes by state (paired, unpaired, quarantined), reason, source, language, licence, near-duplicate group, text.

    With a source, the reason is that of an occurrence in it (`kept`, `duplicate` and the filters' reasons), so that the
    rows are those which the source's counts count. A group is named by the id of the code that is kept.
    """
    codes = Code.objects.filter(project=project)
    if state == "paired":
        codes = codes.filter(is_paired=True, quarantine_reason="")
    elif state == "unpaired":
        codes = codes.filter(is_paired=False, quarantine_reason="")
    elif state == "quarantined":
        codes = codes.exclude(quarantine_reason="")
    if language:
        codes = codes.filter(language=language)
    if group is not None:
        codes = codes.filter(Q(pk=group) | Q(near_duplicate_of=group))
    if source is not None or licence:
        codes = codes.filter(pk__in=_places(source, reason, licence).values("code"))
    if reason and source is None:
        codes = codes.filter(is_paired=True) if reason == KEPT else codes.filter(filter_reason=reason)
    if text:
        found = Q(name__icontains=text) | Q(docstring__icontains=text)
        codes = codes.filter(found, quarantine_reason="")  # a search must not tell what a quarantined text holds
    return codes


def _places(source: int | None, reason: str, licence: str) -> QuerySet[CodeOccurrence]:
    """Occurrences in a source (of a reason there), and of a licence."""
    places: dict[str, Any] = {}
    if source is not None:
        places["source"] = source
        if reason:
            places["filter_reason"] = "" if reason == KEPT else reason
    if licence:
        places["licence"] = "" if licence == NOT_STATED else licence
    return CodeOccurrence.objects.filter(**places)


def code_sources(project: Project) -> QuerySet[CodeSource]:
    """Code sources, newest first, with their jobs."""
    return CodeSource.objects.filter(project=project).select_related("job")


def code_funnel(source: CodeSource) -> list[dict[str, Any]]:
    """From functions seen to functions kept: each reason in the order of the filters, and what is left after it."""
    left, steps = source.n_functions, []
    for reason in REASONS:
        n = source.counts.get(reason, 0)
        if n:
            left -= n
            steps.append({"reason": reason, "n": n, "left": left, "help": REASONS[reason]})
    return steps


def licence_counts(project: Project, source: CodeSource | None = None) -> list[dict[str, Any]]:
    """Licences with the number of places and of distinct codes that have them, the most frequent first."""
    places = (
        CodeOccurrence.objects.filter(source=source)
        if source
        else CodeOccurrence.objects.filter(source__project=project).exclude(source__kind="import")
    )
    rows = places.values("licence").annotate(places=Count("id"), codes=Count("code", distinct=True))
    return [
        {"licence": row["licence"], "shown": row["licence"] or NOT_STATED, "n": row["places"], "codes": row["codes"]}
        for row in rows.order_by("-places", "licence")
    ]


def language_counts(project: Project, source: CodeSource | None = None) -> list[dict[str, Any]]:
    """Languages with their number of distinct codes, the most frequent first."""
    codes = Code.objects.filter(project=project)
    if source is not None:
        codes = codes.filter(pk__in=source.occurrences.values("code"))
    rows = codes.values("language").annotate(n=Count("id")).order_by("-n", "language")
    return [dict(row) for row in rows]


def near_duplicate_groups(project: Project) -> QuerySet[Code]:
    """Kept codes that others are near duplicates of, with `n_alike` of those."""
    kept = Code.objects.filter(project=project, near_duplicates__isnull=False)
    return kept.annotate(n_alike=Count("near_duplicates"))


def licences_of(code_ids: Iterable[int]) -> dict[int, list[str]]:
    """Code id -> the licences of its places, sorted; '' where a place states none. Imported pairs name no place."""
    found: dict[int, set[str]] = {}
    places = CodeOccurrence.objects.filter(code__in=list(code_ids)).exclude(source__kind="import")
    for code_id, licence in places.values_list("code", "licence").distinct():
        found.setdefault(code_id, set()).add(licence)
    return {code_id: sorted(licences) for code_id, licences in found.items()}


def codes_only_under(project: Project, licences: Iterable[str]) -> set[int]:
    """Ids of the project's codes that stand under these licences and nowhere under another; '' means none is stated.

    A code that came with imported pairs alone names no place, and so no licence.
    """
    wanted = list(licences)
    if not wanted:
        return set()
    places = CodeOccurrence.objects.filter(source__project=project).exclude(source__kind="import")
    under = set(places.filter(licence__in=wanted).values_list("code", flat=True))
    return under - set(places.exclude(licence__in=wanted).values_list("code", flat=True))


def comment_count(project: Project, source: CodeSource | None = None) -> dict[str, int]:
    """In-line comments kept for training, and the functions that have any; quarantined code apart."""
    codes = Code.objects.filter(project=project, n_comments__gt=0, quarantine_reason="")
    if source is not None:
        codes = codes.filter(pk__in=source.occurrences.values("code"))
    return {"codes": codes.count(), "comments": codes.aggregate(n=Sum("n_comments"))["n"] or 0}


def commented_codes(project: Project) -> QuerySet[Code]:
    """Codes with in-line comments (METHODS 8.2) that may be used for training, in the order of their content hash."""
    codes = Code.objects.filter(project=project, n_comments__gt=0, quarantine_reason="")
    return codes.order_by("content_hash")
