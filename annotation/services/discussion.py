"""What people say about pairs: remarks in a thread, flags that a curator settles, questions to the guideline."""

from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Comment, FlagResolution, Guideline, GuidelineQuestion, Item, Slot
from annotation.services.guidelines import current_guideline, publish_guideline
from annotation.services.votes import add_comment
from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import Project, User
from curation import privacy

MAX_TEXT_CHARS = 4000
QUESTIONS_HEADING = "## Questions and answers"


def _text(given: str, *, field: str, missing: str) -> str:
    """Stripped, cut, private parts masked. Raises BadInputError with `missing` where nothing is left."""
    text = privacy.mask(given.strip()[:MAX_TEXT_CHARS], privacy.COMMENT)
    if not text:
        raise BadInputError(problem=missing, field=field)
    return text


# --- the thread of a pair -------------------------------------------------------------------------------------
@retry_when_busy()
def say(*, project: Project, person: User, item_id: int, text: str, is_staff: bool = False) -> Comment:
    """A remark in the thread of a pair; private text in it is masked, which `was_masked` tells.

    is_staff: the person curates or adjudicates and may speak on any pair; others on those they have or had in hand.
    Raises BadInputError for an empty remark, NotFoundError for any other pair.
    """
    if not is_staff:
        return add_comment(project=project, person=person, item_id=item_id, text=text)
    item = _item(project, item_id)
    kept = _text(text, field="text", missing=_("The comment is empty."))
    with write_transaction():
        comment = Comment.objects.create(item=item, person=person, text=kept)
    comment.was_masked = kept != text.strip()[:MAX_TEXT_CHARS]
    return comment


def _item(project: Project, item_id: int) -> Item:
    item = project.items.select_related("query", "pair__code").filter(pk=item_id).first()
    if item is None or item.is_held_back:
        raise NotFoundError(what=_("pair in this project"), name=item_id)
    return item


# --- flags --------------------------------------------------------------------------------------------------
@retry_when_busy()
def resolve_flag(*, project: Project, comment_id: int, note: str, user: User) -> FlagResolution:
    """Closes a flag with a note on what was done; whoever raised it reads the note.

    The same note again changes nothing. Raises BadInputError without a note, NotFoundError for what is no flag of the
    project, ConflictError for a flag that was resolved otherwise.
    """
    note = _text(note, field="note", missing="Say what was done about the flag; whoever raised it will read it.")
    with write_transaction():
        flag = _flag(project, comment_id)
        known = FlagResolution.objects.filter(comment=flag).select_related("person").first()
        if known is not None and known.note == note:
            return known
        if known is not None:
            raise ConflictError(problem=f"{known.person} has resolved this flag already. Open it again to say more.")
        made = FlagResolution.objects.create(comment=flag, note=note, person=user)
        _record_flag("annotation.resolve_flag", flag, user, after={"note": note})
        return made


@retry_when_busy()
def reopen_flag(*, project: Project, comment_id: int, user: User) -> None:
    """Opens a resolved flag again; one that is open stays so. Raises NotFoundError."""
    with write_transaction():
        flag = _flag(project, comment_id)
        known = FlagResolution.objects.filter(comment=flag).first()
        if known is not None:
            _record_flag("annotation.reopen_flag", flag, user, before={"note": known.note})
            known.delete()


def _flag(project: Project, comment_id: int) -> Comment:
    flags = Comment.objects.select_for_update(of=("self",)).select_related("person", "item")
    flag = flags.filter(pk=comment_id, is_flag=True, item__project=project).first()
    if flag is None:
        raise NotFoundError(what="flag", name=comment_id)
    return flag


def _record_flag(
    act: str, flag: Comment, user: User, *, before: dict[str, str] | None = None, after: dict[str, str] | None = None
) -> None:
    record(
        act, project=flag.item.project, actor=user, person=flag.person, subject=flag.item, before=before, after=after
    )


# --- questions to the guideline -------------------------------------------------------------------------------
@retry_when_busy()
def ask_question(
    *, project: Project, person: User, text: str, item_id: int | None = None, is_staff: bool = False
) -> GuidelineQuestion:
    """A question that the guideline leaves open, from the pair at hand or without one.

    Only curators and the asker see it until it is answered. Raises BadInputError for an empty one, NotFoundError for
    a pair that the person never had in hand (`is_staff` may name any).
    """
    text = _text(text, field="text", missing=_("The question is empty."))
    item = _item(project, item_id) if item_id is not None else None
    if item is not None and not is_staff and not Slot.objects.filter(item=item, person=person).exists():
        raise NotFoundError(what=_("pair of yours"), name=item_id)
    with write_transaction():
        return GuidelineQuestion.objects.create(
            project=project, item=item, person=person, text=text, guideline=current_guideline(project)
        )


@retry_when_busy()
def answer_question(*, project: Project, question_id: int, answer: str, user: User) -> GuidelineQuestion:
    """Answers a question, or words the answer anew as long as no guideline version holds it; then everybody sees it.

    Raises BadInputError for an empty answer, NotFoundError, ConflictError for an answer that is in the guideline.
    """
    answer = _text(answer, field="answer", missing="The answer is empty.")
    with write_transaction():
        question = _question(project, question_id)
        if question.adopted is not None:
            raise ConflictError(
                problem=f"The answer is part of guideline version {question.adopted.version}. Change the guideline."
            )
        question.answer, question.answered_by, question.answered_at = answer, user, timezone.now()
        question.save(update_fields=["answer", "answered_by", "answered_at"])
        return question


def _question(project: Project, question_id: int) -> GuidelineQuestion:
    questions = GuidelineQuestion.objects.select_for_update(of=("self",)).select_related("adopted", "person")
    question = questions.filter(project=project, pk=question_id).first()
    if question is None:
        raise NotFoundError(what="question to the guideline", name=question_id)
    return question


def text_with_answer(text: str, question: GuidelineQuestion) -> str:
    """The guideline with question and answer at the end of its section of them, which is made where it is missing."""
    entry = f"- **{' '.join(question.text.split())}** {' '.join(question.answer.split())}"
    head, heading, rest = text.partition(f"\n{QUESTIONS_HEADING}\n")
    if not heading:
        return f"{text.rstrip()}\n\n{QUESTIONS_HEADING}\n\n{entry}\n"
    section, next_heading, after = rest.partition("\n## ")
    return f"{head.rstrip()}\n\n{QUESTIONS_HEADING}\n\n{section.strip()}\n{entry}\n" + (
        f"{next_heading}{after}" if next_heading else ""
    )


@retry_when_busy()
def adopt_answer(
    *,
    project: Project,
    question_id: int,
    user: User,
    text: str | None = None,
    note: str = "",
    based_on: int | None = None,
) -> Guideline:
    """Publishes a guideline version that holds the answer to a question, and links the two.

    text: the whole new guideline; None takes the newest one with question and answer added to it.
    Raises ConflictError for a question without an answer, or one that is adopted already; else as publish_guideline.
    """
    with write_transaction():
        question = _question(project, question_id)
        if not question.answer:
            raise ConflictError(problem="This question has no answer yet. Answer it first.")
        if question.adopted is not None:
            raise ConflictError(problem=f"The answer is part of guideline version {question.adopted.version} already.")
        before = current_guideline(project)
        published = publish_guideline(
            project=project,
            text=text_with_answer(before.text, question) if text is None else text,
            author=user,
            note=note or "Answers a question.",
            based_on=based_on,
        )
        if published.version == before.version:
            raise BadInputError(problem="The text is the same as before: the answer is not in it.", field="text")
        question.adopted = published
        question.save(update_fields=["adopted"])
        return published
