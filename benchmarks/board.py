# ruff: noqa: E402  (Django is set up before its models are imported)
"""How long the dashboard and the scorecards take on a project with very many votes. Everything in it is simulated.

    createdb scratch
    export DATABASE_URL=postgres:///scratch QUARRY_HOME=/tmp/scratch
    python benchmarks/board.py --make 1000000
    python benchmarks/board.py

`--make N` fills an empty database with a project `simulated` of about N votes: sixty people of unlike skill, speed and
diligence over half a year (one clicks far too fast, one always says yes), three votes a pair, gold, corrections, votes
taken back, skips; `--days D` spreads them over D days. Times are milliseconds of CPU of this process, the best of
five, and on PostgreSQL the wall clock beside them.
"""

import argparse
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from annotation.models import Batch, BatchPlan, Item, Vote, WorkHour
from annotation.selectors.board import board_of, live_of, state_of
from annotation.selectors.ceiling import human_ceiling_of
from annotation.selectors.scorecards import pay_rows, scorecard, scorecards
from annotation.services.board import catch_up, rebuild
from annotation.services.tallies import start_recount_agreement
from core.jobs import run_inline
from core.models import Membership, Project, User

OVERLAP, N_PEOPLE, AT_ONCE = 3, 60, 10_000
SLUG, CURATOR = "simulated", "sim-curator"
TABLES = {
    "curation_query": (
        "id", "project_id", "content_hash", "text", "n_seen", "quarantine_reason", "is_left_out", "created_at",
        "n_people",
    ),
    "curation_code": (
        "id", "project_id", "content_hash", "text", "language", "name", "header", "docstring", "body", "is_paired",
        "filter_reason", "quarantine_reason", "n_lines", "comments", "n_comments", "created_at",
    ),
    "curation_pair": ("id", "project_id", "query_id", "code_id", "created_at"),
    "annotation_item": (
        "id", "project_id", "batch_id", "query_id", "pair_id", "purpose", "priority", "stratum", "target", "n_extra",
        "done", "is_set_aside", "created_at",
    ),
    "annotation_slot": (
        "id", "item_id", "project_id", "batch_id", "pair_id", "number", "priority", "is_open", "state", "person_id",
    ),
    "annotation_vote": (
        "id", "slot_id", "item_id", "project_id", "person_id", "key", "payload_sha256", "intent", "answer",
        "code_unclear", "reason", "seconds", "rater_kind", "created_at", "retracted_at",
    ),
    "annotation_voterevision": ("vote_id", "act", "intent", "answer", "code_unclear", "reason", "created_at"),
    "annotation_skip": ("item_id", "person_id", "created_at"),
    "annotation_goldanswer": ("item_id", "intent", "answer", "origin", "why"),
}  # fmt: skip


