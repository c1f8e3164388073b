"""Reads of releases: where their files stand, and which single labels were imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from annotation.models import ImportedLabel, Release
from core.models import Project

RELEASES_FOLDER = "releases"


def release_folder(release: Release) -> Path:
    """The folder that holds the files of a frozen release."""
    return Path(settings.QUARRY_HOME) / release.path


def imported_labels(project: Project) -> QuerySet[ImportedLabel]:
    """Single labels from elsewhere on pairs of the project, nothing quarantined."""
    return ImportedLabel.objects.filter(
        pair__project=project, pair__query__quarantine_reason="", pair__code__quarantine_reason=""
    )


@contextmanager
def consistent_reads() -> Iterator[None]:
    """All reads inside see the database as it was at the first of them; nobody's writes are held up.

    Not `atomic()`: on SQLite that would take the write lock (transaction_mode IMMEDIATE) for the whole time. Nothing
    may be written inside. In a surrounding transaction it does nothing.
    """
    if connection.in_atomic_block:
        yield
        return
    is_postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_postgres else "BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
