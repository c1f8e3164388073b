"""A helper process that runs stages of `core/shards.py`, one shard after the other. It imports no Django itself.

    python -m core.shard_worker

Reads requests from standard input until it ends: a line of JSON (function, params, folder, output, size) and `size`
bytes of data. Answers each with a line of JSON: {"facts": ...}, {"refused": ...} for a QuarryError, {"crash": ...}.
"""

import json
import os
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import QuarryError


@dataclass(frozen=True)
class ShardTask:
    """What a stage's function gets: its data and parameters, the work's folder, and the path it must write."""

    data: bytes
    params: dict[str, Any]
    folder: Path
    output: Path


def run_stage(function: str, task: ShardTask) -> dict[str, Any]:
    """Calls the function ("module:name"); its output appears under its name only when it is whole."""
    module, _, name = function.partition(":")
    building = task.output.with_name(f"{task.output.name}.{os.getpid()}.tmp")
    try:
        facts = getattr(import_module(module), name)(ShardTask(task.data, task.params, task.folder, building))
        building.replace(task.output)
    finally:
        building.unlink(missing_ok=True)
    return dict(facts)


def answer(requests: BinaryIO) -> dict[str, Any] | None:
    """Serves one request; None when there are no more."""
    line = requests.readline()
    if not line:
        return None
    wanted = json.loads(line)
    data = requests.read(wanted["size"])
    task = ShardTask(data, wanted["params"], Path(wanted["folder"]), Path(wanted["output"]))
    try:
        return {"facts": run_stage(wanted["function"], task)}
    except QuarryError as error:
        kind = type(error)
        return {"refused": f"{kind.__module__}:{kind.__qualname__}", "fields": error.fields}
    except Exception:  # noqa: BLE001 - whatever it was, the parent says it
        return {"crash": traceback.format_exc()[-4000:]}


def main() -> None:
    """Answers on the original standard output; what stages print goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while (reply := answer(sys.stdin.buffer)) is not None:
        replies.write(json.dumps(reply, default=str).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    main()
