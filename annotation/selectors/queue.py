"""What the queue looks like: for the page of one person, and for the curator."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from annotation.models import (
    OWN_SLOTS,
    SHOWABLE,
    Batch,
    Comment,
    IntentSample,
    Item,
    Purpose,
    Skip,
    Slot,
    SlotState,
    Vote,
)
from annotation.selectors.gold import gold_to_come
from core.models import Project, User

HIDDEN = (Purpose.GOLD, Purpose.REPEAT)  # among the live pairs of a batch, in none of its figures


# --- the person's progress ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Progress:
    """Votes of the person that stand, and pairs still open to them (the one on screen among these)."""

    mine: int
    left: int


def progress_of(project: Project, person: User) -> Progress:
    """ "mine 46, left 154"."""
    mine = Vote.objects.filter(project=project, person=person, retracted_at__isnull=True).count()
    live = _open_to(project, person)
    return Progress(mine=mine, left=live.count() + gold_to_come(project, person, live))


def _unfinished(project: Project) -> QuerySet[Item]:
    """Items that want votes. Those with a slot per person want none of their own accord: they come with the others."""
    wanting = Item.objects.filter(project=project, done__lt=F("target"), is_set_aside=False, batch__is_closed=False)
    return wanting.exclude(purpose__in=OWN_SLOTS)


def _open_to(project: Project, person: User) -> QuerySet[Item]:
    judged = Slot.objects.filter(item=OuterRef("pk"), person=person, state=SlotState.DONE)
    skipped = Skip.objects.filter(item=OuterRef("pk"), person=person)
    return _unfinished(project).filter(~Exists(judged), ~Exists(skipped), batch__is_paused=False)


class Why(StrEnum):
    """Why a queue has nothing for a person."""

    NO_BATCH = "no_batch"
    DONE = "done"
    PAUSED = "paused"
    LEASED = "leased"
    SEEN_ALL = "seen_all"


@dataclass(frozen=True)
class EmptyQueue:
    """The reason, until when others hold the rest (LEASED), and how many pairs the person has passed over."""

    why: Why
    until: datetime | None = None
    n_skipped: int = 0


def why_empty(project: Project, person: User) -> EmptyQueue:
    """Why there is no pair for this person now. Call after a claim came back empty."""
    unfinished = _unfinished(project).filter(SHOWABLE)
    n_skipped = Skip.objects.filter(person=person, item__in=unfinished).count()
    if not project.batches.exists():
        return EmptyQueue(Why.NO_BATCH)
    if not unfinished.exists():
        return EmptyQueue(Why.DONE)
    if not unfinished.filter(batch__is_paused=False).exists():
        return EmptyQueue(Why.PAUSED)
    held = Slot.objects.filter(item__in=_open_to(project, person), state=SlotState.LEASED)
    until = held.order_by("expires_at").values_list("expires_at", flat=True).first()
    if until is not None:
        return EmptyQueue(Why.LEASED, max(until, timezone.now()), n_skipped)
    return EmptyQueue(Why.SEEN_ALL, None, n_skipped)


def history_of(project: Project, person: User) -> QuerySet[Vote]:
    """The person's standing votes, with what the page shows of them."""
    return Vote.objects.filter(project=project, person=person, retracted_at__isnull=True).select_related(
        "item__query", "item__pair__code", "item__batch"
    )


def comments_for(item: Item, person: User, *, is_curator: bool) -> QuerySet[Comment]:
    """Comments that this person may see: all for a curator and who has voted, else only their own."""
    comments = item.comments.select_related("person")
    has_voted = item.votes.filter(person=person, retracted_at__isnull=True).exists()
    return comments if is_curator or has_voted else comments.filter(person=person)


# --- the curator's view -------------------------------------------------------------------------------
def batches_of(project: Project) -> QuerySet[Batch]:
    """Batches, newest first, with n_items, n_finished, n_aside, n_votes and n_wanted; gold counts in none of them.

    `is_intent_only` marks those whose items are queries judged alone.
    """
    wanted = ~Q(items__purpose__in=HIDDEN)
    return (
        Batch.objects.filter(project=project)
        .annotate(
            n_items=Count("items", filter=wanted),
            n_finished=Count("items", filter=wanted & Q(items__done__gte=F("items__target"))),
            n_aside=Count("items", filter=wanted & Q(items__is_set_aside=True)),
            n_votes=Sum("items__done", filter=wanted, default=0),
            n_wanted=Sum("items__target", filter=wanted, default=0),
            is_intent_only=Exists(IntentSample.objects.filter(batch=OuterRef("pk"))),
        )
        .order_by("-id")
    )


def items_of(batch: Batch, show: str = "") -> QuerySet[Item]:
    """Items of a batch with what the table shows.

    show: all but gold, `open`, `finished`, `extra`, `aside`, `flagged`, `gold`, or `stratum:...` of a plan.
    """
    flagged = Comment.objects.filter(item=OuterRef("pk"), is_flag=True)
    items = batch.items.select_related("query", "pair__code").annotate(is_flagged=Exists(flagged))
    items = items.filter(purpose=Purpose.GOLD) if show == "gold" else items.exclude(purpose__in=HIDDEN)
    if show.startswith("stratum:"):
        return items.filter(stratum=show.removeprefix("stratum:"))
    wanted = {
        "open": Q(done__lt=F("target"), is_set_aside=False),
        "finished": Q(done__gte=F("target")),
        "extra": Q(n_extra__gt=0),
        "aside": Q(is_set_aside=True),
        "flagged": Q(is_flagged=True),
    }
    return items.filter(wanted[show]) if show in wanted else items


def live_leases(batch: Batch) -> QuerySet[Slot]:
    """Who holds which pair of the batch, soonest expiry first."""
    leased = Slot.objects.filter(batch=batch, state=SlotState.LEASED)
    return leased.select_related("person", "item__query").order_by("expires_at")
