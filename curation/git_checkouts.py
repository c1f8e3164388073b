"""What a git checkout says about itself, read from its own files: commit, remote, and which files the commit holds.

No git command is run and no network is touched: a checkout's configuration may name programs, and we start none.
"""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

MAX_INDEX_BYTES = 512 * 2**20
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_REMOTE = re.compile(r'^\s*\[remote "([^"\n]+)"\]\s*$')
_URL = re.compile(r"^\s*url\s*=\s*(\S+)\s*$")
_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(?P<path>[\w./~-]+)\Z")
_WITH_LOGIN = re.compile(r"\A(https?|ssh|git)://(?:[^/@\s]*@)?([\w.-]+)(?::\d+)?/(\S+)\Z")


@dataclass(frozen=True)
class Checkout:
    """A working tree: its commit, its remote as an https address without credentials, blob ids by path."""

    commit: str
    remote: str = ""
    blobs: dict[str, str] = field(default_factory=dict, repr=False)

    def is_tracked(self, path: str) -> bool:
        """Whether the commit's index holds a file; without a readable index every file counts as held."""
        return not self.blobs or path in self.blobs

    def is_changed(self, path: str, raw: bytes) -> bool:
        """Whether a tracked file differs from what git recorded (line ends apart)."""
        recorded = self.blobs.get(path)
        return recorded is not None and recorded not in {blob_id(raw), blob_id(raw.replace(b"\r\n", b"\n"))}


def blob_id(raw: bytes) -> str:
    """The id under which git keeps a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def open_checkout(root: Path) -> Checkout | None:
    """The checkout whose working tree is `root`; None when it is none."""
    git = _git_folder(root)
    commit = _commit(git) if git else ""
    if git is None or not commit:
        return None
    common = _common_folder(git)
    try:
        blobs = _read_index(git / "index") if len(commit) == 40 else {}
    except (OSError, ValueError, IndexError, UnicodeDecodeError):
        blobs = {}
    return Checkout(commit, _remote(common / "config"), blobs)


def _git_folder(root: Path) -> Path | None:
    git = root / ".git"
    if git.is_dir():
        return git
    try:
        text = git.read_text(encoding="utf-8")[:4096]  # a worktree or submodule names its folder
    except (OSError, UnicodeDecodeError):
        return None
    place = Path(root, text.removeprefix("gitdir:").strip())
    return place if text.startswith("gitdir:") and place.is_dir() else None


def _common_folder(git: Path) -> Path:
    try:
        return (git / (git / "commondir").read_text(encoding="utf-8").strip()).resolve()
    except (OSError, UnicodeDecodeError):
        return git


def _commit(git: Path) -> str:
    """The commit that HEAD stands at; empty when there is none."""
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref: "):
            head = _resolve(git, head.removeprefix("ref: "))
    except (OSError, UnicodeDecodeError):
        return ""
    return head if _COMMIT.match(head) else ""


def _resolve(git: Path, reference: str) -> str:
    if ".." in reference.split("/"):
        return ""
    for folder in (git, _common_folder(git)):
        if (folder / reference).is_file():
            return (folder / reference).read_text(encoding="utf-8").strip()
    packed = (_common_folder(git) / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), "")


def _remote(config: Path) -> str:
    """The address of `origin` (else of the first remote) as people open it in a browser; '' when there is none."""
    try:
        lines = config.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.lstrip().startswith("["):
            section = _REMOTE.match(line)
            name = section.group(1) if section else ""
        elif name and (url := _URL.match(line)):
            found.setdefault(name, url.group(1))
    return browser_address(found.get("origin") or next(iter(found.values()), ""))


def browser_address(url: str) -> str:
    """https://host/owner/repository for any way to write a remote; '' for paths, and never with credentials."""
    if match := _WITH_LOGIN.match(url):
        host, path = match.group(2), match.group(3)
    elif match := _SCP.match(url):
        host, path = match.group(1), match["path"]
    else:
        return ""
    path = path.split("?")[0].split("#")[0].strip("/").removesuffix(".git")
    return f"https://{host}/{path}"[:300]


def _read_index(place: Path) -> dict[str, str]:
    """Path -> blob id of every plain file in git's index (versions 2 to 4). Raises ValueError for another format."""
    if place.stat().st_size > MAX_INDEX_BYTES:
        raise ValueError("too large an index")
    raw = place.read_bytes()
    version, n = int.from_bytes(raw[4:8], "big"), int.from_bytes(raw[8:12], "big")
    if raw[:4] != b"DIRC" or version not in {2, 3, 4}:
        raise ValueError("not an index that we know")
    blobs: dict[str, str] = {}
    at, before = 12, b""
    for _ in range(n):
        start = at
        mode, blob = int.from_bytes(raw[at + 24 : at + 28], "big"), raw[at + 40 : at + 60]
        flags = int.from_bytes(raw[at + 60 : at + 62], "big")
        at += 64 if flags & 0x4000 else 62
        if version == 4:
            dropped, at = _varint(raw, at)
        end = raw.index(b"\0", at)
        path = before[: len(before) - dropped] + raw[at:end] if version == 4 else raw[at:end]
        at = end + 1 if version == 4 else start + ((end - start) // 8 + 1) * 8
        before = path
        if mode >> 12 == 0o10:
            blobs[path.decode("utf-8")] = blob.hex()
    return blobs


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Git's offset encoding: (number, place behind it)."""
    value = raw[at] & 0x7F
    while raw[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (raw[at] & 0x7F)
    return value, at + 1
