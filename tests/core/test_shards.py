"""Sharded work: done once, in order, the same whoever does it; refusals arrive, helpers do not stay."""

import os
import time

import pytest

from core.errors import BadInputError
from core.models import Shard, ShardStage
from core.shards import (
    CeleryExecutor,
    InlineExecutor,
    LocalExecutor,
    ShardCrashError,
    ShardLostError,
    ShardWork,
    Stage,
    claim_shard,
    help_with_stage,
)

pytestmark = pytest.mark.django_db(transaction=True)

DOUBLE = "tests.core.shard_stages:double"


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    settings.QUARRY_HOME = tmp_path
    return tmp_path


def inputs(n=7):
    return [(number, str(number).encode()) for number in range(n)]


def done_by(executor, given, *, function=DOUBLE, params=None, name="work"):
    work = ShardWork(name, f"tmp/{name}", executor)
    return [
        (shard.number, shard.path.read_text(), shard.facts)
        for shard in work.run(Stage("double", function, params or {"times": 2}), given)
    ]


EXPECTED = [(number, str(2 * number), {"value": 2 * number}) for number in range(7)]


@pytest.mark.parametrize(
    "executor",
    [InlineExecutor, lambda: LocalExecutor(1), lambda: LocalExecutor(3), lambda: CeleryExecutor(wake=lambda pk: None)],
)
def test_every_executor_gives_the_same_in_the_order_of_the_inputs(executor):
    assert done_by(executor(), inputs()) == EXPECTED


def test_what_is_done_is_not_done_again_and_comes_in_its_place(home):
    first = done_by(InlineExecutor(), inputs(3))
    (home / "tmp/work" / "double.log").unlink()
    assert done_by(LocalExecutor(2), inputs()) == EXPECTED
    assert first == EXPECTED[:3]
    assert sorted((home / "tmp/work/double.log").read_text().split()) == ["3", "4", "5", "6"]


def test_a_shard_whose_file_is_gone_is_done_again(home):
    done_by(InlineExecutor(), inputs())
    next((home / "tmp/work").glob("double-*-000002.shard")).unlink()
    assert done_by(InlineExecutor(), inputs()) == EXPECTED


def test_other_parameters_are_other_shards():
    done_by(InlineExecutor(), inputs())
    assert [text for _, text, _ in done_by(InlineExecutor(), inputs(3), params={"times": 5})] == ["0", "5", "10"]


def test_forgetting_leaves_neither_rows_nor_files(home):
    done_by(InlineExecutor(), inputs())
    done_by(InlineExecutor(), inputs(), name="other")
    ShardWork("work", "tmp/work").forget()
    assert [path.name for path in (home / "tmp").iterdir()] == ["other"]
    assert ShardStage.objects.count() == 1
    assert Shard.objects.count() == 7


@pytest.mark.parametrize(
    "executor", [InlineExecutor, lambda: LocalExecutor(2), lambda: CeleryExecutor(wake=lambda pk: None)]
)
def test_a_refusal_of_a_stage_arrives_as_itself(executor):
    with pytest.raises(BadInputError, match="no 3 here"):
        done_by(executor(), inputs(), params={"times": 2, "refuse": 3})


@pytest.mark.parametrize("executor", [lambda: LocalExecutor(2), lambda: CeleryExecutor(wake=lambda pk: None)])
def test_a_crash_of_a_stage_arrives_with_its_traceback_and_leaves_no_output(executor, home):
    with pytest.raises(ShardCrashError, match="ZeroDivisionError"):
        done_by(executor(), inputs(), params={"times": 2, "crash": 3})
    assert not list((home / "tmp/work").glob("*-000003.shard"))
    assert not list((home / "tmp/work").glob("*.tmp"))


def test_a_killed_helper_is_trouble_of_the_surroundings():
    with pytest.raises(ShardLostError, match="status"):
        done_by(LocalExecutor(2), inputs(), params={"times": 2, "die": 3})


def test_a_check_that_raises_ends_the_helpers_at_once(home):
    class StopError(Exception):
        pass

    def check():
        if len(list((home / "tmp/work").glob("pid-*"))) == 2:
            raise StopError

    work = ShardWork("work", "tmp/work", LocalExecutor(2))
    with pytest.raises(StopError):
        list(work.run(Stage("double", DOUBLE, {"times": 2, "hang": True}), inputs(), check))
    pids = [int(path.name.removeprefix("pid-")) for path in (home / "tmp/work").glob("pid-*")]
    deadline = time.monotonic() + 10
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(pids) == 2
    assert not any(map(is_alive, pids))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_other_workers_take_shards_and_the_owner_helps_along(home):
    """Every second wake-up reaches a worker; both sides together do each shard once."""
    calls, taken = [], []

    def wake(stage_id):
        calls.append(stage_id)
        if len(calls) % 2:
            taken.append(help_with_stage(stage_id))

    assert done_by(CeleryExecutor(wake=wake, ahead=3), inputs()) == EXPECTED
    assert 0 < sum(taken) < 7
    assert len((home / "tmp/work/double.log").read_text().split()) == 7
    assert not list((home / "tmp/work").glob("*.data"))


def test_a_shard_is_claimed_by_one_and_again_when_its_claim_is_stale(monkeypatch):
    work = ShardWork("work", "tmp/work", InlineExecutor())
    list(work.run(Stage("double", DOUBLE, {"times": 2}), []))
    row = ShardStage.objects.get()
    Shard.objects.create(stage=row, number=5)
    assert claim_shard(row) == 5
    assert claim_shard(row) is None
    monkeypatch.setattr("core.shards.CLAIM_STALE_S", -1.0)
    assert claim_shard(row) == 5


def test_a_task_for_a_stage_that_is_over_does_nothing():
    assert help_with_stage(4711) == 0
