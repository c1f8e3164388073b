"""Reads of releases: where their files stand, and which single labels were imported."""

from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from annotation.criteria import is_release_name
from annotation.models import ImportedLabel, Release, ReleaseFile
from core.access import roles_in
from core.errors import NotFoundError
from core.models import Project, Role, User

RELEASES_FOLDER = "releases"


def release_folder(release: Release) -> Path:
    """The folder that holds the files of a frozen release."""
    return Path(settings.QUARRY_HOME) / release.path


def imported_labels(project: Project) -> QuerySet[ImportedLabel]:
    """Single labels from elsewhere on pairs of the project, nothing quarantined."""
    return ImportedLabel.objects.filter(
        pair__project=project, pair__query__quarantine_reason="", pair__code__quarantine_reason=""
    )


def visible_releases(project: Project, user: User) -> QuerySet[Release]:
    """Releases this person may see: curators all, others what is published or was withdrawn after that."""
    if Role.CURATOR in roles_in(user, project):
        return project.releases.all()
    return project.releases.filter(published_at__isnull=False)


def find_release(project: Project, user: User, name: str) -> Release:
    """The release of that name with its project, job and files. Raises Http404 for one this person may not see."""
    if not is_release_name(name):
        raise Http404(f"There is no release {name!r}.")
    rows = visible_releases(project, user).select_related("job", "project", "created_by").prefetch_related("files")
    return get_object_or_404(rows, name=name)


def open_file(release: Release, file: ReleaseFile) -> BinaryIO:
    """A file of a release, open for reading. Raises NotFoundError when it is gone or leads out of its folder."""
    folder = release_folder(release).resolve()
    path = (folder / file.path).resolve()
    if not release.has_files or not path.is_relative_to(folder) or not path.is_file():
        raise NotFoundError(what="file", name=f"{release}/{file.path}")
    return path.open("rb")


def read_card(release: Release) -> str:
    """The dataset card without its front matter and title; "" for a release without files."""
    path = release_folder(release) / "README.md"
    if not release.has_files or not path.is_file():
        return ""
    return path.read_text(encoding="utf-8").partition("\n---\n")[2].lstrip().partition("\n\n")[2]
