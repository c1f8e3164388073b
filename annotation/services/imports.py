"""Votes and single labels from elsewhere. Importing the same file again changes nothing.

A vote keeps its rater as a placeholder person who cannot log in, goes through a slot like any other, and has a key
made from project, pair and worker. A label without rater becomes an ImportedLabel and counts in no agreement figure.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F

from annotation.models import Batch, ImportedLabel, Item, Purpose, RaterKind, Slot, SlotState, Vote
from annotation.services.adjudication import recheck_contested
from annotation.services.tallies import mark_items
from annotation.vote_files import BadLine, VoteLine, read_vote_lines, sniff_format
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.text import code_hash, normalise_query, query_hash
from curation.models import Pair
from curation.pair_files import PairRow
from curation.services.pairs import import_pairs

IMPORT_VOTES = "annotation.import_votes"
CHUNK = 300
MAX_PROBLEMS_SHOWN = 1000
VOTE_KEYS = uuid.UUID("5f9c8a1e-5b1b-4c53-9b0e-6d4f2c8f7a10")  # namespace of imported votes' keys


def start_import_votes(
    *, project: Project, path: Path, name: str = "", user: User | None = None, inline: bool = False
) -> Job:
    """Checks that the file can be read at all, and queues the import, called after the file unless `name` is given."""
    sniff_format(path)
    return create_job(
        kind=IMPORT_VOTES,
        title=f"Import votes: {name or path.name}",
        params={"project_id": project.pk, "path": str(path.resolve()), "name": name or path.name},
        project=project,
        user=user,
        inline=inline,
    )


def save_upload(file: Any) -> Path:
    """Stores an uploaded file under a name of our own in QUARRY_HOME/uploads."""
    path = Path(settings.QUARRY_HOME) / "uploads" / f"votes-{uuid.uuid4().hex}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        for chunk in file.chunks():
            out.write(chunk)
    return path


@dataclass(slots=True)
class VoteImport:
    """What came of an import: rows read = new + known + bad. `problems` holds the first of the bad rows."""

    n_read: int = 0
    n_new: int = 0
    n_known: int = 0
    n_bad: int = 0
    n_votes: int = 0
    n_labels: int = 0
    raters: set[int] = field(default_factory=set)
    pairs: set[int] = field(default_factory=set)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        self.n_bad += 1
        if len(self.problems) < MAX_PROBLEMS_SHOWN:
            self.problems.append((line, reason))

    def to_dict(self) -> dict[str, Any]:
        return {
            "read": self.n_read,
            "new": self.n_new,
            "known": self.n_known,
            "bad": self.n_bad,
            "votes": self.n_votes,
            "labels": self.n_labels,
            "raters": len(self.raters),
            "pairs": len(self.pairs),
            "problems": [{"line": line, "reason": reason} for line, reason in sorted(self.problems)],
            "problems_left_out": self.n_bad - len(self.problems),
        }


@dataclass(frozen=True, slots=True)
class _Found:
    """A row with the pair that it names."""

    row: VoteLine
    pair_id: int
    query_id: int
    key: uuid.UUID


def import_votes(*, run: RunningJob, project: Project, path: Path, name: str) -> dict[str, Any]:
    """Reads a file of votes (annotation.vote_files) into the project; every row that does not fit is reported.

    Rows with query and code bring pairs that the project lacks; a task must name a pair that exists. Items are opened
    in a closed batch named after the import, so nobody is asked to judge them. Raises BadInputError for a file that
    cannot be used, or that holds no row that fits.
    """
    report = VoteImport()
    run.progress(0, 0, "reading pairs")
    brought = _brought_pairs(path)
    first = next(brought, None)
    if first is not None:
        import_pairs(project=project, rows=chain([first], brought), name=name, run=run)
    rows = _fitting_rows(path, report)
    while chunk := list(islice(rows, CHUNK)):
        _import_chunk(project, name, chunk, report)
        run.progress(report.n_read, 0, f"{report.n_read:,} rows read")
    if report.n_read and report.n_bad == report.n_read:
        line, reason = report.problems[0]
        raise BadInputError(problem=f"No row of {name} fits. The first: line {line}, {reason}.")
    if report.n_votes:
        recheck_contested(project)
    return report.to_dict()


def _brought_pairs(path: Path) -> Iterator[PairRow]:
    """Each pair that the file spells out, once."""
    seen: set[bytes] = set()
    for row in read_vote_lines(path):
        if isinstance(row, VoteLine) and not row.task:
            key = hashlib.blake2b(f"{row.query}\0{row.code}".encode("utf-8", "surrogatepass"), digest_size=12).digest()
            if key not in seen:
                seen.add(key)
                yield PairRow(row.query, row.code, None, f"line {row.line}")


def _fitting_rows(path: Path, report: VoteImport) -> Iterator[VoteLine]:
    for row in read_vote_lines(path):
        report.n_read += 1
        if isinstance(row, BadLine):
            report.refuse(row.line, row.reason)
        else:
            yield row


def _import_chunk(project: Project, name: str, chunk: list[VoteLine], report: VoteImport) -> None:
    found = list(_find_pairs(project, chunk, report))
    report.pairs.update(item.pair_id for item in found)
    labels = [item for item in found if not item.row.worker]
    votes = [item for item in found if item.row.worker]
    if labels:
        _store_labels(name, labels, report)
    if votes:
        _store_votes(project, name, votes, report)


# --- which pair a row names --------------------------------------------------------------------------------------


def _task_of(row: VoteLine) -> str:
    return row.task or f"{query_hash(normalise_query(row.query))}:{code_hash(row.code)}"


def _find_pairs(project: Project, chunk: list[VoteLine], report: VoteImport) -> Iterator[_Found]:
    tasks = [_task_of(row) for row in chunk]
    by_hash = pairs_by_hash(project, [task for task in tasks if ":" in task])
    by_number = pairs_by_number(project, [int(task) for task in tasks if is_number(task)])
    for row, task in zip(chunk, tasks, strict=True):
        pair = by_hash.get(task) or (by_number.get(int(task)) if is_number(task) else None)
        if pair is None:
            report.refuse(row.line, f"the project has no pair {task[:80]}")
        elif pair.is_quarantined:
            report.refuse(row.line, "the pair is held back for privacy")
        else:
            key = uuid.uuid5(VOTE_KEYS, f"{project.slug} {pair.task} {row.worker}")
            yield _Found(row, pair.pair_id, pair.query_id, key)


def is_number(task: str) -> bool:
    """Whether a task is the number of a pair."""
    return task.isascii() and task.isdigit() and len(task) < 18


class PairFacts(NamedTuple):
    """What is asked of a pair; `task` is QUERY_HASH:CODE_HASH."""

    pair_id: int
    query_id: int
    is_quarantined: bool
    task: str


def _facts(project: Project, **which: Any) -> Iterator[PairFacts]:
    rows = Pair.objects.filter(project=project, **which).values_list(
        *["pk", "query_id", "query__quarantine_reason", "code__quarantine_reason"],
        *["query__content_hash", "code__content_hash"],
    )
    for pk, query_id, private_query, private_code, query_key, code_key in rows:
        yield PairFacts(pk, query_id, bool(private_query or private_code), f"{query_key}:{code_key}")


def pairs_by_hash(project: Project, tasks: list[str]) -> dict[str, PairFacts]:
    """Facts of the pairs that tasks QUERY_HASH:CODE_HASH name, by task."""
    hashes = {task.split(":", 1)[0] for task in tasks}
    return {facts.task: facts for facts in _facts(project, query__content_hash__in=hashes)} if hashes else {}


def pairs_by_number(project: Project, numbers: list[int]) -> dict[int, PairFacts]:
    """Facts of the pairs with these numbers."""
    return {facts.pair_id: facts for facts in _facts(project, pk__in=numbers)} if numbers else {}


# --- labels without raters ---------------------------------------------------------------------------------------


@retry_when_busy()
def _store_labels(name: str, found: list[_Found], report: VoteImport) -> None:
    with write_transaction():
        known = dict(
            ImportedLabel.objects.filter(source=name[:200], pair__in={item.pair_id for item in found}).values_list(
                "pair_id", "label"
            )
        )
        fresh: dict[int, int] = {}
        outcomes = [_place_label(item, known, fresh) for item in found]
        ImportedLabel.objects.bulk_create(
            ImportedLabel(pair_id=pair_id, label=label, source=name[:200]) for pair_id, label in fresh.items()
        )
    _count(found, outcomes, report)
    report.n_labels += len(fresh)


def _place_label(item: _Found, known: dict[int, int], fresh: dict[int, int]) -> str:
    label = item.row.answer or 0
    held = known.get(item.pair_id, fresh.get(item.pair_id))
    if held is None:
        fresh[item.pair_id] = label
        return "new"
    return "known" if held == label else f"the pair already carries the label {held} from this import"


def _count(found: list[_Found], outcomes: Iterable[str], report: VoteImport) -> None:
    for item, outcome in zip(found, outcomes, strict=True):
        if outcome == "new":
            report.n_new += 1
        elif outcome == "known":
            report.n_known += 1
        else:
            report.refuse(item.row.line, outcome)


# --- votes with raters -------------------------------------------------------------------------------------------


@retry_when_busy()
def _store_votes(project: Project, name: str, found: list[_Found], report: VoteImport) -> None:
    with write_transaction():
        batch = _import_batch(project, name)
        people = _placeholders(project, {item.row.worker for item in found})
        live = _live_items(found)
        standing = dict(Vote.objects.filter(key__in={item.key for item in found}).values_list("key", "payload_sha256"))
        fresh: dict[uuid.UUID, _Found] = {}
        outcomes = [_place_vote(item, batch, live, standing, fresh) for item in found]
        items = _open_items(project, batch, fresh.values(), live)
        _fill_slots(project, batch, list(fresh.values()), items, people)
    _count(found, outcomes, report)
    report.n_votes += len(fresh)
    report.raters.update(people[item.row.worker] for item in found)


def _import_batch(project: Project, name: str) -> Batch:
    """The closed batch of this import; nobody is asked to judge what stands in it."""
    batch, _ = Batch.objects.get_or_create(
        project=project,
        name=f"Import: {name}"[:100],
        defaults={"overlap": 1, "max_extra_votes": 0, "is_closed": True},
    )
    return batch


def _username(project: Project, worker: str) -> str:
    plain = f"{project.slug}/{worker}"
    return plain if len(plain) <= 150 else f"{project.slug}/{hashlib.sha256(worker.encode()).hexdigest()}"


def _placeholders(project: Project, workers: set[str]) -> dict[str, int]:
    """Worker -> id of the person who stands for them in this project."""
    usernames = {worker: _username(project, worker) for worker in workers}
    User.objects.bulk_create(
        [
            User(username=username, first_name=worker[:150], is_active=False, is_placeholder=True, password="!imported")
            for worker, username in sorted(usernames.items())
        ],
        ignore_conflicts=True,
    )
    ids = dict(User.objects.filter(username__in=usernames.values(), is_placeholder=True).values_list("username", "pk"))
    return {worker: ids[username] for worker, username in usernames.items()}


def _live_items(found: list[_Found]) -> dict[int, Item]:
    rows = Item.objects.filter(pair__in={item.pair_id for item in found}, purpose=Purpose.LIVE)
    return {item.pair_id: item for item in rows if item.pair_id is not None}


def _payload_sha256(row: VoteLine) -> str:
    return hashlib.sha256(json.dumps([row.intent, row.answer]).encode()).hexdigest()


def _place_vote(
    item: _Found,
    batch: Batch,
    live: dict[int, Item],
    standing: dict[uuid.UUID, str],
    fresh: dict[uuid.UUID, _Found],
) -> str:
    held = standing.get(item.key) or (_payload_sha256(fresh[item.key].row) if item.key in fresh else None)
    if held is not None:
        same = held == _payload_sha256(item.row)
        return "known" if same else f"{item.row.worker} has already voted otherwise on this pair"
    at_work = live.get(item.pair_id)
    if at_work is not None and at_work.batch_id != batch.pk:
        return "the pair is open in another batch of the project, whose own votes count"
    fresh[item.key] = item
    return "new"


def _open_items(project: Project, batch: Batch, found: Iterable[_Found], live: dict[int, Item]) -> dict[int, Item]:
    missing = {item.pair_id: item.query_id for item in found if item.pair_id not in live}
    made = Item.objects.bulk_create(
        Item(project=project, batch=batch, pair_id=pair_id, query_id=query_id, target=0)
        for pair_id, query_id in missing.items()
    )
    return {**live, **{item.pair_id: item for item in made if item.pair_id is not None}}


def _fill_slots(
    project: Project, batch: Batch, found: list[_Found], items: dict[int, Item], people: dict[str, int]
) -> None:
    slots = []
    added: dict[int, int] = {}
    for vote in found:
        item = items[vote.pair_id]
        number = item.target + added.get(item.pk, 0)
        added[item.pk] = added.get(item.pk, 0) + 1
        slots.append(
            Slot(
                item=item,
                project=project,
                batch=batch,
                pair_id=vote.pair_id,
                number=number,
                is_open=False,
                state=SlotState.DONE,
                person_id=people[vote.row.worker],
            )
        )
    filled = Slot.objects.bulk_create(slots)
    Vote.objects.bulk_create(
        Vote(
            slot=slot,
            item=slot.item,
            project=project,
            person_id=people[vote.row.worker],
            key=vote.key,
            payload_sha256=_payload_sha256(vote.row),
            intent=vote.row.intent,
            answer=vote.row.answer,
            code_unclear=vote.row.intent == "yes" and vote.row.answer is None,
            rater_kind=RaterKind.IMPORTED,
        )
        for slot, vote in zip(filled, found, strict=True)
    )
    mark_items(project.pk, added)
    for count in set(added.values()):
        ids = [pk for pk, n in added.items() if n == count]
        Item.objects.filter(pk__in=ids).update(target=F("target") + count, done=F("done") + count)
