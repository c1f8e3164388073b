# ruff: noqa: E402  (Django is set up before its models are imported)
"""A Quarry site to be loaded, from the command line. QUARRY_HOME and DATABASE_URL say which.

    quarry_site.py setup PROJECT --people 8 --overlap 3    a project with a curator and annotators, passwords set
    quarry_site.py import PROJECT PAIRS.json               pairs into the project, all of them open as one batch
    quarry_site.py sessions PROJECT                        a session key for each annotator, without their passwords
    quarry_site.py ready PROJECT PAIRS.json                the three above in one process; the session keys
    quarry_site.py items PROJECT PAIRS.json                which item is which pair of the file
    quarry_site.py votes PROJECT                           [item, person, intent, answer] of each standing vote
    quarry_site.py disturb PROJECT KEYS --seconds 60       people shut out and let back, the batch paused and changed
    quarry_site.py audit PROJECT < book.json               what is wrong with the votes, against what people were told

Everything is printed as JSON. People are called as the peers' driver calls them, ann1@example.com and so on.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.test import Client

from annotation.models import Batch, Item, LateSubmission, Slot, SlotState, Vote
from annotation.services import batches, leases
from annotation.services.batch_changes import settle_batch, start_change_batch
from annotation.services.batches import open_batch
from core.errors import QuarryError
from core.models import Membership, Project, Role, User
from curation.models import Pair
from curation.pair_files import PairRow
from curation.services.pairs import import_pairs

CURATOR = "admin@example.com"
PASSWORD = "Bench-pass-1234"


def setup(slug: str, people: int, overlap: int, extra: int, *, passwords: bool) -> dict[str, Any]:
    """Tables, a project, a curator, and annotators; the same again changes nothing."""
    with contextlib.redirect_stdout(sys.stderr):
        call_command("migrate", verbosity=0)
    project, _ = Project.objects.get_or_create(
        slug=slug, defaults={"title": slug, "overlap": overlap, "max_extra_votes": extra}
    )
    for name, role in [
        (CURATOR, Role.CURATOR),
        *((f"ann{n}@example.com", Role.ANNOTATOR) for n in range(1, people + 1)),
    ]:
        user, is_new = User.objects.get_or_create(username=name, defaults={"email": name})
        if is_new:
            user.set_password(PASSWORD if passwords else None)
            user.must_consent = False  # a first login asks for consent; these are no people
            user.save()
        Membership.objects.get_or_create(project=project, user=user, role=role)
    return {"project": project.slug, "people": people}


def bring_in(slug: str, path: Path, limit: int, lease_s: int) -> dict[str, Any]:
    """Imports and opens; the seconds are of these two acts, without the start of this process."""
    project = Project.objects.get(slug=slug)
    rows = json.loads(path.read_text(encoding="utf-8"))[: limit or None]
    clock = [time.perf_counter()]
    report = import_pairs(
        project=project, name=path.name, rows=[PairRow(row["doc"], row["code"], None, row["pid"]) for row in rows]
    )
    clock.append(time.perf_counter())
    batch = open_batch(project=project, pairs=Pair.objects.filter(project=project).order_by("id"))
    clock.append(time.perf_counter())
    if lease_s:
        Batch.objects.filter(pk=batch.pk).update(min_lease_s=lease_s)
    return {
        "stored": batch.items.count(),
        "repeated": report.n_repeated,
        "quarantined": report.n_quarantined,
        "import_s": round(clock[1] - clock[0], 2),
        "open_s": round(clock[2] - clock[1], 2),
        "cpu_s": round(time.process_time(), 2),
    }


def items(slug: str, path: Path) -> dict[int, str]:
    """Item -> pid of the file."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    pids = {(" ".join(row["doc"].split()), row["code"]): row["pid"] for row in rows}
    found = Item.objects.filter(project__slug=slug).values_list("pk", "query__text", "pair__code__text")
    return {pk: pids.get((text, code), f"item {pk}") for pk, text, code in found.iterator()}


def sessions(slug: str) -> dict[str, str]:
    """Annotator -> session key."""
    keys = {}
    for user in User.objects.filter(memberships__project__slug=slug, memberships__role=Role.ANNOTATOR).order_by("pk"):
        client = Client()
        client.force_login(user)
        keys[user.username] = client.cookies[settings.SESSION_COOKIE_NAME].value
    return keys


def votes(slug: str) -> list[list[Any]]:
    """[item, person, intent, answer] of the votes that stand."""
    standing = Vote.objects.filter(project__slug=slug, retracted_at__isnull=True)
    return [list(row) for row in standing.values_list("item", "person__username", "intent", "answer").iterator()]


