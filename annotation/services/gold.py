"""Gold: pairs with a known answer among the live ones, to measure the people who judge.

A gold item has a slot per person, made the moment it is that person's turn: who claims a pair of a batch with gold
gets, at places that nobody can foresee, a gold pair in its stead. So the share of gold among what each person gets
is the one that was planned, however many people work, and the queue of live pairs stays as short as it is.
"""

import hmac
import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django.db.models import Exists, F, OuterRef, Q

from annotation.models import (
    SHOWABLE,
    Adjudication,
    Batch,
    Decision,
    GoldTurn,
    ImportedLabel,
    Item,
    Purpose,
    Skip,
    Slot,
    SlotState,
)
from annotation.selectors.releases import imported_labels
from annotation.selectors.votes import unanimous_pairs
from annotation.services.gate import lease_own_slot
from core.models import Project, User

JUDGED, IMPORTED, ADJUDICATED = "judged", "imported", "adjudicated"
TURNS = 100  # pairs in which the share of gold comes out exactly
SPARE = 4  # gold pairs for each one that a person is expected to need: people judge unequal numbers
MAX_GOLD = 1000


@dataclass(frozen=True, slots=True)
class GoldPair:
    """A pair whose answer is known. answer is None when the query has no code-search intent."""

    pair: int
    query: int
    intent: str
    answer: int | None
    origin: str
    why: str = ""


# --- handing out: called by the claim, in its transaction -----------------------------------------------------------
def is_gold_turn(secret: str, batch: int, person: int, place: int, share: float) -> bool:
    """Whether the pair that a person gets as number `place` (from 0) of a batch is gold.

    Of every 100 places `share` are, one in each of so many equal stretches, at a place drawn with the project's secret.
    """
    golden = round(share * TURNS)
    if golden <= 0:
        return False
    block, within = divmod(place, TURNS)
    stretch = within * golden // TURNS
    start, end = -(-stretch * TURNS // golden), -(-(stretch + 1) * TURNS // golden)
    draw = hmac.digest(secret.encode(), f"gold {batch} {person} {block} {stretch}".encode(), "sha256")
    return within == start + int.from_bytes(draw[:8], "big") % (end - start)


def take_turn(batch: Batch, person: User) -> Item | None:
    """Counts a pair that the person gets of the batch; the gold item that they get instead, or None."""
    turn, _ = GoldTurn.objects.get_or_create(batch=batch, person=person)
    GoldTurn.objects.filter(pk=turn.pk).update(n_given=F("n_given") + 1)
    if not is_gold_turn(batch.project.secret, batch.pk, person.pk, turn.n_given, batch.gold_share):
        return None
    gold = Item.objects.filter(SHOWABLE, batch=batch, purpose=Purpose.GOLD)
    return new_to(person, gold).order_by("id").first()


def new_to(person: User, items: Any) -> Any:
    """Items whose pair this person has never held or passed over, in this batch or another."""
    held = Slot.objects.filter(pair=OuterRef("pair"), person=person)
    skipped = Skip.objects.filter(item=OuterRef("pk"), person=person)
    return items.filter(~Exists(held), ~Exists(skipped))


def swap_for_gold(slot: Slot, item: Item, person: User) -> Slot:
    """Gives back a slot that was claimed just now, and leases one of a gold item on the same terms."""
    lease = {name: getattr(slot, name) for name in ("token", "leased_at", "expires_at")}
    Slot.objects.filter(pk=slot.pk, token=slot.token).update(
        state=SlotState.FREE, person=None, lane=None, token=None, leased_at=None, expires_at=None
    )
    return lease_own_slot(item, person=person, lane=slot.lane or 0, lease=lease)


# --- choosing ---------------------------------------------------------------------------------------------------------
def known_pairs(project: Project, source: str) -> list[GoldPair]:
    """Pairs that can serve as gold, in the order of their content hashes.

    source: `judged` takes live pairs that at least three people judged all alike, pilots included; `adjudicated` those
    that an adjudicator decided, with the reason; `imported` the imported single labels, `imported:NAME` those of one
    file. Contradicting labels and quarantined texts are left out.
    """
    kind, _, name = source.partition(":")
    if kind == ADJUDICATED:
        return _adjudicated(project)
    return _judged(project) if kind == JUDGED else _imported(project, name)


def _judged(project: Project) -> list[GoldPair]:
    return [GoldPair(pair, query, intent, answer, JUDGED) for pair, query, intent, answer in unanimous_pairs(project)]


def _adjudicated(project: Project) -> list[GoldPair]:
    decided = Adjudication.objects.filter(
        project=project,
        ended_at__isnull=True,
        item__pair__isnull=False,
        item__query__quarantine_reason="",
        item__pair__code__quarantine_reason="",
    ).exclude(decision=Decision.UNUSABLE)
    rows = decided.select_related("item").order_by("item__query__content_hash", "item__pair__code__content_hash")
    return [
        GoldPair(row.item.pair_id, row.item.query_id, row.intent, row.label, ADJUDICATED, row.reason)
        for row in rows
        if row.item.pair_id is not None
    ]


def _imported(project: Project, name: str) -> list[GoldPair]:
    labels = imported_labels(project).order_by("pair__query__content_hash", "pair__code__content_hash")
    if name:
        labels = labels.filter(source=name)
    found: dict[tuple[int, int], set[int]] = {}
    for pair, query, label in labels.values_list("pair_id", "pair__query_id", "label"):
        found.setdefault((pair, query), set()).add(label)
    return [GoldPair(*ids, "yes", next(iter(given)), IMPORTED) for ids, given in found.items() if len(given) == 1]


def label_sources(project: Project) -> list[str]:
    """Names of imported label files."""
    names = ImportedLabel.objects.filter(pair__project=project).values_list("source", flat=True)
    return sorted(set(names.distinct()))


def spread_answers(known: Sequence[GoldPair], n: int) -> list[GoldPair]:
    """The first n, taken in turn from each answer: gold that is always 1 measures nothing."""
    of_answer: dict[tuple[str, int | None], list[GoldPair]] = {}
    for pair in known:
        of_answer.setdefault((pair.intent, pair.answer), []).append(pair)
    in_turn = zip_longest(*(of_answer[answer] for answer in sorted(of_answer, key=str)))
    return [pair for turn in in_turn for pair in turn if pair is not None][:n]


def gold_needed(n_live: int, *, overlap: int, people: int, share: float) -> int:
    """How many gold pairs to plant: enough for each person's share, with some to spare."""
    per_person = n_live * overlap / max(people, 1) * share / (1 - share)
    return min(MAX_GOLD, max(5, math.ceil(SPARE * per_person)))


def least_new_to_anyone(pairs: Iterable[int], people: Sequence[User]) -> int:
    """Of these pairs, how many are new to the person who knows most of them."""
    wanted = list(pairs)
    known: Counter[int] = Counter()
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        seen = Slot.objects.filter(Q(person__in=people), pair__in=chunk).values_list("person", "pair").distinct()
        known.update(person for person, _ in seen)
    return len(wanted) - max(known.values(), default=0)


def in_order_of_chance(known: Sequence[GoldPair], seed: int) -> list[GoldPair]:
    """Shuffled by the seed; `known` comes in the order of content hashes, so the database's numbers play no part."""
    shuffled = list(known)
    random.Random(seed).shuffle(shuffled)
    return shuffled
