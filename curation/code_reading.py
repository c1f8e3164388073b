"""One piece of a code source to its functions: a file, or some lines of a JSON Lines file. Pure and picklable.

`read_unit(unit)` never raises for what a file holds: what cannot be read is a `Problem` that names the place. It runs
in helper processes (`curation/code_workers.py`), so it imports neither Django nor the database.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation import privacy
from curation.code_filters import is_generated, is_minified, reason_to_leave_out
from curation.extraction import Function, UnparsableError
from curation.languages import LANGUAGES, read_functions, split_function
from curation.languages.doc_comments import as_comment
from curation.licences import licence_of_header

MAX_FILE_BYTES = 5 * 2**20
MAX_RECORD_CHARS = 1_000_000
MAX_JSON_DEPTH = 64
FILE, CODESEARCHNET, MBPP, COSQA = "file", "codesearchnet", "mbpp", "cosqa"


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a source that is read by itself: a file on disk, or bytes of an archive or of a file of records."""

    path: str
    language: str = ""
    place: str = ""  # on disk; empty: `data` holds it
    data: bytes = field(default=b"", repr=False)
    licence: str = ""
    commit: str = ""
    kind: str = FILE
    first: int = 0  # records: line number of the first, from 1


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """A function where it stands, why it may not be proposed (empty: it may), and why privacy holds it back."""

    function: Function
    path: str
    reason: str
    licence: str = ""
    commit: str = ""
    repository: str = ""  # empty: the source's own
    private: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or record that could not be read, or not all of it, and why."""

    path: str
    reason: str


Found = FoundFunction | Problem


def read_unit(unit: Unit) -> list[Found]:
    """What one piece of a source holds, in its own order."""
    if unit.kind != FILE:
        return list(_read_records(unit))
    try:
        return list(_read_file(unit))
    except UnparsableError as error:
        return [Problem(unit.path, str(error))]
    except OSError as error:
        return [Problem(unit.path, f"cannot be read: {error.strerror}")]
    except (RecursionError, MemoryError) as error:
        return [Problem(unit.path, f"too deeply nested or too large ({type(error).__name__})")]


def _read_file(unit: Unit) -> Iterator[Found]:
    raw = unit.data
    if unit.place:
        place = Path(unit.place)
        if place.stat().st_size <= MAX_FILE_BYTES:
            raw = place.read_bytes()
        else:
            raise UnparsableError(f"larger than {MAX_FILE_BYTES // 2**20} MB")
    head = raw[:100_000].decode("utf-8", "replace")
    if is_minified(head):
        raise UnparsableError("minified: its lines are longer than a person writes them")
    generated = is_generated(head, unit.path)
    licence = licence_of_header(head) or unit.licence
    reading = read_functions(raw, unit.language, unit.path)
    if reading.problem:
        yield Problem(unit.path, reading.problem)
    for function in reading.functions:
        reason = reason_to_leave_out(function, unit.path, in_generated_file=generated)
        private = privacy.code_reason(function.text, function.docstring)
        yield FoundFunction(function, unit.path, reason, licence, unit.commit, private=private)


# --- records ------------------------------------------------------------------------------------------------------


class _BadRecordError(ValueError):
    """A record that cannot be used; the text says why."""


def _read_records(unit: Unit) -> Iterator[Found]:
    read = _RECORD_READERS[unit.kind]
    for number, line in enumerate(unit.data.split(b"\n"), start=unit.first):
        if not line.strip():
            continue
        where = f"{unit.path}#{number}"
        try:
            yield read(_record(line), where, unit)
        except _BadRecordError as error:
            yield Problem(where, str(error))
        except (UnparsableError, RecursionError, MemoryError) as error:
            yield Problem(where, f"cannot be split: {error}")


def _record(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf-8")
        if line.count(b"[") + line.count(b"{") > MAX_JSON_DEPTH and depth_of(text) > MAX_JSON_DEPTH:
            raise _BadRecordError(f"nested deeper than {MAX_JSON_DEPTH}")
        found = json.loads(text)
    except UnicodeDecodeError as error:
        raise _BadRecordError("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, _BadRecordError):
            raise
        raise _BadRecordError(f"not JSON: {error}"[:150]) from error
    if not isinstance(found, dict):
        raise _BadRecordError("not a JSON object")
    return found


_JSON_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def depth_of(text: str) -> int:
    """How deep the brackets of a JSON text nest, without parsing it."""
    depth = deepest = 0
    for mark in _JSON_MARKS.finditer(text):
        if mark[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark[0] in "]}":
            depth -= 1
    return deepest


def _text_of(record: dict[str, Any], *names: str) -> str:
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            if len(value) > MAX_RECORD_CHARS:
                raise _BadRecordError(f"{name} is longer than {MAX_RECORD_CHARS:,} characters")
            if "\0" in value or any("\ud800" <= mark <= "\udfff" for mark in value):
                raise _BadRecordError(f"{name} holds a NUL character or half a surrogate pair")
            return value
    return ""


_URL_LINES = re.compile(r"#L(\d{1,9})(?:-L?(\d{1,9}))?$")


def _codesearchnet(record: dict[str, Any], where: str, unit: Unit) -> FoundFunction:
    """One CodeSearchNet row. Documentation that the row keeps apart is put above the code again, as a comment."""
    text = _text_of(record, "original_string", "whole_func_string", "code", "func_code_string")
    if not text:
        raise _BadRecordError("no original_string and no code")
    language = _text_of(record, "language").lower() or unit.language
    if language not in LANGUAGES:
        raise _BadRecordError(f"language {language[:40]!r} is none of {', '.join(LANGUAGES)}")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    docstring = _text_of(record, "docstring", "func_documentation_string")
    if docstring and language != "python":
        text = f"{as_comment(docstring.strip(), language)}\n{text}"
    function = _single(text, language, _text_of(record, "func_name"), docstring)
    lines = _URL_LINES.search(_text_of(record, "url", "func_code_url"))
    function = _at_lines(function, lines)
    path = _text_of(record, "path", "func_path_in_repository") or where
    return FoundFunction(
        function,
        path,
        reason_to_leave_out(function, path),
        unit.licence,
        _text_of(record, "sha")[:64],
        _text_of(record, "repo", "repository_name")[:300],
        privacy.code_reason(function.text, function.docstring),
    )


def _at_lines(function: Function, lines: re.Match[str] | None) -> Function:
    from dataclasses import replace

    if lines is None:
        return function
    first = int(lines[1])
    return replace(function, start_line=first, end_line=int(lines[2] or first))


def _mbpp(record: dict[str, Any], where: str, unit: Unit) -> FoundFunction:
    """One MBPP task: its code as it is; the task's text is the documentation. The authors chose them: all are kept."""
    text = _text_of(record, "code").replace("\r\n", "\n").replace("\r", "\n")
    task = _text_of(record, "text", "prompt")
    if not text or not task:
        raise _BadRecordError("no code or no text")
    name = record.get("task_id")
    function = _single(text, "python", f"task {name}" if type(name) is int else "", task.strip())
    return FoundFunction(function, where, "", unit.licence, private=privacy.code_reason(text, task))


