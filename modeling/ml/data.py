"""Pairs and code bases from files in the shapes of CoSQA, StaQC and Quarry's own releases. No heavy import.

Pairs: a JSON list or JSON Lines of objects with `doc` (or `query`, `question`), `code`, and `label` 0 or 1 where it is
known; question-code pairs mined from a forum (StaQC) may have none. `idx` names a row; `retrieval_idx` is the code's
place in a code base. Code base: a JSON object code -> 0..n-1 (`code_idx_map.txt`), or a JSON list or JSON Lines of
codes or of objects with `code` and optionally `name`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modeling.ml.errors import BadDataError
from modeling.ml.files import json_sha256

QUERY_FIELDS = ("doc", "query", "question")
DEFINED_NAME = re.compile(r"^\s*(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One query-code pair. Equal `query_id` or `code_id`: the same text. `label` is None where nobody judged it."""

    query: str
    code: str
    label: int | None
    idx: str
    query_id: str
    code_id: str
    code_index: int | None = None

    @classmethod
    def of(
        cls, query: str, code: str, label: int | None = None, *, idx: str = "", code_index: int | None = None
    ) -> "Example":
        """An example with its text identities filled in."""
        return cls(query, code, label, idx, query_id(query), code_id(code), code_index)


@dataclass(frozen=True, slots=True)
class Code:
    """One entry of a code base; its place in the list is its rank among equals."""

    text: str
    name: str = ""


def query_id(query: str) -> str:
    """Identity of a query's text: case and spacing do not count."""
    return _text_id(" ".join(query.casefold().split()))


def code_id(code: str) -> str:
    """Identity of a code's text: line endings and surrounding blank lines do not count."""
    return _text_id("\n".join(line.rstrip() for line in code.splitlines()).strip("\n"))


