"""Making a backup of the whole installation, and restoring one into an empty place."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from core.backup import tables
from core.backup.archive import Reader, Writer
from core.backup.errors import BackupNewerError, FileInTheWayError, NotEmptyError, SumsDifferError
from core.db import consistent_reads
from core.jobs import fail_unfinished_jobs

FOLDERS = ("uploads", "vectors", "indexes", "checkpoints", "releases")
VECTORS = ("vectors", "indexes")  # can be computed again from the texts
Tell = Callable[[str], None]


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds, or what was restored."""

    path: Path
    rows: dict[str, int]
    n_files: int
    file_bytes: int
    migrations: int
    engine: str

    @property
    def n_rows(self) -> int:
        return sum(self.rows.values())


def make_backup(*, path: Path, with_vectors: bool = True, tell: Tell = lambda text: None) -> BackupReport:
    """Writes every table, as of one moment, and every file of QUARRY_HOME into a new file at `path`.

    Running work goes on meanwhile. The secret key is not in it: without it sessions end, nothing else is lost.
    Raises FileInTheWayError where `path` exists.
    """
    if path.exists():
        raise FileInTheWayError(path=path.name, advice="choose another name, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    writer = Writer(partial)
    try:
        facts = _write_all(writer, with_vectors=with_vectors, tell=tell)
        writer.manifest(facts)
        partial.replace(path)
    finally:
        writer.close()
        partial.unlink(missing_ok=True)
    return _report(path, facts)


def _write_all(writer: Writer, *, with_vectors: bool, tell: Tell) -> dict[str, Any]:
    sums = {}
    with consistent_reads():
        migrations = tables.applied_migrations()
        for model in tables.models_at(migrations):
            label = model._meta.label_lower
            total = writer.table(label, tables.rows_of(model))
            sums[label] = {"rows": total.rows, "bytes": total.bytes, "sha256": total.sha256}
            tell(f"{label}: {total.rows:,} rows")
    files = {}
    for name, place in _files(FOLDERS if with_vectors else [name for name in FOLDERS if name not in VECTORS]):
        files[name] = writer.file(name, place)
        tell(name)
    return {
        "made_at": timezone.now().isoformat(timespec="seconds"),
        "engine": connection.vendor,
        "migrations": [list(key) for key in migrations],
        "tables": sums,
        "files": files,
    }


def _files(folders: list[str] | tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """(path below QUARRY_HOME with slashes, place) of every whole file, sorted."""
    home = Path(settings.QUARRY_HOME)
    for folder in folders:
        for place in sorted((home / folder).rglob("*")):
            if place.is_file() and not place.is_symlink() and not place.name.endswith(".partial"):
                yield place.relative_to(home).as_posix(), place


def _report(path: Path, facts: dict[str, Any]) -> BackupReport:
    return BackupReport(
        path=path,
        rows={label: total["rows"] for label, total in facts["tables"].items() if total["rows"]},
        n_files=len(facts["files"]),
        file_bytes=sum(each["bytes"] for each in facts["files"].values()),
        migrations=len(facts["migrations"]),
        engine=facts["engine"],
    )


def check_backup(*, path: Path, tell: Tell = lambda text: None) -> BackupReport:
    """Reads a backup to its end and compares every sum with the manifest. Raises BackupUnreadableError."""
    reader = Reader(path)
    for label in reader.manifest["tables"]:
        for _ in reader.table(label):
            pass
        tell(label)
    for name in reader.manifest["files"]:
        reader.copy_file(name, None)
    return _report(path, reader.manifest)


def restore_backup(*, path: Path, tell: Tell = lambda text: None) -> BackupReport:
    """Restores a backup into an empty database, of either engine, and an empty QUARRY_HOME.

    The tables are made as of the backup's version, filled, compared sum by sum with the backup in the same
    transaction, and then brought to today's version. Work that was under way when the backup was made is marked as
    failed. Raises NotEmptyError, BackupNewerError, BackupUnreadableError, RowRefusedError, SumsDifferError.
    """
    reader = Reader(path)
    migrations = [(app, name) for app, name in reader.manifest["migrations"]]
    if unknown := tables.unknown_migrations(migrations):
        raise BackupNewerError(migration=".".join(unknown[-1]))
    _check_names(reader)
    _prepare(migrations)
    _restore_files(reader)
    kept = tables.models_at(migrations)
    with transaction.atomic():
        tables.empty_tables(kept)
        for model in kept:
            _restore_table(reader, model, tell)
        tables.number_on(kept)
        _compare(reader, kept)
    call_command("migrate", verbosity=0, interactive=False)
    fail_unfinished_jobs("It was waiting or running when the backup was made. Start it again.")
    return _report(path, reader.manifest)


def _prepare(migrations: list[tables.Key]) -> None:
    """Makes the tables of the backup's version in an empty database."""
    applied = tables.applied_migrations()
    if not applied:
        tables.migrate_to(migrations)
        return
    found = tables.rows_by_table(tables.models_at(applied))
    if found or applied != sorted(migrations):
        rows = ", ".join(f"{label}: {count:,}" for label, count in sorted(found.items())[:3])
        raise NotEmptyError(found=rows or "tables of another version of Quarry")


def _check_names(reader: Reader) -> None:
    """No file of a backup may land outside the folders that backups have."""
    for name in reader.manifest["files"]:
        parts = PurePosixPath(name).parts
        if not parts or parts[0] not in FOLDERS or ".." in parts:
            raise reader.unreadable(f"it holds a file at {name}, where none belongs")


def _restore_files(reader: Reader) -> None:
    home = Path(settings.QUARRY_HOME).resolve()
    for name, facts in reader.manifest["files"].items():
        target = home.joinpath(name)
        if target.exists():
            if _sha256(target) != facts["sha256"]:
                raise FileInTheWayError(path=name, advice="point QUARRY_HOME to an empty folder")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        reader.copy_file(name, target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _restore_table(reader: Reader, model: Any, tell: Tell) -> None:
    label = model._meta.label_lower
    if label in reader.manifest["tables"]:
        tell(f"{label}: {tables.load_rows(model, reader.table(label)):,} rows")


def _compare(reader: Reader, kept: list[Any]) -> None:
    for model in kept:
        label = model._meta.label_lower
        wanted = reader.manifest["tables"].get(label)
        if wanted and tables.checksum(model).sha256 != wanted["sha256"]:
            raise SumsDifferError(what=f"table {label}")
