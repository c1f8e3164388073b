"""The soak of benchmarks/annotators in small: annotators who do everything wrong, and a server that is killed."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOAK = ROOT / "benchmarks" / "annotators" / "soak.py"


@pytest.fixture
def database() -> Iterator[str]:
    """DATABASE_URL of an empty database on the server that DATABASE_URL names; "" for SQLite."""
    given = os.environ.get("DATABASE_URL", "")
    if not given.startswith("postgres"):
        yield ""
        return
    import psycopg

    name = f"quarry_soak_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    yield given.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


def soak(tmp_path: Path, database: str, n_pairs: int, *more: str) -> dict:
    """Runs it with so many pairs; its report."""
    pairs = [
        {"pid": f"p{n}", "doc": f"python sort list {n}", "code": f"def f{n}(a):\n    return sorted(a)[{n}:]\n"}
        for n in range(n_pairs)
    ]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    command = [sys.executable, str(SOAK), "--home", str(tmp_path / "home"), "--pairs", str(tmp_path / "pairs.json")]
    command += ["--database", database, "--processes", "2" if database else "1", *more]
    env = {**os.environ, "QUARRY_CODE_PROCESSES": "0"}  # helpers take longer to start than so few codes to parse
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert done.returncode == 0, report
    return report


def assert_nothing_wrong(report: dict) -> None:
    found = report["found"]
    wrong = ("lost", "changed", "undo_lost", "over", "twice", "two_in_slot", "counters_off", "slots_off", "strange")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert report["acknowledged"] > 0


def test_a_killed_server_loses_no_vote(tmp_path, database):
    report = soak(tmp_path, database, 40, *("--people", "6", "--minutes", "0.2", "--kill-every", "3", "--lease", "3"))
    assert_nothing_wrong(report)
    assert report["kills"] > 0


@pytest.mark.long
def test_a_hundred_annotators_and_a_kill_every_few_seconds_lose_nothing(tmp_path, database):
    report = soak(tmp_path, database, 20_000, *("--people", "100", "--minutes", "10", "--kill-every", "6"))
    assert_nothing_wrong(report)
    assert report["kills"] > 50
