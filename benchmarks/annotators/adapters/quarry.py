"""Quarry for the peers' driver, over the calls its judge page makes. Copy it beside the other adapters to use it there.

The page posts a vote and gets the next pairs with the answer, so `next_task` asks the server only when nothing is at
hand. Project, people and pairs are brought in by `quarry_site.py`; QUARRY_HOME and DATABASE_URL say where, QUARRY_SITE
names that script where it does not stand one folder up, QUARRY_PYTHON an interpreter other than this one.
"""

import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from .base import PASSWORD, Base, Failed

SITE = os.environ.get("QUARRY_SITE", str(Path(__file__).resolve().parents[1] / "quarry_site.py"))
ANSWERS = {"1": 1, "0": 0, None: None}


class Adapter(Base):
    """One project is one number: bench1, bench2 ..."""

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.leases = {}
        self.pids = None
        self._reading = threading.Lock()

    @property
    def slug(self):
        return f"bench{self.project}"

    @property
    def _api(self):
        return f"/api/v1/projects/{self.slug}"

    def _site(self, *arguments):
        python = os.environ.get("QUARRY_PYTHON", sys.executable)
        done = subprocess.run([python, SITE, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)

    def setup(self, users, overlap=1, title="bench"):
        self.project = int(title.rsplit("-", 1)[-1])
        self._site("setup", self.slug, "--people", len(users), "--overlap", overlap)
        return self.project

    def login(self, user):
        session = self._session(user)
        self._call(user, "GET", "/login/")
        form = {"username": user, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
        self._call(user, "POST", "/login/", ok=(302,), data=form, allow_redirects=False)

    def import_pairs(self, path):
        self.brought = self._site("import", self.slug, path)
        with Path(f"{path}.{self.slug}").open("w") as file:
            json.dump(self._site("items", self.slug, path), file)
        return self.brought["stored"]

    def use_pairs(self, path):
        """Reads which item is which pair of the file, once."""
        with Path(f"{path}.{self.slug}").open() as file:
            self.pids = {int(item): pid for item, pid in json.load(file).items()}

    def _pid(self, item):
        return self.pids.get(item, f"item {item}") if self.pids else f"item {item}"

    def next_task(self, user):
        if not self.leases.get(user):
            self.leases[user] = self._call(user, "POST", f"{self._api}/leases/", where="next", json={}).json()["leases"]
        if not self.leases[user]:
            return None
        lease = self.leases[user][0]
        return {"id": lease["item"], "pid": self._pid(lease["item"]), "lease": lease, "key": str(uuid.uuid4())}

    def submit(self, user, task, intent, answer):
        lease = task["lease"]
        body = {"key": task["key"], "token": lease["token"], "item": lease["item"], "intent": intent,
                "answer": ANSWERS[answer], "seconds": 1.0,
                "have": [held["token"] for held in self.leases.get(user, [])]}  # fmt: skip
        try:
            answer = self._call(user, "POST", f"{self._api}/votes/", where="submit", json=body).json()
        except Failed:
            self.leases.pop(user, None)
            raise
        self.leases[user] = answer["leases"]

    def export(self, path):
        with Path(path).open("w") as file:
            json.dump(self._site("votes", self.slug), file)
        return Path(path).stat().st_size

    def rows(self, path):
        with Path(path).open() as file:
            rows = json.load(file)
        return [
            (self._pid(item), person, intent, None if answer is None else str(answer))
            for item, person, intent, answer in rows
        ]
