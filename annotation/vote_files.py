"""Votes and labels out of files: long-form CSV, JSON Lines, CoSQA JSON. No Django; row by row.

Long form has one vote a row: `worker`, `label` (1, 0, or empty), optionally `intent` (yes, no, unclear), and what was
judged: `query` and `code`, or a `task` (QUERY_HASH:CODE_HASH as our own export writes it, or the number of a pair).
Rows without a worker are single labels, raters unknown. Our own long-form export names the `state` of a vote: what was
taken back, set aside or late there comes in nowhere.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import BadInputError
from curation.pair_files import read_pairs

MAX_LINE_BYTES = 8 * 2**20
INTENTS = ("yes", "no", "unclear")
LABELS = {"": None, "0": 0, "1": 1, "0.0": 0, "1.0": 1}
COUNTS = ("", "counted")  # states of a vote that is imported
CSV, JSON_LINES, COSQA = "csv", "jsonl", "cosqa"


@dataclass(frozen=True, slots=True)
class VoteLine:
    """A row that fits: a vote of `worker`, or a single label where `worker` is empty."""

    line: int
    worker: str
    intent: str
    answer: int | None
    query: str = ""
    code: str = ""
    task: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A row that does not fit, and why."""

    line: int
    reason: str


def sniff_format(path: Path) -> str:
    """csv, jsonl or cosqa, by the first character that is no white space. Raises BadInputError for an unusable file."""
    if not path.is_file():
        raise BadInputError(problem=f"There is no file {path}.")
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise BadInputError(problem=f"{path.name} is empty. It should hold votes: worker, label and the pair.")
    if b"\x00" in head:
        raise BadInputError(problem=f"{path.name} is a binary file. Give CSV, JSON Lines or CoSQA JSON.")
    return {b"[": COSQA, b"{": JSON_LINES}.get(text[:1], CSV)


def read_vote_lines(path: Path) -> Iterator[VoteLine | BadLine]:
    """The rows of a file in order. Raises BadInputError where the file as a whole cannot be used."""
    form = sniff_format(path)
    if form == COSQA:
        yield from _cosqa(path)
        return
    for number, row in read_rows(path, form):
        yield BadLine(number, row) if isinstance(row, str) else _vote(number, row)


def read_rows(path: Path, form: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, row) of a CSV or JSON Lines file with a label column; a row that cannot be read is the reason why."""
    with path.open("rb") as file:
        yield from _json_lines(file, path.name) if form == JSON_LINES else _csv(file, path.name)


def _cosqa(path: Path) -> Iterator[VoteLine | BadLine]:
    for number, row in enumerate(read_pairs(path), start=1):
        if row.label is None:
            yield BadLine(number, "no label")
        else:
            yield VoteLine(number, "", "yes", row.label, row.query, row.code)


def _json_lines(file: BinaryIO, name: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(_lines(file, name), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            yield number, "not JSON"
            continue
        yield number, row if isinstance(row, dict) else "not a JSON object"


def _csv(file: BinaryIO, name: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    reader = csv.reader(_lines(file, name), strict=True)
    try:
        header = [column.strip().lower() for column in next(reader)]
        _check_header(header, name)
        for cells in reader:
            if len(cells) > len(header):
                yield reader.line_num, f"{len(cells)} cells under {len(header)} columns"
            elif any(cells):
                yield reader.line_num, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise BadInputError(problem=f"{name}, line {reader.line_num}: {error}.") from error


def _check_header(header: list[str], name: str) -> None:
    has_pair = "task" in header or {"query", "code"} <= set(header)
    if "label" not in header or not has_pair:
        raise BadInputError(
            problem=f"{name} needs the columns label and task (or query and code), and worker where raters are known; "
            f"its first line has: {', '.join(header)[:200] or 'nothing'}."
        )


def _lines(file: BinaryIO, name: str) -> Iterable[str]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise BadInputError(problem=f"{name}, line {number} is longer than {MAX_LINE_BYTES // 2**20} MB.")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise BadInputError(problem=f"{name}, line {number} is not UTF-8 (byte {error.start + 1}).") from error


def _vote(number: int, row: dict[str, Any]) -> VoteLine | BadLine:
    """One row; what does not fit becomes a BadLine."""
    worker, task = text_of(row, "worker", "rater").strip(), text_of(row, "task").strip()
    label, intent = text_of(row, "label", "answer").strip(), text_of(row, "intent").strip().lower()
    query, code = text_of(row, "query"), text_of(row, "code")
    if not task and row.get("query_hash") and row.get("code_hash"):
        task = f"{row['query_hash']}:{row['code_hash']}"
    if not task and not (query.strip() and code.strip()):
        return BadLine(number, "names no pair: give task, or query and code")
    if label not in LABELS:
        return BadLine(number, f"the label is {label[:40]!r}, not 1 or 0")
    answer = LABELS[label]
    intent = intent or ("yes" if answer is not None else "")
    state = text_of(row, "state").strip().lower()
    problem = _problem(worker, intent, answer)
    if state not in COUNTS:
        problem = problem or f"the vote does not count: {state[:20]}"
    return BadLine(number, problem) if problem else VoteLine(number, worker, intent, answer, query, code, task)


def _problem(worker: str, intent: str, answer: int | None) -> str:
    if intent not in INTENTS:
        return "neither a label nor an intent (yes, no, unclear)"
    if intent != "yes" and answer is not None:
        return f"a label although the intent is {intent}"
    if not worker and answer is None:
        return "a row without worker needs a label"
    return ""


def text_of(row: dict[str, Any], *names: str) -> str:
    """The first of these fields that is there, as text without NUL characters."""
    value = next((row[name] for name in names if row.get(name) is not None), "")
    return (str(int(value)) if isinstance(value, bool) else str(value)).replace("\x00", "")
