"""Reads of previews of candidate runs: their results stand in their jobs, without texts."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from core.models import Job, Project
from curation.models import Code, Query

PREVIEW_KIND = "curation.preview_candidates"


@dataclass(frozen=True)
class PreviewExample:
    """A query of the sample with its best code."""

    query: Query
    code: Code
    score: float
    passes: bool


def previews(project: Project) -> QuerySet[Job]:
    """Previews of a project, newest first."""
    return Job.objects.filter(project=project, kind=PREVIEW_KIND).order_by("-id")


def preview_examples(result: dict[str, Any]) -> list[PreviewExample]:
    """The examples of a preview with their texts; what is quarantined by now is left out."""
    rows = result.get("examples", [])
    queries = Query.objects.filter(quarantine_reason="").in_bulk([row["query"] for row in rows])
    codes = Code.objects.filter(quarantine_reason="").in_bulk([row["code"] for row in rows])
    return [
        PreviewExample(queries[row["query"]], codes[row["code"]], row["score"], row["passes"])
        for row in rows
        if row["query"] in queries and row["code"] in codes
    ]
