"""How a person stands in a project: warned or paused by gold items or by a curator, and votes set aside.

Everything here is on record with its reason and evidence, and can be taken back. Nobody is warned for a single gold
item, and nobody is paused by the software who was not warned before.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from annotation.models import (
    COUNTED,
    AnnotationSettings,
    Annotator,
    Batch,
    GoldAct,
    Item,
    Purpose,
    SetAside,
    SlotState,
    Standing,
    Vote,
)
from annotation.selectors.gold import outcome
from annotation.selectors.people import annotation_settings
from annotation.services.gate import annotator_row
from annotation.services.items import locked, settle
from annotation.services.leases import release_leases
from annotation.services.training import check_member, checked_reason
from core.audit import record
from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User

SET_ASIDE_VOTES = "annotation.set_aside_votes"
RESTORE_VOTES = "annotation.restore_votes"
SET_ASIDE_PURPOSES = (Purpose.LIVE, Purpose.INTENT_ONLY)
VOTES_AT_ONCE = 50
ACTS = {
    Standing.WARNED: "annotation.warn",
    Standing.PAUSED: "annotation.pause",
    Standing.ACTIVE: "annotation.reinstate",
}


# --- standing ---------------------------------------------------------------------------------------------------------
@retry_when_busy()
def set_standing(
    *,
    project: Project,
    person: User,
    standing: str,
    reason: str,
    user: User | None,
    evidence: dict[str, Any] | None = None,
) -> Annotator:
    """Warns, pauses or reinstates a person; who is paused hands back their pairs at once. The person reads the reason.

    Raises BadInputError for an unknown standing or an empty reason, NotFoundError for a stranger to the project, and
    ConflictError where the person stands so already.
    """
    if standing not in Standing.values:
        raise BadInputError(problem=f"A person is active, warned or paused, not {standing or 'nothing'}.")
    reason = checked_reason(reason)
    check_member(project, person)
    with write_transaction():
        row = annotator_row(project, person)
        if row.standing == standing:
            raise ConflictError(problem=f"{person} is {row.get_standing_display().lower()} already.")
        _change(row, standing, reason, evidence or {}, user)
    return row


def _change(row: Annotator, standing: str, reason: str, evidence: dict[str, Any], user: User | None) -> None:
    """Call in a write transaction."""
    before = {"standing": row.standing}
    row.standing, row.reason, row.evidence = standing, reason, evidence
    row.standing_since = timezone.now()
    row.save(update_fields=["standing", "reason", "evidence", "standing_since"])
    if standing == Standing.PAUSED:
        release_leases(person=row.person, project=row.project)
    record(
        ACTS[Standing(standing)],
        project=row.project,
        actor=user,
        person=row.person,
        subject=row,
        before=before,
        after={"standing": standing, **({"evidence": evidence} if evidence else {})},
        reason=reason,
    )


# --- hidden gold ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class GoldWindow:
    """The last gold votes of a person since their standing last changed: right, wrong, and the items got wrong."""

    right: int
    wrong: int
    missed: list[int]

    @property
    def share(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0


def gold_window(project: Project, person: User, *, size: int, since: datetime | None = None) -> GoldWindow:
    """The person's last `size` gold votes that could be judged, those from `since` on only."""
    votes = Vote.objects.filter(project=project, person=person, item__purpose=Purpose.GOLD, retracted_at__isnull=True)
    if since is not None:
        votes = votes.filter(created_at__gt=since)
    latest = votes.exclude(intent="unclear").exclude(code_unclear=True).select_related("item__gold").order_by("-id")
    outcomes = [(vote.item_id, outcome(vote)) for vote in latest[:size]]
    missed = [item for item, what in outcomes if what == "wrong"]
    return GoldWindow(right=len(outcomes) - len(missed), wrong=len(missed), missed=sorted(missed))


