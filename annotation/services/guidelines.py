"""Writing the annotation guideline: every change is a new version, and votes remember which one was in force."""

from pathlib import Path

from django.db import IntegrityError, transaction

from annotation.models import Guideline, GuidelineExample, Item
from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import Project, User
from curation import privacy

DEFAULT_TEXT = Path(__file__).resolve().parent.parent / "guidelines" / "default.md"
MAX_CHARS = 60_000
MAX_NOTE_CHARS = 300
MAX_WHY_CHARS = 1000
MAX_EXAMPLES = 40


class GuidelineMovedError(ConflictError):
    """Somebody else has published a version since the text at hand was read."""

    code = "guideline_moved"
    template = (
        "Version {current} was put in force while you wrote on the basis of version {based_on}. "
        "Bring your change into the newest text and send it again."
    )


def current_guideline(project: Project) -> Guideline:
    """The newest version; the shipped text becomes version 1 of a project that has none."""
    newest = project.guidelines.order_by("-version").first()
    if newest is not None:
        return newest
    try:
        with write_transaction():
            return Guideline.objects.create(project=project, text=DEFAULT_TEXT.read_text(encoding="utf-8"))
    except IntegrityError:  # somebody else was first
        return project.guidelines.latest("version")


def cleaned_text(text: str) -> str:
    """The text as it would be stored. Raises BadInputError for an empty or a huge one."""
    text = text.replace("\r\n", "\n").strip() + "\n"
    if not text.strip():
        raise BadInputError(problem="The guideline is empty. Annotators need at least the two questions explained.")
    if len(text) > MAX_CHARS:
        raise BadInputError(problem=f"The guideline has {len(text):,} characters; at most {MAX_CHARS:,} fit.")
    return text


@retry_when_busy()
def publish_guideline(
    *, project: Project, text: str, author: User | None = None, note: str = "", based_on: int | None = None
) -> Guideline:
    """Makes `text` the next version. The same text again changes nothing; an empty or huge one is refused.

    note: what changed and why; annotators read it before their next pair.
    based_on: the version that the writer started from. Raises GuidelineMovedError where there is a newer one, so that
    nobody's change is written over unseen.
    """
    text = cleaned_text(text)
    current = current_guideline(project)
    if current.text == text:
        return current
    with write_transaction():
        return _next_version(project, text, author, note, based_on)


def _next_version(project: Project, text: str, author: User | None, note: str, based_on: int | None) -> Guideline:
    """Call inside a write transaction."""
    current = current_guideline(project)
    if based_on is not None and based_on != current.version:
        raise GuidelineMovedError(current=current.version, based_on=based_on)
    note = privacy.mask(" ".join(note.split())[:MAX_NOTE_CHARS], privacy.COMMENT)
    try:
        with transaction.atomic():
            made = Guideline.objects.create(
                project=project, version=current.version + 1, text=text, author=author, note=note
            )
    except IntegrityError as error:  # two at once
        raise GuidelineMovedError(current=current.version + 1, based_on=current.version) from error
    record(
        "annotation.publish_guideline",
        project=project,
        actor=author,
        subject=made,
        before={"version": current.version},
        after={"version": made.version},
        reason=note,
    )
    return made


# --- examples ---------------------------------------------------------------------------------------------
@retry_when_busy()
def add_example(
    *, project: Project, item: Item, intent: str, answer: int | None, why: str, user: User
) -> GuidelineExample:
    """Shows a judged pair as an example beside the guideline, from a new version on (the text stays).

    The pair must want no more votes: whoever saw its right answer could not judge it any more.
    Raises BadInputError for a missing `why`, a judgement that is no example, a text that privacy holds back, or one
    example too many; ConflictError for a pair that is one already, or that people are still to judge.
    """
    why = privacy.mask(why.strip()[:MAX_WHY_CHARS], privacy.COMMENT)
    _check_example(project, item, intent, answer, why)
    pair = item.pair
    assert pair is not None  # checked above
    with write_transaction():
        if GuidelineExample.objects.filter(project=project, pair=pair, until__isnull=True).exists():
            raise ConflictError(problem="This pair is an example of the guideline already.")
        current = current_guideline(project)
        version = _next_version(project, current.text, user, "A new example.", None)
        return GuidelineExample.objects.create(
            project=project, pair=pair, intent=intent, answer=answer, why=why, since=version, created_by=user
        )


def _check_example(project: Project, item: Item, intent: str, answer: int | None, why: str) -> None:
    if not why:
        raise BadInputError(problem="Say what the example teaches: annotators read it below the pair.", field="why")
    if item.pair is None or item.project_id != project.pk:
        raise BadInputError(problem="Only a pair of this project can be an example.")
    if (intent, answer) not in {("yes", 0), ("yes", 1), ("no", None)}:
        raise BadInputError(problem="An example is a clear case: no intent, or intent with the answer 1 or 0.")
    if item.is_held_back:
        raise BadInputError(problem="Privacy holds this pair back; it can be shown to nobody.")
    if item.done < item.target and not (item.is_set_aside or item.batch.is_closed):
        raise ConflictError(
            problem=f"People are still judging this pair ({item.done} of {item.target} votes). An example would tell "
            "them the answer; wait for the last vote, or close the batch."
        )
    if GuidelineExample.objects.filter(project=project, until__isnull=True).count() >= MAX_EXAMPLES:
        raise BadInputError(problem=f"There are {MAX_EXAMPLES} examples, more than anybody reads. Remove one first.")


@retry_when_busy()
def remove_example(*, project: Project, example_id: int, user: User) -> GuidelineExample:
    """Takes an example out of the guideline from a new version on; it stays on record. Raises NotFoundError."""
    with write_transaction():
        example = (
            GuidelineExample.objects.select_for_update(of=("self",))
            .filter(project=project, pk=example_id, until__isnull=True)
            .select_related("pair__query")
            .first()
        )
        if example is None:
            raise NotFoundError(what="example of the guideline", name=example_id)
        current = current_guideline(project)
        example.until = _next_version(project, current.text, user, "An example was removed.", None)
        example.save(update_fields=["until"])
    return example
