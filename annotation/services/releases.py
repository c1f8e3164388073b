"""Releases: frozen by a job, then published or withdrawn, exported at will; never changed."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from annotation.card import name_rule
from annotation.criteria import ReleaseCriteria, read_release_name
from annotation.exporters import FORMATS, FileFacts, hash_file
from annotation.models import Release, ReleaseFile, ReleaseState
from annotation.quality import keep_summary, rule_table
from annotation.selectors.releases import RELEASES_FOLDER, imported_labels, release_folder
from annotation.selectors.votes import item_patterns
from annotation.services.freezing import MANIFEST, build_release, nothing_kept, write_text
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, ConflictError, QuarryError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User

FREEZE_RELEASE, EXPORT_RELEASE = "annotation.freeze_release", "annotation.export_release"
ENVELOPE = "envelope.json"


class EmptyReleaseError(BadInputError):
    """The criteria keep no pair."""

    code, status = "empty_release", 422


class ReleaseGoneError(QuarryError):
    """The files of a release are not there: withdrawn, or not frozen yet."""

    code, status = "release_gone", 410
    template = "The release {release} has no files: {why}."


def start_freeze_release(
    *, project: Project, name: str, criteria: ReleaseCriteria, user: User | None = None, inline: bool = False
) -> tuple[Release, Job]:
    """Checks the name and that something would be kept, and queues the freezing.

    Raises BadInputError for a bad name, ConflictError for one in use, EmptyReleaseError when no pair would be kept
    (with what each rule would keep). A name whose freezing failed may be used again.
    """
    name = read_release_name(name)
    _check_keeps_something(project, criteria)
    with write_transaction():
        _clear_failed(project, name)
        try:
            release = Release.objects.create(
                project=project, name=name, criteria=criteria.to_dict(), created_by=_person(user)
            )
        except IntegrityError as error:
            raise ConflictError(problem=f"{project.slug} already has a release {name}. Choose another name.") from error
        release.job = create_job(
            kind=FREEZE_RELEASE,
            title=f"Freeze release {name}",
            params={"release_id": release.pk},
            project=project,
            user=user,
            inline=inline,
        )
        release.save(update_fields=["job"])
    return release, release.job


def _person(user: User | None) -> User | None:
    return user if user is not None and user.is_authenticated else None


def _clear_failed(project: Project, name: str) -> None:
    freezing = Release.objects.filter(project=project, name=name, state=ReleaseState.FREEZING)
    stale = freezing.select_related("job").first()
    if stale is not None and (stale.job is None or stale.job.is_over):
        stale.delete()


def _check_keeps_something(project: Project, criteria: ReleaseCriteria) -> None:
    if criteria.include_imported and imported_labels(project).exists():
        return
    items = item_patterns(project)
    summary = keep_summary(items, criteria.rule)
    if summary.kept:
        return
    others = [keep_summary(items, rule) for rule in rule_table(criteria.rule.min_votes)]
    would = {name_rule(other.rule.to_dict()): other.kept for other in others}
    told = ", ".join(f"{rule} keeps {kept:,}" for rule, kept in would.items())
    raise EmptyReleaseError(
        problem=nothing_kept(criteria, summary.removed) + (f" With as many votes, {told}." if summary.removed else ""),
        would_keep=would,
    )


def freeze_release(*, run: RunningJob, release: Release) -> dict[str, Any]:
    """Builds the files in QUARRY_HOME/tmp, renames the folder into place, records hashes. A second run changes nothing.

    Same votes, texts and criteria give the same payload bytes and so the same content hash; release name, clock and
    project stand in the envelope only.
    """
    if release.state != ReleaseState.FREEZING:
        return summary(release)
    made = Path(settings.QUARRY_HOME) / "tmp" / f"release-{release.pk}-{run.token}"
    made.mkdir(parents=True)
    try:
        facts, files = build_release(
            project=release.project,
            criteria=ReleaseCriteria.from_dict(release.criteria),
            folder=made,
            on_progress=run.progress,
        )
        files.append(_write_envelope(release, made))
        run.check()
        path = f"{RELEASES_FOLDER}/{release.pk}"
        _move_into_place(made, Path(settings.QUARRY_HOME) / path)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _record(release, path, facts, files)
    return summary(release)


def _write_envelope(release: Release, folder: Path) -> FileFacts:
    envelope = {
        "release": str(release),
        "project": release.project.title or release.project.slug,
        "created_at": release.created_at.isoformat(),
        "content_sha256": hash_file(folder, MANIFEST).sha256,
    }
    return write_text(folder, ENVELOPE, json.dumps(envelope, indent=1) + "\n")


def _move_into_place(made: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # a worker died between the rename and the record
        shutil.rmtree(target)
    made.replace(target)


@retry_when_busy()
def _record(release: Release, path: str, facts: dict[str, Any], files: list[FileFacts]) -> None:
    with write_transaction():
        ReleaseFile.objects.filter(release=release).delete()
        ReleaseFile.objects.bulk_create(
            ReleaseFile(release=release, path=file.path, sha256=file.sha256, size_bytes=file.size_bytes)
            for file in files
        )
        release.path = path
        release.stats = {**facts, "pairs": facts["statistics"]["pairs"]}
        release.content_sha256 = next(file.sha256 for file in files if file.path == MANIFEST)
        release.state = ReleaseState.DRAFT
        release.save(update_fields=["path", "stats", "content_sha256", "state"])


def summary(release: Release) -> dict[str, Any]:
    """What a command, a job or the API says of a release."""
    facts = release.stats
    return {
        "release": str(release),
        "state": release.state,
        "content_sha256": release.content_sha256,
        "pairs": facts["statistics"]["pairs"],
        "ones": facts["statistics"]["ones"],
        "removed": facts["removed"],
        "splits": facts["statistics"]["splits"],
        "agreement": facts["agreement"],
        "votes_published": facts["votes"]["published"],
        "folder": str(release_folder(release)),
    }


@retry_when_busy()
def publish_release(*, release: Release) -> Release:
    """Makes a draft public to the project's readers for good. Raises ConflictError in any other state."""
    with write_transaction():
        _check_state(release, ReleaseState.DRAFT, "Only a draft can be published")
        return _move(release, ReleaseState.PUBLISHED, published_at=timezone.now())


