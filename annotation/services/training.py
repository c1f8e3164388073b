"""Training and qualification: batches of pairs whose right answer is known.

Training comes first: after each vote the person reads the right answer and why. Qualification follows without
feedback: whoever reaches the bar gets live pairs. Both are batches of their own; their votes count nowhere else.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Max, QuerySet
from django.utils import timezone

from annotation.models import (
    Annotator,
    Batch,
    BatchKind,
    GoldAnswer,
    Item,
    Purpose,
    RaterKind,
    Slot,
    SlotState,
    Vote,
)
from annotation.services import gold as golden
from annotation.services.batches import new_batch
from annotation.services.gate import annotator_row, begin_attempt, end_attempt, items_left, judged_in, last_attempt
from annotation.services.gold import GoldPair
from annotation.services.leases import FREE
from core.audit import record
from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import Project, User
from curation import privacy
from curation.models import Pair

KINDS = {BatchKind.TRAINING: Purpose.TRAINING, BatchKind.QUALIFICATION: Purpose.QUALIFICATION}
PURPOSES = frozenset(KINDS.values())
MAX_ITEMS = 500
MAX_WHY_CHARS = 1000
CURATOR = "curator"
RIGHT_ANSWERS = frozenset({("yes", 1), ("yes", 0), ("no", None)})


def check_kind(kind: str) -> str:
    """The purpose of the items of such a batch. Raises BadInputError for a kind that is neither."""
    if kind not in KINDS:
        raise BadInputError(problem=f"The kind is training or qualification, not {kind or 'empty'}.", field="kind")
    return KINDS[BatchKind(kind)]


def check_answer(intent: str, answer: int | None) -> None:
    """Raises BadInputError for what is no clear right answer."""
    if (intent, answer) not in RIGHT_ANSWERS:
        raise BadInputError(
            problem="The right answer is clear: no intent, or intent with the answer 1 or 0.", field="answer"
        )


def clean_why(why: str) -> str:
    """The explanation as it is stored: private text masked, at most MAX_WHY_CHARS characters."""
    return privacy.mask(why.strip()[:MAX_WHY_CHARS], privacy.COMMENT)


# --- opening ----------------------------------------------------------------------------------------------------------
def known_answers(project: Project, *, source: str, n: int, seed: int = 0) -> list[GoldPair]:
    """At most n pairs of a source that can be shown with their answer: nobody is asked to judge them any more.

    source: `judged`, `adjudicated`, `imported` or `imported:NAME`, as for gold. Drawn by the seed, the answers in turn.
    Raises BadInputError where there is none.
    """
    if not 1 <= n <= MAX_ITEMS:
        raise BadInputError(problem=f"A batch has 1 to {MAX_ITEMS} items, not {n}.", field="n")
    taken = set(_taken(project).values_list("pair", flat=True))
    wanted = Item.objects.filter(project=project, purpose=Purpose.LIVE, batch__is_closed=False, is_set_aside=False)
    taken |= set(wanted.filter(done__lt=F("target")).values_list("pair", flat=True))
    known = [pair for pair in golden.known_pairs(project, source) if pair.pair not in taken]
    if not known:
        raise BadInputError(
            problem="No pair is there to take. That needs pairs whose answer is known and that nobody is still to "
            "judge: judged alike by at least three people, adjudicated, or out of an imported labelled file.",
            field="source",
        )
    return golden.spread_answers(golden.in_order_of_chance(known, seed), n)


def _taken(project: Project) -> QuerySet[Item]:
    return Item.objects.filter(project=project, purpose__in=PURPOSES)


def open_known(
    *,
    project: Project,
    kind: str,
    known: Sequence[GoldPair],
    name: str = "",
    user: User | None = None,
    spare_present: bool = True,
    seed: int = 0,
) -> Batch:
    """Opens pairs with their right answers as a training or qualification batch.

    spare_present: people who have already voted in the project need not go through it. Pairs that are training or
    qualification items already are left out. Raises BadInputError where nothing is left, ConflictError for a name in
    use.
    """
    purpose = check_kind(kind)
    taken = set(_taken(project).values_list("pair", flat=True))
    fresh = list({pair.pair: pair for pair in known if pair.pair not in taken}.values())[:MAX_ITEMS]
    if not fresh:
        raise BadInputError(problem="All these pairs are training or qualification items already.")
    for pair in fresh:
        check_answer(pair.intent, pair.answer)
    random.Random(seed).shuffle(fresh)
    batch = _new_batch(project, kind, name, user, spare_present=spare_present)
    run_in_chunks(list(enumerate(fresh)), lambda chunk: _add(batch, purpose, chunk), max_rows=200)
    return batch


def _new_batch(project: Project, kind: str, name: str, user: User | None, *, spare_present: bool) -> Batch:
    with write_transaction():
        batch = new_batch(project, name or _free_name(project, kind), 1, 0, False)
        batch.kind = kind
        batch.save(update_fields=["kind"])
        record(f"annotation.open_{kind}", project=project, actor=user, subject=batch, after={"name": batch.name})
        if spare_present:
            _spare_present(project, kind, user)
    return batch


def _free_name(project: Project, kind: str) -> str:
    base = str(BatchKind(kind).label)
    taken = set(project.batches.filter(name__startswith=base).values_list("name", flat=True))
    return next(name for n in range(1, len(taken) + 2) if (name := base if n == 1 else f"{base} {n}") not in taken)


def _spare_present(project: Project, kind: str, user: User | None) -> None:
    """Whoever has judged live pairs or queries of the project counts as past this gate."""
    stamp = "trained_at" if kind == BatchKind.TRAINING else "qualified_at"
    live = Vote.objects.filter(project=project, item__purpose__in=(Purpose.LIVE, Purpose.INTENT_ONLY))
    voters = live.exclude(rater_kind=RaterKind.IMPORTED).order_by().values_list("person", flat=True)
    for person_id in sorted(set(voters.distinct())):
        row, _ = Annotator.objects.get_or_create(project=project, person_id=person_id)
        if getattr(row, stamp) is None:
            setattr(row, stamp, timezone.now())
            row.save(update_fields=[stamp])
            record(
                "annotation.let_through",
                project=project,
                actor=user,
                person=row.person,
                subject=row,
                after={"past": kind},
                reason="Had voted in the project before.",
            )


def _add(batch: Batch, purpose: str, chunk: Sequence[tuple[int, GoldPair]]) -> None:
    items = Item.objects.bulk_create(
        Item(
            project_id=batch.project_id,
            batch=batch,
            pair_id=pair.pair,
            query_id=pair.query,
            purpose=purpose,
            priority=place,
            target=0,
        )
        for place, pair in chunk
    )
    GoldAnswer.objects.bulk_create(
        GoldAnswer(item=item, intent=pair.intent, answer=pair.answer, origin=pair.origin, why=clean_why(pair.why))
        for item, (_, pair) in zip(items, chunk, strict=True)
    )


@retry_when_busy()
def add_training_item(
    *,
    project: Project,
    pair: Pair,
    intent: str,
    answer: int | None,
    why: str,
    user: User | None = None,
    kind: str = BatchKind.TRAINING,
    origin: str = CURATOR,
) -> Item:
    """Adds a pair with its right answer at the end of the newest open batch of this kind; opens one where none is.

    intent: yes or no; answer: 1, 0, or None after no intent. Who is past training is not called back for it.
    Raises BadInputError (field `why`) where a training item does not say why, and for a pair that privacy holds back;
    ConflictError for a pair that is such an item already.
    """
    purpose = check_kind(kind)
    check_answer(intent, answer)
    why = clean_why(why)
    if purpose == Purpose.TRAINING and not why:
        raise BadInputError(problem="Say why: whoever gets the pair wrong reads it.", field="why")
    if pair.query.quarantine_reason or pair.code.quarantine_reason:
        raise BadInputError(problem="Privacy holds this pair back; it can be shown to nobody.")
    with write_transaction():
        if _taken(project).filter(pair=pair, is_set_aside=False).exists():
            raise ConflictError(problem="This pair is a training or qualification item already.")
        batch = project.batches.filter(kind=kind, is_closed=False).order_by("-id").first()
        if batch is None:
            batch = _new_batch(project, kind, "", user, spare_present=True)
        last = batch.items.aggregate(last=Max("priority"))["last"]
        place = 0 if last is None else last + 1
        _add(batch, purpose, [(place, GoldPair(pair.pk, pair.query_id, intent, answer, origin, why))])
        item = batch.items.select_related("gold").get(pair=pair, purpose=purpose, is_set_aside=False)
        record(
            "annotation.add_item",
            project=project,
            actor=user,
            subject=item,
            after={"intent": intent, "answer": answer, "kind": kind},
        )
    return item


# --- changing ---------------------------------------------------------------------------------------------------------
@retry_when_busy()
def change_item(
    *, item: Item, intent: str, answer: int | None, why: str, place: int | None = None, user: User | None = None
) -> Item:
    """Changes the right answer, the explanation or the place of a training or qualification item.

    Attempts that are done stay as they were judged. Raises BadInputError as `add_training_item` does.
    """
    check_answer(intent, answer)
    why = clean_why(why)
    if item.purpose == Purpose.TRAINING and not why:
        raise BadInputError(problem="Say why: whoever gets the pair wrong reads it.", field="why")
    with write_transaction():
        known = GoldAnswer.objects.select_for_update().get(item=item)
        before = {"intent": known.intent, "answer": known.answer, "why": known.why, "place": item.priority}
        known.intent, known.answer, known.why = intent, answer, why
        known.origin = CURATOR if (intent, answer) != (before["intent"], before["answer"]) else known.origin
        known.save(update_fields=["intent", "answer", "why", "origin"])
        if place is not None and place != item.priority:
            item.priority = place
            item.save(update_fields=["priority"])
        after = {"intent": intent, "answer": answer, "why": why, "place": item.priority}
        changed = [name for name in after if after[name] != before[name]]
        if changed:
            record(
                "annotation.change_item",
                project=item.project,
                actor=user,
                subject=item,
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
    return item


@retry_when_busy()
def take_out_item(*, item: Item, is_out: bool = True, user: User | None = None) -> Item:
    """Shows a training or qualification item to nobody any more (or again); its votes stay on record."""
    with write_transaction():
        if item.is_set_aside != is_out:
            item.is_set_aside = is_out
            item.save(update_fields=["is_set_aside"])
            if is_out:
                Slot.objects.filter(item=item, state=SlotState.LEASED).update(**FREE)
            record(
                "annotation.take_out_item",
                project=item.project,
                actor=user,
                subject=item,
                before={"is_out": not is_out},
                after={"is_out": is_out},
            )
    return item


# --- after a vote -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Feedback:
    """What a person reads after a vote on a training item. answer is None where the right intent is no."""

    is_right: bool
    intent: str
    answer: int | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        return {"is_right": self.is_right, "intent": self.intent, "answer": self.answer, "why": self.why}


def feedback_for(vote: Vote) -> Feedback | None:
    """The right answer of a training item beside the vote on it; None for every other vote."""
    if vote.item.purpose != Purpose.TRAINING:
        return None
    known = GoldAnswer.objects.filter(item=vote.item_id).first()
    if known is None:
        return None
    return Feedback(known.is_met_by(vote), known.intent, known.answer, known.why)


def after_vote(vote: Vote) -> None:
    """What a vote on a training or qualification item may decide: trained, qualified, or missed the bar.

    Call in the transaction of the vote, before the next pair is handed out.
    """
    project, person = vote.project, vote.person
    if vote.item.purpose == Purpose.TRAINING:
        if not items_left(project, person, Purpose.TRAINING).exists():
            _stamp(project, person, "trained_at", "annotation.train")
    elif vote.item.purpose == Purpose.QUALIFICATION:
        attempt = last_attempt(project, person)
        if attempt is not None and attempt.ended_at is None and len(judged_in(attempt)) >= attempt.size:
            end_attempt(attempt)


def _stamp(project: Project, person: User, name: str, act: str) -> None:
    row = annotator_row(project, person)
    if getattr(row, name) is None:
        setattr(row, name, timezone.now())
        row.save(update_fields=[name])
        record(act, project=project, person=person, subject=row, after={name: getattr(row, name).isoformat()})


# --- what a curator may decide ----------------------------------------------------------------------------------------
@retry_when_busy()
def let_through(*, project: Project, person: User, kind: str, reason: str, user: User | None) -> Annotator:
    """Counts the person as trained (kind training), or as trained and qualified (qualification), on the record.

    Raises BadInputError without a reason, NotFoundError for somebody who is no member of the project.
    """
    check_kind(kind)
    reason = checked_reason(reason)
    check_member(project, person)
    with write_transaction():
        row = annotator_row(project, person)
        before = standing_at_the_gate(row)
        now = timezone.now()
        row.trained_at = row.trained_at or now
        if kind == BatchKind.QUALIFICATION:
            row.qualified_at, row.failed_at = row.qualified_at or now, None
        row.save(update_fields=["trained_at", "qualified_at", "failed_at"])
        _release_items(project, person)
        _record_gate("annotation.let_through", row, user, before, reason)
    return row


@retry_when_busy()
def send_back(*, project: Project, person: User, kind: str, reason: str, user: User | None) -> Annotator:
    """Asks the person to go through training items that are new to them, or to qualify anew. The reverse of above."""
    check_kind(kind)
    reason = checked_reason(reason)
    with write_transaction():
        row = annotator_row(project, person)
        before = standing_at_the_gate(row)
        if kind == BatchKind.TRAINING:
            row.trained_at = None
        row.qualified_at = row.failed_at = None
        row.save(update_fields=["trained_at", "qualified_at", "failed_at"])
        _record_gate("annotation.send_back", row, user, before, reason)
    return row


@retry_when_busy()
def grant_attempt(*, project: Project, person: User, reason: str, user: User | None) -> Annotator:
    """One more attempt for somebody who missed the bar. Raises ConflictError where too few items are new to them."""
    reason = checked_reason(reason)
    with write_transaction():
        row = annotator_row(project, person)
        if row.failed_at is None:
            raise ConflictError(problem=f"{person} has not used up the attempts at qualification.")
        before = standing_at_the_gate(row)
        if begin_attempt(project, person) is None:
            raise ConflictError(
                problem="Too few qualification items are new to this person. Add items to the batch first, or let the "
                "person through."
            )
        row.failed_at = None
        row.save(update_fields=["failed_at"])
        _record_gate("annotation.grant_attempt", row, user, before, reason)
    return row


def _release_items(project: Project, person: User) -> None:
    """Hands back gate items on screen, so that live pairs can come at once."""
    Slot.objects.filter(project=project, person=person, state=SlotState.LEASED, item__purpose__in=PURPOSES).update(
        **FREE
    )


def standing_at_the_gate(row: Annotator) -> dict[str, Any]:
    """The stamps as the audit log writes them."""
    names = ("trained_at", "qualified_at", "failed_at")
    return {name: at.isoformat() if (at := getattr(row, name)) else None for name in names}


def _record_gate(act: str, row: Annotator, user: User | None, before: dict[str, Any], reason: str) -> None:
    after = standing_at_the_gate(row)
    changed = [name for name in after if after[name] != before[name]]
    record(
        act,
        project=row.project,
        actor=user,
        person=row.person,
        subject=row,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
        reason=reason,
    )


def checked_reason(reason: str) -> str:
    """The reason as it goes on record, private text masked. Raises BadInputError for an empty one."""
    reason = privacy.mask(" ".join(reason.split())[:MAX_WHY_CHARS], privacy.COMMENT)
    if not reason:
        raise BadInputError(problem="Give a reason: it goes on record, and the person may read it.", field="reason")
    return reason


def check_member(project: Project, person: User) -> None:
    """Raises NotFoundError for somebody who neither is a member of the project nor has voted in it."""
    is_known = (
        project.memberships.filter(user=person).exists() or Vote.objects.filter(project=project, person=person).exists()
    )
    if not is_known:
        raise NotFoundError(what=f"person in {project.slug}", name=person.username)
