"""Annotators over HTTP: what a judge page sends, with as little of the driver's own time as possible."""

import contextlib
import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CSRF = "soaksoaksoaksoaksoaksoaksoaksoak"
TIMEOUT_S = 20
LOST = (OSError, http.client.HTTPException)


class Door:
    """One browser tab: a kept connection, a session, the project's endpoints."""

    def __init__(self, port: int, slug: str, session: str) -> None:
        self.port, self.base = port, f"/api/v1/projects/{slug}/"
        self.headers = {"X-CSRFToken": CSRF, "Content-Type": "application/json"}
        self.kept: http.client.HTTPConnection | None = None
        self.enter(session)

    def enter(self, session: str) -> None:
        """Goes on as this session's person."""
        self.headers["Cookie"] = f"sessionid={session}; csrftoken={CSRF}"

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(status, answer). Raises one of LOST where nothing came back: nobody knows then what the server did."""
        if self.kept is None:
            self.kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            self.kept.request("POST", f"{self.base}{path}/", json.dumps(body), self.headers)
            answer = self.kept.getresponse()
            data = answer.read()
        except LOST:
            self.close()
            raise
        return answer.status, json.loads(data) if data[:1] == b"{" else {}

    def close(self) -> None:
        if self.kept is not None:
            self.kept.close()
            self.kept = None


@dataclass
class Book:
    """What all annotators were told: the audit holds the database to it."""

    votes: dict[str, list[Any]] = field(default_factory=dict)  # key -> [item, person, intent, answer] acknowledged
    undone: set[str] = field(default_factory=set)  # keys of votes whose taking back was acknowledged
    unsure: set[str] = field(default_factory=set)  # keys of votes whose taking back was sent and never answered
    seen: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str) -> None:
        with self.guard:
            self.seen[what] += 1

    def to_dict(self) -> dict[str, Any]:
        return {"votes": self.votes, "undone": sorted(self.undone), "unsure": sorted(self.unsure)}


@dataclass(frozen=True)
class Manner:
    """How annotators behave: shares of votes, seconds."""

    think_s: float = 0.0
    doubles: float = 0.1
    undos: float = 0.03
    skips: float = 0.02
    naps: float = 0.003
    nap_s: float = 5.0
    keys: Path | None = None  # where a person who was shut out finds a new session key


class Annotator:
    """Judges until `is_over()`; sends a vote again, under the same key, until it is answered."""

    def __init__(self, door: Door, person: str, book: Book, manner: Manner, seed: int) -> None:
        self.door, self.person, self.book, self.manner = door, person, book, manner
        self.random = random.Random(seed)

    def work(self, is_over: Callable[[], bool]) -> None:
        held: list[dict[str, Any]] = []
        while not is_over():
            try:
                held = self._turn(held)
            except LOST:
                self.book.note("connection lost")
                held = []
                time.sleep(0.2)
        self.door.close()

    def _turn(self, held: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not held:
            status, answer = self.door.post("leases", {})
            if status != 200 or not answer["leases"]:
                self.book.note(f"no pair {status}")
                if status in {401, 403}:
                    self._log_in_again()
                time.sleep(self.random.uniform(0.2, 0.6))
                return []
            return list(answer["leases"])
        if self.manner.think_s:
            time.sleep(self.random.expovariate(1 / self.manner.think_s))
        if self.random.random() < self.manner.skips:
            return self._after("skip", *self.door.post("skip", {"token": held[0]["token"]}))
        if self.random.random() < self.manner.naps:
            self.book.note("nap over a lease")
            time.sleep(self.manner.nap_s)
        held = self._vote(held)
        if self.random.random() < self.manner.undos:
            held = self._undo(held)
        return held

    def _log_in_again(self) -> None:
        """Shut out, and perhaps let back: with the newest session key."""
        if self.manner.keys is not None and self.manner.keys.is_file():
            self.door.enter(json.loads(self.manner.keys.read_text(encoding="utf-8"))[self.person])

    def _after(self, act: str, status: int, answer: dict[str, Any]) -> list[dict[str, Any]]:
        self.book.note(f"{act} {status}")
        return list(answer["leases"]) if status == 200 else []

    def _vote(self, held: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lease, key = held[0], str(uuid.uuid4())
        intent = "yes" if self.random.random() < 0.9 else "no"
        answer = self.random.randint(0, 1) if intent == "yes" else None
        body = {"key": key, "token": lease["token"], "item": lease["item"], "intent": intent, "answer": answer}
        body |= {"seconds": 1.0, "have": [other["token"] for other in held]}
        twin = None
        if self.random.random() < self.manner.doubles:
            twin = threading.Thread(target=self._twin, args=(body,))
            twin.start()
        started = time.perf_counter()
        status, said = self._until_answered(body)
        elapsed = time.perf_counter() - started
        if twin is not None:
            twin.join()
        with self.book.guard:
            self.book.latencies.append(elapsed)
            self.book.seen[f"vote {status}{' ' + said['code'] if 'code' in said else ''}"] += 1
            if status == 200:
                self.book.votes[key] = [lease["item"], self.person, intent, answer]
                self._last = key
            elif status >= 500 and status != 503:
                self.book.strange.append(f"vote {status} {said}")
        return list(said["leases"]) if status == 200 else []

    def _until_answered(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """As the page's outbox does: the same vote again until the server answers."""
        end = time.monotonic() + 120
        while True:
            try:
                status, said = self.door.post("votes", body)
            except LOST:
                self.book.note("vote sent again")
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)
                continue
            if status != 503 or time.monotonic() > end:
                return status, said
            self.book.note("vote 503, again")
            time.sleep(0.2)

    def _twin(self, body: dict[str, Any]) -> None:
        """The same vote at the same moment: a double click, or a second tab."""
        door = Door(self.door.port, "", "")
        door.base, door.headers = self.door.base, self.door.headers
        with contextlib.suppress(*LOST):
            status, _ = door.post("votes", body)
            self.book.note(f"double {status}")
        door.close()

    def _undo(self, held: list[dict[str, Any]]) -> list[dict[str, Any]]:
        key = getattr(self, "_last", None)
        if key is None:
            return held
        self._last = None
        try:
            status, said = self.door.post("undo", {"key": key})
        except LOST:
            with self.book.guard:
                self.book.unsure.add(key)
            raise
        if status == 200:
            with self.book.guard:
                self.book.undone.add(key)
        elif status >= 500:
            with self.book.guard:
                self.book.unsure.add(key)
        return self._after("undo", status, said)
