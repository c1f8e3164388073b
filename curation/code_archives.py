"""Zip files, wheels and tar archives as sources of code, read as streams within bounds. Writes nothing to disk.

A member is only ever read, never unpacked, and its name is only shown: one that climbs (`../`), is absolute, or is a
link, a device or a second file of the same name is left out and reported. Bounds on the number of members, on what a
member and the whole unpack to, and on the ratio between packed and unpacked stop bombs with a clear error.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from core.errors import BadInputError

MAX_MEMBERS = 500_000
MAX_TOTAL_BYTES = 8 * 2**30
MAX_RATIO = 200  # RELIABILITY 15; zeros pack about 1,000 times
RATIO_FREE_BYTES = 64 * 2**20  # a small archive may be as regular as it likes
READ_BYTES = 2**16

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)


class ArchiveError(BadInputError):
    """An archive that cannot be read, or that is not let in."""

    code = "bad_archive"


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive: its path in it, its bytes; `problem` says why there are none."""

    path: str
    data: bytes = b""
    problem: str = ""


def packing_of(place: Path) -> str:
    """zip, tar, gzip, bz2 or xz by a file's first bytes; '' for anything else. A packed tar is `tar`."""
    with place.open("rb") as file:
        head = file.read(512)
    if head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
        return "zip"
    if _is_tar(head):
        return "tar"
    packing = "gzip" if head[:2] == b"\x1f\x8b" else "bz2" if head[:3] == b"BZh" else ""
    packing = packing or ("xz" if head[:6] == b"\xfd7zXZ\x00" else "")
    if not packing:
        return ""
    try:
        with open_packed(place, packing) as stream:
            return "tar" if _is_tar(stream.read(512)) else packing
    except ArchiveError:
        return packing


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar" or (len(head) == 512 and _checksum_holds(head))


def _checksum_holds(head: bytes) -> bool:
    """The header checksum of an old tar without its magic word."""
    try:
        stated = int(head[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return head[:100].strip(b"\0") != b"" and stated == sum(head[:148]) + 256 + sum(head[156:])


class _Bounded(io.RawIOBase):
    """A stream of unpacked bytes that ends with ArchiveError when it grows beyond what its packed size allows."""

    def __init__(self, stream: IO[bytes], packed: int, name: str) -> None:
        self._stream, self._name = stream, name
        self._limit = min(MAX_TOTAL_BYTES, max(RATIO_FREE_BYTES, packed * MAX_RATIO))
        self._n = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._stream.read(len(buffer))
        except (*_BROKEN, OSError) as error:
            raise ArchiveError(problem=f"{self._name} is damaged: {error}.") from error
        self._n += len(piece)
        if self._n > self._limit:
            raise ArchiveError(
                problem=f"{self._name} unpacks to more than {self._limit // 2**20:,} MB, over {MAX_RATIO} times its "
                "own size: it looks like a bomb and was not read."
            )
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def open_packed(place: Path, packing: str) -> Iterator[IO[bytes]]:
    """The unpacked bytes of a file within the bounds; packing is gzip, bz2, xz or '' for none."""
    openers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, "": open}
    with openers[packing](place, "rb") as stream:
        yield io.BufferedReader(_Bounded(stream, place.stat().st_size, place.name), READ_BYTES)


def members(place: Path, wanted: Any, *, max_bytes: int, name: str = "") -> Iterator[Member]:
    """The files of a zip or tar archive that `wanted(path)` picks, in the archive's order; others are not unpacked.

    A member above `max_bytes`, a climbing path, a link or an encrypted file comes as a Member with a problem.
    Raises ArchiveError for an archive that is damaged as a whole or breaks a bound.
    """
    name = name or place.name
    packing = packing_of(place)
    if packing == "zip":
        yield from _zip_members(place, wanted, max_bytes, name)
    elif packing == "tar":
        yield from _tar_members(place, wanted, max_bytes, name)
    else:
        raise ArchiveError(problem=f"{name} is neither a zip nor a tar archive.")


def safe_path(path: str) -> str:
    """A member's path as it is shown, or '' when it is absolute, climbs, or is no path at all."""
    path = path.replace("\\", "/")
    parts = PurePosixPath(path).parts
    if not parts or "\0" in path or path.startswith("/") or ".." in parts or ":" in parts[0]:
        return ""
    if any(not mark.isprintable() for mark in path):
        return ""
    return "/".join(part for part in parts if part != ".")


def _zip_members(place: Path, wanted: Any, max_bytes: int, name: str) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(place)
    except (*_BROKEN, OSError, MemoryError) as error:
        raise ArchiveError(problem=f"{name} is a damaged zip file: {error}.") from error
    with archive:
        infos = archive.infolist()
        _check_members(len(infos), name)
        budget = _Budget(place.stat().st_size, name)
        seen: set[str] = set()
        for info in infos:
            if info.is_dir():
                continue
            path = safe_path(info.filename)
            if not path:
                yield Member(_shown(info.filename), problem="left out: its path leads out of the archive")
            elif not wanted(path):
                continue
            elif (info.external_attr >> 28) == 0o12:
                yield Member(path, problem="left out: a link")
            elif path in seen:
                yield Member(path, problem="left out: the archive holds another file of this name")
            elif info.flag_bits & 1:
                yield Member(path, problem="left out: encrypted")
            elif info.file_size > max_bytes:
                yield Member(path, problem=f"larger than {max_bytes // 2**20} MB")
            else:
                seen.add(path)
                yield _zip_member(archive, info, path, max_bytes, budget)


def _zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, max_bytes: int, budget: "_Budget"
) -> Member:
    try:
        with archive.open(info) as stream:
            data = stream.read(max_bytes + 1)
    except (*_BROKEN, OSError, RuntimeError) as error:
        return Member(path, problem=f"damaged: {error}"[:200])
    budget.spend(len(data))
    return (
        Member(path, data) if len(data) <= max_bytes else Member(path, problem=f"larger than {max_bytes // 2**20} MB")
    )


