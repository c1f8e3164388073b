"""Packed files as a stream of bytes, under the limits: plain, gzip, zstd, xz, bzip2, and one file of a zip archive."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from curation.reading.errors import BrokenLogError, EmptyLogError, LogFileError, LogTooBigError, MemberNeededError
from curation.reading.shapes import Limits

BUFFER_BYTES = 2**17
PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
SUFFIXES = (".gz", ".gzip", ".zst", ".zstd", ".xz", ".bz2", ".zip")
MAX_DIRECTORY_BYTES = 4 * 2**20  # the list of files at the end of a zip archive


class Unpacker(Protocol):
    """Anything that gives unpacked bytes, at most so many at a time; b'' at the end."""

    def read1(self, size: int, /) -> bytes: ...


class Place:
    """How far a reader has come in the bytes of the file (packed bytes, where it is packed)."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._last = 0

    def follow(self, file: BinaryIO) -> None:
        self._file = file

    def set(self, n_bytes: int) -> None:
        self._last = n_bytes

    def bytes_read(self) -> int:
        if self._file is not None and not self._file.closed:
            self._last = self._file.tell()
        return self._last


def packing_of(first_bytes: bytes) -> str:
    """The packing by its magic bytes; '' for a plain file."""
    return next((name for magic, name in PACKINGS.items() if first_bytes.startswith(magic)), "")


@contextmanager
def opened(
    path: Path, limits: Limits, name: str, *, member: str = "", place: Place | None = None
) -> Iterator[BinaryIO]:
    """The unpacked bytes of the file. Raises LogFileError when there are too many of them, or the packing is broken."""
    with path.open("rb", buffering=BUFFER_BYTES) as raw:
        packing = packing_of(raw.read(8))
        raw.seek(0)
        if place:
            place.follow(raw)
        if not packing:
            yield raw
            return
        unpacked = _Bounded(_unpacker(packing, raw, limits, name, member), packing, raw, limits, name)
        yield cast(BinaryIO, io.BufferedReader(unpacked, BUFFER_BYTES))


def _unpacker(packing: str, raw: BinaryIO, limits: Limits, name: str, member: str) -> Unpacker:
    if packing == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if packing == "bzip2":
        return bz2.BZ2File(raw)
    if packing == "xz":
        return _Xz(raw, limits)
    if packing == "zstd":
        return _Zstd(raw, limits)
    return _zip_member(raw, limits, name, member)


class _Xz:
    """xz with a bound on what its dictionary may take, which the standard library's file does not offer."""

    def __init__(self, raw: BinaryIO, limits: Limits) -> None:
        self._raw, self._limits = raw, limits
        self._stream: lzma.LZMADecompressor | None = None

    def read1(self, size: int, /) -> bytes:
        while True:
            if self._stream is None and not self._next_stream():
                return b""
            stream = cast(lzma.LZMADecompressor, self._stream)
            data = b""
            if stream.needs_input:
                data = self._raw.read(BUFFER_BYTES)
                if not data:
                    raise EOFError
            out = stream.decompress(data, size)
            if stream.eof:
                self._raw.seek(-len(stream.unused_data), io.SEEK_CUR)
                self._stream = None
            if out:
                return out

    def _next_stream(self) -> bool:
        """Begins the next of the joined streams, if there is one (padding between them is four zero bytes)."""
        while (start := self._raw.read(4)) == b"\0\0\0\0":
            pass
        self._raw.seek(-len(start), io.SEEK_CUR)
        if start:
            self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._limits.window_bytes)
        return bool(start)


class _Zstd:
    """zstd, frame after frame. Fed in small pieces, because four bytes of it may come to 128 KiB."""

    FED_BYTES = 1024

    def __init__(self, raw: BinaryIO, limits: Limits) -> None:
        import zstandard

        self._raw = raw
        self._frames = zstandard.ZstdDecompressor(max_window_size=limits.window_bytes)
        self._error = zstandard.ZstdError
        self._frame = self._frames.decompressobj()
        self._waiting, self._within = b"", False
        self._out, self._place = b"", 0

    def read1(self, size: int, /) -> bytes:
        while self._place >= len(self._out):
            data = self._waiting or self._raw.read(self.FED_BYTES)
            if not data:
                if self._within:
                    raise EOFError
                return b""
            self._feed(data)
        part = self._out[self._place : self._place + size]
        self._place += len(part)
        return part

    def _feed(self, data: bytes) -> None:
        try:
            self._out, self._place = self._frame.decompress(data), 0
        except self._error as error:
            raise EOFError from error
        self._within, self._waiting = not self._frame.eof, b""
        if self._frame.eof:
            self._waiting = self._frame.unused_data
            self._frame = self._frames.decompressobj()


