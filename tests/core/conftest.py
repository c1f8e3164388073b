"""Real worker processes for tests, each trial on a database and data folder of its own."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

ROOT = Path(__file__).resolve().parents[2]
COMPLETIONS = """
CREATE TABLE completions (job_id integer, token text);
CREATE TRIGGER note_completion AFTER UPDATE OF state ON core_job WHEN NEW.state = 'done'
BEGIN INSERT INTO completions VALUES (NEW.id, NEW.owner_token); END;
"""
FAST = {
    "QUARRY_JOB_HEARTBEAT_S": "0.3",
    "QUARRY_JOB_STALE_S": "2.0",
    "QUARRY_JOB_BACKOFF_S": "0.2",
    "QUARRY_JOB_RESEND_S": "1",
    "QUARRY_JOB_STOP_GRACE_S": "2",
    "QUARRY_JOB_THREADS": "4",
    "DJANGO_SETTINGS_MODULE": "tests.core.trial_settings",
    "OMP_NUM_THREADS": "1",
}


def eventually(question: Callable[[], Any], *, within_s: float = 30.0, what: str = "") -> Any:
    """Asks until the answer is truthy; fails after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what or question}"
        time.sleep(0.05)
    return answer


class Trial:
    """A data folder with its own SQLite database, and the processes started on it."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        inherited = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
        self.environment = {**inherited, **FAST, "QUARRY_HOME": str(home), **environment}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Starts `python <command>` in the background; its output goes to log.txt."""
        with (self.home / "log.txt").open("ab") as log:
            options = {"stdout": log, "stderr": log, **options}
            process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=self.environment, **options)
        self.processes.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start("manage.py", "worker")

    def manage(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs `manage.py` to its end."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=timeout_s
        )

    def shell(self, code: str) -> str:
        """Runs Django code in a process of its own; what it printed."""
        run = self.manage("shell", "-v0", "-c", code)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def create_jobs(self, kind: str, n: int = 1, **params: Any) -> None:
        title = f"{kind} {n}"
        self.shell(
            "from core.jobs import create_job\n"
            f"for _ in range({n}): create_job(kind={kind!r}, title={title!r}, params={params!r})"
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Reads the database from outside, as another process would."""
        database = sqlite3.connect(f"file:{self.home / 'quarry.sqlite3'}?mode=ro", uri=True, timeout=20)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def note_completions(self) -> None:
        """From now on the database itself notes every transition of a job to done."""
        database = sqlite3.connect(self.home / "quarry.sqlite3")
        try:
            database.executescript(COMPLETIONS)
        finally:
            database.close()

    def states(self) -> dict[str, int]:
        return dict(self.rows("SELECT state, count(*) FROM core_job GROUP BY state"))

    def events(self) -> list[tuple[int, str, str]]:
        """(job id, token, what happened), in order."""
        path = self.home / "events.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(job_id), token, event) for job_id, token, event in (line.split() for line in lines)]

    def log(self) -> str:
        return (self.home / "log.txt").read_text(errors="replace")

    def living_processes(self) -> list[str]:
        """Command lines of all processes that carry this data folder in their environment (Linux)."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"QUARRY_HOME={self.home}\0".encode() not in (folder / "environ").read_bytes() + b"\0":
                    continue
                if ") Z " not in (folder / "stat").read_text():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


POSTGRES_COMPLETIONS = """
CREATE TABLE completions (job_id integer, token text);
CREATE FUNCTION note_completion() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO completions VALUES (NEW.id, NEW.owner_token); RETURN NEW; END $$;
CREATE TRIGGER note_completion AFTER UPDATE OF state ON core_job FOR EACH ROW WHEN (NEW.state = 'done')
EXECUTE FUNCTION note_completion();
"""
TRIAL_REDIS_DATABASE = 13


class ServersTrial(Trial):
    """The same on PostgreSQL and Redis, with the stock `celery worker`."""

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start("-m", "celery", "-A", "config", "worker", "-Q", "default,gpu")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environment["DATABASE_URL"]) as database:
            return database.execute(sql).fetchall()

    def note_completions(self) -> None:
        with psycopg.connect(self.environment["DATABASE_URL"]) as database:
            database.execute(POSTGRES_COMPLETIONS)

    def forget_wake_ups(self) -> None:
        """What a Redis without persistence does when it restarts."""
        with redis.Redis.from_url(self.environment["REDIS_URL"]) as broker:
            broker.flushdb()


@pytest.fixture
def servers_trial(tmp_path: Path) -> Iterator[ServersTrial]:
    """A database made for this test on the server of DATABASE_URL, and a database number of the Redis of REDIS_URL."""
    if "postgres" not in os.environ.get("DATABASE_URL", "") or not os.environ.get("REDIS_URL"):
        pytest.skip("DATABASE_URL and REDIS_URL name no servers")
    given, name = urlsplit(os.environ["DATABASE_URL"]), f"quarry_trial_{os.getpid()}"
    trial = ServersTrial(
        tmp_path,
        DATABASE_URL=given._replace(path=f"/{name}").geturl(),
        REDIS_URL=urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{TRIAL_REDIS_DATABASE}").geturl(),
    )
    with psycopg.connect(given._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        trial.forget_wake_ups()
        try:
            migrated = trial.manage("migrate", "-v0", timeout_s=120)
            assert migrated.returncode == 0, migrated.stderr
            yield trial
        finally:
            trial.end()
            trial.forget_wake_ups()
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with one project and one administrator, made once and copied for each trial."""
    home = tmp_path_factory.mktemp("prepared")
    trial = Trial(home)
    assert trial.manage("migrate", "-v0", timeout_s=120).returncode == 0
    trial.shell(
        "from core.models import Project, User\n"
        "Project.objects.create(slug='demo')\n"
        "User.objects.create_superuser('root', password='not-used-here')"
    )
    return home


@pytest.fixture
def trial(prepared_home: Path, tmp_path: Path) -> Iterator[Trial]:
    home = tmp_path / "home"
    shutil.copytree(prepared_home, home)
    trial = Trial(home)
    yield trial
    trial.end()
