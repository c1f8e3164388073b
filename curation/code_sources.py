"""Where code comes from: the standard library, an installed package, a folder or git checkout, an archive, a file.

`open_source(spec)` finds out which of them a text names and refuses what cannot be used; `source.units()` then gives
its pieces in a fixed order, licence and commit with each, and `code_reading.read_unit` turns one into functions.
Knows no database.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from core.errors import BadInputError
from curation.code_archives import ArchiveError, members, open_packed, packing_of
from curation.code_reading import (
    CODESEARCHNET,
    COSQA,
    MAX_FILE_BYTES,
    MAX_JSON_DEPTH,
    MBPP,
    Found,
    FoundFunction,
    Problem,
    Unit,
    depth_of,
    read_unit,
)
from curation.git_checkouts import Checkout, open_checkout
from curation.languages import language_of
from curation.licences import (
    MAX_LICENCE_BYTES,
    MAX_LICENCE_CHARS,
    LicenceMap,
    is_licence_file,
    licence_of_classifiers,
    licence_of_name,
)

__all__ = ["CodeSourceError", "FoundFunction", "OpenSource", "Problem", "load_code_base", "open_source"]

MAX_CODE_BASE_BYTES = 512 * 2**20
MAX_LINE_BYTES = 16 * 2**20
RECORD_UNIT_BYTES = 2**20  # lines of a JSON Lines file that travel together
FIRST_LINE_BYTES = 2**20
KINDS = {
    "stdlib": "standard library",
    "package": "installed package",
    "folder": "folder",
    "git": "git checkout",
    "archive": "archive",
    "file": "source file",
    "codesearchnet": "CodeSearchNet",
    "mbpp": "MBPP",
    "cosqa": "CoSQA code base",
}
RECORD_KINDS = {"codesearchnet": CODESEARCHNET, "mbpp": MBPP, "cosqa": COSQA}

_PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "vendor"})


class CodeSourceError(BadInputError):
    """A source that cannot be used."""

    code = "bad_code_source"


@dataclass(frozen=True)
class OpenSource:
    """A source ready to be read. `files` are (path as recorded, place on disk); archives and records have `place`.

    `size` is what progress is counted in: files, or bytes of the one file that is read.
    """

    kind: str
    name: str
    version: str = ""
    licence: str = ""
    remote: str = ""
    files: tuple[tuple[str, Path], ...] = field(default=(), repr=False)
    place: Path | None = None
    packing: str = ""
    licences: LicenceMap = field(default_factory=LicenceMap, repr=False)
    checkout: Checkout | None = field(default=None, repr=False)

    @property
    def n_files(self) -> int:
        """Pieces to read, as far as they are known before reading; 0 where they are not."""
        return 0 if self.kind in RECORD_KINDS else len(self.files)

    def units(self) -> Iterator[Unit | Problem]:
        """The pieces of the source in a fixed order; a file that cannot even be handed out is a Problem."""
        if self.kind == "archive":
            return self._members()
        if self.kind in RECORD_KINDS:
            return self._records()
        return self._files()

    def functions(self) -> Iterator[Found]:
        """Everything in the source, read in this process, piece by piece."""
        for unit in self.units():
            if isinstance(unit, Problem):
                yield unit
            else:
                yield from read_unit(unit)

    def _files(self) -> Iterator[Unit | Problem]:
        left_out = 0
        for path, place in self.files:
            commit = self.version if self.kind == "git" else ""
            if self.checkout is not None:
                if not self.checkout.is_tracked(path):
                    left_out += 1
                    continue
                if self._is_changed(path, place):
                    commit = f"{self.version[:40]}+changed"
            yield Unit(path, language_of(path), str(place), licence=self.licences.of(path), commit=commit)
        if left_out:
            yield Problem(".", f"{left_out:,} files that the commit does not hold were left out")

    def _is_changed(self, path: str, place: Path) -> bool:
        assert self.checkout is not None
        try:
            return self.checkout.is_changed(path, place.read_bytes() if place.stat().st_size <= MAX_FILE_BYTES else b"")
        except OSError:
            return False

    def _members(self) -> Iterator[Unit | Problem]:
        assert self.place is not None
        for member in members(self.place, language_of, max_bytes=MAX_FILE_BYTES, name=self.name):
            if member.problem:
                yield Problem(member.path, member.problem)
            elif not _is_skipped(member.path):
                path = member.path
                yield Unit(path, language_of(path), data=member.data, licence=self.licences.of(path))

    def _records(self) -> Iterator[Unit | Problem]:
        kind = RECORD_KINDS[self.kind]
        if kind == COSQA:
            yield from self._code_base()
            return
        for path, place in self.files or ((self.name, self.place),):
            assert place is not None
            packing = packing_of(place) if self.files else self.packing
            with open_packed(place, packing) as stream:
                for first, data in _line_blocks(stream):
                    if data:
                        yield Unit(path, data=data, licence=self.licence, kind=kind, first=first)
                    else:
                        yield Problem(f"{path}#{first}", f"a line longer than {MAX_LINE_BYTES // 2**20} MB")

    def _code_base(self) -> Iterator[Unit]:
        assert self.place is not None
        entries = iter(load_code_base(self.place).items())
        while block := [
            json.dumps({"code": text, "number": number}).encode()
            for text, number in _some(entries, RECORD_UNIT_BYTES // 1024)
        ]:
            yield Unit(self.name, data=b"\n".join(block), licence=self.licence, kind=COSQA, first=1)


def _some(entries: Iterator[tuple[str, int]], n: int) -> list[tuple[str, int]]:
    return [entry for _, entry in zip(range(n), entries, strict=False)]


def _line_blocks(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, whole lines of about RECORD_UNIT_BYTES); a line that is too long comes as b''."""
    block: list[bytes] = []
    size, first, number = 0, 1, 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, b""
            line = b"\n"
        block.append(line)
        size += len(line)
        if size >= RECORD_UNIT_BYTES:
            yield first, b"".join(block)
            block, size, first = [], 0, number + 1
    if block:
        yield first, b"".join(block)


