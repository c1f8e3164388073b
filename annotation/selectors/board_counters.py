"""Counters of the dashboard that no hour holds: batches, and the health of the queue. Each costs a walk over rows."""

from typing import Any

from django.db.models import Avg, Count, F, Q, Sum
from django.db.models.functions import Greatest

from annotation.models import Batch, Comment, Item, LateSubmission, Purpose, Skip, Slot, SlotState
from core.models import Project

COUNTED_PURPOSES = (Purpose.LIVE, Purpose.INTENT_ONLY)


def count_batches(project: Project) -> list[dict[str, Any]]:
    """Progress of each batch with live or intent-only items, newest first.

    `left` are the votes still wanted of items that are not set aside; `extra` is the mean of extra votes on finished
    items, None while there are none.
    """
    wanted = Item.objects.filter(project=project, purpose__in=COUNTED_PURPOSES)
    finished = Q(done__gte=F("target"))
    rows = (
        wanted.order_by()
        .values("batch_id")
        .annotate(
            n_items=Count("id"),
            n_finished=Count("id", filter=finished),
            n_aside=Count("id", filter=Q(is_set_aside=True)),
            n_votes=Sum("done"),
            n_wanted=Sum("target"),
            left=Sum(Greatest(F("target") - F("done"), 0), filter=Q(is_set_aside=False), default=0),
            extra=Avg("n_extra", filter=finished),
        )
    )
    counted = {row["batch_id"]: {**row} for row in rows}
    return [_described(batch, counted[batch.pk]) for batch in project.batches.filter(pk__in=counted).order_by("-id")]


def _described(batch: Batch, counts: dict[str, Any]) -> dict[str, Any]:
    extra = counts["extra"]
    return {
        "id": batch.pk,
        "name": batch.name,
        "is_pilot": batch.is_pilot,
        "state": "closed" if batch.is_closed else "paused" if batch.is_paused else "open",
        "max_extra": batch.max_extra_votes,
        **{name: value for name, value in counts.items() if name != "batch_id"},
        "extra": None if extra is None else round(float(extra), 4),
    }


def count_health(project: Project) -> dict[str, int]:
    """What the queue has lost or put by: skips, late submissions, flags, pairs set aside, free slots that are open."""
    flags = Comment.objects.filter(item__project=project, is_flag=True)
    return {
        "skips": Skip.objects.filter(item__project=project).count(),
        "late": LateSubmission.objects.filter(item__project=project).count(),
        "flags": flags.count(),
        "open_flags": flags.filter(resolution__isnull=True).count(),
        "aside": Item.objects.filter(project=project, is_set_aside=True).count(),
        "free": Slot.objects.filter(project=project, state=SlotState.FREE, is_open=True).count(),
    }