def after_gold_vote(project: Project, person: User) -> Annotator | None:
    """Warns or pauses where the last gold votes ask for it; the changed row, or None. Call in the vote's transaction.

    At least `gold_min_failures` wrong ones (never fewer than two) and a share right below `gold_bar` are needed, each
    time anew since the last change of standing. Only who has been warned is paused.
    """
    wanted = annotation_settings(project)
    if wanted.gold_act == GoldAct.NOTHING:
        return None
    row = annotator_row(project, person)
    if row.standing == Standing.PAUSED or (row.standing == Standing.WARNED and wanted.gold_act != GoldAct.PAUSE):
        return None
    seen = gold_window(project, person, size=wanted.gold_window, since=row.standing_since)
    if seen.wrong < wanted.gold_min_failures or seen.share >= wanted.gold_bar:
        return None
    standing = Standing.PAUSED if row.standing == Standing.WARNED else Standing.WARNED
    _change(row, standing, _reason_of(seen), _evidence_of(seen, wanted), None)
    return row


def _reason_of(seen: GoldWindow) -> str:
    n = seen.right + seen.wrong
    return f"{seen.wrong} of the last {n} check pairs, whose answer is known, were judged otherwise."


def _evidence_of(seen: GoldWindow, wanted: AnnotationSettings) -> dict[str, Any]:
    return {
        "right": seen.right,
        "wrong": seen.wrong,
        "share": round(seen.share, 4),
        "bar": wanted.gold_bar,
        "window": wanted.gold_window,
        "min_failures": wanted.gold_min_failures,
        "items": seen.missed,
    }


# --- votes set aside --------------------------------------------------------------------------------------------------
def start_set_aside(
    *,
    project: Project,
    person: User,
    reason: str,
    user: User | None,
    batch: Batch | None = None,
    since: datetime | None = None,
    inline: bool = False,
) -> Job:
    """Queues setting aside the person's votes (of one batch, from a time on, or all).

    Only votes of somebody who is paused or no longer judges in the project; else they would go on beside it. Raises
    ConflictError else, BadInputError without a reason or where no vote is meant.
    """
    reason = checked_reason(reason)
    check_member(project, person)
    _check_is_out(project, person)
    if not _votes_meant(project, person, batch, since).exists():
        raise BadInputError(problem=f"{person} has no counted vote there that could be set aside.")
    with write_transaction():
        act = SetAside.objects.create(
            project=project,
            person=person,
            batch=batch,
            since=since,
            reason=reason,
            created_by=user,
            created_at=timezone.now(),
        )
        record(
            SET_ASIDE_VOTES,
            project=project,
            actor=user,
            person=person,
            subject=act,
            after={"batch": batch.name if batch else "all", "since": since.isoformat() if since else "the first vote"},
            reason=reason,
        )
    return _start(act, SET_ASIDE_VOTES, f"Set aside votes of {person}", user, inline=inline)


def start_restore(*, act: SetAside, reason: str, user: User | None, inline: bool = False) -> Job:
    """Queues counting the votes of this decision again. Raises ConflictError where that is done already."""
    reason = checked_reason(reason)
    with write_transaction():
        act = SetAside.objects.select_for_update().get(pk=act.pk)
        if act.taken_back_at is not None:
            raise ConflictError(problem="This decision is taken back already.")
        if not act.is_complete:
            raise ConflictError(problem="The votes are still being set aside; wait for the job to end.")
        act.taken_back_at = timezone.now()
        act.save(update_fields=["taken_back_at"])
        record(RESTORE_VOTES, project=act.project, actor=user, person=act.person, subject=act, reason=reason)
    return _start(act, RESTORE_VOTES, f"Count votes of {act.person} again", user, inline=inline)


def _start(act: SetAside, kind: str, title: str, user: User | None, *, inline: bool) -> Job:
    job = create_job(kind=kind, title=title, params={"act_id": act.pk}, project=act.project, user=user, inline=inline)
    SetAside.objects.filter(pk=act.pk).update(job=job)
    return job