def open_source(
    spec: str, *, kind: str = "", name: str = "", licence: str = "", in_a_hurry: bool = False
) -> OpenSource:
    """The source that a text names: `stdlib`, an installed package, a folder, an archive, a file of code or records.

    `kind` settles what the text would leave open; `name` is shown instead of the file's own name; `licence` holds
    where the source itself states none. A bare name is taken as a package if one of that name is installed, else as a
    path. `in_a_hurry`, a tar archive is only looked into until some code is found (a packed one is read whole for its
    licences, which can take minutes). Raises CodeSourceError, and ArchiveError for a damaged archive.
    """
    spec = spec.strip()
    if not spec or "\0" in spec:
        raise CodeSourceError(problem="Name a code source: stdlib, an installed package, a folder or a file.")
    if kind and kind not in KINDS:
        raise CodeSourceError(problem=f"There is no kind of source {kind[:40]}. There are: {', '.join(KINDS)}.")
    licence = licence_of_name(licence)
    kind = kind or _guess_kind(spec)
    if kind == "stdlib":
        return _open_stdlib()
    if kind == "package":
        return _open_package(spec, licence)
    path = Path(spec).expanduser()
    if not path.exists():
        raise CodeSourceError(problem=f"There is no package, folder or file named {spec} here. Check the name.")
    if kind in {"folder", "git"} or (kind in {"codesearchnet", "mbpp"} and path.is_dir()):
        return _open_folder(path, name, licence)
    if not path.is_file():
        raise CodeSourceError(problem=f"{path} is not a file.")
    return _open_file(path, name or path.name, kind, licence, in_a_hurry=in_a_hurry)


def _guess_kind(spec: str) -> str:
    if spec == "stdlib":
        return "stdlib"
    path = Path(spec).expanduser()
    if _PACKAGE_NAME.match(spec) and (not path.exists() or _find_distribution(spec) is not None):
        return "package"
    return "folder" if path.is_dir() else ""


def _open_stdlib() -> OpenSource:
    root = Path(sysconfig.get_paths()["stdlib"])
    # The package `test` is CPython's own test suite, not part of what the library offers.
    files = [(path, place) for path, place in _code_files(root) if not path.startswith("test/")]
    version, licence = platform.python_version(), "PSF-2.0"
    return OpenSource(
        "stdlib", "Python standard library", version, licence, files=tuple(files), licences=LicenceMap(licence)
    )


