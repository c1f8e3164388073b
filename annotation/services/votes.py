"""Votes: submitting, taking back, correcting, passing over. One transaction each; the answer comes after the commit.

A vote lands only in a slot whose lease it names by token. The key, made when the pair is shown, makes a repeated
submission the same vote; a submission that comes too late is kept beside the votes and never counted.
"""

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.db import IntegrityError, models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.models import (
    COUNTED,
    NO_INTENT_REASONS,
    OWN_SLOTS,
    AnnotationSettings,
    Asked,
    Comment,
    Guideline,
    Intent,
    Item,
    LateSubmission,
    RaterKind,
    Reason,
    Skip,
    Slot,
    SlotState,
    Vote,
    VoteRevision,
)
from annotation.selectors.limits import has_room
from annotation.selectors.people import annotation_settings
from annotation.services import control, gate, leases
from annotation.services.guidelines import current_guideline
from annotation.services.items import could_not_judge, is_open_for_claims, locked, settle
from annotation.services.tallies import mark_item
from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError, QuarryError
from core.models import Project, User
from core.prepared import Param, Prepared, PreparedInsert, PreparedUpdate, PreparedUpdateReturning
from curation import privacy

MAX_COMMENT_CHARS = 4000
MAX_SECONDS = 3600.0  # a pair left open over lunch is no hour and a half of work
REASONS_UNSAID = AnnotationSettings._meta.get_field("reasons").get_default()  # of a project without settings
ANSWER_REASONS = frozenset({Reason.FULL, Reason.EXCEEDS, Reason.CATEGORY, Reason.HALF, Reason.SLIGHT, Reason.OTHER})


# --- what every vote asks of the database, its SQL made once ---------------------------------------------------------
def _leased(project: Param, person: Param, item: Param, token: Param) -> models.QuerySet[Slot]:
    return Slot.objects.filter(project=project, item=item, person=person, token=token, state=SlotState.LEASED)


def _rules(project: Param) -> models.QuerySet[Guideline]:
    """Guidelines of the project, each with the reasons that its votes are asked for (None: never said)."""
    reasons = AnnotationSettings.objects.filter(project=models.OuterRef("project")).values("reasons")
    rules = Guideline.objects.filter(project=project).annotate(reasons=models.Subquery(reasons[:1]))
    return rules.only("pk", "version")


_vote_of_key = Prepared(lambda key: Vote.objects.filter(key=key), key=models.UUIDField())
_fill = PreparedUpdateReturning(
    _leased,
    {"state": SlotState.DONE, "lane": None, "token": None, "expires_at": None},
    ("id", "pair_id"),
    token=models.UUIDField(),
)
_store = PreparedInsert(Vote)
_rules_shown = Prepared(lambda project, version: _rules(project).filter(version=version))
_rules_newest = Prepared(lambda project: _rules(project).order_by("-version")[:1])
_count_one_more = PreparedUpdate(lambda pk: Item.objects.filter(pk=pk), {"done": F("done") + 1})
_item_of_vote = Prepared(
    lambda pk: Item.objects.filter(pk=pk).select_related("batch").defer("created_at", "batch__created_at")
)
_newest_vote = Prepared(
    lambda project, person: (
        Vote.objects.filter(COUNTED, project=project, person=person)
        .exclude(rater_kind=RaterKind.IMPORTED)
        .select_related("slot", "item__batch")
        .order_by("-id")[:1]
    )
)
_newest_skip = Prepared(
    lambda project, person: (
        Skip.objects.filter(person=person, item__project=project, token__isnull=False)
        .select_related("item__batch")
        .order_by("-id")[:1]
    )
)


class LateVoteError(QuarryError):
    """The lease is no longer the person's: the vote is kept as a late submission and not counted."""

    code, status = "late_vote", 409
    template = gettext_lazy(
        "This pair was no longer yours when the vote arrived. The vote is kept, but it does not count."
    )


class AlreadyJudgedError(QuarryError):
    """The person's vote on the item stands already, from another tab."""

    code, status = "already_judged", 409
    template = gettext_lazy("You have already judged this pair. To change that vote, open your history.")


class KeyReusedError(QuarryError):
    """The key belongs to another vote."""

    code, status = "key_reused", 422
    template = gettext_lazy("This vote was already sent with another answer. To change it, open your history.")


