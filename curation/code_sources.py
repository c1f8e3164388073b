"""Where code comes from: the standard library, an installed package, a folder, a CoSQA code base file.

`open_source(spec)` finds out which of them a text names and refuses what cannot be used; `source.functions()` then
streams what stands in it, file by file in the order of their paths, unreadable files as `Problem`. Knows no database.
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

from core.errors import BadInputError
from curation.code_filters import reason_to_leave_out
from curation.extraction import Function, UnparsableError, decode_source, extract_functions, split_code

MAX_FILE_BYTES = 5 * 2**20
MAX_CODE_BASE_BYTES = 512 * 2**20
KINDS = ("stdlib", "package", "folder", "cosqa")

_PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
_LICENCE_FILES = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENCE.txt", "LICENSE.md", "LICENSE.rst", "COPYING")
_LICENCE_MARKS = (
    ("Apache License", "Apache-2.0"),
    ("GNU AFFERO GENERAL PUBLIC LICENSE", "AGPL"),
    ("GNU LESSER GENERAL PUBLIC LICENSE", "LGPL"),
    ("GNU GENERAL PUBLIC LICENSE", "GPL"),
    ("Mozilla Public License", "MPL-2.0"),
    ("PYTHON SOFTWARE FOUNDATION LICENSE", "PSF-2.0"),
    ("Permission is hereby granted, free of charge", "MIT"),
    ("Redistribution and use in source and binary forms", "BSD"),
)


class CodeSourceError(BadInputError):
    """A source that cannot be used."""

    code = "bad_code_source"


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """A function where it stands, and why it may not be proposed (empty: it may)."""

    function: Function
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class OpenSource:
    """A source ready to be read. `files` are (path as recorded, place on disk)."""

    kind: str
    name: str
    version: str = ""
    licence: str = ""
    files: tuple[tuple[str, Path], ...] = field(default=(), repr=False)

    @property
    def n_files(self) -> int:
        return len(self.files)

    def read(self, path: str, place: Path) -> list[FoundFunction | Problem]:
        """What one file of the source holds."""
        if self.kind == "cosqa":
            return list(_read_code_base(path, place))
        return _read_python(path, place)

    def functions(self) -> Iterator[FoundFunction | Problem]:
        """Everything in the source, file by file."""
        for path, place in self.files:
            yield from self.read(path, place)


def open_source(spec: str, *, kind: str = "", name: str = "") -> OpenSource:
    """The source that a text names: `stdlib`, an installed package, a folder, a CoSQA code base file.

    `kind` settles what the text would leave open; `name` is shown instead of the file's own name. A bare name is
    taken as a package if one of that name is installed, else as a path. Raises CodeSourceError.
    """
    spec = spec.strip()
    if not spec or "\0" in spec:
        raise CodeSourceError(problem="Name a code source: stdlib, an installed package, a folder or a CoSQA file.")
    kind = kind or _guess_kind(spec)
    if kind == "stdlib":
        return _open_stdlib()
    if kind == "package":
        return _open_package(spec)
    path = Path(spec).expanduser()
    if not path.exists():
        raise CodeSourceError(problem=f"There is no package, folder or file named {spec} here. Check the name.")
    return _open_folder(path, name) if kind == "folder" else _open_code_base(path, name)


def _guess_kind(spec: str) -> str:
    if spec == "stdlib":
        return "stdlib"
    path = Path(spec).expanduser()
    if _PACKAGE_NAME.match(spec) and (not path.exists() or _find_distribution(spec) is not None):
        return "package"
    return "folder" if path.is_dir() else "cosqa"


def _open_stdlib() -> OpenSource:
    root = Path(sysconfig.get_paths()["stdlib"])
    # The package `test` is CPython's own test suite, not part of what the library offers.
    files = [(path, place) for path, place in _python_files(root) if not path.startswith("test/")]
    return OpenSource("stdlib", "Python standard library", platform.python_version(), "PSF-2.0", tuple(files))


def _find_distribution(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        names = importlib.metadata.packages_distributions().get(name)
        return importlib.metadata.distribution(names[0]) if names else None


def _open_package(name: str) -> OpenSource:
    if not _PACKAGE_NAME.match(name):
        raise CodeSourceError(problem=f"{name!r} is not the name of a package.")
    found = _find_distribution(name)
    if found is None:
        hint = " It is part of the standard library: use stdlib." if name in sys.stdlib_module_names else ""
        raise CodeSourceError(problem=f"No package named {name} is installed on this server.{hint}")
    files = _distribution_files(found)
    if not files:
        raise CodeSourceError(problem=f"The package {name} holds no Python source files.")
    return OpenSource("package", found.name, found.version, _licence_of(found), tuple(files))


def _distribution_files(found: importlib.metadata.Distribution) -> list[tuple[str, Path]]:
    """Python files that a distribution installed; those of its top-level modules where it lists none (editable)."""
    listed = [
        (file.as_posix(), Path(str(found.locate_file(file))))
        for file in found.files or []
        if file.suffix == ".py" and ".." not in file.parts
    ]
    present = sorted((path, place) for path, place in listed if place.is_file())
    if present:
        return present
    for module in (found.read_text("top_level.txt") or "").split():
        spec = importlib.util.find_spec(module)
        for root in (spec.submodule_search_locations or []) if spec else []:
            present.extend((f"{module}/{path}", place) for path, place in _python_files(Path(root)))
    return sorted(present)


def _licence_of(found: importlib.metadata.Distribution) -> str:
    metadata = found.metadata
    for header in ("License-Expression", "License"):
        value = next(iter(metadata.get_all(header) or []), "").strip()
        if value and "\n" not in value and value != "UNKNOWN":
            return value[:100]
    marks = [value for value in metadata.get_all("Classifier") or [] if value.startswith("License ::")]
    return marks[0].rpartition(" :: ")[2][:100] if marks else ""


def _open_folder(root: Path, name: str) -> OpenSource:
    if not root.is_dir():
        raise CodeSourceError(problem=f"{root} is not a folder.")
    files = tuple(_python_files(root))
    if not files:
        raise CodeSourceError(problem=f"The folder {root.name} holds no Python files (*.py).")
    version = _git_commit(root) or _listing_hash(files)
    return OpenSource("folder", name or root.resolve().name, version, _licence_in(root), files)


def _python_files(root: Path) -> list[tuple[str, Path]]:
    """(path below the root, place) of every .py file, sorted; hidden folders, caches and links out are left alone."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS]
        for name in names:
            place = Path(folder, name)
            if name.endswith(".py") and not place.is_symlink() and place.is_file():
                found.append((place.relative_to(root).as_posix(), place))
    return sorted(found)


