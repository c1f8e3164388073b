"""Reads Parquet in a process of its own: `python parquet_child.py FD REQUEST`, started by `parquet.py`.

Decoders of binary formats are where hostile files crash, spin or ask for all memory. Here that ends this process and
nothing else: its memory and its time are bounded before the file is opened. It imports nothing of the house.

REQUEST is JSON: {"columns": [name or ""], "batch_rows": n, "rows": n or 0, "cell_chars": n, "memory_bytes": n,
"seconds": n}. Each answer on standard output begins with its length and its number of rows, eight bytes each, and is
JSON: {"names": [...], "types": [...], "n_rows": n}, then [[...], ...] with the columns of every batch, then
{"end": true}; or {"error": text}.
"""

import json
import os
import resource
import sys
from typing import Any


def main() -> None:
    """Answers one request."""
    request = json.loads(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_DATA, (request["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (request["seconds"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        try:
            _read(file, request)
        except BrokenPipeError:
            os._exit(0)  # nobody listens any more
        except Exception as error:  # noqa: BLE001 - whatever the decoder says of a damaged file is the answer
            _answer({"error": f"{type(error).__name__}: {error}"[:300]})
    sys.stdout.flush()
    os._exit(0)  # without the library's own leave-taking


def _read(file: Any, request: dict[str, Any]) -> None:
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_cpu_count(1)
    table = parquet.ParquetFile(file, memory_map=False, pre_buffer=False)
    schema = table.schema_arrow
    n_rows = table.metadata.num_rows
    _answer({"names": list(schema.names), "types": [str(kind)[:60] for kind in schema.types], "n_rows": n_rows})
    wanted = request["columns"] if request["columns"] is not None else list(dict.fromkeys(schema.names))
    chosen = [name for name in dict.fromkeys(wanted) if name]
    left = request["rows"] or n_rows
    if left and chosen:
        for batch in table.iter_batches(batch_size=request["batch_rows"], columns=chosen, use_threads=False):
            rows = batch.slice(0, left)
            _answer([_values(rows, name, request["cell_chars"]) for name in wanted], rows.num_rows)
            left -= rows.num_rows
            if left <= 0:
                break
    _answer({"end": True})


def _values(batch: Any, name: str, cell_chars: int) -> list[Any] | None:
    if not name:
        return None
    place = batch.schema.get_field_index(name)
    if place < 0:
        raise ValueError(f"there is no one column named {name}")
    values = _pylist(batch.column(place))
    kinds = set(map(type, values))
    if kinds <= {int, float, bool, type(None)} or (kinds == {str} and max(map(len, values)) <= cell_chars):
        return values
    return [_plain(value, cell_chars) for value in values]


def _pylist(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:  # a text column need not hold UTF-8
        values = column.cast("binary").to_pylist()
    return values


def _plain(value: Any, cell_chars: int) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):  # of clicked addresses, say
        value = " ".join(str(each) for each in value[:100])
    return str(value)[:cell_chars]


def _answer(data: Any, n_rows: int = 0) -> None:
    text = json.dumps(data).encode()
    sys.stdout.buffer.write(len(text).to_bytes(8, "big") + n_rows.to_bytes(8, "big"))
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
