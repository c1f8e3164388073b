"""Why the queue has nothing for a person, and how the page says so."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import SHOWABLE, Batch, BatchKind, BatchMember, Item, Skip, Slot, SlotState
from annotation.selectors.limits import has_room, next_midnight, room_today
from annotation.selectors.people import annotator_of
from annotation.selectors.queue import JUDGED_KINDS, open_to, unfinished_items
from annotation.services.gate import GateState, gate
from core.models import Project, User


class Why(StrEnum):
    """Why a queue has nothing for a person."""

    NO_BATCH = "no_batch"
    DONE = "done"
    PAUSED = "paused"
    LEASED = "leased"
    SEEN_ALL = "seen_all"
    DAY_IS_FULL = "day_is_full"
    LIMIT_REACHED = "limit_reached"
    NOT_INVITED = "not_invited"
    YOU_ARE_PAUSED = "you_are_paused"
    NOT_QUALIFIED = "not_qualified"
    TRAINING_WAITS = "training_waits"


@dataclass(frozen=True)
class EmptyQueue:
    """The reason and what goes with it.

    until: when others' leases run out (LEASED) or the next day begins (DAY_IS_FULL). n_skipped: pairs that the person
    has passed over and that still want votes. reason: why the person is paused. kinds: of the batches in question.
    """

    why: Why
    until: datetime | None = None
    n_skipped: int = 0
    reason: str = ""
    kinds: frozenset[str] = frozenset({BatchKind.LIVE})

    @property
    def is_for_curator(self) -> bool:
        """Whether a curator finds what to do about it among the batches."""
        return self.why in {Why.NO_BATCH, Why.DONE, Why.PAUSED, Why.NOT_INVITED, Why.LIMIT_REACHED, Why.TRAINING_WAITS}

    @property
    def what(self) -> str:
        """What is judged here, as a plural."""
        if BatchKind.INTENT_ONLY in self.kinds:
            return _("pairs and queries") if BatchKind.LIVE in self.kinds else _("queries")
        return _("pairs")

    @property
    def heading(self) -> str:
        return _headings()[self.why]

    @property
    def title(self) -> str:
        return _titles()[self.why] % {"what": self.what}

    @property
    def text(self) -> str:
        return self.reason or _texts()[self.why] % {"what": self.what}


def _headings() -> dict[Why, str]:
    return {
        Why.NO_BATCH: _("Nothing to judge yet"),
        Why.DONE: _("Everything is judged"),
        Why.PAUSED: _("Judging is paused"),
        Why.LEASED: _("The last ones are with others"),
        Why.SEEN_ALL: _("You have seen everything"),
        Why.DAY_IS_FULL: _("Enough for today"),
        Why.LIMIT_REACHED: _("You have done your part"),
        Why.NOT_INVITED: _("Nothing is open to you"),
        Why.YOU_ARE_PAUSED: _("Your judging is paused"),
        Why.NOT_QUALIFIED: _("You have not qualified"),
        Why.TRAINING_WAITS: _("The training has to wait"),
    }


def _titles() -> dict[Why, str]:
    return {
        Why.NO_BATCH: _("No batch is open"),
        Why.DONE: _("All open %(what)s have their votes"),
        Why.PAUSED: _("The open batches are paused"),
        Why.LEASED: _("Others are judging the last %(what)s"),
        Why.SEEN_ALL: _("No %(what)s are left for you"),
        Why.DAY_IS_FULL: _("You have judged as many %(what)s as one person may in a day"),
        Why.LIMIT_REACHED: _("You have judged as many %(what)s as one person may"),
        Why.NOT_INVITED: _("The open batches are for invited people"),
        Why.YOU_ARE_PAUSED: _("You get no more %(what)s for now"),
        Why.NOT_QUALIFIED: _("Too few of your answers in the qualification were right"),
        Why.TRAINING_WAITS: _("Nothing of the training or qualification is at hand for you"),
    }


def _texts() -> dict[Why, str]:
    return {
        Why.NO_BATCH: _("As soon as the curator opens one, you can begin here."),
        Why.DONE: _("When the curator opens another batch, it appears here."),
        Why.PAUSED: _("The curator has paused them. Your votes are safe; look in later."),
        Why.LEASED: _("Whatever they do not finish comes back to the queue."),
        Why.SEEN_ALL: _("Nobody judges the same one twice. What still wants votes waits for other people."),
        Why.DAY_IS_FULL: _("The curator has set this limit. It begins anew at midnight UTC."),
        Why.LIMIT_REACHED: _("The curator has set this limit, so that the votes come from several people."),
        Why.NOT_INVITED: _("Ask the curator to invite you to one of them."),
        Why.YOU_ARE_PAUSED: _("The curator has paused you. Your votes are kept; ask the curator how to go on."),
        Why.NOT_QUALIFIED: _("Your votes are kept. Ask the curator for another try."),
        Why.TRAINING_WAITS: _("It comes before the %(what)s. The curator may have paused it; look in later."),
    }


_BEFORE_LIVE = {
    GateState.FAILED: Why.NOT_QUALIFIED,
    GateState.TRAINING: Why.TRAINING_WAITS,
    GateState.QUALIFICATION: Why.TRAINING_WAITS,
}


def why_empty(project: Project, person: User) -> EmptyQueue:
    """Why there is no pair for this person now. Call after a claim came back empty."""
    state = gate(project, person).state
    batches = project.batches.filter(kind__in=JUDGED_KINDS)
    kinds = frozenset(batches.order_by().values_list("kind", flat=True).distinct())
    if state == GateState.PAUSED:
        return EmptyQueue(Why.YOU_ARE_PAUSED, reason=annotator_of(project, person).told_reason, kinds=kinds)
    if state != GateState.OPEN:
        return EmptyQueue(_BEFORE_LIVE[state], kinds=kinds)
    if not kinds:
        return EmptyQueue(Why.NO_BATCH)
    unfinished = unfinished_items(project).filter(SHOWABLE)
    waiting = project.batches.filter(Exists(unfinished.filter(batch=OuterRef("pk")))).order_by("priority", "pk")
    if not waiting:
        return EmptyQueue(Why.DONE, kinds=kinds)
    why, until, concerned = _why_of(project, person, list(waiting))
    n_skipped = Skip.objects.filter(person=person, item__in=unfinished).count()
    return EmptyQueue(why, until, n_skipped, kinds=frozenset(batch.kind for batch in concerned))


def _why_of(project: Project, person: User, waiting: list[Batch]) -> tuple[Why, datetime | None, list[Batch]]:
    """The reason that tells most, until when, and the batches that it concerns. `waiting` still want votes."""
    handing_out = [batch for batch in waiting if not batch.is_paused]
    mine = [batch for batch in handing_out if _is_invited(batch, person)]
    with_room = [batch for batch in mine if has_room(batch, person)]
    if until := _next_lease_end(open_to(project, person).filter(SHOWABLE, batch__in=with_room)):
        return Why.LEASED, max(until, timezone.now()), with_room
    full_today = [batch for batch in mine if (room := room_today(batch, person)) is not None and room < 1]
    if full_today:
        return Why.DAY_IS_FULL, next_midnight(), full_today
    if with_room:
        return Why.SEEN_ALL, None, with_room
    if mine:
        return Why.LIMIT_REACHED, None, mine
    return (Why.NOT_INVITED, None, handing_out) if handing_out else (Why.PAUSED, None, waiting)


def _is_invited(batch: Batch, person: User) -> bool:
    return not batch.is_invited_only or BatchMember.objects.filter(batch=batch, person=person).exists()


def _next_lease_end(items: QuerySet[Item]) -> datetime | None:
    held = Slot.objects.filter(item__in=items, state=SlotState.LEASED).order_by("expires_at")
    return held.values_list("expires_at", flat=True).first()
