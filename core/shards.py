"""Long work in shards: pure stages, a manifest in the database, and an executor that nobody else knows.

A stage is a function `f(ShardTask) -> facts` named "module:name". It writes the file `task.output` from `task.data`,
`task.params` and files of `task.folder`, and returns a small JSON report; it knows no database and no clock. What is
done stands in the manifest: one row per (work, stage, hash of its parameters, shard). Outputs are built under another
name and renamed, so a row and its file together mean "skip this".

    work = ShardWork("ingest-12", "tmp/ingest-12")
    for done in work.run(Stage("read", "curation.log_shards:read_shard", params), inputs, check=run.check): ...

`local` spreads the shards over helper processes that end with this one. `celery` leaves them as rows that the tasks of
any worker can claim (QUARRY_HOME must be shared); whoever runs the work helps along, so it ends without any worker.
"""

import hashlib
import itertools
import json
import os
import shutil
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from subprocess import PIPE
from typing import Any, Protocol

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from core.db import retry_when_busy, write_transaction
from core.errors import QuarryError
from core.models import Shard, ShardStage
from core.processes import end_group, spawn_with_parent
from core.shard_worker import ShardTask, run_stage

POLL_S = 0.1
CLAIM_STALE_S = 300.0  # a shard claimed for longer is claimed again: its function is pure, so twice is no harm
AHEAD = 4  # shards of data that wait for a claim, so that no folder fills up
Check = Callable[[], None]
Input = tuple[int, bytes]


class ShardLostError(ConnectionError):
    """A helper process died (out of memory, killed). Trouble of the surroundings: the job is tried again."""


class ShardCrashError(RuntimeError):
    """A stage's function raised what no stage should raise; carries its traceback."""


