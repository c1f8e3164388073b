"""Reads of votes: counted patterns from scratch, which releases freeze, and the votes that count.

The counting is written in SQL (one statement, both engines): the ORM cannot group the rows of a grouped query, and
carrying every vote to Python would cost seconds at a million votes.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, QuerySet

from annotation.consensus import Tally
from annotation.models import COUNTED, Purpose, Vote
from annotation.quality import ItemPattern, RaterPattern
from core.models import Project

_ITEM_TALLY = """
    item_tally AS (
        SELECT vote.item_id, item.batch_id, item.query_id, item.is_set_aside,
               SUM(CASE WHEN vote.intent = 'yes' THEN 1 ELSE 0 END) AS n_yes,
               SUM(CASE WHEN vote.intent = 'no' THEN 1 ELSE 0 END) AS n_no,
               SUM(CASE WHEN vote.intent = 'unclear' THEN 1 ELSE 0 END) AS n_unclear,
               SUM(CASE WHEN vote.answer = 1 THEN 1 ELSE 0 END) AS n_one,
               SUM(CASE WHEN vote.answer = 0 THEN 1 ELSE 0 END) AS n_zero
        FROM annotation_vote AS vote
        JOIN annotation_item AS item ON item.id = vote.item_id
        JOIN annotation_batch AS batch ON batch.id = item.batch_id
        JOIN curation_query AS query ON query.id = item.query_id
        JOIN curation_pair AS pair ON pair.id = item.pair_id
        JOIN curation_code AS code ON code.id = pair.code_id
        WHERE vote.project_id = %s AND vote.retracted_at IS NULL AND vote.set_aside_at IS NULL
              AND item.purpose = 'live' AND batch.is_pilot = %s
              AND query.quarantine_reason = '' AND code.quarantine_reason = ''
        GROUP BY vote.item_id, item.batch_id, item.query_id, item.is_set_aside
    )
"""
_ITEM_PATTERNS = f"""
    WITH {_ITEM_TALLY}, query_tally AS (
        SELECT query_id, SUM(n_yes) AS q_yes, SUM(n_no) AS q_no FROM item_tally GROUP BY query_id
    )
    SELECT batch_id, n_yes, n_no, n_unclear, n_one, n_zero, q_yes, q_no, is_set_aside, COUNT(*)
    FROM item_tally JOIN query_tally ON query_tally.query_id = item_tally.query_id
    GROUP BY batch_id, n_yes, n_no, n_unclear, n_one, n_zero, q_yes, q_no, is_set_aside
"""
_RATER_PATTERNS = f"""
    WITH {_ITEM_TALLY}
    SELECT vote.person_id, vote.intent, vote.answer, n_yes, n_no, n_unclear, n_one, n_zero, COUNT(*)
    FROM item_tally JOIN annotation_vote AS vote ON vote.item_id = item_tally.item_id
         AND vote.retracted_at IS NULL AND vote.set_aside_at IS NULL
    GROUP BY vote.person_id, vote.intent, vote.answer, n_yes, n_no, n_unclear, n_one, n_zero
"""


def _rows(sql: str, params: list[Any]) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        while chunk := cursor.fetchmany(2000):
            yield from chunk


def item_patterns(project: Project, *, is_pilot: bool = False) -> list[ItemPattern]:
    """Counted votes of the project's live items (of pilot batches instead, if asked), nothing quarantined.

    Imported single labels are no votes and do not appear.
    """
    return [
        ItemPattern(batch_id, Tally(*map(int, tally)), Tally(int(q_yes), int(q_no)), bool(set_aside), n)
        for batch_id, *tally, q_yes, q_no, set_aside, n in _rows(_ITEM_PATTERNS, [project.pk, is_pilot])
    ]


def rater_patterns(project: Project, *, is_pilot: bool = False) -> list[RaterPattern]:
    """Counted votes of each person beside the tallies of the items they judged."""
    return [
        RaterPattern(person_id, intent, answer, Tally(*map(int, tally)), n)
        for person_id, intent, answer, *tally, n in _rows(_RATER_PATTERNS, [project.pk, is_pilot])
    ]


def unanimous_pairs(project: Project, *, min_votes: int = 3) -> list[tuple[int, int, str, int | None]]:
    """(pair id, query id, intent, answer) of live pairs that at least `min_votes` people judged all alike.

    Pilot batches count as well; anybody who could not judge makes a pair unclear. In the order of content hashes.
    """
    standing = Vote.objects.filter(
        COUNTED,
        project=project,
        item__purpose=Purpose.LIVE,
        item__is_set_aside=False,
        item__query__quarantine_reason="",
        item__pair__code__quarantine_reason="",
    )
    rows = (
        standing.values("item__pair_id", "item__query_id")
        .annotate(
            n=Count("id"),
            yes=Count("id", filter=Q(intent="yes")),
            no=Count("id", filter=Q(intent="no")),
            one=Count("id", filter=Q(answer=1)),
            zero=Count("id", filter=Q(answer=0)),
        )
        .filter(Q(no=F("n")) | Q(one=F("n")) | Q(zero=F("n")), n__gte=min_votes)
        .order_by("item__query__content_hash", "item__pair__code__content_hash")
    )
    return [
        (row["item__pair_id"], row["item__query_id"], "yes" if row["yes"] else "no", _answer(row["one"], row["zero"]))
        for row in rows
    ]


def _answer(one: int, zero: int) -> int | None:
    return 1 if one else 0 if zero else None


def counted_votes(project: Project) -> QuerySet[Vote]:
    """Votes that releases count: live, neither taken back nor set aside, no pilot, nothing quarantined."""
    return Vote.objects.filter(
        COUNTED,
        project=project,
        item__purpose=Purpose.LIVE,
        item__batch__is_pilot=False,
        item__query__quarantine_reason="",
        item__pair__code__quarantine_reason="",
    )
