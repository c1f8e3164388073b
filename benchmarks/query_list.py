# ruff: noqa: E402  (Django is set up before its models are imported)
"""How long a page of the query list takes at a million queries: every filter in every order.

    createdb scratch
    export DATABASE_URL=postgres:///scratch QUARRY_HOME=/tmp/scratch
    python benchmarks/query_list.py --make 1000000
    python benchmarks/query_list.py

`--make N` fills an empty database with N made-up queries (a long tail of counts, 1 % quarantined, 2.5 % not judged,
two logs, a second project under the same rule set) and their verdicts. Times are milliseconds, the best of three: CPU
of the process on SQLite, wall clock on PostgreSQL. "cut" marks a page that was not filled within the rows that one
request looks through.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.management import call_command
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils import timezone

from core.models import Project
from core.text import query_hash
from curation.models import LogImport
from curation.selectors.queries import current_rule_set, rule_counts
from curation.selectors.query_browse import browse_queries
from curation.selectors.query_filter import ORDERS, QueryFilter
from curation.services.rule_counts import current_counts, recount
from curation.services.rule_sets import install_shipped_rule_sets, profile_of

CHUNK = 20_000
WORDS = """
    sort list dict string file read write parse json csv pandas column row index numpy array matrix plot request url
    http server socket thread process date time format loop function class object merge group filter map regex match
    split count sum mean random sample tree graph node path search find insert delete update
"""
TABLES = {
    "query": (
        "id", "project_id", "content_hash", "text", "n_seen", "quarantine_reason", "is_left_out", "created_at",
        "first_import_id", "n_people",
    ),
    "querycount": ("query_id", "log_import_id", "n"),
    "verdict": ("id", "query_id", "rule_set_id", "has_intent"),
    "rulehit": ("verdict_id", "rule"),
}  # fmt: skip


def make(n: int) -> None:
    """Fills an empty database."""
    call_command("migrate", verbosity=0)
    rule_set = install_shipped_rule_sets()[0]
    project, other = Project.objects.create(slug="million"), Project.objects.create(slug="other")
    logs = [
        LogImport.objects.create(project=project, sha256=str(i) * 64, name=f"log{i}", is_complete=True) for i in "12"
    ]
    forms, rng = [rule.form for rule in profile_of(rule_set).rules], random.Random(1)
    for start in range(1, n + 1, CHUNK):
        rows: dict[str, list[Any]] = {name: [] for name in TABLES}
        for number in range(start, min(start + CHUNK, n + 1)):
            owner = project if number <= n - n // 50 else other
            _add(rows, rng, number, n, owner, logs[number > 0.9 * n], rule_set.pk, forms)
        with transaction.atomic():
            for name, made in rows.items():
                _insert(f"curation_{name}", TABLES[name], made)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    recount(project, rule_set)


def _add(
    rows: dict[str, list[Any]],
    rng: random.Random,
    number: int,
    n: int,
    owner: Project,
    log: LogImport,
    rule_set: int,
    forms: list[str],
) -> None:
    text = f"python {' '.join(rng.choices(WORDS.split(), k=rng.randint(3, 7)))} {number}"
    held = rng.random() < 0.01
    times = 1 if held or number > 0.9 * n else int(1 / (rng.random() ** 1.2 + 1e-6))
    now: Any = timezone.now()
    if connection.vendor == "sqlite":
        now = connection.ops.adapt_datetimefield_value(now)
    reason = rng.choice(["e-mail", "long number"]) if held else ""
    left_out, first = number % 3000 == 0, log.pk if owner.slug == "million" else None
    rows["query"].append((number, owner.pk, query_hash(text), text, times, reason, left_out, now, first, 0))
    if first:
        rows["querycount"].append((number, log.pk, times))
    if held or (owner.slug == "million" and number > n - n // 40):
        return
    has_intent = rng.random() < 0.35
    rows["verdict"].append((number, number, rule_set, has_intent))
    if not has_intent:
        hits = {forms[min(int(rng.paretovariate(0.7)) - 1, len(forms) - 1)] for _ in range(rng.randint(1, 2))}
        rows["rulehit"] += [(number, form) for form in hits]


def _insert(table: str, columns: tuple[str, ...], rows: Iterable[Any]) -> None:
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def filters(project: Project) -> Iterator[dict[str, Any]]:
    """One of each kind, frequent and rare, and some together."""
    first, last = project.log_imports.order_by("id").values_list("pk", flat=True)
    counts = current_counts(project, current_rule_set(project)).by_rule
    rules = sorted(counts, key=lambda rule: -counts[rule])
    yield from ({}, {"text": "sort list"}, {"text": "nothing has this"}, {"left_out": "yes"}, {"left_out": "no"})
    yield from ({"verdict": verdict} for verdict in ("accepted", "rejected", "unjudged", "quarantined"))
    yield from ({"rule": rules[place]} for place in (0, len(rules) // 8, len(rules) // 3, -1))
    yield from ({"reason": "e-mail"}, {"category": "Debugging"}, {"log": first}, {"log": last}, {"new_in": last})
    yield from ({"asked_from": 100}, {"asked_from": 2, "asked_to": 5}, {"asked_to": 1})
    yield from ({"verdict": "accepted", "new_in": last}, {"verdict": "unjudged", "text": "sort"})


def measure() -> Iterator[str]:
    """A line for every filter: the first page and the one behind it, in every order."""
    project = Project.objects.get(slug="million")
    rule_set = current_rule_set(project)
    yield f"{connection.vendor}, {project.queries.count():,} queries; first page / next page, ms"
    for params in filters(project):
        cells = [_cell(project, QueryFilter.parse(params), name) for name in ORDERS]
        yield f"{params!s:55} {'  '.join(cells)}"
    yield f"counts above the list: {best(lambda: rule_counts(project, rule_set, with_withheld=False))[0]:.0f}"


def _cell(project: Project, wanted: QueryFilter, order: str) -> str:
    rule_set, times, page = current_rule_set(project), [], {}
    for _ in range(2):
        request = RequestFactory().get("/", page)
        ms, found = best(partial(browse_queries, project, rule_set, wanted, request, order=ORDERS[order]))
        times.append(f"{ms:.0f}")
        page = {"after": found.page.next}
        if not found.page.next:
            break
    return f"{order} {'/'.join(times)}{' cut' if found.page.searched else ''}"


def best(act: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of three, in milliseconds, and the answer."""
    clock = time.thread_time if connection.vendor == "sqlite" else time.perf_counter
    times = []
    for _ in range(3):
        started = clock()
        answer = act()
        times.append(1000 * (clock() - started))
    return min(times), answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=int, metavar="N", help="Fill an empty database with N queries.")
    given = parser.parse_args()
    if given.make:
        make(given.make)
    else:
        for line in measure():
            sys.stdout.write(line + "\n")
