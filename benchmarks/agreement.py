# ruff: noqa: E402  (Django is set up before its models are imported)
"""Agreement at a million votes: from scratch, all counted anew, and from a new vote to the new alpha.

    export DATABASE_URL=sqlite:////tmp/scratch/agreement.sqlite3 QUARRY_HOME=/tmp/scratch
    python benchmarks/agreement.py --make 1000000
    python benchmarks/agreement.py

`--make N` fills an empty database with N made-up (simulated) votes: three on each pair, 100 people, four batches,
twenty weeks, scores from 0.5 to 0.9, 12 % of the votes at odds with the pair's own label; then it counts them all.
Without it: milliseconds of CPU and by the clock, medians of the repetitions and the 95th percentile by the clock.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Model

from annotation.models import Batch, Item, RaterKind, Slot, SlotState, Vote
from annotation.quality import headline
from annotation.selectors.agreement import Scheme as CompareIn
from annotation.selectors.agreement import agreement_report, chosen_rule, headline_report, people_report, rule_report
from annotation.selectors.tallies import n_waiting, worst_items
from annotation.selectors.votes import item_patterns
from annotation.services.tallies import catch_up, count_marked, mark_item, mark_items, settle_counts
from core.models import Project, User
from curation.models import Candidate, CandidateRun, Code, Pair, Query

SLUG = "agreement-benchmark"
VOTES_OF_AN_ITEM, PEOPLE, BATCHES = 3, 100, 4
HOUR_S = 3600.0
ITEMS_AT_ONCE = 1000  # nobody else writes here, so transactions may be longer than those of the service


# --- made-up votes ------------------------------------------------------------------------------------------------
def copies(row: Model, n: int, **expressions: str) -> int:
    """Inserts n - 1 copies of a row in one statement; returns the id of the first, the others follow it.

    expressions: SQL of the columns that differ; `i` runs from 1, `base` is the row's own id.
    """
    table = row._meta.db_table
    names = [field.column for field in row._meta.concrete_fields]
    values = [expressions.get(name, "base + i" if name == "id" else f"t.{name}") for name in names]
    base = str(row.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE seq(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM seq WHERE i < {n - 1}) "
            f"INSERT INTO {table} ({', '.join(names)}) "
            f"SELECT {', '.join(value.replace('base', base) for value in values)} "
            f"FROM {table} AS t CROSS JOIN seq WHERE t.id = {base}"
        )
    return int(row.pk)


def digits(kind: str) -> str:
    """SQL of 32 hexadecimal digits that no two `i` share."""
    if connection.vendor == "postgresql":
        text = "lpad(to_hex(i), 32, '0')"
        return f"{text}::uuid" if kind == "uuid" else text
    return "printf('%%032x', i)".replace("%%", "%")


def make(n_votes: int) -> None:
    """An empty database becomes a project with so many votes."""
    n = n_votes // VOTES_OF_AN_ITEM
    n_votes = n * VOTES_OF_AN_ITEM
    started = time.perf_counter()
    with transaction.atomic():
        project = Project.objects.create(slug=SLUG, title="Benchmark")
        first = User.objects.create(username="simulated-0", is_simulated=True)
        people = [first, *(User.objects.create(username=f"simulated-{k}", is_simulated=True) for k in range(1, PEOPLE))]
        assert [person.pk for person in people] == list(range(first.pk, first.pk + PEOPLE))
        code = Code.objects.create(project=project, name="f", content_hash="c" * 32, text="def f(): ...")
        query = copies(
            Query.objects.create(project=project, text="python", content_hash="0" * 32), n, content_hash=digits("text")
        )
        pair = copies(Pair.objects.create(project=project, query_id=query, code=code), n, query_id=f"{query} + i")
        run = CandidateRun.objects.create(project=project)
        copies(
            Candidate.objects.create(run=run, pair_id=pair, score=0.5),
            n,
            pair_id=f"{pair} + i",
            score="0.5 + (i % 400) / 1000.0",
        )
        batches = [Batch.objects.create(project=project, name=f"batch {k}").pk for k in range(BATCHES)]
        item = copies(
            Item.objects.create(
                project=project, batch_id=batches[0], query_id=query, pair_id=pair, target=3, done=VOTES_OF_AN_ITEM
            ),
            n,
            query_id=f"{query} + i",
            pair_id=f"{pair} + i",
            batch_id=f"{batches[0]} + i % {BATCHES}",
        )
        of_item = f"{item} + i / {VOTES_OF_AN_ITEM}"
        who = f"{first.pk} + (i / 3 * 37 + i % 3 * (1 + i / 3 % 32)) % {PEOPLE}"
        slot = copies(
            Slot.objects.create(
                item_id=item, project=project, batch_id=batches[0], pair_id=pair, number=0, state=SlotState.DONE,
                person=first,
            ),
            n_votes,
            item_id=of_item,
            number="i % 3",
            person_id=who,
        )  # fmt: skip
        truth = "(i / 3 % 5 + CASE WHEN i * 7919 % 100003 % 100 < 12 THEN 1 + i % 3 ELSE 0 END) % 5"
        day = "'2026-06-01 00:00:00'" if connection.vendor == "sqlite" else "TIMESTAMPTZ '2026-06-01 00:00:00Z'"
        when = (
            f"datetime({day}, '+' || (i * 140 / {n_votes}) || ' days')"
            if connection.vendor == "sqlite"
            else f"{day} + (i * 140 / {n_votes}) * INTERVAL '1 day'"
        )
        copies(
            Vote.objects.create(
                slot_id=slot, item_id=item, project=project, person=first, key="f" * 32, payload_sha256="",
                intent="yes", answer=1, rater_kind=RaterKind.SIMULATED, created_at=datetime(2026, 6, 1, tzinfo=UTC),
            ),
            n_votes,
            slot_id=f"{slot} + i",
            item_id=of_item,
            person_id=who,
            key=digits("uuid"),
            intent=f"CASE WHEN {truth} = 4 THEN 'no' ELSE 'yes' END",
            answer=f"CASE {truth} WHEN 4 THEN NULL WHEN 0 THEN 1 WHEN 1 THEN 1 ELSE 0 END",
            created_at=when,
        )  # fmt: skip
    print(f"{n_votes:,} votes made in {time.perf_counter() - started:.1f} s")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def count_all(project: Project) -> None:
    """Counts every item, as a recount does, and says how long it took."""
    mark_items(project.pk, project.items.order_by("pk").values_list("pk", flat=True).iterator())
    started, busy = time.perf_counter(), time.process_time()
    while count_marked(project.pk, at_once=ITEMS_AT_ONCE):
        pass
    cpu = time.process_time() - busy
    print(f"all items counted in {time.perf_counter() - started:.1f} s, {cpu:.1f} s of CPU")
    started = time.perf_counter()
    wrong = settle_counts(project)
    print(f"counts compared with the items in {time.perf_counter() - started:.1f} s: {wrong} wrong")


# --- times --------------------------------------------------------------------------------------------------------
def times(name: str, act: Callable[[], Any], repeat: int) -> None:
    """Prints how long an act takes, in milliseconds."""
    cpu, clock = [], []
    for _ in range(repeat):
        started, busy = time.perf_counter(), time.process_time()
        act()
        cpu.append(1000 * (time.process_time() - busy))
        clock.append(1000 * (time.perf_counter() - started))
    p95 = sorted(clock)[min(repeat - 1, round(0.95 * repeat))]
    medians = f"CPU {statistics.median(cpu):8.1f} ms   clock {statistics.median(clock):8.1f} ms"
    print(f"{name:58} {medians}   p95 {p95:8.1f} ms   of {repeat}")


def measure(project: Project) -> None:
    """Prints every figure."""
    votes = list(Vote.objects.filter(project=project).order_by("?")[:60])
    position = iter(votes * 100)

    def new_vote() -> None:
        vote = next(position)
        vote.answer = 1 - vote.answer if vote.answer is not None else None
        vote.save(update_fields=["answer"])  # marks its item
        assert catch_up(project)
        headline_report(project)

    def mark() -> None:
        with transaction.atomic():
            for vote in votes:
                mark_item(project.pk, vote.item_id)

    assert n_waiting(project) == 0
    times("from scratch: votes to patterns to alpha of both steps", lambda: headline(item_patterns(project)), 3)
    times("new vote to new alpha, three schemes with intervals", new_vote, 60)
    times(f"marks of {len(votes)} votes in one transaction", mark, 10)
    catch_up(project, budget_s=HOUR_S)
    times("headline alone", lambda: headline_report(project), 20)
    times("agreement page: all breakdowns with intervals", lambda: agreement_report(project), 5)
    times("two annotators: 4,950 pairs of people", lambda: people_report(project, CompareIn.ANSWER), 3)
    times("keep rule with sweep and borderline pairs", lambda: rule_report(project, chosen_rule(project)), 5)
    times("first page of the worst pairs", lambda: list(worst_items(project)[:25]), 20)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=int, metavar="N", help="Fill an empty database with N votes and count them.")
    given = parser.parse_args()
    if given.make:
        call_command("migrate", verbosity=0)
        make(given.make)
        count_all(Project.objects.get(slug=SLUG))
        return
    measure(Project.objects.get(slug=SLUG))


if __name__ == "__main__":
    main()
