"""A site for the load test, in processes of its own: `prepare` makes it and prints who may log in, `check` counts."""

import json
import os
import sys
from collections import Counter
from typing import Any

import django
from django.core.management import call_command

if __name__ == "__main__":  # a process of its own
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from django.db.models import Count, F, Q
from django.test import Client

from annotation.models import Item, LateSubmission, Slot, SlotState, Vote
from annotation.services.batches import open_batch
from core.models import Project
from tests.factories import PairFactory, ProjectFactory, member

OVERLAP, EXTRA = 3, 2


def prepare(n_people: int, n_pairs: int) -> list[str]:
    """Migrates, opens a batch, and gives a session key per annotator."""
    call_command("migrate", verbosity=0)
    project: Project = ProjectFactory(slug="load")
    pairs = PairFactory.create_batch(n_pairs, project=project)
    open_batch(project=project, pairs=pairs, name="load", overlap=OVERLAP, max_extra=EXTRA)
    sessions = []
    for number in range(n_people):
        client = Client()
        client.force_login(member(project, "annotator", username=f"load{number}"))
        sessions.append(client.cookies["sessionid"].value)
    return sessions


def check(keys: list[str], undone: list[str]) -> dict[str, Any]:
    """What is wrong (all zero when nothing is), and how much there is."""
    standing = Vote.objects.filter(retracted_at__isnull=True)
    stored = {str(key) for key in Vote.objects.values_list("key", flat=True)}
    retracted = {str(key) for key in Vote.objects.filter(retracted_at__isnull=False).values_list("key", flat=True)}
    per_item = Counter(standing.values_list("item", flat=True))
    per_person = Counter(standing.values_list("item__pair", "person"))
    n_done = Count("slots", filter=Q(slots__state=SlotState.DONE))
    items = list(Item.objects.annotate(n_done=n_done).values_list("pk", "done", "n_done"))
    return {
        "lost": len(set(keys) - stored),
        "undo_lost": len(set(undone) - retracted),
        "over": sum(n > OVERLAP + EXTRA for n in per_item.values()),
        "over_target": Item.objects.filter(done__gt=F("target")).count(),
        "twice": sum(n > 1 for n in per_person.values()),
        "counters_off": sum(done != n_done or done != per_item[pk] for pk, done, n_done in items),
        "votes": sum(per_item.values()),
        "late": LateSubmission.objects.count(),
        "leased": Slot.objects.filter(state=SlotState.LEASED).count(),
    }


if __name__ == "__main__":
    act, *rest = sys.argv[1:]
    answer = prepare(int(rest[0]), int(rest[1])) if act == "prepare" else check(**json.load(sys.stdin))
    json.dump(answer, sys.stdout)