def _text_id(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def read_pairs(path: str | Path, *, split: str = "train", labelled: bool = True) -> list[Example]:
    """All pairs of a file, or of a release folder's split.

    labelled  refuse rows without a label 0 or 1 (training and QA); False takes them as they come.
    Raises BadDataError, which names file and row.
    """
    file = _pairs_file(Path(path), split)
    examples = [_example(row, f"{file}, row {number}", number, labelled) for number, row in enumerate(_rows(file), 1)]
    if not examples:
        raise BadDataError(place=str(file), problem="there are no pairs in it.")
    return examples


@dataclass(frozen=True, slots=True)
class TrainingPairs:
    """The labelled pairs of several files, each pair once; pairs labelled both 0 and 1 are left out and listed."""

    examples: list[Example]
    repeated: int
    contradictory: list[str]


def read_training_files(paths: Iterable[str | Path], *, unlabelled_match: bool = False) -> TrainingPairs:
    """Read and join labelled files and release folders (their train split).

    unlabelled_match  a row without a label is a question with its answer's code: it counts as labelled 1.
    """
    rows = [example for path in paths for example in read_pairs(path, labelled=not unlabelled_match)]
    rows = [replace(example, label=1) if example.label is None else example for example in rows]
    by_pair: dict[tuple[str, str], list[Example]] = {}
    for example in rows:
        by_pair.setdefault((example.query_id, example.code_id), []).append(example)
    agreed = [same for same in by_pair.values() if len({example.label for example in same}) == 1]
    contradictory = [same[0].idx for same in by_pair.values() if len({example.label for example in same}) > 1]
    return TrainingPairs([same[0] for same in agreed], len(rows) - len(by_pair), contradictory)


def read_code_base(path: str | Path) -> list[Code]:
    """The codes of a code base in their order. Raises BadDataError, which names file and row."""
    file = Path(path)
    if file.is_dir():
        file = file / "code_idx_map.txt"
    value = _parse(file)
    codes = (
        _indexed_codes(value, file)
        if isinstance(value, dict)
        else [_code(row, f"{file}, row {number}") for number, row in enumerate(_list(value, file), 1)]
    )
    if not codes:
        raise BadDataError(place=str(file), problem="there is no code in it.")
    return codes


def pairs_sha256(examples: Sequence[Example]) -> str:
    """What these examples are, whatever file they came from; stands in every run and result."""
    return json_sha256([[example.query, example.code, example.label] for example in examples])


def codes_sha256(codes: Sequence[Code]) -> str:
    """What this code base is, in its order."""
    return json_sha256([code.text for code in codes])


def name_of(code: str) -> str:
    """The first defined name in the code, or an empty text."""
    match = DEFINED_NAME.search(code)
    return match.group(1) if match else ""


def _pairs_file(path: Path, split: str) -> Path:
    if not path.is_dir():
        return path
    for name in (f"cosqa-qa-{split}.json", f"cosqa-retrieval-{split}.json"):
        if (path / name).exists():
            return path / name
    raise BadDataError(
        place=str(path), problem=f"the folder holds no cosqa-qa-{split}.json; pass a file or the folder of a release."
    )


def _rows(file: Path) -> list[Any]:
    value = _parse(file)
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    return _list(value, file)


def _list(value: Any, file: Path) -> list[Any]:
    if isinstance(value, list):
        return value
    raise BadDataError(place=str(file), problem="a list of rows is expected (JSON list or JSON Lines).")


def _parse(file: Path) -> Any:
    """The JSON value of a file; JSON Lines become a list."""
    text = _read_text(file)
    try:
        return json.loads(text)
    except ValueError as error:
        whole_error = error
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError:
                problem = whole_error if number == 1 or text.lstrip().startswith("[") else f"line {number} is not JSON"
                raise BadDataError(
                    place=str(file), problem=f"neither JSON nor JSON Lines ({problem})."
                ) from whole_error
    return rows


def _read_text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadDataError(place=str(file), problem="there is no such file.") from None
    except UnicodeDecodeError as error:
        raise BadDataError(
            place=str(file), problem=f"it is not UTF-8 text (byte {error.start}); is it a binary file?"
        ) from None
    except OSError as error:
        raise BadDataError(place=str(file), problem=f"it cannot be read ({error.strerror}).") from None
    if not text.strip():
        raise BadDataError(place=str(file), problem="the file is empty.")
    return text


def _example(row: Any, place: str, number: int, labelled: bool) -> Example:
    if not isinstance(row, dict):
        raise BadDataError(place=place, problem="an object with doc and code is expected.")
    query = next((row[field] for field in QUERY_FIELDS if field in row), None)
    label = _label(row.get("label"), place, labelled)
    index = row.get("retrieval_idx")
    if index is not None and (not isinstance(index, int) or index < 0):
        raise BadDataError(place=place, problem=f"retrieval_idx {index!r} is not a place in a code base.")
    return Example.of(
        _text(query, "doc (the query)", place),
        _text(row.get("code"), "code", place),
        label,
        idx=str(row.get("idx", number)),
        code_index=index,
    )


def _text(value: Any, field: str, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadDataError(place=place, problem=f"{field} is missing or empty.")
    return value


def _label(value: Any, place: str, labelled: bool) -> int | None:
    if value in (0, 1, "0", "1"):
        return int(value)
    if value is None and not labelled:
        return None
    if value is None:
        raise BadDataError(place=place, problem="label is missing; 0 or 1 is expected.")
    raise BadDataError(place=place, problem=f"label is {value!r}; 0 or 1 is expected.")


def _indexed_codes(value: dict[str, Any], file: Path) -> list[Code]:
    """CoSQA's map code text -> index; the indexes must be 0..n-1, each once."""
    by_index = {index: code for code, index in value.items() if isinstance(index, int)}
    missing = next((index for index in range(len(value)) if index not in by_index), None)
    if missing is not None:
        raise BadDataError(
            place=str(file), problem=f"code -> index must number the codes 0 to {len(value) - 1}; {missing} is missing."
        )
    return [_code(by_index[index], f"{file}, index {index}") for index in range(len(value))]


def _code(row: Any, place: str) -> Code:
    given = row if isinstance(row, dict) else {"code": row}
    text = _text(given.get("code"), "code", place)
    return Code(text, str(given.get("name") or name_of(text)))
