"""Deciding what the votes left open: an adjudicator's word, with the reason, beside the votes and never over them."""

from dataclasses import asdict

from django.utils import timezone

from annotation.consensus import Tally, is_contested
from annotation.models import COUNTED, Adjudication, Cause, Decision, Item, Purpose, Vote
from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import Project, User
from curation import privacy

MAX_REASON_CHARS = 2000
ANY = -1  # whatever stands is replaced
AT_ONCE = 500


class StillJudgedError(ConflictError):
    """People are still to vote on the pair."""

    code = "still_judged"
    template = (
        "This pair has {done} of {target} votes. Decide once all are in (or the batch is closed): until then the votes "
        "may settle it."
    )


class DecidedMeanwhileError(ConflictError):
    """Another adjudicator was faster."""

    code = "decided_meanwhile"
    template = "{person} has decided this pair meanwhile: {decision}. Look at their reason before you change it."


@retry_when_busy()
def adjudicate(
    *,
    project: Project,
    item_id: int,
    person: User,
    decision: str,
    reason: str,
    cause: str = "",
    replaces: int | None = ANY,
) -> Adjudication:
    """Decides a pair; the decision stands over the votes in releases, and is told apart from them for ever.

    replaces: id of the decision that the adjudicator saw standing (None: there was none), so that two people do not
    write over each other unseen. The same decision for the same reason changes nothing.
    Raises BadInputError, NotFoundError for what is no live pair of the project or is held back, StillJudgedError, and
    DecidedMeanwhileError.
    """
    decision, reason, cause = _checked(decision, reason, cause)
    with write_transaction():
        item = _lock(project, item_id)
        _check_open_for_decision(item)
        standing = item.adjudications.filter(ended_at__isnull=True).select_related("person").first()
        if standing is not None and (standing.decision, standing.reason, standing.cause) == (decision, reason, cause):
            return standing
        _check_replaces(standing, replaces)
        votes = list(item.votes.filter(COUNTED))
        _end(standing)
        made = Adjudication.objects.create(
            project=project,
            item=item,
            decision=decision,
            reason=reason,
            cause=cause,
            person=person,
            had_voted=any(vote.person_id == person.pk for vote in votes),
            votes=asdict(Tally.of(votes)),
        )
        _record("annotation.adjudicate", person, standing, made, reason)
        return made


@retry_when_busy()
def take_back_adjudication(*, project: Project, item_id: int, person: User, reason: str) -> Adjudication:
    """Ends the decision in force, so that the votes alone speak again. It stays on record. Raises NotFoundError."""
    reason = _masked(reason)
    if not reason:
        raise BadInputError(problem="Say why the decision is taken back.", field="reason")
    with write_transaction():
        item = _lock(project, item_id)
        standing = item.adjudications.filter(ended_at__isnull=True).select_related("person").first()
        if standing is None:
            raise NotFoundError(what="decision in force on pair", name=item_id)
        _end(standing)
        _record("annotation.take_back_adjudication", person, standing, None, reason)
        return standing


def _checked(decision: str, reason: str, cause: str) -> tuple[str, str, str]:
    if decision not in Decision.values:
        known = ", ".join(Decision.values)
        raise BadInputError(problem=f"Choose a decision ({known}).", field="decision")
    if cause and cause not in Cause.values:
        raise BadInputError(problem=f"The cause is one of {', '.join(Cause.values)}, or empty.", field="cause")
    reason = _masked(reason)
    if not reason:
        raise BadInputError(
            problem="Give the reason: whoever disputes the label later has nothing else.", field="reason"
        )
    return decision, reason, cause


def _masked(text: str) -> str:
    return privacy.mask(text.strip()[:MAX_REASON_CHARS], privacy.COMMENT)


def _lock(project: Project, item_id: int) -> Item:
    """The live pair, locked against other adjudicators."""
    found = Item.objects.select_for_update(of=("self",)).select_related("batch", "query", "pair__code")
    item = found.filter(project=project, pk=item_id, purpose=Purpose.LIVE).first()
    if item is None or item.is_held_back:
        raise NotFoundError(what="pair to decide", name=item_id)
    return item


def _check_open_for_decision(item: Item) -> None:
    if may_be_decided(item):
        return
    raise StillJudgedError(done=item.done, target=item.target)


def may_be_decided(item: Item) -> bool:
    """Whether no more votes are to come: all are in, the pair is set aside, or its batch is closed."""
    return item.done >= item.target or item.is_set_aside or item.batch.is_closed


def _check_replaces(standing: Adjudication | None, replaces: int | None) -> None:
    if replaces == ANY or (standing.pk if standing else None) == replaces:
        return
    if standing is None:
        raise ConflictError(problem="The decision that you saw was taken back meanwhile. Look at the pair again.")
    raise DecidedMeanwhileError(person=standing.person.username, decision=standing.get_decision_display())


def _end(standing: Adjudication | None) -> None:
    if standing is not None:
        standing.ended_at = timezone.now()
        standing.save(update_fields=["ended_at"])


def _record(act: str, actor: User, before: Adjudication | None, after: Adjudication | None, reason: str) -> None:
    subject = after or before
    assert subject is not None
    record(
        act,
        project=subject.project,
        actor=actor,
        subject=subject.item,
        before={"decision": before.decision, "by": before.person.username} if before else {},
        after={"decision": after.decision, "had_voted": after.had_voted} if after else {},
        reason=reason,
    )


# --- which pairs are contested ---------------------------------------------------------------------------------
def recheck_contested(project: Project) -> int:
    """Compares every item's mark with its votes, corrects it, and returns how many were wrong.

    Marks follow each vote by themselves; an import of votes, which writes rows in bulk, calls this afterwards.
    """
    n_wrong, last = 0, 0
    items = Item.objects.filter(project=project, purpose=Purpose.LIVE).order_by("pk")
    while chunk := list(
        items.filter(pk__gt=last).values_list("pk", "done", "target", "batch__overlap", "is_contested")[:AT_ONCE]
    ):
        last = chunk[-1][0]
        votes = _votes_by_item([pk for pk, done, target, _, _ in chunk if done >= target])
        wrong: dict[bool, list[int]] = {True: [], False: []}
        for pk, done, target, overlap, is_marked in chunk:
            should = done >= target and is_contested(votes.get(pk, []), overlap=overlap)
            if should != is_marked:
                wrong[should].append(pk)
        for should, ids in wrong.items():
            n_wrong += _mark(ids, should)
    return n_wrong


@retry_when_busy()
def _mark(ids: list[int], is_marked: bool) -> int:
    if not ids:
        return 0
    with write_transaction():
        return Item.objects.filter(pk__in=ids).update(is_contested=is_marked)


def _votes_by_item(items: list[int]) -> dict[int, list[Vote]]:
    votes: dict[int, list[Vote]] = {}
    for vote in Vote.objects.filter(COUNTED, item__in=items).only("item_id", "intent", "answer"):
        votes.setdefault(vote.item_id, []).append(vote)
    return votes
