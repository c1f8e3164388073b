# ruff: noqa: E402  (Django is set up before its models are imported)
"""How long it takes to bring 20,604 ready pairs in, and all of them with their votes out. All votes are simulated.

    python benchmarks/annotators/pairs.py COSQA_FOLDER --n 20604 pairs.json
    export DATABASE_URL=sqlite:////tmp/scratch/export.sqlite3 QUARRY_HOME=/tmp/scratch
    python benchmarks/export_votes.py pairs.json

On an empty database (SQLite or PostgreSQL). The pairs are imported as the job does it, privacy detection included, and
once more (nothing is new then); every pair is put into a batch and gets three made-up votes, called simulated; then all
of it is exported in both shapes and formats: best of three, by the service and as a whole request. `--distinct` makes
every code a different one, which is the most that an import can have to do.
"""

import argparse
import json
import os
import random
import resource
import sys
import time
import uuid
from collections.abc import Callable, Iterator
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

from annotation.models import Batch, Item, RaterKind, Slot, SlotState, Vote
from annotation.selectors.export import FORMATS, SHAPES, export_votes
from core.jobs import run_inline
from core.models import Membership, Project, Role, User
from curation.models import Pair
from curation.services.pair_uploads import look_at_pairs, start_import_pairs

PEOPLE, VOTES_OF_A_PAIR, AT_ONCE = 10, 3, 5000


def timed(act: Callable[[], Any], repeat: int = 1) -> tuple[float, float, Any]:
    """(seconds of CPU, seconds by the clock, what came back) of the quickest."""
    best = (float("inf"), float("inf"), None)
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        found = act()
        best = min(best, (time.process_time() - cpu, time.perf_counter() - wall, found), key=lambda one: one[0])
    return best


def put_votes(project: Project, seed: int = 1) -> None:
    """Three simulated votes on every pair of the project."""
    rng = random.Random(seed)
    batch = Batch.objects.create(project=project, name="simulated votes")
    people = [
        User.objects.create(username=f"{project.slug}-sim-{number}", is_simulated=True) for number in range(PEOPLE)
    ]
    pairs = list(Pair.objects.filter(project=project).values_list("pk", "query_id"))
    for start in range(0, len(pairs), AT_ONCE):
        with transaction.atomic():
            _vote_on(project, batch, people, pairs[start : start + AT_ONCE], rng)


def _vote_on(
    project: Project, batch: Batch, people: list[User], pairs: list[tuple[int, int]], rng: random.Random
) -> None:
    n = VOTES_OF_A_PAIR
    items = Item.objects.bulk_create(
        Item(project=project, batch=batch, pair_id=pair, query_id=query, target=n, done=n) for pair, query in pairs
    )
    of_project = {"project": project}
    slots = Slot.objects.bulk_create(
        Slot(item=item, batch=batch, pair_id=item.pair_id, number=at, state=SlotState.DONE, person=person, **of_project)
        for item in items
        for at, person in enumerate(rng.sample(people, n))
    )
    Vote.objects.bulk_create(
        Vote(
            slot=slot, item=slot.item, person=slot.person, key=uuid.uuid4(), payload_sha256="", intent=intent,
            answer=answer, seconds=round(rng.lognormvariate(2.5, 0.6), 2), rater_kind=RaterKind.SIMULATED, **of_project,
        )
        for slot in slots
        for intent, answer in [rng.choice([("yes", 1), ("yes", 0), ("yes", 1), ("no", None)])]
    )  # fmt: skip


def measure(path: Path) -> Iterator[str]:
    """A line for every act."""
    call_command("migrate", verbosity=0)
    slug = f"export-{uuid.uuid4().hex[:6]}"
    project = Project.objects.create(slug=slug, title="Simulated (not real people)")
    yield f"{connection.vendor}, load {os.getloadavg()[0]:.1f}"

    def bring() -> dict[str, Any]:
        return dict(run_inline(start_import_pairs(project=project, path=path, inline=True)).result)

    acts: list[tuple[str, Callable[[], Any]]] = [
        ("preview of the file", lambda: look_at_pairs(project=project, path=path).as_data()),
        ("import", bring),
        ("import again", bring),
    ]
    for name, act in acts:
        cpu, wall, report = timed(act)
        counted = ", ".join(f"{key} {report[key]:,}" for key in ("read", "new", "known", "held_back", "bad"))
        yield f"{name:34} {cpu:6.2f} s CPU {wall:6.2f} s   {counted}"
    put_votes(project)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    yield from _exports(project)


def _exports(project: Project) -> Iterator[str]:
    curator = User.objects.create(username=f"{project.slug}-curator")
    Membership.objects.create(project=project, user=curator, role=Role.CURATOR)
    client = Client(SERVER_NAME=(settings.ALLOWED_HOSTS or ["localhost"])[0].lstrip(".*") or "localhost")
    client.force_login(curator)
    for shape in SHAPES:
        for form in FORMATS:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            cpu, wall, size = timed(
                lambda form=form, shape=shape: sum(  # type: ignore[misc]
                    len(piece) for piece in export_votes(project, file_format=form, shape=shape)
                ),
                repeat=3,
            )
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            took = f"{cpu:6.2f} s CPU {wall:6.2f} s"
            yield f"export {shape:6} {form:20} {took}   {size / 1e6:.1f} MB, memory +{grown:.0f} MB"
    address = f"/p/{project.slug}/batches/export/"
    for title, headers in (("plain", {}), ("gzip", {"accept-encoding": "gzip"})):
        cpu, wall, size = timed(
            lambda headers=headers: sum(len(piece) for piece in client.get(address, headers=headers)),  # type: ignore[misc]
            repeat=3,
        )
        yield f"whole request, pairs, jsonl, {title:5} {cpu:6.2f} s CPU {wall:6.2f} s   {size / 1e6:.1f} MB"


def distinct(path: Path) -> Path:
    """The same pairs with a code of its own each."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    made = path.with_suffix(".distinct.json")
    made.write_text(
        json.dumps([{**row, "code": f"{row['code']}\n# {number}"} for number, row in enumerate(rows)]), encoding="utf-8"
    )
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, help="As benchmarks/annotators/pairs.py writes them.")
    parser.add_argument("--distinct", action="store_true", help="A different code for every pair.")
    given = parser.parse_args()
    for line in measure(distinct(given.pairs) if given.distinct else given.pairs):
        print(line, flush=True)