@dataclass(frozen=True)
class Stage:
    """A step of a work: the function that does a shard of it, and parameters that JSON can hold."""

    name: str
    function: str
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def params_hash(self) -> str:
        """32 hex characters over function and parameters: other parameters, other outputs."""
        text = json.dumps([self.function, self.params], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class DoneShard:
    """A shard whose output is there, with the report of its function."""

    number: int
    path: Path
    facts: dict[str, Any]


class Executor(Protocol):
    """How shards get done: yields them in the order of the inputs, reads only a few inputs ahead."""

    def run(self, row: ShardStage, inputs: Iterable[Input], check: Check) -> Iterator[DoneShard]: ...


class ShardWork:
    """One piece of sharded work: its name in the manifest and its folder below QUARRY_HOME."""

    def __init__(self, name: str, folder: str, executor: Executor | None = None) -> None:
        self.name, self.folder = name, folder
        self.executor = executor or chosen_executor()

    @property
    def path(self) -> Path:
        return Path(settings.QUARRY_HOME) / self.folder

    def run(self, stage: Stage, inputs: Iterable[Input], check: Check = lambda: None) -> Iterator[DoneShard]:
        """Does the stage for every input that is not done; yields every shard in the order of the inputs.

        Raises what the function refuses (QuarryError), ShardLostError, ShardCrashError, and whatever `check` raises.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        row = self._row(stage)
        kept = self._kept(row)
        done: dict[int, DoneShard | None] = {}

        def missing() -> Iterator[Input]:
            for number, data in inputs:
                done[number] = kept.get(number)
                if done[number] is None:
                    yield number, data
                else:
                    check()

        yield from _in_order(self.executor.run(row, missing(), check), done)

    def done(self, stage: Stage) -> dict[int, DoneShard]:
        """What of the stage is done and still there."""
        row = ShardStage.objects.filter(work=self.name, name=stage.name, params_hash=stage.params_hash).first()
        return self._kept(row) if row else {}

    def forget(self) -> None:
        """Removes the manifest and every file of the work."""
        shutil.rmtree(self.path, ignore_errors=True)
        with write_transaction():
            Shard.objects.filter(stage__work=self.name).delete()
            ShardStage.objects.filter(work=self.name).delete()

    def _row(self, stage: Stage) -> ShardStage:
        with write_transaction():
            row, _ = ShardStage.objects.get_or_create(
                work=self.name,
                name=stage.name,
                params_hash=stage.params_hash,
                defaults={"function": stage.function, "params": stage.params, "folder": self.folder},
            )
        return row

    def _kept(self, row: ShardStage) -> dict[int, DoneShard]:
        rows = row.shards.filter(is_done=True).values_list("number", "facts")
        found = (DoneShard(number, output_path(row, number), facts) for number, facts in rows)
        return {shard.number: shard for shard in found if shard.path.exists()}


def _in_order(fresh: Iterator[DoneShard], done: dict[int, DoneShard | None]) -> Iterator[DoneShard]:
    """The fresh shards with the kept ones between them, as the inputs came. `done` grows while `fresh` is read."""
    for shard in fresh:
        while (number := next(iter(done))) != shard.number:
            kept = done.pop(number)
            if kept is not None:
                yield kept
        done.pop(shard.number)
        yield shard
    yield from (shard for shard in done.values() if shard is not None)


def output_path(row: ShardStage, number: int) -> Path:
    """Where the output of a shard stands."""
    return Path(settings.QUARRY_HOME) / row.folder / f"{row.name}-{row.params_hash[:12]}-{number:06d}.shard"


def _input_path(row: ShardStage, number: int) -> Path:
    return output_path(row, number).with_suffix(".data")


@retry_when_busy()
def _mark_done(row: ShardStage, number: int, facts: dict[str, Any]) -> None:
    with write_transaction():
        Shard.objects.update_or_create(
            stage=row, number=number, defaults={"facts": facts, "is_done": True, "owner_token": ""}
        )


# --- helper processes ---------------------------------------------------------------------------------------------


class Helper:
    """A process that does shards (core/shard_worker.py); started with the first, ended with this one."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "core.shard_worker"]
        self._process = spawn_with_parent(command, stdin=PIPE, stdout=PIPE, cwd=settings.BASE_DIR, env=_helper_env())

    def run(self, row: ShardStage, number: int, data: bytes) -> DoneShard:
        """Does one shard and waits for it."""
        output = output_path(row, number)
        wanted = {
            "function": row.function,
            "params": row.params,
            "folder": str(output.parent),
            "output": str(output),
            "size": len(data),
        }
        sending, receiving = self._process.stdin, self._process.stdout
        if sending is None or receiving is None:
            raise AssertionError
        try:
            sending.write(json.dumps(wanted).encode() + b"\n")
            sending.write(data)
            sending.flush()
            line = receiving.readline()
        except OSError:
            line = b""
        if not line:
            raise ShardLostError(f"a helper process ended with status {self._process.wait()}; is there enough memory?")
        return DoneShard(number, output, _facts(json.loads(line)))

    def end(self) -> None:
        """Ends the process, whatever it does just now."""
        end_group(self._process, grace_s=0.0)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _helper_env() -> dict[str, str]:
    """One thread for each helper: there are as many helpers as cores. The allocator gives freed memory back."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}


def _facts(reply: dict[str, Any]) -> dict[str, Any]:
    if "facts" in reply:
        return dict(reply["facts"])
    if "refused" in reply:
        module, _, name = reply["refused"].partition(":")
        error: type[QuarryError] = getattr(import_module(module), name)
        raise error(**reply["fields"])
    raise ShardCrashError(reply["crash"])


class InlineExecutor:
    """Shards in this process, one after the other: for work so small that starting a helper would take longer."""

    def run(self, row: ShardStage, inputs: Iterable[Input], check: Check) -> Iterator[DoneShard]:
        for number, data in inputs:
            check()
            output = output_path(row, number)
            facts = run_stage(row.function, ShardTask(data, row.params, output.parent, output))
            _mark_done(row, number, facts)
            yield DoneShard(number, output, facts)


class LocalExecutor:
    """Shards in helper processes, by default one for each core."""

    def __init__(self, processes: int = 0) -> None:
        self.processes = processes or os.cpu_count() or 1

    def run(self, row: ShardStage, inputs: Iterable[Input], check: Check) -> Iterator[DoneShard]:
        helpers: list[Helper] = []
        own = threading.local()

        def work(number: int, data: bytes) -> DoneShard:
            if not hasattr(own, "helper"):
                own.helper = Helper()
                helpers.append(own.helper)
            return own.helper.run(row, number, data)

        pool = ThreadPoolExecutor(self.processes, thread_name_prefix="shard")
        waiting: deque[Future[DoneShard]] = deque()
        source = iter(inputs)
        try:
            while True:
                for number, data in itertools.islice(source, self.processes + 1 - len(waiting)):
                    waiting.append(pool.submit(work, number, data))
                if not waiting:
                    return
                _wait_for(waiting[0], check)
                shard = waiting.popleft().result()
                _mark_done(row, shard.number, shard.facts)
                yield shard
        finally:
            for future in waiting:
                future.cancel()
            for helper in helpers:
                helper.end()
            pool.shutdown(wait=True, cancel_futures=True)


def _wait_for(future: Future[DoneShard], check: Check) -> None:
    while not wait([future], timeout=POLL_S).done:
        check()
    check()


# --- shards as rows that any worker can claim ----------------------------------------------------------------------


class CeleryExecutor:
    """Data of a few shards at a time lies in the work's folder; tasks of any worker, and this process, take them."""

    def __init__(self, wake: Callable[[int], None] | None = None, ahead: int = AHEAD) -> None:
        self._wake = wake or _wake_workers
        self._ahead = ahead

    def run(self, row: ShardStage, inputs: Iterable[Input], check: Check) -> Iterator[DoneShard]:
        open_shards: deque[int] = deque()
        source = iter(inputs)
        helper = Helper()
        try:
            while True:
                for number, data in itertools.islice(source, self._ahead - len(open_shards)):
                    _offer(row, number, data)
                    open_shards.append(number)
                    self._wake(row.pk)
                if not open_shards:
                    return
                self._help(row, helper)
                while open_shards and (shard := _finished(row, open_shards[0])):
                    open_shards.popleft()
                    yield shard
                check()
        finally:
            helper.end()

    def _help(self, row: ShardStage, helper: Helper) -> None:
        number = claim_shard(row)
        if number is None:
            time.sleep(POLL_S)
        else:
            _do_claimed(row, number, helper)


def _offer(row: ShardStage, number: int, data: bytes) -> None:
    path = _input_path(row, number)
    building = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
    building.write_bytes(data)
    building.replace(path)
    with write_transaction():
        Shard.objects.update_or_create(
            stage=row,
            number=number,
            defaults={"is_done": False, "owner_token": "", "claimed_at": None, "facts": {}, "error": {}},
        )


def claim_shard(row: ShardStage) -> int | None:
    """The number of a shard that this process may do now, or None."""
    stale = timezone.now() - timedelta(seconds=CLAIM_STALE_S)
    is_free = Q(owner_token="") | Q(claimed_at__lt=stale)
    for number in (
        row.shards.filter(is_free, is_done=False, error={}).order_by("number").values_list("number", flat=True)
    ):
        with write_transaction():
            mine = row.shards.filter(is_free, number=number, is_done=False)
            if mine.update(owner_token=uuid.uuid4().hex, claimed_at=timezone.now()):
                return int(number)
    return None


def _do_claimed(row: ShardStage, number: int, helper: Helper) -> None:
    """Does a claimed shard; what goes wrong stands in its row, for the process that runs the work."""
    path = _input_path(row, number)
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # somebody else was faster with a stale claim
        return
    try:
        shard = helper.run(row, number, data)
    except QuarryError as error:
        kind = type(error)
        _mark_failed(row, number, {"refused": f"{kind.__module__}:{kind.__qualname__}", "fields": error.fields})
    except ShardCrashError as error:
        _mark_failed(row, number, {"crash": str(error)})
    else:
        _mark_done(row, number, shard.facts)
        path.unlink(missing_ok=True)


@retry_when_busy()
def _mark_failed(row: ShardStage, number: int, error: dict[str, Any]) -> None:
    with write_transaction():
        row.shards.filter(number=number).update(error=json.loads(json.dumps(error, default=str)))


def _finished(row: ShardStage, number: int) -> DoneShard | None:
    shard = row.shards.get(number=number)
    if shard.error:
        _facts(shard.error)
    return DoneShard(number, output_path(row, number), shard.facts) if shard.is_done else None


def help_with_stage(stage_id: int) -> int:
    """What a worker's task does: takes shards of the stage until none is free; returns how many it did."""
    row = ShardStage.objects.filter(pk=stage_id).first()
    n_done, helper = 0, None
    try:
        while row is not None and (number := claim_shard(row)) is not None:
            helper = helper or Helper()
            _do_claimed(row, number, helper)
            n_done += 1
    finally:
        if helper:
            helper.end()
    return n_done


def _wake_workers(stage_id: int) -> None:
    from kombu.exceptions import OperationalError as BrokerError

    from core.tasks import help_with_shards_task

    with suppress(BrokerError):  # then whoever runs the work does it alone
        help_with_shards_task.apply_async(args=(stage_id,), queue="default", retry=False)


def chosen_executor() -> Executor:
    """The executor of this installation (QUARRY_SHARDS); without a broker there is nobody to share with."""
    if settings.SHARDS == "celery" and settings.REDIS_URL:
        return CeleryExecutor()
    return LocalExecutor(settings.SHARD_PROCESSES)
