"""Pieces of a code source read in helper processes, in order, with bounds on time and memory for each piece.

    with ReadingPool(processes=2) as pool:
        for unit, found in pool.read(source.units()): ...

A helper that takes too long over a piece, runs out of memory or dies (parsers are C code) costs that one piece: it is
reported as a Problem, the helper is replaced, everything else goes on. `processes=0` reads in this process.

    python -m curation.code_workers      what a helper runs: length-prefixed pickles on its standard input and output
"""

import os
import pickle
import queue
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any

from curation.code_reading import Found, Problem, Unit, read_unit

BATCH_UNITS = 32
BATCH_BYTES = 2**19
UNIT_LIMIT_S = 30.0  # for one piece; a batch of n pieces has no more than a few of them that are slow
HELPER_MEMORY_BYTES = 3 * 2**30
POLL_S = 0.2
_LENGTH = struct.Struct("<Q")
Piece = Unit | Problem
Read = tuple[Piece, list[Found]]


class ReadingPool:
    """Helper processes that read units; ended with the `with` block, and with this process however it ends."""

    def __init__(self, processes: int, *, unit_limit_s: float = UNIT_LIMIT_S) -> None:
        self._processes = processes
        self._limit_s = unit_limit_s
        self._helpers: list[_Helper] = []

    def __enter__(self) -> "ReadingPool":
        return self

    def __exit__(self, *exc: object) -> None:
        for helper in self._helpers:
            helper.end()
        self._helpers = []

    def read(self, pieces: Iterable[Piece], check: Callable[[], None] = lambda: None) -> Iterator[Read]:
        """Every piece with what it holds, in the order given; reads only a few batches ahead. `check` may raise."""
        if not self._processes:
            for piece in pieces:
                check()
                yield piece, [piece] if isinstance(piece, Problem) else read_unit(piece)
            return
        batches = _batches(pieces)
        waiting: deque[_Batch] = deque()
        done: dict[int, _Batch] = {}
        free: queue.SimpleQueue[_Helper] = queue.SimpleQueue()
        for _ in range(self._processes):
            helper = _Helper(self._limit_s)
            self._helpers.append(helper)
            free.put(helper)
        while True:
            while len(waiting) <= 2 * self._processes and (batch := next(batches, None)) is not None:
                waiting.append(batch)
                done[id(batch)] = batch
                threading.Thread(target=_do, args=(batch, free), daemon=True).start()
            if not waiting:
                return
            batch = waiting.popleft()
            check()
            while not batch.is_done.wait(POLL_S):
                check()
            done.pop(id(batch))
            yield from zip(batch.pieces, batch.results, strict=True)


@dataclass
class _Batch:
    pieces: list[Piece]
    results: list[list[Found]] = field(default_factory=list)
    is_done: threading.Event = field(default_factory=threading.Event)


def _batches(pieces: Iterable[Piece]) -> Iterator[_Batch]:
    """Pieces together until they are worth the way to a helper."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.data) if isinstance(piece, Unit) else 0
        if isinstance(piece, Unit) and piece.place:
            with suppress(OSError):
                size += Path(piece.place).stat().st_size
        if len(batch) >= BATCH_UNITS or size >= BATCH_BYTES:
            yield _Batch(batch)
            batch, size = [], 0
    if batch:
        yield _Batch(batch)


def _do(batch: _Batch, free: "queue.SimpleQueue[_Helper]") -> None:
    """One batch on the next free helper; when it fails as a whole, its pieces one by one."""
    helper = free.get()
    try:
        units = [piece for piece in batch.pieces if isinstance(piece, Unit)]
        read = helper.read(units) if units else []
        if read is None:
            read = [(helper.read([unit]) or [[helper.lost(unit)]])[0] for unit in units]
        found = iter(read)
        batch.results = [next(found) if isinstance(piece, Unit) else [piece] for piece in batch.pieces]
    finally:
        if len(batch.results) != len(batch.pieces):  # the pool was ended under it
            batch.results = [[] for _ in batch.pieces]
        free.put(helper)
        batch.is_done.set()


class _Helper:
    """One helper process; started with its first batch, replaced after one that it did not survive."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._process: Any = None
        self._timed_out = False
        self._is_over = False
        self._lock = threading.Lock()  # a helper that is being ended must not start another process

    def read(self, units: list[Unit]) -> list[list[Found]] | None:
        """What the units hold; None when the helper died or took too long over them."""
        process = self._running()
        if process is None:
            return None
        self._timed_out = False
        timer = threading.Timer(self._limit_s, self._stop_late)
        timer.start()
        try:
            _send(process.stdin, units)
            return _receive(process.stdout)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):  # ValueError: `end` closed the pipe meanwhile
            self._drop()
            return None
        finally:
            timer.cancel()

    def lost(self, unit: Unit) -> Problem:
        """The problem of a unit that no helper survived."""
        why = (
            f"took longer than {self._limit_s:.0f} s" if self._timed_out else "its parser crashed or ran out of memory"
        )
        return Problem(unit.path, f"not read: {why}")

    def end(self) -> None:
        """Ends the process and starts no other."""
        with self._lock:
            self._is_over = True
        self._drop()

    def _running(self) -> Any:
        """The process, started when there is none; None once the helper is ended."""
        with self._lock:
            if not self._is_over and self._process is None:
                self._process = _spawn()
            return self._process

    def _stop_late(self) -> None:
        self._timed_out = True
        process = self._process
        if process is not None:
            process.kill()

    def _drop(self) -> None:
        from core.processes import end_group

        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            end_group(process, grace_s=0.0)
            for stream in (process.stdin, process.stdout):
                with suppress(OSError):
                    stream.close()


def _spawn() -> Any:
    from core.processes import spawn_with_parent

    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "curation.code_workers"]
    return spawn_with_parent(command, stdin=PIPE, stdout=PIPE, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"})


def _send(stream: IO[bytes], what: Any) -> None:
    raw = pickle.dumps(what, protocol=5)
    stream.write(_LENGTH.pack(len(raw)))
    stream.write(raw)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError("no more")
    (size,) = _LENGTH.unpack(head)
    raw = stream.read(size)
    if len(raw) < size:
        raise EOFError("cut off")
    return pickle.loads(raw)


def main() -> None:
    """Serves batches until standard input ends. What libraries print goes to standard error."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (HELPER_MEMORY_BYTES, HELPER_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            units = _receive(sys.stdin.buffer)
        except EOFError:
            return
        _send(replies, [read_unit(unit) for unit in units])


if __name__ == "__main__":
    main()