class NothingToUndoError(QuarryError):
    code, status = "nothing_to_undo", 409
    template = gettext_lazy("There is no vote to take back: none yet, or its batch is closed.")


class SkipGoneError(QuarryError):
    """The pair passed over cannot come back on screen: others have it, or it wants no more votes."""

    code, status = "skip_gone", 409
    template = gettext_lazy("Others have the pair that you skipped by now. If they leave it, it comes back to you.")


class ReasonMissingError(BadInputError):
    """The project needs a reason category with every vote."""

    code, status = "reason_missing", 422
    template = gettext_lazy("This project asks for a reason with every vote: choose one of the categories.")


@dataclass(frozen=True)
class Judgement:
    """Both steps as given: `answer` and `code_unclear` only after intent yes, and only where a pair is judged."""

    intent: str
    answer: int | None = None
    code_unclear: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        if self.intent not in Intent.values:
            raise BadInputError(
                problem=_("Step 1 is missing: does the query have code-search intent? (yes, no, unclear)")
            )
        if self.intent != Intent.YES and (self.answer is not None or self.code_unclear):
            raise BadInputError(problem=_("Step 2 only applies when the query has code-search intent."))
        if self.answer not in (None, 0, 1):
            raise BadInputError(problem=_("The answer is 1 or 0, not {answer}.").format(answer=self.answer))
        if self.answer is not None and self.code_unclear:
            raise BadInputError(problem=_("A code that could not be judged has no answer."))
        if self.reason and (
            self.reason not in Reason.values or (self.intent == Intent.YES and self.reason not in ANSWER_REASONS)
        ):
            raise BadInputError(problem=_not_fitting(self.reason))

    def check_fits(self, *, has_code: bool) -> None:
        """Raises BadInputError where step 2 is missing for a pair, or given for a query that is judged alone."""
        has_answer = self.answer is not None or self.code_unclear
        if has_code and self.intent == Intent.YES and not has_answer:
            raise BadInputError(problem=_("Step 2 is missing: does the code answer the query? (1, 0, or cannot judge)"))
        if not has_code and has_answer:
            raise BadInputError(problem=_("Only the intent of this query is asked for; there is no code to judge."))
        if not has_code and self.reason and (self.intent != Intent.NO or self.reason not in NO_INTENT_REASONS):
            raise BadInputError(problem=_not_fitting(self.reason))

    def asked_in(self, project: Project) -> "Judgement":
        """As the project keeps it: without its reason where none is asked for.

        Raises ReasonMissingError where one is needed; a vote that could not judge needs none.
        """
        return self.as_asked(annotation_settings(project).reasons)

    def as_asked(self, asked: str) -> "Judgement":
        """The same, for who knows what the project asks for."""
        if asked == Asked.OFF:
            return replace(self, reason="")
        is_judged = self.intent == Intent.NO or self.answer is not None
        if asked == Asked.REQUIRED and is_judged and not self.reason:
            raise ReasonMissingError
        return self

    def sha256(self, item_id: int, person_id: int) -> str:
        """Identity of the submission, so that a key can be told to come back with the same content."""
        payload = json.dumps({"item": item_id, "person": person_id, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(payload.encode()).hexdigest()


def _not_fitting(reason: str) -> str:
    return _("The category {reason} does not go with this vote.").format(reason=reason)


_FIELDS = tuple(field.name for field in fields(Judgement))


@dataclass(frozen=True)
class Receipt:
    """What became of a submission: the stored vote, and the person's leases after it (the pair on screen first)."""

    vote: Vote
    is_repeat: bool
    leases: list[Slot]


def submit_vote(
    *,
    project: Project,
    person: User,
    item_id: int,
    token: uuid.UUID,
    key: uuid.UUID,
    judgement: Judgement,
    seconds: float = 0.0,
    guideline_version: int | None = None,
    ahead: bool = True,
) -> Receipt:
    """Stores a vote in the slot leased under `token` and hands out the next pair in the same transaction.

    ahead: also lease a pair in the prefetched lane.
    Raises KeyReusedError (422) when the key came with something else before; LateVoteError or AlreadyJudgedError (409)
    when the lease is gone, after keeping what was sent as a LateSubmission; ReasonMissingError (422).
    """
    sha256 = judgement.sha256(item_id, person.pk)
    try:
        receipt = _submit(project, person, item_id, token, key, judgement, sha256, seconds, guideline_version, ahead)
    except IntegrityError:  # the key is a stored vote's
        receipt = _repeat(project, person, key, sha256, ahead)
    if receipt is None:  # the lease is gone: to the same vote, sent before or at once, or for good
        receipt = _repeat(project, person, key, sha256, ahead)
    if receipt is None:
        raise _keep_late(project, person, item_id, key, judgement, seconds)
    return receipt


@retry_when_busy()
def _submit(
    project: Project,
    person: User,
    item_id: int,
    token: uuid.UUID,
    key: uuid.UUID,
    judgement: Judgement,
    sha256: str,
    seconds: float,
    guideline_version: int | None,
    ahead: bool,
) -> Receipt | None:
    """Stores the vote; None where the lease is gone, IntegrityError where the key is a stored vote's."""
    with write_transaction():
        filled = _fill(project=project.pk, person=person.pk, item=item_id, token=token)
        if filled is None:
            return None
        slot_id, pair_id = filled
        judgement.check_fits(has_code=pair_id is not None)
        guideline, asked = _rules_for(project, guideline_version)
        vote = Vote(
            slot_id=slot_id,
            item_id=item_id,
            project=project,
            person=person,
            key=key,
            payload_sha256=sha256,
            guideline=guideline,
            seconds=min(max(seconds, 0.0), MAX_SECONDS),
            rater_kind=RaterKind.SIMULATED if person.is_simulated else RaterKind.HUMAN,
            **asdict(judgement.as_asked(asked)),
        )
        _store(vote)
        mark_item(project.pk, item_id)  # as the signal of a saved vote does
        _count_vote(vote)
        return Receipt(vote, False, leases.fill_lanes(project=project, person=person, ahead=ahead))


def _repeat(project: Project, person: User, key: uuid.UUID, sha256: str, ahead: bool) -> Receipt | None:
    """The receipt of a vote that this key has stored before."""
    vote = _vote_of_key.first(key=key)
    if vote is None:
        return None
    if vote.payload_sha256 != sha256:
        raise KeyReusedError
    return Receipt(vote, True, leases.fill_lanes(project=project, person=person, ahead=ahead))


def _rules_for(project: Project, version: int | None) -> tuple[Guideline, str]:
    """The guideline that was on the page, else the newest, and whether the project asks for reasons."""
    shown = _rules_shown.first(project=project.pk, version=version) if version is not None else None
    found: Any = shown or _rules_newest.first(project=project.pk)
    if found is None:
        return current_guideline(project), annotation_settings(project).reasons
    return found, REASONS_UNSAID if found.reasons is None else found.reasons


def _count_vote(vote: Vote) -> None:
    """Adds the vote to its item and opens what it leaves open. Most votes only cost the counting."""
    _count_one_more(pk=vote.item_id)
    item = vote.item = _item_of_vote.all(pk=vote.item_id)[0]
    if item.purpose in OWN_SLOTS:
        control.after_vote(vote)
    elif could_not_judge(vote) or item.done >= item.target or item.target != item.batch.overlap:
        settle(item)


@retry_when_busy()
def _keep_late(
    project: Project, person: User, item_id: int, key: uuid.UUID, judgement: Judgement, seconds: float
) -> QuarryError:
    """Keeps what came too late and gives the refusal. Raises NotFoundError for an item of another project."""
    item = project.items.filter(pk=item_id).first()
    if item is None:
        raise NotFoundError(what="pair in this project", name=item_id)
    with write_transaction():
        LateSubmission.objects.get_or_create(
            key=key,
            defaults={"item": item, "person": person, "payload": {**asdict(judgement), "seconds": seconds}},
        )
    if item.votes.filter(person=person, retracted_at__isnull=True).exists():
        return AlreadyJudgedError()
    return LateVoteError()


def last_vote(*, project: Project, person: User) -> Vote | None:
    """The vote that undo would take back: the newest one that counts, while its batch is open."""
    vote = _newest_vote.first(project=project.pk, person=person.pk)
    return vote if vote is not None and not vote.item.batch.is_closed and not gate.is_settled(vote) else None


@dataclass(frozen=True)
class LastAct:
    """The newest thing that a person did and can take back: a vote, or a pair passed over. `key` names it."""

    key: uuid.UUID
    vote: Vote | None = None
    skip: Skip | None = None

    @property
    def is_skip(self) -> bool:
        return self.skip is not None


def last_act(*, project: Project, person: User) -> LastAct | None:
    """What undo would take back; `key` is the vote's, or the token of the lease that was passed over."""
    vote = last_vote(project=project, person=person)
    skipped = _newest_skip.first(project=project.pk, person=person.pk)
    is_newest = skipped is not None and (vote is None or skipped.created_at > vote.created_at)
    if skipped is not None and skipped.token and is_newest and is_open_for_claims(skipped.item.batch):
        return LastAct(skipped.token, skip=skipped)
    return LastAct(vote.key, vote=vote) if vote is not None else None


def last_key(receipt: Receipt) -> uuid.UUID | None:
    """The key of what undo would take back after this submission (`last_act`).

    A vote stored just now on a pair of an open batch is the newest act; for all others the database is asked.
    """
    vote = receipt.vote
    if not receipt.is_repeat and vote.item.purpose not in OWN_SLOTS and not vote.item.batch.is_closed:
        return vote.key
    act = last_act(project=vote.project, person=vote.person)
    return act.key if act is not None else None


def undo(
    *, project: Project, person: User, key: uuid.UUID | None = None, ahead: bool = True
) -> tuple[Vote | None, list[Slot]]:
    """Takes back the person's newest vote or skip: its pair is on screen again, the pair that was there is next.

    The pair fetched ahead, never shown, goes back to the queue. `key` names the act meant (see `last_act`): one that
    is taken back already (a repeated request) changes nothing. Returns the vote taken back, None for a skip or a
    repeat, and the leases after it. Raises NothingToUndoError, or SkipGoneError where others have the pair by now: the
    skip is then forgotten, so that the pair may come again.
    """
    held = _undo(project, person, key, ahead)
    if held is None:
        raise SkipGoneError
    return held


@retry_when_busy()
def _undo(project: Project, person: User, key: uuid.UUID | None, ahead: bool) -> tuple[Vote | None, list[Slot]] | None:
    """As undo; None where a skip's pair cannot come back."""
    with write_transaction():
        if key and _is_taken_back(person, key):
            return None, leases.fill_lanes(project=project, person=person, ahead=ahead)
        act = last_act(project=project, person=person)
        if act is None or (key and act.key != key):
            raise NothingToUndoError
        if act.skip is not None:
            if not _unskip(project, person, act.skip):
                return None
        elif act.vote is not None:
            _unvote(project, person, act.vote)
        return act.vote, leases.fill_lanes(project=project, person=person, ahead=ahead)


def _is_taken_back(person: User, key: uuid.UUID) -> bool:
    """Whether the act of this key was taken back before: a vote for ever, a skip while its pair is in hand again."""
    if Vote.objects.filter(key=key, person=person, retracted_at__isnull=False).exists():
        return True
    return Slot.objects.filter(person=person, state=SlotState.LEASED, token=_token_after(key)).exists()


def _token_after(token: uuid.UUID) -> uuid.UUID:
    """The token of the lease that takes the place of one that was passed over."""
    return uuid.uuid5(token, "taken back")


def _unvote(project: Project, person: User, vote: Vote) -> None:
    item = locked([vote.item_id]).get()
    _retract(project, person, vote)
    leases.release_leases(person=person, project=project, lane=leases.PREFETCHED)
    leases.move_down(project=project, person=person)
    leases.lease_again(vote.slot, person=person)
    Item.objects.filter(pk=item.pk).update(done=F("done") - 1)
    settle(item)


def _unskip(project: Project, person: User, skipped: Skip) -> bool:
    """Leases a free slot of the pair that was passed over; whether there was one."""
    item, token = skipped.item, skipped.token
    skipped.delete()
    is_known = item.pair_id is not None and Slot.objects.filter(pair=item.pair_id, person=person).exists()
    if token is None or is_known or item.is_held_back:
        return False
    leases.release_leases(person=person, project=project, lane=leases.PREFETCHED)
    leases.move_down(project=project, person=person)
    if not leases.lease_free(item, person=person, token=_token_after(token)):
        leases.move_up(project=project, person=person)
        return False
    if not has_room(item.batch, person, more=0):
        leases.release_leases(person=person, project=project, lane=leases.PREFETCHED)
    return True


def _retract(project: Project, person: User, vote: Vote) -> None:
    _remember(vote, VoteRevision.Act.RETRACTION)
    vote.retracted_at = timezone.now()
    vote.save(update_fields=["retracted_at"])
    record("annotation.retract_vote", project=project, actor=person, person=person, subject=vote, before=_values(vote))


def _values(vote: Vote) -> dict[str, Any]:
    """The judgement of a vote, as the audit log shows it."""
    return {name: getattr(vote, name) for name in _FIELDS}


def _remember(vote: Vote, act: VoteRevision.Act) -> None:
    VoteRevision.objects.create(
        vote=vote,
        act=act,
        intent=vote.intent,
        answer=vote.answer,
        code_unclear=vote.code_unclear,
        reason=vote.reason,
    )


@retry_when_busy()
def correct_vote(*, project: Project, person: User, vote_id: int, judgement: Judgement) -> Vote:
    """Changes an own vote while its batch is open; the old values stay as a VoteRevision.

    The same values change nothing. Raises NotFoundError for a vote that is not the person's and ConflictError once
    the batch is closed.
    """
    with write_transaction():
        vote = (
            project.votes.filter(pk=vote_id, person=person, retracted_at__isnull=True)
            .select_related("item__batch")
            .first()
        )
        if vote is None:
            raise NotFoundError(what="vote of yours", name=vote_id)
        if vote.set_aside_at is not None:
            raise ConflictError(problem=_("A curator has set this vote aside; it no longer counts and cannot change."))
        if gate.is_settled(vote):
            raise ConflictError(problem=_("This attempt at qualification is over; its votes cannot change."))
        if vote.item.batch.is_closed:
            raise ConflictError(
                problem=_("The batch {name} is closed; its votes cannot change.").format(name=vote.item.batch.name)
            )
        judgement.check_fits(has_code=vote.item.pair_id is not None)
        before, after = _values(vote), asdict(judgement.asked_in(project))
        changed = [name for name in _FIELDS if before[name] != after[name]]
        if not changed:
            return vote
        item = locked([vote.item_id]).get()
        _remember(vote, VoteRevision.Act.CORRECTION)
        for name in changed:
            setattr(vote, name, after[name])
        vote.save(update_fields=changed)
        record(
            "annotation.correct_vote",
            project=project,
            actor=person,
            person=person,
            subject=vote,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
        settle(item)
        return vote


@retry_when_busy()
def skip(*, project: Project, person: User, token: uuid.UUID, ahead: bool = True) -> list[Slot]:
    """Passes over the pair leased under `token`: it is not offered to this person again, its slot is free for others.

    A token that is no longer the person's changes nothing (a repeat). Returns the leases after it.
    """
    with write_transaction():
        slot = Slot.objects.filter(project=project, person=person, token=token, state=SlotState.LEASED).first()
        if slot is not None:
            Skip.objects.filter(item=slot.item_id, person=person).delete()  # passed over before: this is the newest
            Skip.objects.create(item_id=slot.item_id, person=person, token=token)
            leases.let_go(slot)
        return leases.fill_lanes(project=project, person=person, ahead=ahead)


@retry_when_busy()
def take_back_skips(*, project: Project, person: User) -> int:
    """Offers the pairs again that the person has passed over and that still want votes; returns how many."""
    with write_transaction():
        skipped = Skip.objects.filter(person=person, item__project=project, item__done__lt=F("item__target"))
        return skipped.delete()[0]


@retry_when_busy()
def add_comment(*, project: Project, person: User, item_id: int, text: str = "", is_flag: bool = False) -> Comment:
    """A remark on, or a flag for the curator at, an item that the person has or has had in hand.

    Private text in it is masked before it is kept; the comment's `was_masked` tells the writer's page so. Raises
    NotFoundError for any other item, BadInputError for a remark without text.
    """
    given = text.strip()
    text = privacy.mask(given[:MAX_COMMENT_CHARS], privacy.COMMENT)
    if not text and not is_flag:
        raise BadInputError(problem=_("The comment is empty."))
    if not Slot.objects.filter(project=project, item=item_id, person=person).exists():
        raise NotFoundError(what="pair of yours", name=item_id)
    with write_transaction():
        comment = Comment.objects.create(item_id=item_id, person=person, text=text, is_flag=is_flag)
    comment.was_masked = text != given[:MAX_COMMENT_CHARS]
    return comment


# The same door for callers that only judge.
claim_next = leases.claim_next
