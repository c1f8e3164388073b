"""Reads for quality control: who stands how, training and qualification batches, and the audit log."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from annotation.models import (
    COUNTED,
    Annotator,
    Batch,
    BatchKind,
    GoldAnswer,
    Item,
    Purpose,
    QualificationAttempt,
    SetAside,
    Standing,
    Vote,
)
from annotation.selectors.gold import GoldResult, gold_results
from annotation.services.gate import GateState
from core.models import AuditEntry, Membership, Project, Role, User
from core.spreadsheets import spreadsheet_cell

ORIGINS = {
    "judged": "people who all judged it alike",
    "imported": "an imported label",
    "adjudicated": "an adjudicator",
    "curator": "a curator",
    "file": "a file",
}
GATED = (BatchKind.TRAINING, BatchKind.QUALIFICATION)


# --- people -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PersonAtWork:
    """A person of the project as quality control sees them. `gate` says what they get next, as far as it is known
    without looking at items."""

    person: User
    row: Annotator
    gate: GateState
    is_member: bool
    gold: GoldResult | None = None
    attempts: list[QualificationAttempt] = field(default_factory=list)
    n_aside: int = 0

    @property
    def is_removed(self) -> bool:
        return not self.is_member or not self.person.is_active


def people_at_work(project: Project) -> list[PersonAtWork]:
    """Annotators of the project, and whoever else has a row in it, by username; imported raters are left out."""
    members = Membership.objects.filter(project=project, role=Role.ANNOTATOR).values_list("user_id", flat=True)
    rows = {row.person_id: row for row in Annotator.objects.filter(project=project)}
    people = User.objects.filter(Q(pk__in=set(members)) | Q(pk__in=rows), is_placeholder=False).order_by("username")
    gold = {result.person.pk: result for result in gold_results(project)}
    attempts: dict[int, list[QualificationAttempt]] = {}
    for attempt in QualificationAttempt.objects.filter(project=project).order_by("number"):
        attempts.setdefault(attempt.person_id, []).append(attempt)
    aside = _votes_aside(project)
    kinds = open_gates(project)
    return [
        PersonAtWork(
            person=person,
            row=(row := rows.get(person.pk) or Annotator(project=project, person=person)),
            gate=_gate_of(row, kinds),
            is_member=person.pk in set(members),
            gold=gold.get(person.pk),
            attempts=attempts.get(person.pk, []),
            n_aside=aside[person.pk],
        )
        for person in people
    ]


def open_gates(project: Project) -> set[str]:
    """Which kinds of batches newcomers have to go through now."""
    gates = Batch.objects.filter(project=project, kind__in=GATED, is_closed=False)
    return set(gates.filter(items__is_set_aside=False).values_list("kind", flat=True).distinct())


def _votes_aside(project: Project) -> Counter[int]:
    rows = (
        Vote.objects.filter(project=project, set_aside_at__isnull=False).values_list("person").annotate(n=Count("id"))
    )
    return Counter(dict(rows.order_by()))


def _gate_of(row: Annotator, kinds: set[str]) -> GateState:
    if row.standing == Standing.PAUSED:
        return GateState.PAUSED
    if BatchKind.TRAINING in kinds and row.trained_at is None:
        return GateState.TRAINING
    if BatchKind.QUALIFICATION in kinds and row.qualified_at is None:
        return GateState.FAILED if row.failed_at is not None else GateState.QUALIFICATION
    return GateState.OPEN


def person_at_work(project: Project, username: str) -> PersonAtWork | None:
    """One of them; None for somebody who neither judges in the project nor ever did."""
    return next((one for one in people_at_work(project) if one.person.username == username), None)


def set_asides_of(project: Project, person: User) -> QuerySet[SetAside]:
    """Decisions to set votes of a person aside, newest first."""
    acts = SetAside.objects.filter(project=project, person=person)
    return acts.select_related("batch", "created_by", "job").order_by("-id")


def counted_votes_of(project: Project, person: User) -> int:
    """Votes of the person that could be set aside."""
    purposes = (Purpose.LIVE, Purpose.INTENT_ONLY)
    return Vote.objects.filter(COUNTED, project=project, person=person, item__purpose__in=purposes).count()


def known_answer_votes(project: Project, person: User, purpose: str) -> QuerySet[Vote]:
    """The person's votes on items of a purpose whose answer is known, newest first."""
    votes = Vote.objects.filter(project=project, person=person, item__purpose=purpose, retracted_at__isnull=True)
    return votes.select_related("item__query", "item__gold").order_by("-id")


# --- training and qualification ---------------------------------------------------------------------------------------
def gate_batches(project: Project) -> QuerySet[Batch]:
    """Training and qualification batches, newest first, with n_shown, n_out, n_unexplained, n_people and n_judged."""
    shown = Q(items__is_set_aside=False)
    return (
        Batch.objects.filter(project=project, kind__in=GATED)
        .annotate(
            n_shown=Count("items", filter=shown, distinct=True),
            n_out=Count("items", filter=Q(items__is_set_aside=True), distinct=True),
            n_unexplained=Count("items", filter=shown & Q(items__gold__why=""), distinct=True),
            n_people=Count("items__votes__person", filter=Q(items__votes__retracted_at=None), distinct=True),
            n_judged=Count("items__votes", filter=Q(items__votes__retracted_at=None), distinct=True),
        )
        .order_by("-id")
    )


