"""Reads of the guideline: its text in sections, its versions and what changed between them, its examples."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from annotation.guideline_changes import SectionChange, compare_guidelines
from annotation.models import Guideline, GuidelineExample
from annotation.selectors.shown import CodePart, code_parts
from core.models import Project

EXAMPLES_SHOWN = 12  # beside the judge page, newest first; the guideline's own page has them all


@dataclass(frozen=True)
class GuidelineSection:
    """A second-level section; `step` is 1 or 2 where it explains that step."""

    text: str
    step: int | None


def guideline_sections(text: str) -> list[GuidelineSection]:
    """The guideline cut at its second-level headings, so that the page can mark the step at hand."""
    parts = ("\n" + text).split("\n## ")
    heads = [parts[0].strip(), *(f"## {part}" for part in parts[1:])]
    return [
        GuidelineSection(part, next((n for n in (1, 2) if part.lower().startswith(f"## step {n}")), None))
        for part in heads
        if part
    ]


# --- examples ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ShownExample:
    """An example as pages show it: the right judgement, why, and the code in coloured parts."""

    id: int
    query: str
    code_name: str
    parts: list[CodePart]
    intent: str
    answer: int | None
    why: str
    version: int  # the guideline version that brought it


def examples_in_force(project: Project, *, version: int | None = None) -> QuerySet[GuidelineExample]:
    """Examples of the newest version, or of the one named, newest first; nothing that privacy holds back."""
    found = GuidelineExample.objects.filter(
        project=project, pair__query__quarantine_reason="", pair__code__quarantine_reason=""
    )
    if version is None:
        found = found.filter(until__isnull=True)
    else:
        found = found.filter(Q(until__isnull=True) | Q(until__version__gt=version), since__version__lte=version)
    return found.select_related("pair__query", "pair__code", "since", "created_by").order_by("-id")


def shown_examples(
    project: Project, *, version: int | None = None, limit: int | None = EXAMPLES_SHOWN
) -> list[ShownExample]:
    """The examples in force, ready to be shown; `limit` None gives all of them."""
    return _shown(examples_in_force(project, version=version)[:limit])


def _shown(examples: Iterable[GuidelineExample]) -> list[ShownExample]:
    return [
        ShownExample(
            id=example.pk,
            query=example.pair.query.text,
            code_name=example.pair.code.name,
            parts=code_parts(example.pair.code),
            intent=example.intent,
            answer=example.answer,
            why=example.why,
            version=example.since.version,
        )
        for example in examples
    ]


# --- versions ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class VersionNote:
    """Who wrote a version, when, and what they say of it."""

    version: int
    note: str
    author: str
    created_at: datetime


@dataclass(frozen=True)
class GuidelineChanges:
    """What is different between version `since` and version `version` (the newer one)."""

    since: int
    version: int
    notes: list[VersionNote]  # newest first, of every version after `since`
    sections: tuple[SectionChange, ...]
    examples_added: list[ShownExample]
    n_examples_removed: int

    @property
    def is_empty(self) -> bool:
        """True where only the version number moved (a change that was taken back)."""
        return not (self.sections or self.examples_added or self.n_examples_removed)


def changes_since(project: Project, version: int) -> GuidelineChanges | None:
    """What changed from guideline `version` to the newest one.

    None where there is nothing newer, and for version 0 or one that never was: whoever has seen none reads the
    guideline itself.
    """
    newest = project.guidelines.order_by("-version").values_list("version", flat=True).first()
    return changes_between(project, version, newest) if newest is not None and newest > version else None


def changes_between(project: Project, old: int, new: int) -> GuidelineChanges | None:
    """What changed from version `old` to version `new`, later than it; None where one of them does not exist."""
    versions = {
        row.version: row
        for row in project.guidelines.filter(version__gte=old, version__lte=new)
        .select_related("author")
        .order_by("-version")
    }
    if old not in versions or new not in versions:
        return None
    shown = examples_in_force(project, version=new).filter(since__version__gt=old)
    gone = GuidelineExample.objects.filter(
        project=project, since__version__lte=old, until__version__gt=old, until__version__lte=new
    )
    return GuidelineChanges(
        since=old,
        version=new,
        notes=[_note(row) for number, row in versions.items() if number > old],
        sections=compare_guidelines(versions[old].text, versions[new].text),
        examples_added=_shown(shown),
        n_examples_removed=gone.count(),
    )


def _note(row: Guideline) -> VersionNote:
    return VersionNote(row.version, row.note, row.author.username if row.author else "", row.created_at)