@dataclass
class _Budget:
    """What an archive may unpack to, all members together."""

    packed: int
    name: str
    spent: int = 0

    def spend(self, n: int) -> None:
        self.spent += n
        if self.spent > min(MAX_TOTAL_BYTES, max(RATIO_FREE_BYTES, self.packed * MAX_RATIO)):
            raise ArchiveError(
                problem=f"{self.name} unpacks to more than {MAX_RATIO} times its own size: it looks like a bomb and "
                "was not read on."
            )


def _tar_members(place: Path, wanted: Any, max_bytes: int, name: str) -> Iterator[Member]:
    head = place.open("rb")
    with head:
        first = head.read(6)
    packing = "gzip" if first[:2] == b"\x1f\x8b" else "bz2" if first[:3] == b"BZh" else ""
    packing = packing or ("xz" if first == b"\xfd7zXZ\x00" else "")
    with open_packed(place, packing) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|", ignore_zeros=False) as archive:
                yield from _tar_files(archive, wanted, max_bytes, name)
        except (*_BROKEN, OSError, OverflowError) as error:
            raise ArchiveError(problem=f"{name} is a damaged tar archive: {error}.") from error


def _tar_files(archive: tarfile.TarFile, wanted: Any, max_bytes: int, name: str) -> Iterator[Member]:
    seen: set[str] = set()
    for number, info in enumerate(archive, start=1):
        _check_members(number, name)
        archive.members = []  # type: ignore[attr-defined]  # a stream is not read twice: keeping them would grow with the archive
        path = safe_path(info.name)
        if info.isdir():
            continue
        if not path:
            yield Member(_shown(info.name), problem="left out: its path leads out of the archive")
        elif not wanted(path):
            continue
        elif not info.isreg():
            yield Member(
                path, problem="left out: a link" if info.issym() or info.islnk() else "left out: no plain file"
            )
        elif path in seen:
            yield Member(path, problem="left out: the archive holds another file of this name")
        elif info.size > max_bytes:
            yield Member(path, problem=f"larger than {max_bytes // 2**20} MB")
        else:
            seen.add(path)
            file = archive.extractfile(info)
            data = file.read(max_bytes) if file else b""
            if len(data) < info.size:
                raise EOFError("it ends in the middle of a file")
            yield Member(path, data)


def _check_members(n: int, name: str) -> None:
    if n > MAX_MEMBERS:
        raise ArchiveError(problem=f"{name} holds more than {MAX_MEMBERS:,} files.")


def _shown(path: str) -> str:
    """A bad member's name for the list of problems: printable, short."""
    return "".join(mark if mark.isprintable() else "?" for mark in path)[:200] or "(no name)"
