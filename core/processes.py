"""Child processes that never outlive their parent, however it ends.

`spawn_with_parent(["python", ...])` starts a command in a process group of its own. Beside it stands a small guardian
(core/guardian.py) that holds the reading end of a pipe whose writing end only the parent has: when the parent is gone,
even by kill -9, the pipe ends and the guardian ends the whole group, grandchildren included. On Linux the kernel's own
parent-death signal is set as well.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

GUARDIAN = Path(__file__).with_name("guardian.py")


def spawn_with_parent(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    pass_fds: Sequence[int] = (),
    grace_s: float = 5.0,
) -> subprocess.Popen[bytes]:
    """Starts `command` so that it and its children end with this process; pid and signals of the Popen are its own.

    Keep the Popen object: dropping it counts as the end of the parent. The group gets SIGTERM, and SIGKILL
    `grace_s` seconds later. A command that cannot be started ends with status 127.
    """
    reading, writing = os.pipe()
    launcher = [sys.executable, "-I", "-S", str(GUARDIAN), str(reading), str(grace_s), _death_signal_of_this_thread()]
    try:
        process = subprocess.Popen(
            [*launcher, *map(str, command)],
            env=dict(env) if env is not None else None,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(reading, *pass_fds),
            start_new_session=True,
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    weakref.finalize(process, os.close, writing)
    return process


def _death_signal_of_this_thread() -> str:
    """The kernel sends it when the creating *thread* ends, so only the main thread may ask for it."""
    is_main = threading.current_thread() is threading.main_thread()
    return str(int(signal.SIGTERM)) if is_main and sys.platform == "linux" else "0"


def end_group(process: subprocess.Popen[bytes], *, grace_s: float = 10.0) -> int:
    """Ends the process and its group: SIGTERM, then SIGKILL after `grace_s` seconds; returns the exit status."""
    signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    signal_group(process, signal.SIGKILL)
    return process.wait()


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Sends a signal to every process of the group; none left is fine."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError:  # macOS: the group holds only zombies
        return
