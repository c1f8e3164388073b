"""Which licence a piece of code is under: SPDX identifiers from licence files, package metadata and file headers.

Nothing is guessed: a text that is no known licence gives '', and the nearest folder that says something counts.
Identifiers as in the SPDX list; where a text does not say "or later", the "-only" form is meant. Pure.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

MAX_LICENCE_BYTES = 64 * 1024
MAX_LICENCE_CHARS = 100  # of the column

_FILE_NAME = re.compile(r"(?:LICEN[CS]ES?|COPYING(?:\.LESSER)?|UNLICENSE)(?:[._-][\w.-]{1,30})?\Z", re.IGNORECASE)
_METADATA_NAMES = {"pyproject.toml", "package.json", "composer.json", "PKG-INFO", "METADATA", "setup.cfg"}
_TAG = re.compile(r"SPDX-License-Identifier:\s*([\w.+() -]{2,100})")
_PLAIN = re.compile(r"[^a-z0-9.]+")
_FROM_CLASSIFIER = re.compile(r"\s*\(([\w.+ -]+)\)\s*$")


@dataclass(frozen=True)
class _Text:
    """A licence by phrases that all stand in its text, white space and case aside."""

    spdx: str
    phrases: tuple[str, ...]


# In this order: the narrower text before the one it contains.
_TEXTS = tuple(
    _Text(spdx, tuple(phrases))
    for spdx, *phrases in (
        ("AGPL-3.0-only", "gnu affero general public license", "version 3"),
        ("LGPL-3.0-only", "gnu lesser general public license", "version 3"),
        ("LGPL-2.1-only", "gnu lesser general public license", "version 2.1"),
        ("LGPL-2.0-only", "gnu library general public license", "version 2"),
        ("GPL-3.0-only", "gnu general public license", "version 3"),
        ("GPL-2.0-only", "gnu general public license", "version 2"),
        ("MPL-2.0", "mozilla public license", "2.0"),
        ("MPL-1.1", "mozilla public license", "1.1"),
        ("EPL-2.0", "eclipse public license", "v 2.0"),
        ("EPL-1.0", "eclipse public license", "v 1.0"),
        ("Apache-2.0", "apache license", "version 2.0"),
        ("PSF-2.0", "python software foundation license version 2"),
        ("BSL-1.0", "boost software license", "version 1.0"),
        ("CC0-1.0", "cc0 1.0 universal"),
        ("CC-BY-SA-4.0", "creative commons attribution-sharealike 4.0"),
        ("CC-BY-4.0", "creative commons attribution 4.0"),
        ("Unlicense", "this is free and unencumbered software released into the public domain"),
        ("WTFPL", "do what the fuck you want to public license"),
        (
            "Zlib",
            "this software is provided 'as-is', without any express or implied warranty",
            "altered source versions",
        ),
        ("ISC", "permission to use, copy, modify, and/or distribute this software for any purpose"),
        ("ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee"),
        ("BSD-4-Clause", "redistribution and use in source and binary forms", "all advertising materials mentioning"),
        ("BSD-3-Clause", "redistribution and use in source and binary forms", "endorse or promote"),
        ("BSD-2-Clause", "redistribution and use in source and binary forms"),
        ("MIT-0", "permission is hereby granted, free of charge", "mit no attribution"),
        (
            "MIT",
            "permission is hereby granted, free of charge",
            "the above copyright notice and this permission notice",
        ),
        ("MIT", "permission is hereby granted, free of charge"),
    )
)
_NAMES = {
    "mit": "MIT",
    "mit license": "MIT",
    "the mit license": "MIT",
    "expat": "MIT",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "bsd": "BSD",
    "bsd license": "BSD",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "2 clause bsd": "BSD-2-Clause",
    "bsd 2 clause": "BSD-2-Clause",
    "isc": "ISC",
    "isc license": "ISC",
    "isc license iscl": "ISC",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 mpl 2.0": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "mplv2": "MPL-2.0",
    "gnu general public license v3 gplv3": "GPL-3.0-only",
    "gnu general public license v3 or later gplv3": "GPL-3.0-or-later",
    "gnu general public license v2 gplv2": "GPL-2.0-only",
    "gnu general public license v2 or later gplv2": "GPL-2.0-or-later",
    "gnu lesser general public license v3 lgplv3": "LGPL-3.0-only",
    "gnu lesser general public license v3 or later lgplv3": "LGPL-3.0-or-later",
    "gpl 3.0": "GPL-3.0-only",
    "gpl 2.0": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "gplv2": "GPL-2.0-only",
    "lgplv3": "LGPL-3.0-only",
    "lgpl": "LGPL",
    "gpl": "GPL",
    "zlib": "Zlib",
    "zlib libpng license": "Zlib",
    "the unlicense unlicense": "Unlicense",
    "unlicense": "Unlicense",
    "public domain": "public domain",
}


def is_licence_file(name: str) -> bool:
    """Whether a file's name says that it holds a licence or metadata that names one."""
    return name in _METADATA_NAMES or _FILE_NAME.match(name) is not None


