"""The full export: every judged pair with its votes as they stand now, for curators, without a release.

Pairs are read in chunks by id, each with a handful of statements, so memory holds one chunk however many there are.
What privacy holds back is left out by the same statement that reads the texts. Each chunk is as of its own moment:
an export that runs while people judge holds whole pairs, but not all pairs of one instant.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from annotation.consensus import Tally, verdict
from annotation.models import SHOWABLE, Adjudication, Batch, GoldAnswer, Guideline, Item, LateSubmission, Purpose, Vote
from annotation.selectors.adjudication import LABEL_OF
from core.errors import BadInputError
from core.models import Project, User
from core.spreadsheets import FORMULA_TRIGGERS, spreadsheet_cell

CHUNK = 500
PAIRS, LONG = "pairs", "long"
SHAPES = {PAIRS: "One row per pair, with its votes", LONG: "One row per vote (long form)"}
FORMATS = {"jsonl": "JSON Lines", "csv": "CSV"}
CONTENT_TYPES = {"jsonl": "application/x-ndjson; charset=utf-8", "csv": "text/csv; charset=utf-8"}

COUNTED, RETRACTED, SET_ASIDE, LATE = "counted", "retracted", "set_aside", "late"
_PAIR_COLUMNS = (
    *("item", "pair", "task", "query_hash", "code_hash", "query", "code"),
    *("batch", "is_pilot", "purpose", "is_hidden_gold", "known_intent", "known_answer", "stratum", "is_set_aside"),
)
_LONG_COLUMNS = (
    *("item", "pair", "task", "query_hash", "code_hash"),
    *("batch", "is_pilot", "purpose", "is_hidden_gold"),
)
COLUMNS = {
    PAIRS: (
        *_PAIR_COLUMNS,
        *("verdict", "label", "n_votes", "n_yes", "n_no", "n_unclear", "n_one", "n_zero"),
        *("adjudicated", "adjudicated_label", "adjudicator", "votes"),
    ),
    LONG: (
        *("worker", "intent", "label", "code_unclear", "state", "reason", "seconds", "guideline", "kind"),
        *("time", "retracted_at", "set_aside_at"),
        *_LONG_COLUMNS,
    ),
}
_ITEM_FIELDS = (
    *("pk", "pair_id", "batch_id", "purpose", "stratum", "is_set_aside"),
    *("query__content_hash", "pair__code__content_hash"),
)
_TEXTS = ("query__text", "pair__code__text")
# By hand: the ORM's way costs more than all the rest, for an export is mostly votes.
_VOTES = """
    SELECT item_id, person_id, intent, answer, code_unclear, reason, seconds, guideline_id, rater_kind, created_at,
           retracted_at, set_aside_at
    FROM annotation_vote WHERE item_id IN ({ids}) ORDER BY id
