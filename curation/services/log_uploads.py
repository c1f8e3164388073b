"""Logs that are looked at before they are read: stored, previewed, then started or removed."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from core.db import write_transaction
from core.errors import BadInputError, ConflictError
from core.models import Project, User
from core.server_files import PathNotPermittedError, import_folders, permitted_path
from curation.models import LogImport, LogUpload
from curation.reading import LogShape, Preview, inspect_log, preview_log
from curation.services.logs import COPY_BYTES, IngestStart, StoredLog, start_ingest_log, store_log

KEPT = timedelta(days=1)
MAX_SERVER_BYTES = 2 * 2**30
MAX_LISTED = 200
LISTED_DEPTH = 3


def keep_upload(
    *, project: Project, stored: StoredLog, shape: LogShape | None = None, user: User | None = None
) -> tuple[LogUpload, Preview]:
    """A stored file as one that waits for its curator, with what it would be read as.

    The file is removed when nothing could make it a log (LogFileError).
    """
    try:
        preview = preview_log(stored.path, shape, name=stored.name)
        upload = LogUpload.objects.create(
            project=project,
            user=user,
            name=stored.name,
            stored_path=str(stored.path.relative_to(settings.QUARRY_HOME)),
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            shape=(shape or LogShape()).as_data(),
        )
    except BaseException:
        stored.path.unlink(missing_ok=True)
        raise
    forget_uploads()
    return upload, preview


def preview_upload(*, upload: LogUpload, shape: LogShape | None = None) -> Preview:
    """What the file would be read as. A new shape is kept with the upload as it was given, so that what it leaves open
    is explained each time; without one the last one holds.
    """
    chosen = LogShape.from_data(upload.shape) if shape is None else shape
    preview = preview_log(_file_of(upload), chosen, name=upload.name)
    if shape is not None:
        LogUpload.objects.filter(pk=upload.pk).update(shape=chosen.as_data())
    return preview


def start_upload(
    *, upload: LogUpload, shape: LogShape | None = None, user: User | None = None, inline: bool = False
) -> IngestStart:
    """Starts the import of a stored file; the upload is gone then.

    Raises LogFileError, and keeps the upload, when the shape does not fit the file; ConflictError when the upload was
    started or removed meanwhile, or the file is being imported already.
    """
    path = _file_of(upload)
    shape = inspect_log(path, LogShape.from_data(upload.shape) if shape is None else shape, name=upload.name)
    with write_transaction():
        taken, _ = LogUpload.objects.filter(pk=upload.pk).delete()
    if not taken:
        raise ConflictError(problem=f"{upload.name} was started or removed already.")
    stored = StoredLog(path, upload.name, upload.sha256, upload.size_bytes)
    return start_ingest_log(project=upload.project, stored=stored, shape=shape, user=user, inline=inline)


def discard_upload(*, upload: LogUpload) -> None:
    """Removes a stored file that is not wanted."""
    LogUpload.objects.filter(pk=upload.pk).delete()
    Path(settings.QUARRY_HOME, upload.stored_path).unlink(missing_ok=True)


def forget_uploads() -> int:
    """Removes what nobody confirmed within a day, and stored files that no row names any more; returns how many."""
    limit = timezone.now() - KEPT
    old = list(LogUpload.objects.filter(created_at__lt=limit)[:1000])
    for upload in old:
        discard_upload(upload=upload)
    return len(old) + _forget_strays(limit.timestamp())


def _forget_strays(limit_s: float) -> int:
    """A process that was killed between storing a file and naming it in a row leaves one behind."""
    home = Path(settings.QUARRY_HOME)
    strays = [path for path in home.glob("uploads/*.log") if path.stat().st_mtime < limit_s]
    names = [str(path.relative_to(home)) for path in strays]
    named: set[str] = set()
    for model in (LogUpload, LogImport):
        named.update(model.objects.filter(stored_path__in=names).values_list("stored_path", flat=True))
    unnamed = [path for path, name in zip(strays, names, strict=True) if name not in named]
    for path in unnamed:
        path.unlink(missing_ok=True)
    return len(unnamed)


def _file_of(upload: LogUpload) -> Path:
    path = Path(settings.QUARRY_HOME, upload.stored_path)
    if not path.exists():
        raise ConflictError(problem=f"The stored file of {upload.name} is gone. Upload it again.")
    return path


def preview_file(path: Path, shape: LogShape | None = None) -> Preview:
    """What a file of this machine would be read as; nothing is kept. Raises BadInputError when it cannot be opened."""
    try:
        return preview_log(path, shape)
    except OSError as error:
        raise BadInputError(problem=f"{path}: {error.strerror or error}.") from error


def chosen_shape(before: LogShape, shown: LogShape, given: LogShape) -> LogShape:
    """What a curator has chosen: `before` this form, on the form that showed the settled shape, and now.

    What stays as it was shown stays as open as it was; what rests on a changed choice is found out anew: columns rest
    on header, quotes and delimiter, these on the format, and all on the file in the archive.
    """
    order = ("member", "format", "delimiter", "quotes", "header", "column", "count_column", "user_column", "url_column")
    n_ways = order.index("column")
    empty = LogShape()

    def is_changed(name: str) -> bool:
        now, then = getattr(given, name), getattr(before, name)
        stays_open = now == then == getattr(empty, name)
        return not stays_open and now != getattr(shown, name)

    changed = [is_changed(name) for name in order]
    first = next((place for place in range(n_ways) if changed[place]), len(order))
    sources = [given if changed[place] else empty if place > first else before for place in range(len(order))]
    return replace(empty, **{name: getattr(source, name) for name, source in zip(order, sources, strict=True)})


# --- files on the server ------------------------------------------------------------------------------------------


def store_permitted_file(text: str) -> StoredLog:
    """Keeps a copy of a file in a permitted folder. Raises PathNotPermittedError, BadInputError."""
    path = permitted_path(text)
    if not any(path.is_relative_to(folder.resolve()) for folder in import_folders()):
        raise PathNotPermittedError(problem=f"{text} is in no folder that logs may be read from.")
    try:
        # No link is followed any more, and a pipe keeps nobody waiting.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadInputError(problem=f"{text}: {error.strerror or error}.") from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise BadInputError(problem=f"{text} is no file.")
    with os.fdopen(handle, "rb") as file:
        if found.st_size > MAX_SERVER_BYTES:
            raise BadInputError(
                problem=f"{text} is larger than {MAX_SERVER_BYTES // 2**30} GiB. "
                "Read it with the command ingest_log on the server."
            )
        return store_log(iter(lambda: file.read(COPY_BYTES), b""), name=path.name)


def permitted_logs() -> list[str]:
    """Files in the permitted folders that may be chosen, newest first, by their paths below their folder."""
    found: list[tuple[float, str]] = []
    for folder in import_folders():
        found.extend((path.stat().st_mtime, str(path.relative_to(folder))) for path in _plain_files(folder))
    return list(dict.fromkeys(name for _, name in sorted(found, reverse=True)))[:MAX_LISTED]


def _plain_files(folder: Path) -> Iterator[Path]:
    """Files that are neither hidden nor links, not deeper than a few folders."""
    waiting = [(folder, 1)]
    n_seen = 0
    while waiting and n_seen < 50 * MAX_LISTED:
        place, depth = waiting.pop()
        try:
            entries = sorted(place.iterdir())
        except OSError:
            continue
        for path in entries:
            n_seen += 1
            if path.name.startswith(".") or path.is_symlink():
                continue
            if path.is_dir() and depth < LISTED_DEPTH:
                waiting.append((path, depth + 1))
            elif path.is_file():
                yield path
