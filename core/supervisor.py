"""Keeps a few child processes running, and ends with all of them. Knows nothing of Django.

Each child is spawned with `spawn_with_parent` from the main thread, so that none survives this process, even when it
is killed with kill -9.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from core.processes import signal_group, spawn_with_parent

LOOK_S = 0.2
STEADY_S = 30.0  # a child that ran for so long starts again at once
MAX_PAUSE_S = 30.0
STOP_GRACE_S = 12.0
FIRST_FAILURES = 3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServiceFailedError(Exception):
    """A child that never came up; starting it again will not help."""


@dataclass
class Service:
    """One child: its command, and how it fares."""

    name: str
    command: Sequence[str]
    pass_fds: Sequence[int] = ()
    must_start: bool = False  # ending FIRST_FAILURES times before it was ever steady ends the supervisor
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    failures: int = field(default=0, init=False)
    _started_at: float = field(default=0.0, init=False)
    _start_again_at: float = field(default=0.0, init=False)

    def start(self) -> None:
        self.process = spawn_with_parent(self.command, pass_fds=self.pass_fds)
        self._started_at = time.monotonic()

    def look_after(self, say: Callable[[str], None]) -> None:
        """Starts it again if it ended, after a pause that doubles with each quick end."""
        if self.process is not None and self.process.poll() is not None:
            self._ended(self.process.returncode, say)
        if self.process is None and time.monotonic() >= self._start_again_at:
            self.start()

    def _ended(self, status: int, say: Callable[[str], None]) -> None:
        was_steady = time.monotonic() - self._started_at >= STEADY_S
        self.process = None
        self.must_start = self.must_start and not was_steady
        self.failures = 0 if was_steady else self.failures + 1
        if self.must_start and self.failures >= FIRST_FAILURES:
            raise ServiceFailedError(f"{self.name} ended {self.failures} times while starting; see its messages above.")
        pause_s = min(MAX_PAUSE_S, 0.5 * 2**self.failures) if self.failures > 1 else 0.5
        self._start_again_at = time.monotonic() + pause_s
        say(f"{self.name} ended ({_how(status)}); it starts again in {pause_s:g} s")

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs services until a signal comes. Use it from the main thread."""

    def __init__(self, services: Sequence[Service], *, say: Callable[[str], None]) -> None:
        self.services = list(services)
        self.say = say
        self._signals_seen = 0
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    @property
    def is_stopping(self) -> bool:
        return self._signals_seen > 0

    def look_after_all(self) -> None:
        """One round over all services; raises ServiceFailedError."""
        for service in self.services:
            if not self.is_stopping:
                service.look_after(self.say)

    def watch(self) -> None:
        """Looks after the services until a signal asks to stop."""
        while not self.is_stopping:
            self.look_after_all()
            time.sleep(LOOK_S)

    def stop(self) -> None:
        """Ends all services in order; a second signal, or too long a wait, ends them at once."""
        processes = [service.process for service in self.services if service.process is not None]
        for process in processes:
            if process.poll() is None:
                process.terminate()
        signals_so_far, deadline = self._signals_seen, time.monotonic() + STOP_GRACE_S
        while time.monotonic() < deadline and self._signals_seen <= max(1, signals_so_far):
            if all(process.poll() is not None for process in processes):
                break
            time.sleep(0.05)
        for process in processes:
            signal_group(process, signal.SIGKILL)
            process.wait()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals_seen += 1


def _how(status: int) -> str:
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"status {status}"