# --- zip ----------------------------------------------------------------------------------------------------------


def members(path: Path, limits: Limits | None = None, *, name: str = "") -> list[str]:
    """The files in a zip archive that may be a log; [] when the file is no zip archive."""
    limits, name = limits or Limits(), name or path.name
    with path.open("rb") as raw:
        if packing_of(raw.read(8)) != "zip":
            return []
        with _broken(lambda: BrokenLogError(name=name, packing="zip", line=0)):
            return [each.filename for each in _listed(raw, limits, name)[1]]


def _listed(raw: BinaryIO, limits: Limits, name: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    _refuse_long_directory(raw, name)
    archive = zipfile.ZipFile(raw)
    found = [each for each in archive.infolist() if _may_be_log(each.filename)]
    if len(found) > limits.members:
        raise LogTooBigError(name=name, problem=f"{len(found):,} files in one zip archive")
    return archive, found


def _may_be_log(name: str) -> bool:
    """No folder, and nothing that a Mac puts beside the files."""
    return bool(name) and not name.endswith(("/", ".DS_Store")) and not name.startswith("__MACOSX/")


def _refuse_long_directory(raw: BinaryIO, name: str) -> None:
    """Python's reader takes the whole list of files into memory, so its length is looked at first."""
    size = raw.seek(0, io.SEEK_END)
    raw.seek(max(0, size - 66_000))
    tail = raw.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile
    (length,) = struct.unpack_from("<L", tail, end + 12)
    locator = tail.rfind(b"PK\x06\x06", 0, end)
    if locator >= 0 and len(tail) >= locator + 56:
        length = max(length if length != 2**32 - 1 else 0, struct.unpack_from("<Q", tail, locator + 40)[0])
    if length > MAX_DIRECTORY_BYTES:
        raise LogTooBigError(name=name, problem="a zip archive of very many files")
    raw.seek(0)


def _zip_member(raw: BinaryIO, limits: Limits, name: str, member: str) -> Unpacker:
    with _broken(lambda: BrokenLogError(name=name, packing="zip", line=0)):
        archive, found = _listed(raw, limits, name)
        if not found:
            raise EmptyLogError(name=name)
        chosen = next((each for each in found if each.filename == member), None) if member else found[0]
        if chosen is None or (not member and len(found) > 1):
            shown = ", ".join(each.filename[:80] for each in found[:20]) + (", ..." if len(found) > 20 else "")
            raise MemberNeededError(name=name, members=shown)
        if chosen.flag_bits & 1:
            raise LogFileError(name=name, problem="the zip archive is locked with a password; unpack it yourself.")
        if chosen.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise LogFileError(name=name, problem="the zip archive uses a rare packing; only deflate is read.")
        return cast(Unpacker, archive.open(chosen))


# --- bounds -------------------------------------------------------------------------------------------------------


@contextmanager
def _broken(error: Any) -> Iterator[None]:
    """Whatever an unpacker says of damaged data, as our own error."""
    try:
        yield
    except LogFileError:
        raise
    except (EOFError, OSError, ValueError, LookupError, RuntimeError, struct.error) as problem:
        raise error() from problem
    except (zlib.error, lzma.LZMAError, zipfile.BadZipFile) as problem:
        raise error() from problem


class _Bounded(io.RawIOBase):
    """Passes unpacked bytes on until they are too many, in all or for what was packed."""

    def __init__(self, unpacker: Unpacker, packing: str, packed: BinaryIO, limits: Limits, name: str) -> None:
        self._unpacker, self._packing, self._packed = unpacker, packing, packed
        self._limits, self._name = limits, name
        self._seen = self._lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _broken(lambda: BrokenLogError(name=self._name, packing=self._packing, line=self._lines)):
            # No more at a time: some unpackers read as much ahead as they are asked for, which would hide a bomb.
            data = self._unpacker.read1(min(len(buffer), BUFFER_BYTES))
        buffer[: len(data)] = data
        self._seen += len(data)
        self._lines += data.count(b"\n")
        self._refuse_bomb()
        return len(data)

    def _refuse_bomb(self) -> None:
        limits = self._limits
        if self._seen > limits.unpacked_bytes:
            raise LogTooBigError(name=self._name, problem=f"more than {limits.unpacked_bytes / 2**30:.0f} GiB")
        if self._seen > limits.ratio_from_bytes and self._seen > limits.ratio * max(self._packed.tell(), 1):
            raise LogTooBigError(name=self._name, problem=f"more than {limits.ratio} times its size")
