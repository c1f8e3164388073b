"""Gold hidden in a batch that is open already: live pairs, pilots and test pools alike."""

from decimal import Decimal
from fractions import Fraction

from annotation.models import Batch, BatchKind, GoldAnswer, Item, Purpose
from annotation.selectors.plans import annotators_of
from annotation.services import gold as golden
from core.audit import record
from core.db import run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.models import User

MAX_SHARE = Fraction(1, 2)


def plant_gold(*, batch: Batch, share: Fraction, source: str, seed: int = 0, user: User | None = None) -> int:
    """Hides gold among the pairs of an open batch from now on; returns how many gold pairs it has.

    share: of what each person gets, whole per cent up to a half; 0 ends it. Pairs come from the source (as for a plan),
    enough for everybody's share with some to spare. Raises BadInputError that names the field, ConflictError for a
    batch without live pairs or one that is closed.
    """
    if not 0 <= share <= MAX_SHARE or (share * golden.TURNS).denominator != 1:
        raise BadInputError(problem="The share of gold is a whole number of per cent from 0 to 50.", field="share")
    if batch.kind != BatchKind.LIVE or batch.is_closed:
        raise ConflictError(problem=f"Gold is hidden among the pairs of an open batch; {batch.name} is none.")
    known = _to_plant(batch, share, source, seed) if share else []
    run_in_chunks(known, lambda chunk: _plant(batch, chunk), max_rows=200)
    with write_transaction():
        before = batch.gold_share
        batch.gold_share = float(share)
        batch.save(update_fields=["gold_share"])
        n_gold = batch.items.filter(purpose=Purpose.GOLD).count()
        record(
            "annotation.plant_gold",
            project=batch.project,
            actor=user,
            subject=batch,
            before={"share": before},
            after={"batch": batch.name, "share": batch.gold_share, "gold_pairs": n_gold},
        )
    return n_gold


def _to_plant(batch: Batch, share: Fraction, source: str, seed: int) -> list[golden.GoldPair]:
    """Gold pairs that the batch still lacks, in an order of chance."""
    project = batch.project
    there = set(batch.items.values_list("pair", flat=True))
    planted = batch.items.filter(purpose=Purpose.GOLD).count()
    known = [pair for pair in golden.known_pairs(project, source) if pair.pair not in there]
    if not known and not planted:
        raise BadInputError(
            problem="No pair can serve as gold: that takes pairs judged alike by at least three people, adjudicated, "
            "or out of an imported labelled file.",
            field="source",
        )
    n = golden.gold_needed(
        batch.items.filter(purpose=Purpose.LIVE).count(),
        overlap=batch.overlap,
        people=max(annotators_of(project).count(), batch.overlap),
        share=float(share),
    )
    return golden.spread_answers(golden.in_order_of_chance(known, seed), max(0, n - planted))


def _plant(batch: Batch, chunk: list[golden.GoldPair]) -> None:
    items = Item.objects.bulk_create(
        Item(
            project_id=batch.project_id,
            batch=batch,
            pair_id=pair.pair,
            query_id=pair.query,
            purpose=Purpose.GOLD,
            priority=batch.priority,
            target=0,
        )
        for pair in chunk
    )
    GoldAnswer.objects.bulk_create(
        GoldAnswer(item=item, intent=pair.intent, answer=pair.answer, origin=pair.origin)
        for item, pair in zip(items, chunk, strict=True)
    )


def share_of(percent: Decimal | int | str) -> Fraction:
    """5 -> 1/20."""
    return Fraction(str(percent)) / 100
