"""The file of a backup: a zip with a member per table (JSON lines, zstandard), one per file, and the manifest last.

A backup that was broken off has no manifest, so it can never be taken for a whole one.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from core.backup.errors import BackupUnreadableError
from core.backup.tables import Sum

FORMAT = 1
MANIFEST = "manifest.json"
_BLOCK = 2**20
_STAMP = (1980, 1, 1, 0, 0, 0)  # the time of the backup stands in the manifest alone


def table_member(label: str) -> str:
    return f"tables/{label}.jsonl.zst"


class Writer:
    """Writes the members of a backup; `manifest` closes it."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", allowZip64=True)

    def table(self, label: str, lines: Iterable[bytes]) -> Sum:
        """Stores a table's lines; returns rows, bytes and SHA-256 of the lines."""
        total = Sum()
        with (
            self._zip.open(_stored(table_member(label)), "w", force_zip64=True) as member,
            zstandard.ZstdCompressor(level=3).stream_writer(member, closefd=False) as packed,
        ):
            for line in lines:
                packed.write(total.add(line))
        return total

    def file(self, name: str, path: Path) -> dict[str, Any]:
        """Stores a file; returns its size and SHA-256."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as source, self._zip.open(_stored(f"files/{name}"), "w", force_zip64=True) as member:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                member.write(block)
        return {"bytes": size, "sha256": digest.hexdigest()}

    def manifest(self, facts: dict[str, Any]) -> None:
        """Writes what the backup holds, and ends it."""
        text = json.dumps({"format": FORMAT, **facts}, indent=1, sort_keys=True)
        self._zip.writestr(_stored(MANIFEST), text)
        self._zip.close()

    def close(self) -> None:
        """Ends the file without a manifest: it is no backup."""
        self._zip.close()


def _stored(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _STAMP)
    info.compress_type = zipfile.ZIP_STORED
    info.external_attr = 0o640 << 16
    return info


class Reader:
    """Reads a backup. Raises BackupUnreadableError for a file that is none, or not a whole one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest: dict[str, Any] = json.loads(self._zip.read(MANIFEST))
        except FileNotFoundError:
            raise self.unreadable("there is no such file") from None
        except KeyError:
            raise self.unreadable("it has no manifest, so its writing was broken off or it is another zip") from None
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise self.unreadable(str(error)) from error
        if self.manifest.get("format") != FORMAT:
            raise self.unreadable(f"it has format {self.manifest.get('format')}, and this version reads {FORMAT}")

    def unreadable(self, problem: str) -> BackupUnreadableError:
        return BackupUnreadableError(file=self.path.name, problem=problem)

    def table(self, label: str) -> Iterator[bytes]:
        """The lines of a table. The sum in the manifest is checked at its end."""
        total = Sum()
        try:
            with (
                self._zip.open(table_member(label)) as member,
                zstandard.ZstdDecompressor().stream_reader(member) as plain,
            ):
                for line in io.BufferedReader(plain):
                    yield total.add(line)
        except (OSError, KeyError, zipfile.BadZipFile, zstandard.ZstdError) as error:
            raise self.unreadable(f"table {label}: {error}") from error
        if total.sha256 != self.manifest["tables"][label]["sha256"]:
            raise self.unreadable(f"table {label} is damaged: its sum is not the one in the manifest")

    def copy_file(self, name: str, target: Path | None) -> None:
        """Writes a file of the backup to `target` (None: only reads it) and checks its sum."""
        digest = hashlib.sha256()
        partial = target.with_name(target.name + ".partial") if target else None
        try:
            with self._zip.open(f"files/{name}") as member, (partial or Path("/dev/null")).open("wb") as out:
                while block := member.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
        except (KeyError, zipfile.BadZipFile) as error:
            raise self.unreadable(f"file {name}: {error}") from error
        if digest.hexdigest() != self.manifest["files"][name]["sha256"]:
            if partial:
                partial.unlink()
            raise self.unreadable(f"file {name} is damaged: its sum is not the one in the manifest")
        if partial and target:
            partial.replace(target)
