"""Runs `python -m modeling.ml ...` as a process of its own: its memory is freed, and its crash stays inside."""

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from django.conf import settings

from core.errors import QuarryError
from core.processes import end_group, spawn_with_parent

POLL_S = 0.25
STOP_WAIT_S = 15.0


class ModelProcessError(QuarryError):
    """The model process ended without a result; its own last line says why."""

    code, status = "model_process_failed", 422
    template = "{problem}"


def run_ml(arguments: Sequence[str], *, log: Path, tick: Callable[[], None]) -> str:
    """Runs the model library's command line and returns what it printed.

    Its messages are appended to `log`. `tick` is called a few times a second; when it raises (a cancelled job), the
    process and its children are ended before the exception goes on. Raises ModelProcessError with the process's own
    one-line reason when it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as output, log.open("ab") as messages:
        start = messages.tell()
        process = spawn_with_parent(
            [sys.executable, "-m", "modeling.ml", *arguments],
            cwd=settings.BASE_DIR,
            stdout=output,
            stderr=messages,
        )
        try:
            _wait(process, tick)
        finally:
            end_group(process, grace_s=STOP_WAIT_S)
        if process.returncode != 0:
            raise ModelProcessError(problem=_reason(log, start, process.returncode))
        return _text(output)


def _wait(process: subprocess.Popen[bytes], tick: Callable[[], None]) -> None:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=POLL_S)
        tick()
        if process.returncode is not None:
            return


def _reason(log: Path, start: int, returncode: int) -> str:
    """The last line the process wrote in this run, or what its exit status means."""
    with log.open("rb") as file:
        file.seek(start)
        lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if returncode < 0:
        return _killed(-returncode)
    last = lines[-1] if lines else f"The model process ended with status {returncode} and said nothing."
    return last.removeprefix("error: ")[:1000]


def _killed(number: int) -> str:
    hint = " The machine may be out of memory: try a smaller batch." if number == signal.SIGKILL else ""
    return f"The model process was ended by signal {number} ({signal.Signals(number).name}).{hint}"


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")
