"""Quarantine by people and by detectors: hold a text back, look at it, release it, scan the project again."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.errors import BadInputError, NotFoundError
from core.jobs import RunningJob, create_job
from core.models import Job, JobState, Project, User
from core.text import HASH_CHARS, content_hash
from curation.models import Code, CodeOccurrence, PrivacyAct, PrivacyDecision, Query, TextKind
from curation.privacy import PATH, code_reason, mask, quarantine_reasons
from curation.selectors.privacy import HAND_REASONS, decided_reasons, reason_counts, rows_of
from curation.services.rule_counts import mark_counts
from curation.signals import quarantine_changed

SCAN_PRIVACY = "curation.scan_privacy"
MAX_NOTE_CHARS = 300
MAX_AT_ONCE = 10_000
MAX_PATH_CHARS = 500
_READ_ROWS = 2000


@retry_when_busy()
def quarantine_texts(
    *, project: Project, kind: TextKind, ids: Iterable[int], reason: str, note: str = "", person: User | None = None
) -> int:
    """Holds texts back by hand; returns how many were not held back before. On record with who, when and why.

    Raises BadInputError for a reason that does not exist.
    """
    if reason not in HAND_REASONS:
        raise BadInputError(problem=f"There is no reason {reason[:40]!r}. There are: {', '.join(HAND_REASONS)}.")
    rows = rows_of(project, kind).filter(pk__in=_bounded(ids), quarantine_reason="")
    return _decide(project, kind, rows, PrivacyAct.QUARANTINE, reason, note, person)


@retry_when_busy()
def release_texts(
    *, project: Project, kind: TextKind, ids: Iterable[int], note: str = "", person: User | None = None
) -> int:
    """Releases quarantined texts after a person looked; returns how many.

    They stay released when the same text comes again or the detectors run again.
    """
    rows = rows_of(project, kind).filter(pk__in=_bounded(ids), quarantine_reason__gt="")
    return _decide(project, kind, rows, PrivacyAct.RELEASE, "", note, person)


def _bounded(ids: Iterable[int]) -> list[int]:
    chosen = sorted(set(ids))
    if len(chosen) > MAX_AT_ONCE:
        raise BadInputError(problem=f"At most {MAX_AT_ONCE:,} texts at once.")
    return chosen


def _decide(
    project: Project, kind: TextKind, rows: Any, act: PrivacyAct, reason: str, note: str, person: User | None
) -> int:
    """Writes the new state and its record in one transaction; the row's own reason is recorded for a release."""
    note = mask(" ".join(note.split()))[:MAX_NOTE_CHARS]
    with write_transaction():
        found = list(rows.values_list("pk", "content_hash", "quarantine_reason"))
        PrivacyDecision.objects.bulk_create(
            PrivacyDecision(
                project=project, kind=kind, content_hash=key, act=act, reason=reason or was, note=note, person=person
            )
            for _, key, was in found
        )
        rows_of(project, kind).filter(pk__in=[pk for pk, _, _ in found]).update(quarantine_reason=reason)
        _tell(project, kind, [pk for pk, _, _ in found])
    return len(found)


def reveal_text(*, project: Project, kind: TextKind, pk: int, person: User | None = None) -> str:
    """The whole quarantined text, for a curator who decides about it; the look is on record. Raises NotFoundError."""
    row = rows_of(project, kind).filter(pk=pk, quarantine_reason__gt="").first()
    if row is None:
        raise NotFoundError(what=f"quarantined {kind.label.lower()}", name=pk)
    with write_transaction():
        PrivacyDecision.objects.create(
            project=project,
            kind=kind,
            content_hash=row.content_hash,
            act=PrivacyAct.REVEAL,
            reason=row.quarantine_reason,
            person=person,
        )
    return str(row.text)


# --- scanning again -----------------------------------------------------------------------------------------------


def start_scan_privacy(*, project: Project, user: User | None = None, inline: bool = False) -> Job:
    """Queues the detectors over all texts of the project; an unfinished scan is returned instead."""
    waiting = project.jobs.filter(kind=SCAN_PRIVACY, state__in=[JobState.QUEUED, JobState.RUNNING]).first()
    if waiting is not None:
        return waiting
    return create_job(
        kind=SCAN_PRIVACY,
        title="Look for private text again",
        params={"project_id": project.pk},
        project=project,
        user=user,
        inline=inline,
    )