class Maker:
    """Fills the tables, pair by pair, in chunks."""

    def __init__(self, n_votes: int, days: int, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.n_pairs, self.days = n_votes // OVERLAP, days
        self.project = Project.objects.create(slug=SLUG, title="Simulated (not real people)")
        self.people = [
            User.objects.create(username=f"sim-{number:02}", is_simulated=True, is_placeholder=False)
            for number in range(N_PEOPLE)
        ]
        curator = User.objects.create(username=CURATOR)
        Membership.objects.create(project=self.project, user=curator, role="curator")
        for person in self.people:
            Membership.objects.create(project=self.project, user=person, role="annotator")
        self.batches = [
            Batch.objects.create(project=self.project, name=f"part {number}", overlap=OVERLAP, gold_share=0.05)
            for number in range(1, 5)
        ]
        BatchPlan.objects.create(
            batch=self.batches[-1], options={}, strata=[], funnel=[], chosen_sha256="",
            estimate={"days": days, "votes": n_votes},
        )  # fmt: skip
        self.start = timezone.now() - timedelta(days=days)
        self.vote_id = self.slot_id = 0
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}

    def make(self) -> None:
        """All pairs in the order of time; the last twentieth of them is still open."""
        for number in range(1, self.n_pairs + 1):
            self._pair(number)
            if number % AT_ONCE == 0 or number == self.n_pairs:
                self._flush()

    def _pair(self, number: int) -> None:
        rng, project, made = self.rng, self.project.pk, self._stored(self.start)
        n_codes = self.n_pairs // 5 + 3
        query, code = (number + 2) // 3, (number - 1) % n_codes + 1
        if number % 3 == 1:
            text = f"python simulated question {query}"
            self.rows["curation_query"].append((query, project, f"{query:032x}", text, 1, "", False, made, 0))
        if number <= n_codes:
            lines = min(200, int(rng.lognormvariate(2.5, 0.8)) + 2)
            body = "    pass\n" * lines
            self.rows["curation_code"].append(
                (code, project, f"{code:032x}", f"def f{code}():\n{body}", "python", f"f{code}", f"def f{code}():", "",
                 body, True, "", "", lines, "[]", 0, made)
            )  # fmt: skip
        self.rows["curation_pair"].append((number, project, query, code, made))
        is_gold, is_open = number % 20 == 0, number > self.n_pairs * 0.95
        truth = ("no", None) if rng.random() < 0.15 else ("yes", int(rng.random() < 0.45))
        raters = [] if is_open and rng.random() < 0.8 else rng.sample(self.people, OVERLAP)
        batch = self.batches[min(3, number * 4 // (self.n_pairs + 1))].pk
        purpose = "gold" if is_gold else "live"
        self.rows["annotation_item"].append(
            (number, project, batch, query, number, purpose, 0, "", 0 if is_gold else OVERLAP, 0,
             0 if is_gold else len(raters), False, made)
        )  # fmt: skip
        if is_gold:
            self.rows["annotation_goldanswer"].append((number, truth[0], truth[1], "curator", ""))
        moment = self._moment(number)
        for place in range(OVERLAP):
            person = raters[place] if place < len(raters) else None
            self.slot_id += 1
            self.rows["annotation_slot"].append(
                (self.slot_id, number, project, batch, number, place, 0, True, 2 if person else 0,
                 person.pk if person else None)
            )  # fmt: skip
            if person:
                moment += timedelta(seconds=rng.uniform(5, 4000))
                self._vote(number, person, truth, moment)
        if rng.random() < 0.02:
            self.rows["annotation_skip"].append((number, rng.choice(self.people).pk, self._stored(moment)))

    def _vote(self, item: int, person: User, truth: tuple[str, int | None], moment: datetime) -> None:
        rng, number = self.rng, self.people.index(person)
        skill = 0.97 - 0.3 * number / N_PEOPLE
        intent, answer = truth if rng.random() < skill else rng.choice([("no", None), ("yes", 0), ("yes", 1)])
        if number == 7:
            intent, answer = "yes", 1
        if rng.random() < 0.02:
            intent, answer = "unclear", None
        seconds = rng.lognormvariate(0.3 if number == 11 else 2.6 + number / 120, 0.6)
        retracted = self._stored(moment) if rng.random() < 0.004 else None
        self.vote_id += 1
        moment = min(moment, timezone.now() - timedelta(seconds=1))
        self.rows["annotation_vote"].append(
            (self.vote_id, self.slot_id, item, self.project.pk, person.pk, self._key(), "", intent, answer, False, "",
             round(seconds, 2), "simulated", self._stored(moment), retracted)
        )  # fmt: skip
        if retracted or rng.random() < 0.01:
            act = "retraction" if retracted else "correction"
            self.rows["annotation_voterevision"].append((self.vote_id, act, "yes", 1, False, "", self._stored(moment)))

    def _moment(self, number: int) -> datetime:
        """Hours of work on weekdays, faster as the project goes on."""
        share = (number / self.n_pairs) ** 0.8
        day = self.start + timedelta(days=share * self.days)
        day = day.replace(hour=8 + int(8 * self.rng.random()), minute=self.rng.randrange(60))
        return day - timedelta(days=max(0, day.weekday() - 4))

    def _key(self) -> Any:
        key = uuid.UUID(int=self.rng.getrandbits(128))
        return key.hex if connection.vendor == "sqlite" else key

    def _stored(self, moment: datetime) -> Any:
        moment = moment.astimezone(UTC)
        return connection.ops.adapt_datetimefield_value(moment) if connection.vendor == "sqlite" else moment

    def _flush(self) -> None:
        with transaction.atomic():
            for name, rows in self.rows.items():
                insert(name, TABLES[name], rows)
                rows.clear()


def insert(table: str, columns: tuple[str, ...], rows: Iterable[Any]) -> None:
    """Writes rows by the fastest way that the database has; columns that are not named take their defaults."""
    columns, rows = complete(table, columns, rows)
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def complete(table: str, columns: tuple[str, ...], rows: Iterable[Any]) -> tuple[tuple[str, ...], Iterator[Any]]:
    """Adds the columns that need a value and were not named, with the defaults of the model."""
    from django.apps import apps

    model = next(model for model in apps.get_models() if model._meta.db_table == table)
    more = [
        field
        for field in model._meta.concrete_fields
        if field.column not in columns and not field.null and not field.primary_key
    ]
    values = tuple(field.get_db_prep_save(field.get_default(), connection) for field in more)
    return (*columns, *(field.column for field in more)), ((*row, *values) for row in rows)


def make(n: int, days: int) -> None:
    """Fills an empty database, counts the work and the agreement, and says how long that took."""
    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    Maker(n, days).make()
    project = Project.objects.get(slug=SLUG)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in TABLES:
                if table not in {"annotation_voterevision", "annotation_skip", "annotation_goldanswer"}:
                    cursor.execute(
                        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT MAX(id) FROM {table}))"
                    )
            cursor.execute("VACUUM ANALYZE")
    print(f"made in {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    rebuild(project=project)
    print(f"all work counted in {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    run_inline(start_recount_agreement(project=project, inline=True))
    print(f"agreement counted in {time.perf_counter() - started:.0f} s")


def measure() -> Iterator[str]:
    """A line for every page and part."""
    call_command("collectstatic", verbosity=0, interactive=False)
    project = Project.objects.get(slug=SLUG)
    votes, hours = Vote.objects.count(), WorkHour.objects.count()
    yield f"{connection.vendor}, {votes:,} votes on {Item.objects.count():,} items, {hours:,} hours of people at work"
    catch_up(project=project)
    state = state_of(project)
    assert state is not None
    client = Client(SERVER_NAME=(settings.ALLOWED_HOSTS or ["localhost"])[0].lstrip(".*") or "localhost")
    client.force_login(User.objects.get(username=CURATOR))
    part = f"/p/{SLUG}/dashboard/part/"
    etag = client.get(part)["ETag"]
    person = project.votes.latest("id").person
    acts: list[tuple[str, Callable[[], Any]]] = [
        ("dashboard, refreshed (whole request)", lambda: client.get(part)),
        ("dashboard, nothing new (304)", lambda: client.get(part, headers={"if-none-match": etag})),
        ("dashboard, the page", lambda: client.get(f"/p/{SLUG}/dashboard/")),
        ("its figures alone", lambda: board_of(project, state, live_of(project))),
        ("counting on after a new vote", lambda: _after_a_vote(project)),
        ("counters of batches and queue", lambda: _counters(project)),
        ("scorecards of everybody", lambda: scorecards(project)),
        ("one scorecard", lambda: scorecard(project, person)),
        ("pay, all weeks", lambda: pay_rows(project)),
        ("human ceiling", lambda: human_ceiling_of(project)),
    ]
    for name, act in acts:
        cpu, wall = best(act)
        yield f"{name:40} {cpu:8.1f} ms CPU  {wall:8.1f} ms"


def _after_a_vote(project: Project) -> None:
    """What the worker does when a correction to the newest vote came in: its hour is counted anew."""
    vote = project.votes.latest("id")
    Vote.objects.filter(pk=vote.pk).update(created_at=timezone.now(), answer=None, intent="no")
    catch_up(project=project, with_counters=False)


def _counters(project: Project) -> None:
    from annotation.selectors.board_counters import count_batches, count_health

    count_batches(project)
    count_health(project)


def best(act: Callable[[], Any]) -> tuple[float, float]:
    """(CPU, wall clock) of the quickest of five, in milliseconds."""
    times = []
    for _ in range(5):
        cpu, wall = time.process_time(), time.perf_counter()
        act()
        times.append((1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)))
    return min(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=int, metavar="N", help="Fill an empty database with about N votes.")
    parser.add_argument("--days", type=int, default=180, help="Spread over so many days.")
    given = parser.parse_args()
    if given.make:
        make(given.make, given.days)
    else:
        for line in measure():
            print(line)