"""


@dataclass(slots=True)
class _Names:
    """What ids stand for; people are looked up when they first occur."""

    batches: dict[int, tuple[str, bool]]
    guidelines: dict[int, int]
    people: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project) -> "_Names":
        batches = Batch.objects.filter(project=project).values_list("pk", "name", "is_pilot")
        guidelines = Guideline.objects.filter(project=project).values_list("pk", "version")
        return cls({pk: (name, is_pilot) for pk, name, is_pilot in batches}, dict(guidelines))

    def meet(self, people: set[int]) -> None:
        if fresh := people - self.people.keys():
            self.people.update(User.objects.filter(pk__in=fresh).values_list("pk", "username"))


def export_votes(
    project: Project, *, batch: Batch | None = None, file_format: str = "jsonl", shape: str = PAIRS
) -> Iterator[str]:
    """The judged pairs of a project, or of one batch, as text in pieces of a few hundred rows.

    shape: `pairs` has a row per pair with its votes inside, `long` a row per vote, without the texts; the import of
    votes reads that back and takes only what counts. Raises BadInputError for another format or shape, at the call.
    JSON Lines changes nothing; in CSV a cell that a spreadsheet would run as a formula gets an apostrophe.
    """
    if file_format not in FORMATS:
        raise BadInputError(problem=f"There is no format {file_format[:20]!r}. There are: {', '.join(FORMATS)}.")
    if shape not in SHAPES:
        raise BadInputError(problem=f"There is no shape {shape[:20]!r}. There are: {', '.join(SHAPES)}.")
    chunks = export_rows(project, batch=batch, with_texts=shape == PAIRS)
    rows = chunks if shape == PAIRS else (_long_rows(chunk) for chunk in chunks)
    return _csv_pieces(rows, COLUMNS[shape]) if file_format == "csv" else _json_pieces(rows)


def n_exported(project: Project, *, batch: Batch | None = None) -> int:
    """How many pairs an export would hold now."""
    return _judged(project, batch).count()


def export_rows(
    project: Project, *, batch: Batch | None = None, with_texts: bool = True
) -> Iterator[list[dict[str, Any]]]:
    """Rows of judged pairs in the order of their items, a chunk at a time; empty texts if none are wanted."""
    names, last = _Names.of(project), 0
    judged = _judged(project, batch).order_by("pk").values_list(*_ITEM_FIELDS, *(_TEXTS if with_texts else ()))
    while items := list(judged.filter(pk__gt=last)[:CHUNK]):
        last = items[-1][0]
        yield _rows(items, names)


def _judged(project: Project, batch: Batch | None) -> Any:
    """Items that somebody judged, even if no vote of it counts by now, and that may be shown."""
    of_item = {"item": OuterRef("pk")}
    judged = Exists(Vote.objects.filter(**of_item)) | Exists(LateSubmission.objects.filter(**of_item))
    which = Q(batch=batch) if batch is not None else Q()
    return Item.objects.filter(SHOWABLE, which, judged, project=project)


def _rows(items: list[tuple[Any, ...]], names: _Names) -> list[dict[str, Any]]:
    """The rows of one chunk of items."""
    ids = [item[0] for item in items]
    votes = _votes_of(ids)
    late = list(
        LateSubmission.objects.filter(item__in=ids)
        .order_by("pk")
        .values_list("item_id", "person_id", "payload", "created_at")
    )
    decided = Adjudication.objects.filter(item__in=ids, ended_at__isnull=True)
    decisions = {row[0]: row[1:] for row in decided.values_list("item_id", "decision", "person_id")}
    gold = {row[0]: row[1:] for row in GoldAnswer.objects.filter(item__in=ids).values_list("item", "intent", "answer")}
    names.meet({row[1] for row in votes} | {row[1] for row in late} | {row[1] for row in decisions.values()})
    given: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for vote in votes:
        given[vote[0]].append(_vote(vote, names))
    for item_id, person_id, payload, created_at in late:
        given[item_id].append(_late_vote(names.people[person_id], payload, created_at))
    return [_row(item, given[item[0]], decisions.get(item[0]), gold.get(item[0]), names) for item in items]


def _votes_of(ids: list[int]) -> list[tuple[Any, ...]]:
    """All votes on these items, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_VOTES.format(ids=", ".join(str(int(pk)) for pk in ids)))
        return cursor.fetchall()


def _vote(vote: tuple[Any, ...], names: _Names) -> dict[str, Any]:
    _, person, intent, answer, code_unclear, reason, seconds, guideline, kind, created, retracted, aside = vote
    return {
        "worker": names.people[person],
        "intent": intent,
        "label": answer,
        "code_unclear": bool(code_unclear),
        "state": RETRACTED if retracted else SET_ASIDE if aside else COUNTED,
        "reason": reason,
        "seconds": seconds,
        "guideline": names.guidelines.get(guideline),
        "kind": kind,
        "time": _time(created),
        "retracted_at": _time(retracted),
        "set_aside_at": _time(aside),
    }