def withdraw_release(*, release: Release, reason: str) -> Release:
    """Takes the files away; name, hashes and the reason stay as a tombstone. Raises BadInputError without a reason."""
    reason = reason.strip()
    if not reason:
        raise BadInputError(problem="Say why the release is withdrawn; the reason stays on record.", field="reason")
    with write_transaction():
        release.refresh_from_db()
        if not release.has_files:
            raise ConflictError(problem=f"{release} is {release.get_state_display().lower()}; it cannot be withdrawn.")
        _move(release, ReleaseState.WITHDRAWN, withdrawn_at=timezone.now(), withdrawn_reason=reason[:2000])
    shutil.rmtree(release_folder(release), ignore_errors=True)
    shutil.rmtree(default_export_folder(release, ""), ignore_errors=True)
    return release


def _check_state(release: Release, state: ReleaseState, rule: str) -> None:
    release.refresh_from_db()
    if release.state != state:
        raise ConflictError(problem=f"{rule}; {release} is {release.get_state_display().lower()}.")


def _move(release: Release, state: ReleaseState, **columns: datetime | str) -> Release:
    for name, value in {"state": state, **columns}.items():
        setattr(release, name, value)
    release.save(update_fields=["state", *columns])
    return release


# --- export ------------------------------------------------------------------------------------------------------


def start_export_release(
    *, release: Release, format: str, folder: str = "", user: User | None = None, inline: bool = False
) -> Job:
    """Queues the writing of a release in one format.

    folder: where to, on the server; empty: QUARRY_HOME/releases/exports/PROJECT/NAME/FORMAT. Raises BadInputError for
    a format that does not exist, ReleaseGoneError for a release without files.
    """
    check_format(format)
    files_of(release)
    return create_job(
        kind=EXPORT_RELEASE,
        title=f"Export {release.name} as {format}",
        params={"release_id": release.pk, "format": format, "folder": folder},
        project=release.project,
        user=user,
        inline=inline,
    )


def check_format(format: str) -> None:
    """Raises BadInputError unless there is such a format."""
    if format not in FORMATS:
        raise BadInputError(problem=f"There is no format {format}. There are: {', '.join(FORMATS)}.", field="format")


def files_of(release: Release) -> Path:
    """The folder with a release's files. Raises ReleaseGoneError where there is none."""
    if release.state == ReleaseState.WITHDRAWN:
        raise ReleaseGoneError(release=str(release), why=f"it was withdrawn ({release.withdrawn_reason})")
    folder = release_folder(release)
    if not release.has_files or not folder.is_dir():
        raise ReleaseGoneError(release=str(release), why="it is still being frozen, or its folder is gone")
    return folder


def export_release(*, run: RunningJob, release: Release, format: str, folder: str = "") -> dict[str, Any]:
    """Writes the files of one format into a folder, replacing files of the same names there."""
    source = files_of(release)
    target = Path(folder).expanduser().resolve() if folder else default_export_folder(release, format)
    run.progress(0, 1, "writing files")
    made = Path(settings.QUARRY_HOME) / "tmp" / f"export-{run.job_id}-{run.token}"
    made.mkdir(parents=True)
    try:
        files = FORMATS[format](source, made)
        _hand_over(made, target, files)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    run.progress(1, 1)
    return {
        "release": str(release),
        "format": format,
        "folder": str(target),
        "files": [{"path": file.path, "sha256": file.sha256, "size_bytes": file.size_bytes} for file in files],
    }


def default_export_folder(release: Release, format: str) -> Path:
    """Where exports go that name no folder."""
    return Path(settings.QUARRY_HOME) / RELEASES_FOLDER / "exports" / release.project.slug / release.name / format


def _hand_over(made: Path, target: Path, files: list[FileFacts]) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.move(made / file.path, target / file.path)
    except OSError as error:
        raise BadInputError(problem=f"Cannot write into {target}: {error.strerror}.", field="folder") from error


def verify_files(release: Release) -> list[str]:
    """Paths whose bytes no longer have the recorded hash, or that are gone; empty when all is well."""
    folder = files_of(release)
    wrong = []
    for file in release.files.all():
        path = folder / file.path
        if not path.is_file() or hash_file(folder, file.path).sha256 != file.sha256:
            wrong.append(file.path)
    return wrong
