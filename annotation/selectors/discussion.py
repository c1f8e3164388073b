"""Reads of discussions: threads (closed to whoever has not voted), the inbox of flags, questions to the guideline."""

from dataclasses import dataclass

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from annotation.consensus import Tally
from annotation.models import COUNTED, SHOWABLE, Comment, GuidelineQuestion, Item, Purpose, Vote
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


# Gold, training, qualification and repeats: who judges them must not find out by how they are talked about.
OPEN_PURPOSES = (Purpose.LIVE, Purpose.INTENT_ONLY)


def thread_of(item: Item, person: User, *, is_staff: bool) -> Thread:
    """Others' remarks open with the person's own vote; others' votes when, beside that, all votes on the pair are in,
    so that nobody's vote or correction leans on those before it. Curators and adjudicators see everything.

    On hidden gold and the like everybody but curators (`is_staff`, see `is_staff_on`) reads only their own remarks,
    and the page says nothing else than on a live pair.
    """
    own = item.votes.filter(person=person, retracted_at__isnull=True).first()
    is_open = is_staff or own is not None
    is_shared = is_staff or item.purpose in OPEN_PURPOSES
    comments = item.comments.select_related("person", "resolution__person").order_by("id")
    are_all_in = item.done >= item.target or item.batch.is_closed
    is_told = is_staff or (own is not None and is_shared and are_all_in)
    return Thread(
        comments=list(comments if is_open and is_shared else comments.filter(person=person)),
        is_open=is_open,
        has_voted=own is not None,
        own_vote=own,
        tally=Tally.of(item.votes.filter(COUNTED)) if is_told else None,
    )


def is_staff_on(item: Item, *, is_staff: bool, is_curator: bool) -> bool:
    """Whether the person reads the whole thread whatever they voted: adjudicators not where gold is hidden."""
    return is_curator or (is_staff and item.purpose in OPEN_PURPOSES)


def shown_items(project: Project) -> QuerySet[Item]:
    """Items of which privacy holds nothing back."""
    return Item.objects.filter(SHOWABLE, project=project).select_related("query", "pair__code", "batch")


def threads_of(project: Project, person: User, *, is_staff: bool, is_curator: bool) -> QuerySet[Item]:
    """Items that somebody has said something about, last remark first (`last_comment`, `n_comments`).

    For staff all of them, for others those they have voted on; only remarks that the person may read count.
    """
    items = shown_items(project)
    if not is_staff:
        voted = Vote.objects.filter(item=OuterRef("pk"), person=person, retracted_at__isnull=True)
        items = items.filter(Exists(voted))
    readable = Q(comments__isnull=False)
    if not is_curator:
        readable &= Q(purpose__in=OPEN_PURPOSES) | Q(comments__person=person)
    spoken = items.filter(pk__in=Comment.objects.values("item"))  # few among many items: they lead the search
    counted = spoken.annotate(
        last_comment=Max("comments__id", filter=readable), n_comments=Count("comments", filter=readable)
    )
    return counted.filter(last_comment__isnull=False).order_by("-last_comment")


# --- the curator's inbox ------------------------------------------------------------------------------------
def flags_of(project: Project, show: str = "open") -> QuerySet[Comment]:
    """Flags of the project, newest first: `open`, `resolved`, or all."""
    ours = Item.objects.filter(pk=OuterRef("item"), project=project)  # a join would start from every item there is
    flags = Comment.objects.filter(Exists(ours), is_flag=True).select_related(
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
