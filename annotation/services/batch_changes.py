"""Changing a batch while people judge it: votes per pair, priority, limits, and who may judge it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError
from django.db.models import QuerySet

from annotation.models import Batch, BatchMember, Item, Purpose, Slot, SlotState
from annotation.services import leases
from annotation.services.batches import check_numbers
from annotation.services.items import locked, settle_all
from core.audit import record
from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.jobs import RunningJob, create_job
from core.models import Job, Membership, Project, Role, User

SETTLE_BATCH = "annotation.settle_batch"
SETTLE_WITHOUT_JOB = 500  # items that a page brings into step while one waits
ITEMS_AT_ONCE = 300
PRIORITIES = range(-1000, 1001)
LEASES_S = range(30, 24 * 3600 + 1)
CHANGEABLE = (
    "name",
    "priority",
    "overlap",
    "max_extra_votes",
    "is_pilot",
    "is_invited_only",
    "max_votes_per_person",
    "max_votes_per_day",
    "min_lease_s",
)


def start_change_batch(
    *, batch: Batch, changes: Mapping[str, Any], user: User | None = None, inline: bool = False
) -> tuple[Batch, Job | None]:
    """Changes columns of a batch (see CHANGEABLE), on the record.

    Other votes per pair open or close slots: votes stay, whoever holds a pair may finish it, and no pair gets more
    votes than it is to have unless it has them already. Many items take a job, which is returned; few are done at once.
    Raises BadInputError that names the field, ConflictError for a name in use.
    """
    wanted = {name: _checked(name, value) for name, value in changes.items()}
    check_numbers(wanted.get("overlap", batch.overlap), wanted.get("max_extra_votes", batch.max_extra_votes))
    changed = _write(batch, wanted, user)
    if not changed & {"overlap", "max_extra_votes"}:
        return batch, None
    n = batch.items.filter(purpose__in=[Purpose.LIVE, Purpose.INTENT_ONLY]).count()
    if n <= SETTLE_WITHOUT_JOB:
        settle_batch(batch=batch)
        return batch, None
    job = create_job(
        kind=SETTLE_BATCH,
        title=f"Open or close slots of {batch.name} for {batch.overlap} votes",
        params={"batch_id": batch.pk},
        project=batch.project,
        user=user,
        inline=inline,
    )
    return batch, job


def _checked(name: str, value: Any) -> Any:
    """A value as it is stored. Raises BadInputError."""
    if name not in CHANGEABLE:
        raise BadInputError(problem=f"{name} of a batch cannot be changed.", field=name)
    if name == "name":
        value = " ".join(str(value).split())[:100]
        if not value:
            raise BadInputError(problem="A batch needs a name.", field=name)
    if name == "priority" and value not in PRIORITIES:
        raise BadInputError(
            problem="The priority is a whole number from -1,000 to 1,000; lower comes first.", field=name
        )
    if name == "min_lease_s" and value not in LEASES_S:
        raise BadInputError(problem="The shortest lease is from 30 seconds to a day (86,400).", field=name)
    if name in {"max_votes_per_person", "max_votes_per_day"} and value is not None and value < 1:
        raise BadInputError(problem="A limit is at least one vote; leave it empty for none.", field=name)
    return value


@retry_when_busy()
def _write(batch: Batch, wanted: Mapping[str, Any], user: User | None) -> set[str]:
    """Stores what differs, on the record; returns the names of the columns."""
    try:
        with write_transaction():
            stored = Batch.objects.select_for_update().get(pk=batch.pk)
            before = {name: getattr(stored, name) for name, value in wanted.items() if getattr(stored, name) != value}
            for name in wanted:
                setattr(batch, name, wanted[name])
            if not before:
                return set()
            batch.save(update_fields=list(before))
            if batch.is_invited_only and "is_invited_only" in before:
                _let_go_of_strangers(batch)
            record(
                "annotation.change_batch",
                project=batch.project,
                actor=user,
                subject=batch,
                before=before,
                after={name: wanted[name] for name in before},
            )
            return set(before)
    except IntegrityError as error:
        problem = f"The project already has a batch called {wanted.get('name')}; choose another name."
        raise ConflictError(problem=problem, field="name") from error


def _let_go_of_strangers(batch: Batch) -> None:
    members = BatchMember.objects.filter(batch=batch).values("person")
    leases.free(Slot.objects.filter(batch=batch, state=SlotState.LEASED).exclude(person__in=members))


# --- slots of all items ---------------------------------------------------------------------------------------------
def settle_batch(*, batch: Batch, run: RunningJob | None = None) -> dict[str, Any]:
    """Brings the slots of every item into step with the batch's numbers, in short commits; harmless when repeated."""
    items = batch.items.filter(purpose__in=[Purpose.LIVE, Purpose.INTENT_ONLY]).order_by("pk")
    ids = list(items.values_list("pk", flat=True))

    def report(done: int) -> None:
        if run is not None:
            run.progress(done, len(ids), "opening and closing slots")

    run_in_chunks(ids, _settle_chunk, min_rows=5, max_rows=ITEMS_AT_ONCE, on_chunk=report)
    return {"batch": batch.pk, "name": batch.name, "items": len(ids), "overlap": batch.overlap}


