"""Reads of discussions: threads (closed to whoever has not voted), the inbox of flags, questions to the guideline."""

from dataclasses import dataclass

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from annotation.consensus import Tally
from annotation.models import COUNTED, Comment, GuidelineQuestion, Item, Purpose, Vote
from core.models import Project, User


@dataclass(frozen=True)
class Thread:
    """The discussion of a pair as one person may see it.

    is_open: the person sees what others say. tally: all counted votes, once the person may know them (None before).
    """

    comments: list[Comment]
    is_open: bool
    has_voted: bool
    own_vote: Vote | None
    tally: Tally | None


def thread_of(item: Item, person: User, *, is_staff: bool) -> Thread:
    """Others' remarks open with the person's own vote; others' votes when, beside that, all votes on the pair are in,
    so that nobody's vote or correction leans on those before it. Curators and adjudicators see everything.
    """
    own = item.votes.filter(person=person, retracted_at__isnull=True).first()
    is_open = is_staff or own is not None
    comments = item.comments.select_related("person", "resolution__person").order_by("id")
    is_told = is_staff or (own is not None and (item.done >= item.target or item.batch.is_closed))
    return Thread(
        comments=list(comments if is_open else comments.filter(person=person)),
        is_open=is_open,
        has_voted=own is not None,
        own_vote=own,
        tally=Tally.of(item.votes.filter(COUNTED)) if is_told else None,
    )


# Gold, training, qualification and repeats would give themselves away by being talked about.
_DISCUSSED = (Purpose.LIVE, Purpose.INTENT_ONLY)


def discussed_items(project: Project, *, is_curator: bool) -> QuerySet[Item]:
    """Items with a thread of their own, nothing held back; curators alone reach those of hidden purposes."""
    items = Item.objects.filter(project=project).select_related("query", "pair__code", "batch")
    items = items.filter(Q(query__quarantine_reason="") & (Q(pair__isnull=True) | Q(pair__code__quarantine_reason="")))
    return items if is_curator else items.filter(purpose__in=_DISCUSSED)


def threads_of(project: Project, person: User, *, is_staff: bool, is_curator: bool) -> QuerySet[Item]:
    """Items that somebody has said something about, last remark first (`last_comment`, `n_comments`).

    For staff all of them, for others those they have voted on.
    """
    items = discussed_items(project, is_curator=is_curator)
    if not is_staff:
        voted = Vote.objects.filter(item=OuterRef("pk"), person=person, retracted_at__isnull=True)
        items = items.filter(Exists(voted))
    spoken = items.filter(Exists(Comment.objects.filter(item=OuterRef("pk"))))
    return spoken.annotate(last_comment=Max("comments__id"), n_comments=Count("comments")).order_by("-last_comment")


def is_discussable(item: Item, *, is_curator: bool) -> bool:
    """Whether the item has a thread that this person may open at all."""
    return not item.is_held_back and (is_curator or item.purpose in _DISCUSSED)


# --- the curator's inbox ------------------------------------------------------------------------------------
def flags_of(project: Project, show: str = "open") -> QuerySet[Comment]:
    """Flags of the project, newest first: `open`, `resolved`, or all."""
    flags = Comment.objects.filter(is_flag=True, item__project=project).select_related(
        "person", "item__query", "item__pair__code", "item__batch", "resolution__person"
    )
    if show in {"open", "resolved"}:
        flags = flags.filter(resolution__isnull=show == "open")
    return flags.order_by("-id")


def n_open_flags(project: Project) -> int:
    """Flags that wait for a curator."""
    return flags_of(project).count()


# --- questions ------------------------------------------------------------------------------------------------
def questions_of(project: Project, person: User, *, is_curator: bool, show: str = "") -> QuerySet[GuidelineQuestion]:
    """Questions that this person may read: curators all, others their own and those that are answered.

    show: `open` (no answer yet), `answered` (not in the guideline yet), `adopted`, or all. Newest first.
    """
    questions = GuidelineQuestion.objects.filter(project=project).select_related(
        "person", "answered_by", "adopted", "guideline", "item__query", "item__pair__code"
    )
    if not is_curator:
        questions = questions.filter(Q(person=person) | Q(answered_at__isnull=False))
    narrowed = {
        "open": Q(answered_at__isnull=True),
        "answered": Q(answered_at__isnull=False, adopted__isnull=True),
        "adopted": Q(adopted__isnull=False),
    }
    return (questions.filter(narrowed[show]) if show in narrowed else questions).order_by("-id")


def n_open_questions(project: Project) -> int:
    """Questions that wait for an answer."""
    return GuidelineQuestion.objects.filter(project=project, answered_at__isnull=True).count()