@dataclass
class ScanTally:
    """What a scan found of one kind of text. looked_at = held + passed; changes are counted by their reason."""

    looked_at: int = 0
    kept_by_decision: int = 0
    newly_held: Counter[str] = field(default_factory=Counter)
    no_longer_held: Counter[str] = field(default_factory=Counter)
    other_reason: Counter[str] = field(default_factory=Counter)

    def note(self, was: str, now: str) -> None:
        if not was:
            self.newly_held[now] += 1
        elif not now:
            self.no_longer_held[was] += 1
        else:
            self.other_reason[f"{was} -> {now}"] += 1

    def as_data(self) -> dict[str, Any]:
        return {
            "looked_at": self.looked_at,
            "kept_by_decision": self.kept_by_decision,
            "newly_held": dict(self.newly_held),
            "no_longer_held": dict(self.no_longer_held),
            "other_reason": dict(self.other_reason),
        }


def scan_privacy(*, run: RunningJob, project_id: int) -> dict[str, Any]:
    """Runs today's detectors over every query, code and path; returns what changed.

    What a curator released or held back by hand stays as it is. Run again it changes nothing.
    """
    project = Project.objects.get(pk=project_id)
    total = sum(rows_of(project, kind).count() for kind in TextKind)
    done = 0
    report: dict[str, Any] = {}
    for kind in TextKind:
        tally = ScanTally()
        for _ in _scan(project, kind, tally):
            run.progress(done + tally.looked_at, total, f"{done + tally.looked_at:,} of {total:,} texts")
        done += tally.looked_at
        report[kind.value] = {**tally.as_data(), "held_back": reason_counts(project, kind)}
    report["paths_masked"] = _mask_paths(project, run)
    return report


def _scan(project: Project, kind: TextKind, tally: ScanTally) -> Iterator[None]:
    """Yields after every batch. Batches go by id, so that no cursor stays open and a stop loses nothing."""
    decided = decided_reasons(project, kind)
    last = 0
    while batch := list(_texts(project, kind).filter(pk__gt=last).order_by("pk")[:_READ_ROWS]):
        last = batch[-1].pk
        changes = []
        for row, found in zip(batch, _reasons(kind, batch), strict=True):
            wanted = decided.get(row.content_hash, found)
            tally.kept_by_decision += wanted != found
            if wanted != row.quarantine_reason:
                tally.note(row.quarantine_reason, wanted)
                row.quarantine_reason = wanted
                changes.append(row)
        run_in_chunks(changes, lambda rows: _write_reasons(project, kind, rows))
        tally.looked_at += len(batch)
        yield


def _texts(project: Project, kind: TextKind) -> Any:
    columns = ["content_hash", "text", "quarantine_reason", *(["docstring"] if kind == TextKind.CODE else [])]
    return rows_of(project, kind).only(*columns)


def _reasons(kind: TextKind, batch: list[Any]) -> list[str]:
    if kind == TextKind.QUERY:
        return quarantine_reasons([row.text for row in batch])
    return [code_reason(row.text, row.docstring) for row in batch]


def _write_reasons(project: Project, kind: TextKind, rows: list[Any]) -> None:
    model = Query if kind == TextKind.QUERY else Code
    model.objects.bulk_update(rows, ["quarantine_reason"])
    _tell(project, kind, [row.pk for row in rows])


def _tell(project: Project, kind: TextKind, ids: list[int]) -> None:
    """Has everything counted anew that these texts count in."""
    if ids and kind == TextKind.QUERY:
        mark_counts(project.pk)
    if ids:
        quarantine_changed.send(sender=TextKind, project_id=project.pk, kind=kind, ids=ids)


def _mask_paths(project: Project, run: RunningJob) -> int:
    """Masks what is private in the places where codes stand; returns how many paths changed."""

    def changed() -> Iterator[CodeOccurrence]:
        last = 0
        rows = CodeOccurrence.objects.filter(source__project=project).only("path")
        while batch := list(rows.filter(pk__gt=last).order_by("pk")[:_READ_ROWS]):
            run.check()
            last = batch[-1].pk
            for place in batch:
                masked = recorded_path(place.path)
                if masked != place.path:
                    place.path = masked
                    yield place

    return run_in_chunks(changed(), lambda rows: CodeOccurrence.objects.bulk_update(rows, ["path"]))


def recorded_path(path: str) -> str:
    """A path as it is kept: private parts masked, and not too long. The end of its hash keeps two such paths apart."""
    masked = mask(path, PATH)
    if masked == path and len(path) <= MAX_PATH_CHARS:
        return path
    tail = "~" + content_hash(path)[: HASH_CHARS // 4]
    return masked[: MAX_PATH_CHARS - len(tail)] + tail