def _find_distribution(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        names = importlib.metadata.packages_distributions().get(name)
        return importlib.metadata.distribution(names[0]) if names else None


def _open_package(name: str, licence: str) -> OpenSource:
    if not _PACKAGE_NAME.match(name):
        raise CodeSourceError(problem=f"{name!r} is not the name of a package.")
    found = _find_distribution(name)
    if found is None:
        hint = " It is part of the standard library: use stdlib." if name in sys.stdlib_module_names else ""
        raise CodeSourceError(problem=f"No package named {name} is installed on this server.{hint}")
    files = _distribution_files(found)
    if not files:
        raise CodeSourceError(problem=f"The package {name} holds no source files of a language that is read.")
    licence = _licence_of(found) or licence
    return OpenSource("package", found.name, found.version, licence, files=tuple(files), licences=LicenceMap(licence))


def _distribution_files(found: importlib.metadata.Distribution) -> list[tuple[str, Path]]:
    """Source files that a distribution installed; those of its top-level modules where it lists none (editable)."""
    listed = [
        (file.as_posix(), Path(str(found.locate_file(file))))
        for file in found.files or []
        if language_of(file.name) and ".." not in file.parts
    ]
    present = sorted((path, place) for path, place in listed if place.is_file())
    if present:
        return present
    for module in (found.read_text("top_level.txt") or "").split():
        spec = importlib.util.find_spec(module)
        for root in (spec.submodule_search_locations or []) if spec else []:
            present.extend((f"{module}/{path}", place) for path, place in _code_files(Path(root)))
    return sorted(present)


def _licence_of(found: importlib.metadata.Distribution) -> str:
    metadata = found.metadata
    for header in ("License-Expression", "License"):
        value = next(iter(metadata.get_all(header) or []), "").strip()
        if value and "\n" not in value and value != "UNKNOWN" and len(value) <= MAX_LICENCE_CHARS:
            return licence_of_name(value)
    return licence_of_classifiers(metadata.get_all("Classifier") or [])


def _open_folder(root: Path, name: str, licence: str) -> OpenSource:
    if not root.is_dir():
        raise CodeSourceError(problem=f"{root} is not a folder.")
    licences = LicenceMap(licence)
    files = tuple(_code_files(root, licences))
    if not files and (records := _record_files(root)):
        return _open_record_files(root, records, name, licence)
    if not files:
        raise CodeSourceError(
            problem=f"The folder {root.name} holds no source files of a language that is read (*.py, *.java, *.js ...)."
        )
    checkout = open_checkout(root)
    own = licences.of("")
    name = name or root.resolve().name
    if checkout is None:
        return OpenSource("folder", name, _listing_hash(files), own, files=files, licences=licences)
    return OpenSource(
        "git", name, checkout.commit, own, checkout.remote, files=files, licences=licences, checkout=checkout
    )


def _code_files(root: Path, licences: LicenceMap | None = None) -> list[tuple[str, Path]]:
    """(path below the root, place) of every source file, sorted; hidden folders, caches and links are left alone.

    Licence and metadata files on the way are told to `licences`.
    """
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            place = Path(folder, name)
            path = place.relative_to(root).as_posix()
            if place.is_symlink() or not _is_text(path):
                continue
            if language_of(name) and place.is_file():
                found.append((path, place))
            elif licences is not None and is_licence_file(name) and place.is_file():
                with place.open("rb") as file:
                    licences.add(path, file.read(MAX_LICENCE_BYTES))
    return sorted(found)


def _record_files(root: Path) -> list[tuple[str, Path]]:
    """(path below the root, place) of every JSON Lines file, packed or not: how CodeSearchNet comes."""
    places = (place for place in root.rglob("*.jsonl*") if place.name.endswith((".jsonl", ".jsonl.gz")))
    found = [(place.relative_to(root).as_posix(), place) for place in places if not place.is_symlink()]
    return sorted((path, place) for path, place in found if place.is_file() and _is_text(path))


def _open_record_files(root: Path, files: list[tuple[str, Path]], name: str, licence: str) -> OpenSource:
    path, place = files[0]
    kind = _record_kind(place, path, packing_of(place))
    if kind == "cosqa":
        raise CodeSourceError(problem=f"{path} is no file of CodeSearchNet or MBPP: its first line names no code.")
    name = name or root.resolve().name
    return OpenSource(kind, name, _listing_hash(tuple(files)), licence, files=tuple(files))


def _is_text(path: str) -> bool:
    """False for a name in bytes that are no UTF-8: it could neither be stored nor shown."""
    return not any("\udc80" <= mark <= "\udcff" for mark in path)


def _is_skipped(path: str) -> bool:
    return any(part in _SKIPPED_FOLDERS or part.startswith(".") for part in path.split("/")[:-1])


def _listing_hash(files: tuple[tuple[str, Path], ...]) -> str:
    """A version for a folder without one: changes when a file is added, removed or written."""
    digest = hashlib.blake2b(digest_size=6)
    for path, place in files:
        stat = place.stat()
        digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "surrogatepass"))
    return f"files-{digest.hexdigest()}"


# --- files ----------------------------------------------------------------------------------------------------------


def _open_file(place: Path, name: str, kind: str, licence: str, *, in_a_hurry: bool) -> OpenSource:
    """An archive, a file of records, or one source file: by its content, a source file by its name."""
    if place.stat().st_size == 0:
        raise CodeSourceError(problem=f"{name} is empty.")
    packing = packing_of(place)
    if kind == "archive" or (not kind and packing in {"zip", "tar"}):
        return _open_archive(place, name, licence, in_a_hurry=in_a_hurry and packing == "tar")
    if kind == "file" or (not kind and not packing and language_of(name)):
        return _open_source_file(place, name, licence)
    if packing in {"zip", "tar"}:
        raise CodeSourceError(problem=f"{name} is an archive, not {KINDS[kind]}.")
    kind = kind or _record_kind(place, name, packing)
    version = _file_hash(place)
    opened = OpenSource(kind, name, version, licence, place=place, packing=packing, licences=LicenceMap(licence))
    if kind == "cosqa":
        if packing:
            raise CodeSourceError(problem=f"{name} is packed; a CoSQA code base is read as plain JSON.")
        if not load_code_base(place, name):
            raise CodeSourceError(problem=f"{name} holds no code: the JSON object is empty.")
    else:
        _check_first_record(place, name, packing, kind)
    return opened


