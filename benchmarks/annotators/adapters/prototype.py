"""The bare prototype for the peers' driver: a vote and the next pair in one request."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

from .base import ADMIN, PASSWORD, Base

SCRIPT = os.environ.get("PROTOTYPE", str(Path(__file__).resolve().parents[1] / "prototype.py"))


class Adapter(Base):
    """One database holds one project."""

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.shown = {}

    def _script(self, *arguments):
        python = os.environ.get("QUARRY_PYTHON", sys.executable)
        done = subprocess.run([python, SCRIPT, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)

    def setup(self, users, overlap=1, title="bench"):
        self._script("setup", "--people", len(users))
        self.project, self.overlap = 1, overlap
        return 1

    def import_pairs(self, path):
        return self._script("import", path, "--overlap", self.overlap)

    def login(self, user):
        session = self._session(user)
        if user == ADMIN:
            return
        self._call(user, "GET", "/login/")
        form = {"username": user, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
        self._call(user, "POST", "/login/", data=form)

    def next_task(self, user):
        if not self.shown.get(user):
            self.shown[user] = self._call(user, "POST", "/vote/", where="next", json={}).json()
        shown = self.shown[user]
        if shown["slot"] is None:
            self.shown.pop(user)
            return None
        return {"id": shown["slot"], "pid": shown["pid"], "token": shown["token"]}

    def submit(self, user, task, intent, answer):
        body = {"slot": task["id"], "token": task["token"], "key": str(uuid.uuid4()), "intent": intent,
                "answer": None if answer is None else int(answer)}  # fmt: skip
        self.shown[user] = self._call(user, "POST", "/vote/", where="submit", json=body).json()

    def export(self, path):
        with Path(path).open("w") as file:
            json.dump(self._script("votes"), file)
        return Path(path).stat().st_size

    def rows(self, path):
        with Path(path).open() as file:
            rows = json.load(file)
        return [(pid, who, intent, None if answer is None else str(answer)) for pid, who, intent, answer in rows]
