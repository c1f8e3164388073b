"""What the queue looks like: for the page of one person, and for the curator."""

from collections import Counter
from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum

from annotation.models import (
    OWN_SLOTS,
    Batch,
    BatchKind,
    BatchMember,
    BatchOpening,
    Comment,
    IntentSample,
    Item,
    LateSubmission,
    Purpose,
    Skip,
    Slot,
    SlotState,
    Vote,
)
from annotation.selectors.gold import gold_to_come
from annotation.selectors.limits import room_left
from core.models import Project, User

JUDGED_KINDS = (BatchKind.LIVE, BatchKind.INTENT_ONLY)
EXACT_UP_TO = 20_000  # unfinished items of a batch that are counted anew each time, in a few milliseconds
KEPT_S = 30
_UNFINISHED = (
    "SELECT {columns} FROM annotation_item i WHERE i.batch_id = %s AND i.done < i.target AND NOT i.is_set_aside"
    " AND i.purpose IN ('live', 'intent_only')"
)
HIDDEN = (Purpose.GOLD, Purpose.REPEAT)  # among the live pairs of a batch, in none of its figures


# --- the person's progress ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Progress:
    """Votes of the person that stand, and pairs still open to them (the one on screen among these)."""

    mine: int
    left: int


def progress_of(project: Project, person: User) -> Progress:
    """ "mine 46, left 154": what is left counts the batches that the person may judge, as far as their limits go.

    In batches of more than EXACT_UP_TO unfinished items the count is up to half a minute old.
    """
    mine = Vote.objects.filter(project=project, person=person, retracted_at__isnull=True).count()
    batches = [batch for batch in _batches_for(project, person) if not batch.is_paused]
    wanting = {batch.pk: _n_unfinished(batch.pk) for batch in batches}
    seen = _seen_unfinished(person, [pk for pk, n in wanting.items() if n])
    live = {pk: max(0, n - seen.get(pk, 0)) for pk, n in wanting.items()}
    to_come = {pk: n + gold_to_come(pk, person, n) for pk, n in live.items()}
    for batch in batches:
        room = room_left(batch, person)
        if room is not None:
            held = Slot.objects.filter(person=person, batch=batch, state=SlotState.LEASED).count()
            to_come[batch.pk] = min(to_come[batch.pk], max(0, room + held))
    return Progress(mine=mine, left=sum(to_come.values()))


def _batches_for(project: Project, person: User) -> QuerySet[Batch]:
    """Batches that are not closed and that the person may judge."""
    invited = BatchMember.objects.filter(batch=OuterRef("pk"), person=person)
    batches = Batch.objects.filter(project=project, is_closed=False, kind__in=JUDGED_KINDS)
    return batches.filter(Q(is_invited_only=False) | Exists(invited))


def _n_unfinished(batch: int) -> int:
    """How many items of the batch want votes; the count of a big batch is kept for a while, for all its people."""
    rows = _UNFINISHED.format(columns="1")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({rows} LIMIT {EXACT_UP_TO + 1}) few", [batch])
        n: int = cursor.fetchone()[0]
        if n <= EXACT_UP_TO:
            return n
        key = f"unfinished-{batch}"
        known: int | None = cache.get(key)
        if known is None:
            cursor.execute(_UNFINISHED.format(columns="COUNT(*)"), [batch])
            known = int(cursor.fetchone()[0])
            cache.set(key, known, KEPT_S)
    return known


def _seen_unfinished(person: User, batches: list[int]) -> dict[int, int]:
    """Batch -> items that want votes but not the person's: judged or passed over by them."""
    if not batches:
        return {}
    # The items' batches are not asked for: the planner is to start at the person's rows, not at all unfinished items.
    wanting = Q(item__done__lt=F("item__target"), item__is_set_aside=False) & ~Q(item__purpose__in=OWN_SLOTS)
    done = Slot.objects.filter(wanting, person=person, state=SlotState.DONE, batch__in=batches)
    judged = Slot.objects.filter(item=OuterRef("item"), person=person, state=SlotState.DONE)
    skipped = Skip.objects.filter(wanting, ~Exists(judged), person=person)
    seen = Counter(dict(done.order_by().values_list("batch").annotate(n=Count("pk"))))
    seen += Counter(dict(skipped.order_by().values_list("item__batch").annotate(n=Count("pk"))))
    return {batch: seen[batch] for batch in batches}


def unfinished_items(project: Project) -> QuerySet[Item]:
    """Items that want votes. Those with a slot per person want none of their own accord: they come with the others."""
    wanting = Item.objects.filter(project=project, done__lt=F("target"), is_set_aside=False, batch__is_closed=False)
    return wanting.exclude(purpose__in=OWN_SLOTS)


def open_to(project: Project, person: User) -> QuerySet[Item]:
    """Items that want a vote of this person: neither judged nor passed over by them, in batches that hand out pairs."""
    judged = Slot.objects.filter(item=OuterRef("pk"), person=person, state=SlotState.DONE)
    skipped = Skip.objects.filter(item=OuterRef("pk"), person=person)
    return unfinished_items(project).filter(~Exists(judged), ~Exists(skipped), batch__is_paused=False)


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

    `is_intent_only` marks those whose items are queries judged alone; `opening_job` is the number of the job that opens
    the rest of its pairs.
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
            opening_job=Subquery(BatchOpening.objects.filter(batch=OuterRef("pk"), is_complete=False).values("job")),
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


def late_votes_of(batch: Batch) -> QuerySet[LateSubmission]:
    """Votes on the batch that came when their slot was no longer the person's: kept, never counted."""
    return LateSubmission.objects.filter(item__batch=batch).select_related("person", "item__query", "item__pair__code")


def live_leases(batch: Batch) -> QuerySet[Slot]:
    """Who holds which pair of the batch, soonest expiry first."""
    leased = Slot.objects.filter(batch=batch, state=SlotState.LEASED)
    return leased.select_related("person", "item__query").order_by("expires_at")