def _cosqa(record: dict[str, Any], where: str, unit: Unit) -> FoundFunction:
    """One entry of a CoSQA code base, documented or not by our filters: the authors chose them."""
    text, number = _text_of(record, "code"), record.get("number")
    if not text:
        raise _BadRecordError("empty code")
    parts = split_function(text)
    function = Function(
        name=parts.name or f"code {number}",
        text=text,
        header=parts.header,
        docstring=parts.docstring,
        body=parts.body,
        start_line=0,
        end_line=0,
        comments=parts.comments,
    )
    return FoundFunction(
        function, f"{unit.path}#{number}", "", unit.licence, private=privacy.code_reason(text, function.docstring)
    )


def _single(text: str, language: str, name: str, docstring: str) -> Function:
    """A function whose text stands alone; the record's own name and documentation win over what the text shows."""
    parts = split_function(text, language)
    return Function(
        name=(parts.name if name.startswith("task ") else name) or parts.name or name or "code",
        text=text,
        header=parts.header,
        docstring=docstring or parts.docstring,
        body=parts.body,
        start_line=0,
        end_line=0,
        language=language,
        comments=parts.comments,
    )


_RECORD_READERS: dict[str, Callable[[dict[str, Any], str, Unit], FoundFunction]] = {
    CODESEARCHNET: _codesearchnet,
    MBPP: _mbpp,
    COSQA: _cosqa,
}