def _late_vote(worker: str, payload: dict[str, Any], created_at: datetime) -> dict[str, Any]:
    return {
        "worker": worker,
        "intent": payload.get("intent", ""),
        "label": payload.get("answer"),
        "code_unclear": bool(payload.get("code_unclear")),
        "state": LATE,
        "reason": payload.get("reason", ""),
        "seconds": payload.get("seconds"),
        "guideline": None,
        "kind": "",
        "time": _time(created_at),
        "retracted_at": None,
        "set_aside_at": None,
    }


def _time(moment: datetime | None) -> str | None:
    """ISO 8601 with its zone; SQLite gives UTC without saying so."""
    if moment is None:
        return None
    return moment.isoformat() if moment.tzinfo else f"{moment.isoformat()}+00:00"


def _row(
    item: tuple[Any, ...],
    votes: list[dict[str, Any]],
    decided: tuple[Any, ...] | None,
    known: tuple[Any, ...] | None,
    names: _Names,
) -> dict[str, Any]:
    """One pair. The verdict is the plain majority of its own counted votes, whatever an adjudicator decided."""
    pk, pair, batch, purpose, stratum, is_set_aside, query_hash, code_hash, *texts = item
    query, code = texts or ("", "")
    tally = _tally(votes)
    found = verdict(tally)
    name, is_pilot = names.batches[batch]
    return {
        "item": pk,
        "pair": pair,
        "task": f"{query_hash}:{code_hash}" if pair else "",
        "query_hash": query_hash,
        "code_hash": code_hash,
        "query": query,
        "code": code,
        "batch": name,
        "is_pilot": is_pilot,
        "purpose": purpose,
        "is_hidden_gold": purpose == Purpose.GOLD,
        "known_intent": known[0] if known else None,
        "known_answer": known[1] if known else None,
        "stratum": stratum,
        "is_set_aside": is_set_aside,
        "verdict": str(found.outcome),
        "label": found.label,
        "n_votes": tally.n_yes + tally.n_no + tally.n_unclear,
        "n_yes": tally.n_yes,
        "n_no": tally.n_no,
        "n_unclear": tally.n_unclear,
        "n_one": tally.n_one,
        "n_zero": tally.n_zero,
        "adjudicated": decided[0] if decided else None,
        "adjudicated_label": LABEL_OF[decided[0]] if decided else None,
        "adjudicator": names.people[decided[1]] if decided else None,
        "votes": votes,
    }


def _tally(votes: list[dict[str, Any]]) -> Tally:
    """Counts the votes that count; what Tally.of does, of rows."""
    counted = [(vote["intent"], vote["label"]) for vote in votes if vote["state"] == COUNTED]
    intents = [intent for intent, _ in counted]
    labels = [label for intent, label in counted if intent == "yes"]
    return Tally(intents.count("yes"), intents.count("no"), intents.count("unclear"), labels.count(1), labels.count(0))


def _long_rows(chunk: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per vote of a chunk of pairs."""
    rows = []
    for pair in chunk:
        of_pair = {name: pair[name] for name in _LONG_COLUMNS}
        rows += [{**vote, **of_pair} for vote in pair["votes"]]
    return rows


# --- text ---------------------------------------------------------------------------------------------------------
def _json_pieces(chunks: Iterator[list[dict[str, Any]]]) -> Iterator[str]:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for rows in chunks:
        yield "".join([f"{encode(row)}\n" for row in rows])


def _csv_pieces(chunks: Iterator[list[dict[str, Any]]], columns: tuple[str, ...]) -> Iterator[str]:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    encode = json.JSONEncoder(ensure_ascii=False).encode
    writer.writerow(columns)
    yield _taken(file)
    for rows in chunks:
        for row in rows:
            if "votes" in row:
                row["votes"] = encode(row["votes"])
            writer.writerow([_cell(row[name]) for name in columns])
        yield _taken(file)


def _cell(value: Any) -> Any:
    """A cell without formulas; truth values as yes and nothing."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    return spreadsheet_cell(value) if isinstance(value, str) and value.startswith(FORMULA_TRIGGERS) else value


def _taken(file: io.StringIO) -> str:
    """What was written since the last time."""
    text = file.getvalue()
    file.seek(0)
    file.truncate()
    return text