def _settle_chunk(ids: list[int]) -> None:
    """Items that nobody has touched, most of a big batch, are done together; the others one by one."""
    items = {item.pk: item for item in locked(ids)}
    slots = Slot.objects.filter(item__in=ids)
    list(slots.filter(state=SlotState.FREE).select_for_update().values_list("pk"))  # nobody claims them meanwhile
    touched = set(slots.exclude(state=SlotState.FREE).values_list("item_id", flat=True))
    fresh = [item for item in items.values() if item.pk not in touched and not item.done and not item.is_set_aside]
    if fresh:
        _resize_fresh(fresh, fresh[0].batch.overlap)
    settle_all(set(items) - {item.pk for item in fresh})


def _resize_fresh(items: list[Item], overlap: int) -> None:
    """The plain case of `items.settle`: no vote, no lease, so as many slots as the overlap."""
    slots = Slot.objects.filter(item__in=[item.pk for item in items], state=SlotState.FREE)
    slots.filter(number__gte=overlap, is_open=True).update(is_open=False)
    slots.filter(number__lt=overlap, is_open=False).update(is_open=True)
    known = set(slots.filter(number__lt=overlap).values_list("item_id", "number"))
    Slot.objects.bulk_create(
        Slot(
            item=item,
            number=number,
            project_id=item.project_id,
            batch_id=item.batch_id,
            pair_id=item.pair_id,
            priority=item.priority,
        )
        for item in items
        for number in range(overlap)
        if (item.pk, number) not in known
    )
    Item.objects.filter(pk__in=[item.pk for item in items]).update(target=overlap, n_extra=0, is_contested=False)


# --- invited people -------------------------------------------------------------------------------------------------
def may_be_invited(project: Project) -> QuerySet[User]:
    """Active people who judge in the project: annotators and curators."""
    members = Membership.objects.filter(project=project, role__in=[Role.ANNOTATOR, Role.CURATOR])
    return User.objects.filter(pk__in=members.values("user"), is_active=True)


@retry_when_busy()
def invite_to_batch(*, batch: Batch, people: Iterable[User], user: User | None = None) -> list[User]:
    """Names people who may judge an invited-only batch; returns those who were not named before.

    Raises BadInputError for somebody who does not judge in the project.
    """
    wanted = list(dict.fromkeys(people))
    judging = set(may_be_invited(batch.project).values_list("pk", flat=True))
    for person in wanted:
        if person.pk not in judging:
            raise BadInputError(
                problem=f"{person} does not judge in this project. Make them an annotator first.", field="people"
            )
    with write_transaction():
        known = set(BatchMember.objects.filter(batch=batch).values_list("person", flat=True))
        new = [person for person in wanted if person.pk not in known]
        BatchMember.objects.bulk_create((BatchMember(batch=batch, person=one) for one in new), ignore_conflicts=True)
        for person in new:
            record("annotation.invite_to_batch", project=batch.project, actor=user, person=person, subject=batch)
    return new


@retry_when_busy()
def uninvite_from_batch(*, batch: Batch, person: User, user: User | None = None) -> None:
    """Takes a person off the list; what they hold of an invited-only batch goes back, their votes stay.

    Raises NotFoundError for somebody who is not on it.
    """
    with write_transaction():
        if not BatchMember.objects.filter(batch=batch, person=person).delete()[0]:
            raise NotFoundError(what="invited person of this batch", name=person)
        if batch.is_invited_only:
            leases.free(Slot.objects.filter(batch=batch, person=person, state=SlotState.LEASED))
        record("annotation.uninvite_from_batch", project=batch.project, actor=user, person=person, subject=batch)