def licence_of_text(text: str) -> str:
    """SPDX identifier of a licence text; '' when it is none that we know."""
    tag = _TAG.search(text[:2000])
    if tag:
        return tag.group(1).strip()
    flat = " ".join(text.lower().split())
    return next((one.spdx for one in _TEXTS if all(phrase in flat for phrase in one.phrases)), "")


def licence_of_header(source: str) -> str:
    """The SPDX tag in the first lines of a source file; '' when it has none."""
    head = source[:2000]
    tag = _TAG.search(head) if "SPDX" in head else None
    return tag.group(1).strip()[:MAX_LICENCE_CHARS] if tag else ""


def licence_of_name(name: str) -> str:
    """A licence's name as people write it to SPDX where it is clear, else the name as it is."""
    name = " ".join(name.split())
    known = _NAMES.get(_PLAIN.sub(" ", name.lower()).strip())
    return (known or name)[:MAX_LICENCE_CHARS]


def licence_of_metadata(file_name: str, text: str) -> str:
    """The licence that a project's metadata names; '' when it names none or cannot be read."""
    reader = _METADATA_READERS.get(file_name)
    try:
        return reader(text) if reader else ""
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""  # metadata that cannot be read says nothing


def licence_of_classifiers(classifiers: Iterable[str]) -> str:
    """The licence of trove classifiers: `License :: OSI Approved :: MIT License` is MIT."""
    for classifier in classifiers:
        if classifier.strip().startswith("License ::"):
            return licence_of_name(classifier.rpartition("::")[2])
    return ""


def licence_of_headers(text: str) -> str:
    """The licence in Python package metadata (METADATA, PKG-INFO): expression, licence line, classifiers."""
    head = text.split("\n\n", 1)[0]
    found = re.findall(r"^(License-Expression|License|Classifier):[ \t]*(\S[^\n]*)", head, re.MULTILINE)
    for key in ("License-Expression", "License"):
        value = next((value for name, value in found if name == key and value.strip() != "UNKNOWN"), "")
        if value and len(value) <= MAX_LICENCE_CHARS:
            return licence_of_name(value)
    return licence_of_classifiers(value for name, value in found if name == "Classifier")


def _of_pyproject(text: str) -> str:
    project = tomllib.loads(text).get("project", {})
    stated = project.get("license", "")
    if isinstance(stated, dict):
        stated = stated.get("text", "")
    if stated and "\n" not in stated.strip():
        return licence_of_name(stated)
    return licence_of_text(stated) or licence_of_classifiers(map(str, project.get("classifiers", [])))


def _of_json(text: str) -> str:
    stated: Any = json.loads(text).get("license", "")
    if isinstance(stated, list):
        return licence_of_name(" OR ".join(str(one) for one in stated))
    return licence_of_name(str(stated.get("type", "") if isinstance(stated, dict) else stated))


def _of_setup_cfg(text: str) -> str:
    found = re.search(r"^license\s*=\s*(\S[^\n]*)", text, re.MULTILINE)
    return licence_of_name(found.group(1)) if found else ""


_METADATA_READERS: dict[str, Callable[[str], str]] = {
    "pyproject.toml": _of_pyproject,
    "package.json": _of_json,
    "composer.json": _of_json,
    "PKG-INFO": licence_of_headers,
    "METADATA": licence_of_headers,
    "setup.cfg": _of_setup_cfg,
}


@dataclass
class LicenceMap:
    """Licences by folder; `of(path)` is that of the nearest folder upwards that names one, else `default`."""

    default: str = ""
    _folders: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, path: str, raw: bytes) -> None:
        """Learns from one licence or metadata file. A licence's own text counts more than what metadata says."""
        folder, _, name = path.rpartition("/")
        text = raw[:MAX_LICENCE_BYTES].decode("utf-8", "replace")
        is_metadata = name in _METADATA_NAMES
        found = licence_of_metadata(name, text) if is_metadata else licence_of_text(text)
        rank = 1 if is_metadata else 0
        if found and rank <= self._folders.get(folder, (rank, ""))[0]:
            known_rank, known = self._folders.get(folder, (2, ""))
            if rank == known_rank and known != found:
                found = " OR ".join(sorted({*known.split(" OR "), found}))  # LICENSE-MIT beside LICENSE-APACHE
            self._folders[folder] = (rank, found[:MAX_LICENCE_CHARS])

    def of(self, path: str) -> str:
        """The licence that holds at a file."""
        folder = path.rpartition("/")[0]
        while True:
            if folder in self._folders:
                return self._folders[folder][1]
            if not folder:
                return self.default
            folder = folder.rpartition("/")[0]
