"""Votes over HTTP: Quarry, the bare prototype and Potato, one after the other in one run.

    python benchmarks/annotators/compare.py --driver FOLDER --work /tmp/compare PAIRS.json [--only quarry,prototype]

FOLDER holds the driver that the peers were measured with (driver.py, servers.py, adapters/); `pairs.py` makes pairs.
Server, database and driver share one core (--core), there is no thinking time, and a vote is submit and next. Potato
needs `WORK/po` (python3 -m venv WORK/po; WORK/po/bin/pip install potato-annotation==2.12.1) and is left out without it.
What Quarry starts is `manage.py up` with everything that belongs to it; --root measures another checkout of it.
Prints a JSON line for each block; `cpu_ms` is CPU of all server processes a vote, PostgreSQL's not among them.
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PORTS = {"quarry": 8151, "prototype": 8152, "potato": 8803}
SECONDS = 240


def commands(root: Path, work: Path) -> dict[str, dict[str, Any]]:
    """What `servers.py` of the driver needs to know of ours."""
    python = sys.executable
    up = [python, str(root / "manage.py"), "up", "--port", str(PORTS["quarry"])]
    bare = ["-k", "gthread", "--threads", "12", "--keep-alive", "15", "-b", f"127.0.0.1:{PORTS['prototype']}"]
    gunicorn = [
        python,
        "-m",
        "gunicorn",
        "--chdir",
        str(HERE),
        *bare,
        "--log-level",
        "warning",
        "prototype:application",
    ]
    return {
        "quarry": {"port": PORTS["quarry"], "login": "/login/", "venv": "", "env": {}, "cmds": [up]},
        "prototype": {"port": PORTS["prototype"], "login": "/login/", "venv": "", "env": {}, "cmds": [gunicorn]},
    }


class Contender:
    """One platform from its empty database to its export."""

    def __init__(self, name: str, pairs: Path, driver: Any, servers: Any, adapters: Any) -> None:
        self.name, self.pairs, self.driver, self.servers = name, pairs, driver, servers
        self.adapter = adapters.load(name, url=f"http://127.0.0.1:{PORTS[name]}")
        if name == "potato":
            self.adapter.random = 1
        self.people = adapters.base.annotators(8)

    def run(self, votes: int) -> None:
        number = int(time.time())
        self.adapter.setup(self.people, 3, title=f"bench-{number}")
        is_restarted = getattr(self.adapter, "restarts", False)
        if not is_restarted:
            self.say("start", {"cold_start_s": self.servers.start(self.name)})
        try:
            self._import(is_restarted)
            self._vote("warm", 1, 100)
            self._vote("1 annotator", 1, 300)
            acks = self._vote("8 annotators", 8, votes)
            self._audit(acks)
        finally:
            self.servers.end(self.name, 15)

    def _import(self, is_restarted: bool) -> None:
        if is_restarted:
            self.adapter._session("admin@example.com").headers["X-API-Key"] = "bench-admin-key-1234"
        started = time.perf_counter()
        stored = self.adapter.import_pairs(str(self.pairs))
        brought = getattr(self.adapter, "brought", {})
        self.say("import", {"s": round(time.perf_counter() - started, 2), "stored": stored, **brought})
        if hasattr(self.adapter, "use_pairs"):
            self.adapter.use_pairs(str(self.pairs))
        for person in self.people:
            self.adapter.login(person)
        self.acks: list[Any] = []

    def _vote(self, what: str, n_people: int, votes: int) -> list[Any]:
        pids = self.servers.saved(self.name)
        before = self.servers.cpu(pids)
        acks, seen = self.driver.annotate(self.adapter, self.people[:n_people], votes, SECONDS)
        cpu = self.servers.cpu(pids) - before
        self.acks += acks
        figures = {name: seen[name] for name in ("acks", "per_s", "next_ms", "submit_ms", "errors", "driver_cpu_share")}
        memory = dict(zip(("processes", "rss_MiB", "pss_MiB"), self.servers.mem(pids), strict=True))
        self.say(what, {**figures, "cpu_ms": round(1000 * cpu / max(1, len(acks)), 2), **memory})
        return self.acks

    def _audit(self, acks: list[Any]) -> None:
        path = str(self.pairs.with_suffix(f".{self.name}.export"))
        self.adapter.export(path)
        self.say("audit", self.driver.audit(acks, self.adapter.rows(path), 3))

    def say(self, block: str, figures: dict[str, Any]) -> None:
        print(json.dumps({"platform": self.name, "block": block, **figures}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--driver", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--root", type=Path, default=HERE.parents[1])
    parser.add_argument("--only", default="quarry,prototype,potato")
    parser.add_argument("--votes", type=int, default=1500, help="Votes of the block with 8 annotators.")
    parser.add_argument("--core", type=int, default=0)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    work, driver_folder, pairs = given.work.resolve(), given.driver.resolve(), given.pairs.resolve()
    os.chdir(given.root)  # Celery puts the working folder on the path of what we start, first
    for name in ("run", "pohome"):
        (work / name).mkdir(parents=True, exist_ok=True)
    home = work / "quarry-home"
    shutil.rmtree(home, ignore_errors=True)
    for leftover in work.glob("prototype.sqlite3*"):
        leftover.unlink()
    os.environ |= {"PEERS": str(work), "QUARRY_HOME": str(home), "PROTOTYPE_DB": str(work / "prototype.sqlite3")}
    os.environ["QUARRY_SITE"] = str(given.root.resolve() / "benchmarks" / "annotators" / "quarry_site.py")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(driver_folder))
    import adapters
    import driver
    import servers

    adapters.__path__.append(str(HERE / "adapters"))
    servers.PEER |= commands(given.root.resolve(), work)
    for name in given.only.split(","):
        if name != "potato" or (work / "po").is_dir():
            Contender(name, pairs, driver, servers, adapters).run(given.votes if name != "potato" else 300)


if __name__ == "__main__":
    main()