def _git_commit(root: Path) -> str:
    """The commit that a git checkout stands at, read from its files; empty when it is none."""
    git = root / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head[:40]
        reference = head.removeprefix("ref: ")
        if (git / reference).is_file():
            return (git / reference).read_text(encoding="utf-8").strip()[:40]
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.split()[0][:40] for line in packed if line.endswith(f" {reference}")), "")


def _listing_hash(files: tuple[tuple[str, Path], ...]) -> str:
    """A version for a folder without one: changes when a file is added, removed or written."""
    digest = hashlib.blake2b(digest_size=6)
    for path, place in files:
        stat = place.stat()
        digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "surrogatepass"))
    return f"files-{digest.hexdigest()}"


def _licence_in(root: Path) -> str:
    """The licence of a checkout by the words of its licence file; empty when there is none that we know."""
    for name in _LICENCE_FILES:
        place = root / name
        if place.is_file():
            with place.open(encoding="utf-8", errors="replace") as file:
                text = " ".join(file.read(20_000).split())
            return next((licence for mark, licence in _LICENCE_MARKS if mark.lower() in text.lower()), "")
    return ""


def _read_python(path: str, place: Path) -> list[FoundFunction | Problem]:
    try:
        if place.stat().st_size > MAX_FILE_BYTES:
            return [Problem(path, f"larger than {MAX_FILE_BYTES // 2**20} MB")]
        functions = extract_functions(decode_source(place.read_bytes()))
    except UnparsableError as error:
        return [Problem(path, str(error))]
    except OSError as error:
        return [Problem(path, f"cannot be read: {error.strerror}")]
    return [FoundFunction(function, path, reason_to_leave_out(function, path)) for function in functions]


def _open_code_base(place: Path, name: str) -> OpenSource:
    if not place.is_file():
        raise CodeSourceError(problem=f"{place} is not a file.")
    code_base = load_code_base(place)
    if not code_base:
        raise CodeSourceError(problem=f"{name or place.name} holds no code: the JSON object is empty.")
    name = name or place.name
    return OpenSource("cosqa", name, _file_hash(place), "", ((name, place),))


def load_code_base(place: Path) -> dict[str, int]:
    """A CoSQA code base: one JSON object, code text -> number. Raises CodeSourceError that says what is wrong."""
    size = place.stat().st_size
    if size == 0:
        raise CodeSourceError(problem=f"{place.name} is empty.")
    if size > MAX_CODE_BASE_BYTES:
        raise CodeSourceError(problem=f"{place.name} is larger than {MAX_CODE_BASE_BYTES // 2**20} MB.")
    try:
        text = place.read_bytes().decode("utf-8-sig")
        if "\0" in text[:4096]:
            raise CodeSourceError(problem=f"{place.name} is a binary file, not a CoSQA code base (JSON).")
        found = json.loads(text)
    except UnicodeDecodeError as error:
        raise CodeSourceError(problem=f"{place.name} is a binary file or not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise CodeSourceError(
            problem=f"{place.name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error
    except RecursionError as error:
        raise CodeSourceError(problem=f"{place.name} is nested too deep for a code base.") from error
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise CodeSourceError(problem=f"{place.name} is not a CoSQA code base: one JSON object, code text -> number.")
    return found


def _file_hash(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _read_code_base(name: str, place: Path) -> Iterator[FoundFunction]:
    """Every entry is a code, documented or not by our filters: the authors chose them."""
    for text, number in load_code_base(place).items():
        parts = split_code(text)
        function = Function(
            name=parts.name or f"code {number}",
            text=text,
            header=parts.header,
            docstring=parts.docstring,
            body=parts.body,
            start_line=0,
            end_line=0,
        )
        yield FoundFunction(function, f"{name}#{number}", "")
