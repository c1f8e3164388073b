"""The limit to come near: a bare Django that does the exact part of a vote and nothing else.

Session, CSRF, authentication; one transaction in which a vote fills its leased slot and one statement claims the next
free one; SQLite in WAL with synchronous=FULL; JSON in and out. No roles, no undo, no prefetch, no highlighting.

    PROTOTYPE_DB=/tmp/limit.sqlite3 python prototype.py setup --people 8
    PROTOTYPE_DB=/tmp/limit.sqlite3 python prototype.py import PAIRS.json --overlap 3
    PROTOTYPE_DB=/tmp/limit.sqlite3 gunicorn -k gthread --threads 12 -b 127.0.0.1:8104 prototype:application
"""

import argparse
import json
import os
import sys
import threading
import uuid
from pathlib import Path

import django
from django.conf import settings

DATABASE = os.environ.get("PROTOTYPE_DB", "/tmp/prototype.sqlite3")
PASSWORD = "Bench-pass-1234"

settings.configure(
    SECRET_KEY="a benchmark keeps no secret, and this text says so at some length",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATABASE,
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA busy_timeout=20000",
            },
        }
    },
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import authenticate, login  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import ensure_csrf_cookie  # noqa: E402

TABLES = """
CREATE TABLE pair (id INTEGER PRIMARY KEY, pid TEXT, query TEXT, code TEXT);
CREATE TABLE slot (id INTEGER PRIMARY KEY, pair INTEGER, number INTEGER, state INTEGER DEFAULT 0, person INTEGER,
                   token TEXT, UNIQUE (pair, number));
CREATE UNIQUE INDEX slot_person ON slot (pair, person) WHERE person IS NOT NULL;
CREATE INDEX slot_free ON slot (id) WHERE state = 0;
CREATE TABLE vote (slot INTEGER PRIMARY KEY, person INTEGER, key TEXT UNIQUE, intent TEXT, answer INTEGER);
"""
CLAIM = """
UPDATE slot SET state = 1, person = %(me)s, token = %(token)s
WHERE id = COALESCE(
        (SELECT id FROM slot WHERE state = 1 AND person = %(me)s),
        (SELECT s.id FROM slot s WHERE s.state = 0
         AND NOT EXISTS (SELECT 1 FROM slot t WHERE t.pair = s.pair AND t.person = %(me)s) ORDER BY s.id LIMIT 1))
RETURNING id, pair
"""
one_writer = threading.Lock()


@ensure_csrf_cookie
def enter(request):
    """Log in."""
    if request.method == "POST":
        user = authenticate(username=request.POST["username"], password=request.POST["password"])
        if user is None:
            return HttpResponse(status=403)
        login(request, user)
        return HttpResponse(status=204)
    return HttpResponse("log in")


def vote(request):
    """Stores the vote that the body names, if any, and hands out the next pair."""
    if not request.user.is_authenticated:
        return HttpResponse(status=403)
    given = json.loads(request.body)
    with one_writer, transaction.atomic(), connection.cursor() as cursor:
        if "slot" in given:
            cursor.execute(
                "UPDATE slot SET state = 2, token = NULL WHERE id = %s AND person = %s AND token = %s AND state = 1",
                [given["slot"], request.user.pk, given["token"]],
            )
            if not cursor.rowcount:
                return HttpResponse(status=409)
            cursor.execute(
                "INSERT INTO vote (slot, person, key, intent, answer) VALUES (%s, %s, %s, %s, %s)",
                [given["slot"], request.user.pk, given["key"], given["intent"], given["answer"]],
            )
        token = uuid.uuid4().hex
        cursor.execute(CLAIM, {"me": request.user.pk, "token": token})
        if (claimed := cursor.fetchone()) is None:
            return JsonResponse({"slot": None})
        cursor.execute("SELECT pid, query, code FROM pair WHERE id = %s", [claimed[1]])
        pid, query, code = cursor.fetchone()
    return JsonResponse({"slot": claimed[0], "token": token, "pid": pid, "query": query, "code": code})


urlpatterns = [path("login/", enter), path("vote/", vote)]
application = get_wsgi_application()


def setup(people: int) -> int:
    """Tables and annotators."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        for statement in TABLES.split(";"):
            cursor.execute(statement.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ").replace(
                "INDEX ", "INDEX IF NOT EXISTS "))  # fmt: skip
    for number in range(1, people + 1):
        name = f"ann{number}@example.com"
        if not User.objects.filter(username=name).exists():
            User.objects.create_user(name, password=PASSWORD)
    return people


def bring_in(file: Path, overlap: int) -> int:
    """The pairs of the file in place of those that are there."""
    rows = json.loads(file.read_text(encoding="utf-8"))
    with transaction.atomic(), connection.cursor() as cursor:
        for table in ("vote", "slot", "pair"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.executemany(
            "INSERT INTO pair (id, pid, query, code) VALUES (%s, %s, %s, %s)",
            [(at, row["pid"], row["doc"], row["code"]) for at, row in enumerate(rows)],
        )
        cursor.executemany(
            "INSERT INTO slot (pair, number) VALUES (%s, %s)",
            [(at, n) for at in range(len(rows)) for n in range(overlap)],
        )
    return len(rows)


def votes() -> list[list]:
    """[pid, person, intent, answer] of each vote."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.pid, u.username, v.intent, v.answer FROM vote v JOIN slot s ON s.id = v.slot"
            " JOIN pair p ON p.id = s.pair JOIN auth_user u ON u.id = v.person"
        )
        return [list(row) for row in cursor.fetchall()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["setup", "import", "votes"])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--overlap", type=int, default=3)
    given = parser.parse_args()
    act = {"setup": lambda: setup(given.people), "import": lambda: bring_in(given.file, given.overlap), "votes": votes}
    json.dump(act[given.act](), sys.stdout)
