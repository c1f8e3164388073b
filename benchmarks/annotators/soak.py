"""A hundred annotators who do everything wrong, and a server that is killed: is every acknowledged vote there, once?

    python benchmarks/annotators/soak.py --home /tmp/soak --pairs PAIRS.json --minutes 10
    python benchmarks/annotators/soak.py --home /tmp/soak --database postgres://.../soak --processes 3 ...

Simulated annotators vote without a pause, send some votes twice at once, take some back, pass some over, sleep until
their lease has run out; some have a second tab. Beside them a process of its own deactivates people and lets them back,
pauses the batch, raises and lowers its overlap. Every few seconds the web processes get SIGKILL, all at once, and start
again (every tenth time their parent too); a vote that was not answered is sent again under its key. The database itself
keeps running.

At the end the database is held to what people were told, key by key. Prints one JSON line; status 1 where it found
anything. `stored though never acknowledged` is no fault: the answer was lost with the server, and what the key is for.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from people import Annotator, Book, Door, Manner

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(__file__).resolve().parent / "quarry_site.py"
SLUG = "soak"
FAULTS = ("lost", "changed", "undo_lost", "over", "twice", "two_in_slot", "counters_off", "slots_off", "strange")


class Server:
    """gunicorn on a socket that outlives it, so that people wait in line while it is away."""

    def __init__(self, env: dict[str, str], processes: int) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.env, self.processes = env, processes
        self.group: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "config.wsgi:application",
            "--bind",
            f"fd://{self.socket.fileno()}",
        ]
        command += ["--worker-class", "gthread", "--threads", "12", "--workers", str(self.processes)]
        command += [
            "--keep-alive",
            "15",
            "--timeout",
            "60",
            "--log-level",
            "critical",
            "--no-control-socket",
            "--preload",
        ]
        self.group = subprocess.Popen(
            command, cwd=ROOT, env=self.env, pass_fds=[self.socket.fileno()], start_new_session=True
        )

    def kill(self) -> None:
        """SIGKILL to all processes that serve; their parent starts new ones, and is killed itself every tenth time."""
        assert self.group is not None
        self.kills += 1
        if self.kills % 10 == 0:
            os.killpg(self.group.pid, signal.SIGKILL)
            self.group.wait()
            self.start()
            return
        parent = self.group.pid
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split():
            os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        if self.group is not None and self.group.poll() is None:
            self.group.terminate()
            try:
                self.group.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(self.group.pid, signal.SIGKILL)
                self.group.wait()
        self.socket.close()


def in_site(env: dict[str, str], *arguments: str, given: str = "") -> Any:
    """What `quarry_site.py` answers in a process with the site's settings."""
    done = subprocess.run(
        [sys.executable, str(SITE), *arguments],
        cwd=ROOT,
        env=env,
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def soak(given: argparse.Namespace) -> dict[str, Any]:
    """Runs the whole thing; the figures and the findings."""
    env = {**os.environ, "QUARRY_HOME": str(given.home), "LOG_LEVEL": "CRITICAL"}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    env.pop("DATABASE_URL", None)
    if given.database:
        env["DATABASE_URL"] = given.database
    given.home.mkdir(parents=True, exist_ok=True)
    site = ["--people", str(given.people), "--overlap", "3", "--extra", "2", "--no-passwords"]
    site += ["--limit", str(given.limit), "--lease", str(given.lease)]
    book, sessions = Book(), in_site(env, "ready", SLUG, str(given.pairs), *site)
    server = Server(env, given.processes)
    server.start()
    started, end = time.monotonic(), time.monotonic() + 60 * given.minutes
    unrest = subprocess.Popen([sys.executable, str(SITE), "disturb", SLUG, str(given.home / "keys.json"),
                               "--seconds", str(60 * given.minutes)], cwd=ROOT, env=env, stdout=subprocess.PIPE,
                              text=True)  # fmt: skip
    people = _people(given, server.port, sessions, book, lambda: time.monotonic() > end)
    rng = random.Random(given.seed)
    try:
        while time.monotonic() < end:
            time.sleep(min(rng.uniform(0.6, 1.4) * given.kill_every, max(0.1, end - time.monotonic())))
            if time.monotonic() < end - 5:
                server.kill()
        for thread in people:
            thread.join(timeout=180)
        disturbed = json.loads(unrest.communicate(timeout=120)[0] or "{}")
    finally:
        unrest.kill()
        server.stop()
    seconds = time.monotonic() - started
    found = in_site(env, "audit", SLUG, given=json.dumps(book.to_dict()))
    found["strange"] = len(book.strange)
    return {
        "database": "PostgreSQL" if given.database else "SQLite",
        **{"people": given.people, "tabs": len(people), "web_processes": given.processes, "seconds": round(seconds)},
        **{"kills": server.kills, "acknowledged": len(book.votes), "undone": len(book.undone)},
        **{"per_s": round(len(book.votes) / seconds, 1), "latency_ms": _latencies(book.latencies)},
        **{"found": found, "disturbed": disturbed, "seen": dict(sorted(book.seen.items())), "odd": book.strange[:5]},
    }


def _people(given: argparse.Namespace, port: int, sessions: dict[str, str], book: Book, is_over: Any) -> list[Any]:
    """A thread for each tab; every tenth person has two."""
    manner = Manner(nap_s=given.lease + 2.0, keys=given.home / "keys.json")
    tabs = [*sessions.items(), *list(sessions.items())[::10]]
    threads = [
        threading.Thread(
            target=Annotator(Door(port, SLUG, session), name, book, manner, given.seed + n).work,
            args=(is_over,),
            daemon=True,
        )
        for n, (name, session) in enumerate(tabs)
    ]
    for thread in threads:
        thread.start()
    return threads


def _latencies(seconds: list[float]) -> dict[str, float]:
    """Of votes, waiting for a killed server included."""
    ordered = sorted(seconds) or [0.0]
    return {
        name: round(1000 * ordered[int(share * (len(ordered) - 1))]) for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="Folder for the site's data; must be new.")
    parser.add_argument("--database", default="", help="An empty PostgreSQL database; default: SQLite in the home.")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=0, help="Only the first pairs of the file.")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--kill-every", type=float, default=6.0, help="Seconds between kills, on average; 0: after the end."
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--lease", type=int, default=8, help="Seconds that a lease lasts at least.")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of `finally`: no server is left behind
    given.home, given.pairs = given.home.resolve(), given.pairs.resolve()
    report = soak(given)
    print(json.dumps(report))
    return int(any(report["found"].get(name) for name in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