def _open_source_file(place: Path, name: str, licence: str) -> OpenSource:
    if not language_of(name):
        raise CodeSourceError(problem=f"{name} is no source file of a language that is read.")
    version = _file_hash(place)
    return OpenSource("file", name, version, licence, files=((name, place),), licences=LicenceMap(licence))


class _SeenEnoughError(Exception):
    """Ends the look into an archive."""


def _open_archive(place: Path, name: str, licence: str, *, in_a_hurry: bool) -> OpenSource:
    """An archive: a first pass finds its licences and whether there is any code in it; nothing is unpacked to disk."""
    licences = LicenceMap(licence)
    code: list[str] = []

    def wanted(path: str) -> bool:
        if not code and language_of(path) and not _is_skipped(path):
            code.append(path)
            if in_a_hurry:
                raise _SeenEnoughError
        return is_licence_file(path.rpartition("/")[2])

    try:
        for member in members(place, wanted, max_bytes=MAX_FILE_BYTES, name=name):
            if not member.problem:
                licences.add(_project_path(member.path), member.data[:MAX_LICENCE_BYTES])
    except _SeenEnoughError:
        pass
    except ArchiveError as error:
        raise CodeSourceError(problem=str(error)) from error
    if not code:
        raise CodeSourceError(problem=f"{name} holds no source files of a language that is read (*.py, *.java ...).")
    return OpenSource(
        "archive",
        name,
        _file_hash(place),
        licences.of(code[0]),
        place=place,
        licences=licences,
        packing=packing_of(place),
    )


def _project_path(path: str) -> str:
    """A wheel keeps its licence in `name.dist-info/`, beside the package: it holds for the whole wheel."""
    parts = path.split("/")
    folder = next((index for index, part in enumerate(parts[:-1]) if part.endswith((".dist-info", ".egg-info"))), None)
    return path if folder is None else "/".join([*parts[:folder], parts[-1]])


def _record_kind(place: Path, name: str, packing: str) -> str:
    """What the first line of a JSON file says that it is. A CoSQA code base is one object over the whole file."""
    record = _first_record(place, name, packing)
    if record is None:
        if packing:
            raise CodeSourceError(problem=f"{name} is packed, but holds neither an archive nor JSON Lines.")
        return "cosqa"
    fields = set(record)
    if fields & {"original_string", "whole_func_string"} or {"code", "func_name"} <= fields:
        return "codesearchnet"
    if "code" in fields and fields & {"text", "prompt"}:
        return "mbpp"
    return "cosqa"


def _first_record(place: Path, name: str, packing: str) -> dict[str, object] | None:
    try:
        with open_packed(place, packing) as stream:
            line = stream.readline(FIRST_LINE_BYTES)
            while line and not line.strip():
                line = stream.readline(FIRST_LINE_BYTES)
    except ArchiveError as error:
        raise CodeSourceError(problem=str(error)) from error
    try:
        text = line.decode("utf-8-sig")
        found = json.loads(text) if depth_of(text) <= MAX_JSON_DEPTH else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _check_first_record(place: Path, name: str, packing: str, kind: str) -> None:
    if _first_record(place, name, packing) is None:
        raise CodeSourceError(problem=f"{name} is not {KINDS[kind]}: its first line is no JSON object.")


def load_code_base(place: Path, name: str = "") -> dict[str, int]:
    """A CoSQA code base: one JSON object, code text -> number. Raises CodeSourceError that says what is wrong."""
    name = name or place.name
    if place.stat().st_size > MAX_CODE_BASE_BYTES:
        raise CodeSourceError(problem=f"{name} is larger than {MAX_CODE_BASE_BYTES // 2**20} MB.")
    try:
        text = place.read_bytes().decode("utf-8-sig")
        if "\0" in text[:4096]:
            raise CodeSourceError(problem=f"{name} is a binary file, not a CoSQA code base (JSON).")
        found = json.loads(text)
    except UnicodeDecodeError as error:
        raise CodeSourceError(problem=f"{name} is a binary file or not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise CodeSourceError(
            problem=f"{name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error
    except RecursionError as error:
        raise CodeSourceError(problem=f"{name} is nested too deep for a code base.") from error
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise CodeSourceError(problem=f"{name} is not a CoSQA code base: one JSON object, code text -> number.")
    return found


def _file_hash(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
