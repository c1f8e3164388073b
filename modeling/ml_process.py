"""Runs a model program as a process of its own: its memory is freed, and its crash stays inside."""

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


def run_module(
    module: str, arguments: Sequence[str], *, log: Path, tick: Callable[[list[str]], None] = lambda lines: None
) -> list[str]:
    """Runs `python -m MODULE ARGUMENTS` and returns the lines that it printed.

    Its messages are appended to `log`. A few times a second `tick` gets the lines printed since; when it raises (a
    cancelled job), the process and its children are ended before the exception goes on. Raises ModelProcessError with
    the process's own one-line reason when it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile() as output, log.open("ab") as messages:
        printed = Printed(Path(output.name))
        start = messages.tell()
        process = spawn_with_parent(
            [sys.executable, "-m", module, *arguments], cwd=settings.BASE_DIR, stdout=output, stderr=messages
        )
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=POLL_S)
                tick(printed.new_lines())
        finally:
            if process.poll() is None:
                end_group(process, grace_s=STOP_WAIT_S)
        if process.returncode != 0:
            raise ModelProcessError(problem=_reason(log, start, process.returncode))
        printed.new_lines()
        return printed.lines


class Printed:
    """The whole lines of a growing file; one that was cut short (a resumed run) is read from its start again."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self.path = path
        self.lines: list[str] = []
        self._place = path.stat().st_size if from_end and path.exists() else 0

    def new_lines(self) -> list[str]:
        """Lines that were completed since the last call."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            if not _is_line_start(file, self._place):  # cut short, and perhaps grown again since the last look
                self._place = 0
            new = _whole_lines(file, self._place)
        self._place += sum(len(line) for line in new)
        texts = [line.decode("utf-8", "replace").rstrip("\r\n") for line in new]
        self.lines += texts
        return texts


def _is_line_start(file: IO[bytes], place: int) -> bool:
    """Whether a line begins at the place: at the start of the file, or right behind a line's end."""
    if not place:
        return True
    file.seek(place - 1)
    return file.read(1) == b"\n"


def _whole_lines(file: IO[bytes], place: int) -> list[bytes]:
    file.seek(place)
    return [line for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]


def _reason(log: Path, start: int, returncode: int) -> str:
    """The last line the process wrote in this run, or what its exit status means."""
    if returncode < 0:
        return _killed(-returncode)
    with log.open("rb") as file:
        file.seek(start)
        lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1] if lines else f"The model process ended with status {returncode} and said nothing."
    return last.removeprefix("error: ")[:1000]


def _killed(number: int) -> str:
    hint = " The machine may be out of memory: try a smaller batch." if number == signal.SIGKILL else ""
    return f"The model process was ended by signal {number} ({signal.Signals(number).name}).{hint}"
