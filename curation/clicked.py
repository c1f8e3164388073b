"""Clicked addresses that lead to a code: from a URL of a code host to the function that stands there. No Django.

Known are the pages and raw files of GitHub, GitLab and Bitbucket:
    https://github.com/owner/name/blob/<ref>/<path>#L10-L20      https://raw.githubusercontent.com/owner/name/<ref>/<path>
    https://gitlab.com/owner/name/-/blob/<ref>/<path>#L10-20     https://bitbucket.org/owner/name/src/<ref>/<path>#lines-10:20
A ref may hold slashes, so every split into ref and path is tried, the shortest ref first.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from curation.assignment import Match

MAX_URL_CHARS = 2000
NOT_CODE = "no address of code"
NO_FILE = "a file that the project does not have"
OTHER_COMMIT = "another commit of the file, whose lines may differ"
NO_FUNCTION = "lines without a function that may be proposed"
SEVERAL = "a file with several functions and no lines"
_HOSTS = {
    "github.com": re.compile(r"/([^/]+/[^/]+)/(?:blob|raw|blame)/(.+)"),
    "raw.githubusercontent.com": re.compile(r"/([^/]+/[^/]+)/(.+)"),
    "gitlab.com": re.compile(r"/(.+?/[^/]+)/-/(?:blob|raw|blame)/(.+)"),
    "bitbucket.org": re.compile(r"/([^/]+/[^/]+)/(?:src|raw)/(.+)"),
}
_LINES = re.compile(r"(?:L|lines-)(\d{1,7})(?:C\d+)?(?:[-:]L?(\d{1,7})(?:C\d+)?)?\Z")
_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")


@dataclass(frozen=True, slots=True)
class CodeAddress:
    """What a URL says: the repository (owner/name), ref and path still in one, and the lines (0, 0: none named)."""

    repository: str
    ref_and_path: tuple[str, ...]
    first: int
    last: int

    def splits(self) -> Iterator[tuple[str, str]]:
        """(ref, path) of every reading."""
        for at in range(1, len(self.ref_and_path)):
            yield "/".join(self.ref_and_path[:at]), "/".join(self.ref_and_path[at:])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a code stands; `code` is its number in the order that settles ties."""

    code: int
    repository: str
    path: str
    commit: str
    first: int
    last: int


@dataclass
class Clicked:
    """Matches (score: the share of the query's clicks), and why the other clicks led nowhere."""

    matches: list[Match] = field(default_factory=list)
    n_clicks: int = 0
    n_used: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def read_address(url: str) -> CodeAddress | None:
    """What a URL says about code, or None when it is none of a known code host."""
    try:
        parts = urlsplit(url.strip()[:MAX_URL_CHARS])
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    found = _HOSTS[host].fullmatch(unquote(parts.path)) if host in _HOSTS else None
    if found is None or parts.scheme not in {"http", "https"}:
        return None
    lines = _LINES.fullmatch(parts.fragment)
    first = int(lines[1]) if lines else 0
    last = int(lines[2] or first) if lines else 0
    path = tuple(part for part in found[2].split("/") if part)
    return CodeAddress(repository_name(found[1]), path, min(first, last), max(first, last))


def repository_name(text: str) -> str:
    """`owner/name` in small letters, from that or from a repository's address; other texts as they are."""
    text = text.strip().lower().removesuffix("/").removesuffix(".git")
    return re.sub(r"\A(?:[a-z+]+://)?(?:[^/@]+@)?[a-z0-9.-]+\.[a-z]{2,}[:/]", "", text)


class Places:
    """The places of codes, found by repository and path."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._files: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
        for place in places:
            self._files[repository_name(place.repository), place.path.strip("/")].append(place)

    def code_at(self, address: CodeAddress) -> int | str:
        """The number of the code that an address leads to, or why it leads to none."""
        for ref, path in address.splits():
            places = self._files.get((address.repository, path))
            if places:
                return _code_in(address, [place for place in places if _same_commit(ref, place.commit)])
        return NO_FILE


def _same_commit(ref: str, commit: str) -> bool:
    """A branch or tag may be any commit; two commits are the same when one begins with the other."""
    if not commit or not _COMMIT.fullmatch(ref) or not _COMMIT.fullmatch(commit):
        return True
    return commit.startswith(ref) or ref.startswith(commit)


def _code_in(address: CodeAddress, places: list[Place]) -> int | str:
    """The function with most of the named lines, the shortest one among equals: the innermost."""
    if not places:
        return OTHER_COMMIT
    if not address.first:
        codes = {place.code for place in places}
        return codes.pop() if len(codes) == 1 else SEVERAL
    shared = [(min(address.last, place.last) - max(address.first, place.first) + 1, place) for place in places]
    inside = [(-lines, place.last - place.first, place.code) for lines, place in shared if lines > 0]
    return min(inside)[2] if inside else NO_FUNCTION


def clicked_matches(clicks: Iterable[tuple[int, str, int]], places: Places) -> Clicked:
    """From (query, URL, times) to matches; the score of a code is its share of all the query's clicks."""
    found = Clicked()
    by_query: defaultdict[int, Counter[int]] = defaultdict(Counter)
    totals: Counter[int] = Counter()
    for query, url, n in clicks:
        totals[query] += n
        found.n_clicks += n
        address = read_address(url)
        code = places.code_at(address) if address else NOT_CODE
        if isinstance(code, str):
            found.reasons[code] += n
        else:
            by_query[query][code] += n
            found.n_used += n
    for query, codes in sorted(by_query.items()):
        found.matches += [
            Match(query, code, round(n / totals[query], 6), rank) for rank, (code, n) in enumerate(_by_clicks(codes), 1)
        ]
    return found


def _by_clicks(codes: Counter[int]) -> Sequence[tuple[int, int]]:
    return sorted(codes.items(), key=lambda item: (-item[1], item[0]))