def _check_is_out(project: Project, person: User) -> None:
    is_paused = Annotator.objects.filter(project=project, person=person, standing=Standing.PAUSED).exists()
    if not is_paused and person.is_active and project.memberships.filter(user=person, role="annotator").exists():
        raise ConflictError(problem=f"Pause {person} first: whoever goes on judging would add votes beside this.")


def _votes_meant(
    project: Project, person: User, batch: Batch | None = None, since: datetime | None = None
) -> QuerySet[Vote]:
    votes = Vote.objects.filter(COUNTED, project=project, person=person, item__purpose__in=SET_ASIDE_PURPOSES)
    if batch is not None:
        votes = votes.filter(item__batch=batch)
    return votes.filter(created_at__gte=since) if since is not None else votes


def set_aside_votes(*, run: RunningJob, act: SetAside) -> dict[str, Any]:
    """Takes the votes out of every count and opens their slots for others. Started again, it does only the rest."""
    meant = _votes_meant(act.project, act.person, act.batch, act.since).filter(created_at__lte=act.created_at)
    ids = list(meant.order_by("id").values_list("pk", flat=True))
    run.progress(0, len(ids), "setting votes aside")
    run_in_chunks(
        ids,
        lambda chunk: _set_aside(act, chunk),
        min_rows=1,
        max_rows=VOTES_AT_ONCE,
        on_chunk=lambda done: run.progress(done, len(ids)),
    )
    n_votes = _votes_of(act).count()
    SetAside.objects.filter(pk=act.pk).update(n_votes=n_votes, is_complete=True)
    return {"person": act.person.username, "votes": n_votes}


def _votes_of(act: SetAside) -> QuerySet[Vote]:
    return Vote.objects.filter(project=act.project, person=act.person, set_aside_at=act.created_at)


def _set_aside(act: SetAside, ids: list[int]) -> None:
    """The slots of these votes stay with their person, who never gets the item again; others get new ones."""
    for vote in Vote.objects.filter(COUNTED, pk__in=ids):
        item = locked([vote.item_id]).get()
        vote.set_aside_at = act.created_at
        vote.save(update_fields=["set_aside_at"])
        item.done -= 1
        item.save(update_fields=["done"])
        settle(item)


def restore_votes(*, run: RunningJob, act: SetAside) -> dict[str, Any]:
    """Counts votes again whose place nobody has taken meanwhile; the others stay aside, for the overlap is exact."""
    ids = list(_votes_of(act).order_by("id").values_list("pk", flat=True))
    run.progress(0, len(ids), "counting votes again")
    run_in_chunks(
        ids,
        lambda chunk: _restore(act, chunk),
        min_rows=1,
        max_rows=VOTES_AT_ONCE,
        on_chunk=lambda done: run.progress(done, len(ids)),
    )
    left = _votes_of(act).count()
    SetAside.objects.filter(pk=act.pk).update(n_restored=act.n_votes - left)
    return {"person": act.person.username, "restored": act.n_votes - left, "stayed_aside": left}


def _restore(act: SetAside, ids: list[int]) -> None:
    for vote in Vote.objects.filter(pk__in=ids, set_aside_at__isnull=False):
        item = locked([vote.item_id]).get()
        if not _has_room(item, act.created_at):
            continue
        vote.set_aside_at = None
        vote.save(update_fields=["set_aside_at"])
        settle(item)
        item.done += 1
        item.save(update_fields=["done"])


def _has_room(item: Item, since: datetime) -> bool:
    """Whether one more vote takes nobody's place: a wanted slot is free, or nobody has turned to the item meanwhile."""
    if item.slots.filter(state=SlotState.FREE, number__lt=item.target).exists():
        return True
    is_replaced = item.votes.filter(COUNTED, created_at__gt=since).exists()
    return not is_replaced and not item.slots.filter(state=SlotState.LEASED).exists()
