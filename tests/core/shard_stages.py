"""A stage for the tests of core/shards.py; helper processes import it by name."""

import os
import signal
import time
from typing import Any

from core.errors import BadInputError
from core.shard_worker import ShardTask


def double(task: ShardTask) -> dict[str, Any]:
    """Multiplies the number in the data; the parameters make it fail in every way for one number."""
    number = int(task.data)
    with (task.folder / "double.log").open("a") as log:
        log.write(f"{number}\n")
    if task.params.get("hang"):
        (task.folder / f"pid-{os.getpid()}").touch()
        time.sleep(60)
    task.output.write_text(str(number * task.params["times"]))
    if number == task.params.get("refuse"):
        raise BadInputError(problem=f"no {number} here")
    if number == task.params.get("crash"):
        1 / 0  # noqa: B018
    if number == task.params.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": number * task.params["times"]}
