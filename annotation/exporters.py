"""Writers of released pairs and votes, one shape each. No Django; rows in, bytes out, nothing held.

The same rows give the same bytes: fixed key order, "\\n" line ends, ASCII JSON, no clock.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

from annotation.splits import SPLITS, TRAIN
from annotation.tokens import code_tokens, docstring_tokens
from core.spreadsheets import spreadsheet_cell

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A written file: where (relative), its SHA-256 and its size in bytes."""

    path: str
    sha256: str
    size_bytes: int


class HashedFile:
    """A new file that knows its SHA-256 when it is closed. Text goes in as UTF-8, lone surrogates included."""

    def __init__(self, folder: Path, path: str) -> None:
        self.path = path
        self._file = (folder / path).open("xb", buffering=1 << 18)
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "surrogatepass")
        self._digest.update(data)
        self._size += len(data)
        return self._file.write(data)

    def close(self) -> FileFacts:
        self._file.close()
        return FileFacts(self.path, self._digest.hexdigest(), self._size)


def hash_file(folder: Path, path: str) -> FileFacts:
    """The facts of a file that already stands in `folder`."""
    with (folder / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return FileFacts(path, digest.hexdigest(), (folder / path).stat().st_size)


@cache
def _key(name: str) -> str:
    return f"  {json.dumps(name)}: "


def _json(value: Any) -> str:
    """As json.dumps, which for a text spends most of its time on the way to this C function."""
    return encode_basestring_ascii(value) if type(value) is str else json.dumps(value)


@dataclass(slots=True)
class JsonList:
    """A JSON list of flat objects, laid out as `json.dump(rows, indent=1)` does (the shape of CoSQA's files)."""

    out: HashedFile
    n: int = 0

    def add(self, row: Row) -> None:
        fields = ",\n".join([_key(key) + _json(value) for key, value in row.items()])
        self.out.write(f"{',' if self.n else '['}\n {{\n{fields}\n }}")
        self.n += 1

    def close(self) -> FileFacts:
        self.out.write("\n]\n" if self.n else "[]\n")
        return self.out.close()


@dataclass(slots=True)
class JsonLines:
    """One JSON object a line."""

    out: HashedFile
    n: int = 0

    def add(self, row: Row) -> None:
        self.out.write(json.dumps(row) + "\n")
        self.n += 1

    def close(self) -> FileFacts:
        return self.out.close()


class CodeBase:
    """CoSQA's `code_idx_map.txt`: one JSON object, code text -> number from 0, in the order in which codes come."""

    def __init__(self, out: HashedFile) -> None:
        self._out = out
        self._number_of: dict[bytes, int] = {}

    def number(self, code: str) -> int:
        """The code's number; a code not seen before is written and gets the next one."""
        key = hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        number = self._number_of.get(key)
        if number is None:
            number = self._number_of[key] = len(self._number_of)
            self._out.write(f"{',' if number else '{'}\n {json.dumps(code)}: {number}")
        return number

    def close(self) -> FileFacts:
        self._out.write("\n}\n" if self._number_of else "{}\n")
        return self._out.close()


@dataclass(frozen=True, slots=True)
class ReleasedPair:
    """A pair as a release holds it."""

    idx: str  # "dev-17": unique in the release
    split: str
    query: str
    code: str
    label: int
    query_hash: str
    code_hash: str
    language: str
    name: str  # qualified name of the function
    docstring: str
    origin: str  # "votes", "imported" or "adjudicated"
    votes_for: int  # answers that carry the label; 0 where the raters are unknown
    votes_of: int
    intent_yes: int
    intent_no: int
    provenance: list[Row]


@lru_cache(maxsize=1 << 14)
def _code_tokens(code: str) -> str:
    return code_tokens(code)


def qa_row(pair: ReleasedPair) -> Row:
    """CoSQA's code QA shape: `doc` is the query, token fields are joined by spaces."""
    return {
        "idx": pair.idx,
        "doc": pair.query,
        "code": pair.code,
        "code_tokens": _code_tokens(pair.code),
        "docstring_tokens": docstring_tokens(pair.docstring),
        "label": pair.label,
    }


def pair_row(pair: ReleasedPair) -> Row:
    """Everything that is released of a pair."""
    return {
        "idx": pair.idx,
        "split": pair.split,
        "query": pair.query,
        "code": pair.code,
        "label": pair.label,
        "language": pair.language,
        "name": pair.name,
        "query_hash": pair.query_hash,
        "code_hash": pair.code_hash,
        "origin": pair.origin,
        "votes_for": pair.votes_for,
        "votes_of": pair.votes_of,
        "intent_yes": pair.intent_yes,
        "intent_no": pair.intent_no,
        "provenance": pair.provenance,
    }


class ReleaseWriter:
    """Writes every data file of a release in one pass over its pairs."""

    def __init__(self, folder: Path) -> None:
        self._qa = {split: JsonList(HashedFile(folder, f"cosqa-qa-{split}.json")) for split in SPLITS}
        self._retrieval = {split: JsonList(HashedFile(folder, f"cosqa-retrieval-{split}.json")) for split in SPLITS}
        self._code_base = CodeBase(HashedFile(folder, "code_idx_map.txt"))
        self._pairs = JsonLines(HashedFile(folder, "pairs.jsonl"))
        self._votes = JsonLines(HashedFile(folder, "votes.jsonl"))

    def add(self, pair: ReleasedPair, votes: Iterable[Row]) -> None:
        """Writes one pair and its votes. Retrieval dev and test hold the positives only, as CoSQA's do."""
        qa = qa_row(pair)
        number = self._code_base.number(pair.code)
        self._qa[pair.split].add(qa)
        if pair.split == TRAIN or pair.label == 1:
            self._retrieval[pair.split].add({**qa, "retrieval_idx": number})
        self._pairs.add(pair_row(pair))
        for vote in votes:
            self._votes.add({"idx": pair.idx, "query_hash": pair.query_hash, "code_hash": pair.code_hash, **vote})

    def close(self) -> list[FileFacts]:
        writers: list[JsonList | JsonLines | CodeBase]
        writers = [*self._qa.values(), *self._retrieval.values(), self._code_base, self._pairs, self._votes]
        return [writer.close() for writer in writers]


def read_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON Lines file, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_csv(out: HashedFile, columns: list[str], rows: Iterable[Row]) -> FileFacts:
    """Comma-separated, quoted where needed, "\\n" line ends, formula triggers escaped."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    header: list[Any] = list(columns)
    for cells in chain([header], ([row.get(column) for column in columns] for row in rows)):
        writer.writerow([spreadsheet_cell(cell) for cell in cells])
        out.write(line.getvalue())
        line.seek(0)
        line.truncate()
    return out.close()


PAIR_COLUMNS = [
    *["idx", "split", "query", "code", "label", "language", "name", "query_hash", "code_hash", "origin"],
    *["votes_for", "votes_of", "intent_yes", "intent_no"],
]


def long_votes(rows: Iterable[Row]) -> Iterator[Row]:
    """Votes as crowd-kit reads them (task, worker, label); the task names query and code by their hashes."""
    for row in rows:
        task = f"{row['query_hash']}:{row['code_hash']}"
        yield {"task": task, "worker": row["rater"], "label": row["answer"], "intent": row["intent"]}


def _copy(names: list[str]) -> Callable[[Path, Path], list[FileFacts]]:
    def copy(release: Path, folder: Path) -> list[FileFacts]:
        for name in names:
            shutil.copyfile(release / name, folder / name)
        return [hash_file(folder, name) for name in names]

    return copy


def _csv(release: Path, folder: Path) -> list[FileFacts]:
    return [write_csv(HashedFile(folder, "pairs.csv"), PAIR_COLUMNS, read_rows(release / "pairs.jsonl"))]


def _votes_long(release: Path, folder: Path) -> list[FileFacts]:
    columns = ["task", "worker", "label", "intent"]
    return [write_csv(HashedFile(folder, "votes.csv"), columns, long_votes(read_rows(release / "votes.jsonl")))]


FORMATS: dict[str, Callable[[Path, Path], list[FileFacts]]] = {
    "cosqa-qa": _copy([f"cosqa-qa-{split}.json" for split in SPLITS]),
    "cosqa-retrieval": _copy([*(f"cosqa-retrieval-{split}.json" for split in SPLITS), "code_idx_map.txt"]),
    "jsonl": _copy(["pairs.jsonl"]),
    "csv": _csv,
    "votes-long": _votes_long,
}
FORMAT_NAMES = {
    "cosqa-qa": "CoSQA JSON, code QA",
    "cosqa-retrieval": "CoSQA JSON, code search, with the code base",
    "jsonl": "JSON Lines, everything of a pair",
    "csv": "CSV for spreadsheets (a cell that begins like a formula gets an apostrophe, so the value changes)",
    "votes-long": "votes as task, worker, label (CSV)",
}