# --- disturbances ----------------------------------------------------------------------------------------------------
def disturb(slug: str, seconds: float, keys: Path) -> dict[str, int]:
    """Every second or so one thing that a curator or administrator might do, for so many seconds; how often each.

    keys: where session keys are written for those who were shut out and have to log in again.
    """
    rng, done, end = random.Random(5), Counter[str](), time.monotonic() + seconds
    while time.monotonic() < end:
        act = rng.choices([_shut_out, _let_back, _pause, _sweep, _other_overlap], weights=[8, 8, 4, 4, 1])[0]
        try:
            act(Project.objects.get(slug=slug), rng)
            done[act.__name__.strip("_")] += 1
            if act is _let_back:
                _write_keys(slug, keys)
        except QuarryError as refusal:
            done[f"refused: {refusal.code}"] += 1
        time.sleep(rng.uniform(0.5, 1.5))
    _let_back(Project.objects.get(slug=slug), rng)
    _write_keys(slug, keys)
    return dict(done)


def _write_keys(slug: str, path: Path) -> None:
    written = path.with_suffix(".new")
    written.write_text(json.dumps(sessions(slug)), encoding="utf-8")
    written.replace(path)


def _shut_out(project: Project, rng: random.Random) -> None:
    user = rng.choice(list(User.objects.filter(memberships__project=project, memberships__role=Role.ANNOTATOR)))
    user.is_active = False
    user.save()


def _let_back(project: Project, rng: random.Random) -> None:
    for user in User.objects.filter(is_active=False, is_placeholder=False):
        user.is_active = True
        user.save()


def _pause(project: Project, rng: random.Random) -> None:
    batch = project.batches.get()
    batches.pause_batch(batch=batch)
    time.sleep(0.5)
    batches.resume_batch(batch=batch)


def _other_overlap(project: Project, rng: random.Random) -> None:
    batch, job = start_change_batch(batch=project.batches.get(), changes={"overlap": rng.randint(2, 4)})
    if job is not None:  # no worker runs here
        settle_batch(batch=batch)
        job.delete()


def _sweep(project: Project, rng: random.Random) -> None:
    leases.free_expired_leases(project=project)


# --- the audit -------------------------------------------------------------------------------------------------------
def audit(slug: str, book: dict[str, Any]) -> dict[str, Any]:
    """Counts of what is wrong (all 0 when nothing is) and of how much there is."""
    project = Project.objects.get(slug=slug)
    votes_of = Vote.objects.filter(project=project)
    stored = {
        str(key): [item, person, intent, answer, retracted is not None]
        for key, item, person, intent, answer, retracted in votes_of.values_list(
            "key", "item", "person__username", "intent", "answer", "retracted_at"
        ).iterator()
    }
    told, undone, unsure = book["votes"], set(book["undone"]), set(book["unsure"])
    standing = [(row[0], row[1]) for row in stored.values() if not row[4]]
    per_item, targets = Counter(item for item, _ in standing), dict(project.items.values_list("pk", "target"))
    pairs = dict(project.items.values_list("pk", "pair"))
    slots = Counter(votes_of.filter(retracted_at__isnull=True).values_list("slot", flat=True))
    done_slots = set(Slot.objects.filter(project=project, state=SlotState.DONE).values_list("pk", flat=True))
    return {
        "lost": sum(key not in stored or (stored[key][4] and key not in undone | unsure) for key in told),
        "changed": sum(key in stored and stored[key][:4] != row for key, row in told.items()),
        "undo_lost": sum(key in stored and not stored[key][4] for key in undone),
        "over": sum(n > targets[item] for item, n in per_item.items()),
        "twice": sum(n > 1 for n in Counter((pairs[item], person) for item, person in standing).values()),
        "two_in_slot": sum(n > 1 for n in slots.values()),
        "counters_off": sum(done != per_item[pk] for pk, done in project.items.values_list("pk", "done")),
        "slots_off": len(done_slots ^ set(slots)),
        "standing": len(standing),
        "most_on_a_pair": max(per_item.values(), default=0),
        "stored_unacknowledged": len(set(stored) - set(told)),
        "kept_late": LateSubmission.objects.filter(item__project=project).count(),
        "finished": project.items.filter(done=F("target")).count(),
    }


def _set_up(given: argparse.Namespace) -> dict[str, Any]:
    return setup(given.project, given.people, given.overlap, given.extra, passwords=not given.no_passwords)


def _bring_in(given: argparse.Namespace) -> dict[str, Any]:
    return bring_in(given.project, given.file, given.limit, given.lease)


def _ready(given: argparse.Namespace) -> dict[str, str]:
    _set_up(given)
    _bring_in(given)
    return sessions(given.project)


ACTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "setup": _set_up,
    "import": _bring_in,
    "sessions": lambda given: sessions(given.project),
    "ready": _ready,
    "items": lambda given: items(given.project, given.file),
    "votes": lambda given: votes(given.project),
    "disturb": lambda given: disturb(given.project, given.seconds, given.file),
    "audit": lambda given: audit(given.project, json.load(sys.stdin)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=list(ACTS))
    parser.add_argument("project")
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--overlap", type=int, default=3)
    parser.add_argument("--extra", type=int, default=0)
    parser.add_argument("--no-passwords", action="store_true", help="Faster: nobody of them can log in by the page.")
    parser.add_argument("--limit", type=int, default=0, help="Only the first pairs of the file.")
    parser.add_argument("--lease", type=int, default=0, help="Shortest lease of the batch, seconds.")
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    print(json.dumps(ACTS[given.act](given)))


if __name__ == "__main__":
    main()
