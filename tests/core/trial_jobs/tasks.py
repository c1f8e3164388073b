"""Kinds of jobs that exist only for tests: each leaves a line in a file for everything that happens to it."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from core.errors import BadInputError, QuarryError
from core.jobs import RunningJob, job_kind


def tell(folder: str, run: RunningJob, event: str) -> None:
    """One line, appended in a single write, so that several workers can tell at once."""
    line = f"{run.job_id} {run.token} {event}\n".encode()
    handle = os.open(Path(folder) / "events.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


@job_kind("trial.count")
def count(run: RunningJob, *, folder: str, steps: int, pause_s: float) -> dict[str, Any]:
    """Counts slowly; its output is built under a name of its own and renamed at the end."""
    tell(folder, run, "start")
    try:
        for step in range(steps):
            time.sleep(pause_s)
            run.progress(step + 1, steps, f"step {step + 1}")
    except QuarryError as error:
        tell(folder, run, error.code)
        raise
    built = Path(folder) / f"{run.token}.tmp"
    built.write_text(str(steps))
    built.rename(Path(folder) / f"{run.job_id}.out")
    tell(folder, run, "end")
    return {"counted": steps}


@job_kind("trial.gpu", queue="gpu")
def gpu(run: RunningJob, *, folder: str, steps: int, pause_s: float) -> dict[str, Any]:
    """The same on the gpu queue."""
    return count(run, folder=folder, steps=steps, pause_s=pause_s)


@job_kind("trial.deaf")
def deaf(run: RunningJob, *, folder: str, seconds: float) -> dict[str, Any]:
    """Never looks whether it should stop."""
    tell(folder, run, "start")
    time.sleep(seconds)
    tell(folder, run, "end")
    return {}


@job_kind("trial.deadly")
def deadly(run: RunningJob, *, folder: str) -> dict[str, Any]:
    """Kills its worker."""
    tell(folder, run, "start")
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


@job_kind("trial.refuse")
def refuse(run: RunningJob, *, problem: str) -> dict[str, Any]:
    raise BadInputError(problem=problem)


@job_kind("trial.crash")
def crash(run: RunningJob) -> dict[str, Any]:
    raise ValueError("three is not four")
