"""Annotators at a human pace: how long does a vote take when so many people work at once?

    python benchmarks/annotators/think.py --home /tmp/think --pairs PAIRS.json --people 100 --think 4 --minutes 3

Each person thinks for an exponential time before every vote, as long on average as --think says, and begins somewhere
within the first think time (the ramp, not counted). One vote is the submission and the next pair. Prints one JSON line:
milliseconds by votes (p50, p95, p99, worst), votes a second, and every answer that was not 200.
"""

import argparse
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from people import Annotator, Book, Door, Manner
from soak import SLUG, Server, in_site


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="Folder for the site's data; must be new.")
    parser.add_argument("--database", default="", help="An empty PostgreSQL database; default: SQLite in the home.")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--think", type=float, default=4.0, help="Seconds.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    env = {**os.environ, "QUARRY_HOME": str(given.home.resolve()), "LOG_LEVEL": "ERROR"}
    env.pop("DATABASE_URL", None)
    if given.database:
        env["DATABASE_URL"] = given.database
    given.home.mkdir(parents=True, exist_ok=True)
    in_site(env, "setup", SLUG, "--people", str(given.people), "--no-passwords")
    in_site(env, "import", SLUG, str(given.pairs.resolve()))
    sessions, server = in_site(env, "sessions", SLUG), Server(env, given.processes)
    server.start()
    manner = Manner(think_s=given.think, doubles=0, undos=0, skips=0, naps=0)
    warm, book = Book(), Book()
    measured = time.monotonic() + 2 * given.think + 10
    end = measured + 60 * given.minutes

    def one(name: str, session: str, seed: int) -> None:
        time.sleep(random.Random(seed).uniform(0, given.think))
        person = Annotator(Door(server.port, SLUG, session), name, warm, manner, seed)
        person.work(lambda: time.monotonic() > measured)
        person.book = book
        person.work(lambda: time.monotonic() > end)

    threads = [threading.Thread(target=one, args=(*row, n), daemon=True) for n, row in enumerate(sessions.items())]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.stop()
    times = sorted(book.latencies) or [0.0]
    shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1))
    at = {name: round(1000 * times[int(share * (len(times) - 1))]) for name, share in shares}
    seen = {"people": given.people, "think_s": given.think, "votes": len(times)}
    print(json.dumps({**seen, "per_s": round(len(times) / (60 * given.minutes), 1), "ms": at, "seen": dict(book.seen)}))
    return int(any(name != "vote 200" and not name.startswith("no pair") for name in book.seen))


if __name__ == "__main__":
    sys.exit(main())
