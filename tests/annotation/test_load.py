"""Ten annotators against one real server: no acknowledged vote lost, none over the overlap, nobody twice on a pair."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 10
CSRF = "loadtestloadtestloadtestloadtest"


@dataclass
class Site:
    """A server of its own on a database of its own."""

    address: str
    env: dict[str, str]
    sessions: list[str]

    def check(self, acknowledged: list[str], undone: list[str]) -> dict[str, int]:
        given = json.dumps({"keys": acknowledged, "undone": undone})
        return json.loads(in_site(self.env, "check", stdin=given))


def in_site(env: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """Runs the helper beside this file in a process whose settings are the site's."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.annotation.load_site", *arguments],
        cwd=ROOT,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """DATABASE_URL of an empty database: a file, or one more on the server that DATABASE_URL names."""
    given = os.environ.get("DATABASE_URL", "")
    if not given.startswith("postgres"):
        yield f"sqlite:///{tmp_path / 'load.sqlite3'}"
        return
    import psycopg

    name = f"quarry_load_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    yield given.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> Iterator[Site]:
    """A running gunicorn with `request.param` pairs open; several processes where the database is a server."""
    env = {**os.environ, "QUARRY_HOME": str(tmp_path), "DATABASE_URL": database, "LOG_LEVEL": "ERROR"}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    sessions = json.loads(in_site(env, "prepare", str(PEOPLE), str(request.param)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = "2" if database.startswith("postgres") else "1"
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "-b", f"127.0.0.1:{port}", "-w", processes]
    server = subprocess.Popen([*command, "--threads", "8", "--log-level", "critical"], cwd=ROOT, env=env)
    try:
        wait_until_warm(f"http://127.0.0.1:{port}")
        yield Site(f"http://127.0.0.1:{port}", env, sessions)
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_until_warm(address: str) -> None:
    """Until the server has answered a few times: then every process of it has loaded the product."""
    end = time.monotonic() + 90
    answers = 0
    while answers < 8 and time.monotonic() < end:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{address}/api/v1/projects/load/batches/", timeout=60)
            answers += 1
        time.sleep(0.1)
    assert answers == 8, "the server did not start"


@dataclass
class Annotator:
    """Judges whatever comes, sends some votes twice, takes some back, passes some over."""

    site: Site
    session: str
    seed: int
    acknowledged: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def work(self, seconds: float) -> None:
        rng = random.Random(self.seed)
        http = requests.Session()
        http.cookies.update({"sessionid": self.session, "csrftoken": CSRF})
        http.headers["X-CSRFToken"] = CSRF
        end = time.monotonic() + seconds
        shown = self.post(http, "leases", {})
        while time.monotonic() < end:
            if not shown["leases"]:
                time.sleep(0.2)
                shown = self.post(http, "leases", {})
                continue
            shown = self.turn(http, rng, shown["leases"][0])
        http.close()

    def turn(self, http: requests.Session, rng: random.Random, lease: dict) -> dict:
        if rng.random() < 0.05:
            return self.post(http, "skip", {"token": lease["token"]})
        shown = self.vote(http, rng, lease)
        if rng.random() < 0.05 and self.acknowledged:
            key = self.acknowledged[-1]
            shown = self.post(http, "undo", {"key": key})
            self.undone.append(key)
        return shown

    def vote(self, http: requests.Session, rng: random.Random, lease: dict) -> dict:
        key = str(uuid.uuid4())
        intent = "yes" if rng.random() < 0.9 else "no"
        body = {
            "key": key,
            "token": lease["token"],
            "item": lease["item"],
            "intent": intent,
            "answer": rng.randint(0, 1) if intent == "yes" else None,
        }
        for _ in range(2 if rng.random() < 0.2 else 1):
            shown = self.post(http, "votes", body)
        self.acknowledged.append(key)
        return shown

    def post(self, http: requests.Session, path: str, body: dict) -> dict:
        started = time.perf_counter()
        answer = http.post(f"{self.site.address}/api/v1/projects/load/{path}/", json=body, timeout=30)
        self.latencies.append(time.perf_counter() - started)
        if answer.status_code != 200:
            self.strange.append(f"{path} {answer.status_code} {answer.text[:200]}")
            raise AssertionError(self.strange[-1])
        return answer.json()


def work_together(site: Site, seconds: float) -> list[Annotator]:
    people = [Annotator(site, session, seed) for seed, session in enumerate(site.sessions)]
    threads = [threading.Thread(target=person.work, args=[seconds]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return people


def assert_exact(site: Site, people: list[Annotator]) -> None:
    assert [problem for person in people for problem in person.strange] == []
    acknowledged = [key for person in people for key in person.acknowledged]
    undone = [key for person in people for key in person.undone]
    found = site.check(acknowledged, undone)
    latencies = sorted(value for person in people for value in person.latencies)
    p50, p99 = (1000 * latencies[int(share * len(latencies))] for share in (0.5, 0.99))
    print(f"{len(acknowledged)} acknowledged, {len(undone)} undone, p50 {p50:.0f} ms, p99 {p99:.0f} ms: {found}")  # noqa: T201
    assert len(acknowledged) > PEOPLE
    for name in ("lost", "undo_lost", "over", "over_target", "twice", "counters_off"):
        assert found[name] == 0, f"{name}: {found}"
    assert found["votes"] == len(acknowledged) - len(undone)


@pytest.mark.parametrize("site", [60], indirect=True)
def test_ten_annotators_on_few_pairs_judge_each_exactly(site):
    assert_exact(site, work_together(site, 6))


@pytest.mark.long
@pytest.mark.parametrize("site", [1200], indirect=True)
def test_ten_annotators_for_one_minute_lose_nothing(site):
    assert_exact(site, work_together(site, 60))