@dataclass(frozen=True)
class GateItem:
    """An item of such a batch, and how people did on it."""

    item: Item
    known: GoldAnswer
    n_judged: int
    n_right: int

    @property
    def share(self) -> float | None:
        return self.n_right / self.n_judged if self.n_judged else None

    @property
    def origin_words(self) -> str:
        """Where the right answer comes from."""
        return ORIGINS.get(self.known.origin, self.known.origin)


def gate_items(batch: Batch) -> list[GateItem]:
    """The items of a training or qualification batch in their order, those taken out at the end."""
    items = batch.items.select_related("gold", "query", "pair__code").order_by("is_set_aside", "priority", "id")
    judged: Counter[int] = Counter()
    right: Counter[int] = Counter()
    votes = Vote.objects.filter(item__batch=batch, retracted_at__isnull=True).select_related("item__gold")
    for vote in votes:
        judged[vote.item_id] += 1
        right[vote.item_id] += vote.item.gold.is_met_by(vote)
    return [GateItem(item, item.gold, judged[item.pk], right[item.pk]) for item in items]


def hardest_first(items: list[GateItem], n: int = 20) -> list[tuple[str, int]]:
    """(query, per cent right) of the items judged, hardest first, for a chart."""
    known = sorted((one for one in items if one.share is not None), key=lambda one: (one.share or 0, one.item.pk))
    return [(str(one.item.query), round(100 * (one.share or 0))) for one in known[:n]]


def attempt_results(project: Project) -> list[tuple[str, int]]:
    """How the attempts at qualification ended: [(words, attempts)]."""
    rows = QualificationAttempt.objects.filter(project=project).values_list("is_passed").annotate(n=Count("id"))
    ended = dict(rows.order_by())
    words = {True: "reached the bar", False: "missed the bar", None: "under way"}
    return [(words[passed], ended[passed]) for passed in (True, False, None) if ended.get(passed)]


# --- the audit log ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class AuditFilter:
    """What of the log to show. Empty: everything."""

    act: str = ""
    person: str = ""
    actor: str = ""
    first: date | None = None
    last: date | None = None


def audit_entries(project: Project, wanted: AuditFilter) -> QuerySet[AuditEntry]:
    """Entries of the project's log, newest first. A person is found as the one who acted or the one it is about."""
    entries = AuditEntry.objects.filter(project=project).select_related("actor", "person")
    if wanted.act:
        entries = entries.filter(act=wanted.act)
    if wanted.person:
        entries = entries.filter(person__username=wanted.person)
    if wanted.actor:
        entries = entries.filter(actor__username=wanted.actor)
    if wanted.first:
        entries = entries.filter(created_at__gte=_midnight(wanted.first))
    if wanted.last:
        entries = entries.filter(created_at__lt=_midnight(wanted.last + timedelta(days=1)))
    return entries.order_by("-id")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), tzinfo=timezone.get_current_timezone())


def acts_on_record(project: Project) -> list[str]:
    """Acts that occur in the project's log, by name."""
    found = AuditEntry.objects.filter(project=project).order_by("act").values_list("act", flat=True).distinct()
    return list(found)


def words_of(act: str) -> str:
    """annotation.set_aside_votes -> Set aside votes."""
    return act.partition(".")[2].replace("_", " ").capitalize() or act


@dataclass(frozen=True)
class Change:
    """One field of an entry, before and after, as text."""

    name: str
    before: str
    after: str


def changes_of(entry: AuditEntry) -> list[Change]:
    """The fields that an entry names, in alphabetical order; a nested object is told field by field."""
    before, after = dict(_flat(entry.before)), dict(_flat(entry.after))
    names = sorted({*before, *after})
    return [Change(name.replace("_", " "), before.get(name, ""), after.get(name, "")) for name in names]


def _flat(given: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}: ")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


AUDIT_COLUMNS = ("time", "act", "actor", "person", "subject", "subject_id", "before", "after", "reason")


class _Echo:
    """A file that hands back each line it is given."""

    def write(self, line: str) -> str:
        return line


def audit_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """CSV lines of audit entries, the heading first; no cell begins a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(AUDIT_COLUMNS)
    for entry in entries:
        yield writer.writerow([spreadsheet_cell(cell) for cell in _cells(entry)])


def _cells(entry: AuditEntry) -> list[Any]:
    changes = changes_of(entry)
    return [
        entry.created_at.isoformat(),
        entry.act,
        entry.actor.username if entry.actor else "",
        entry.person.username if entry.person else "",
        entry.subject_kind,
        entry.subject_id,
        "; ".join(f"{change.name}={change.before}" for change in changes if change.before),
        "; ".join(f"{change.name}={change.after}" for change in changes if change.after),
        entry.reason,
    ]
