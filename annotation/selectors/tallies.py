"""Reads of the counts that follow the votes (annotation.tallies): some thousand rows, however many votes there are.

The same figures from the votes themselves stand in annotation.selectors.votes; a test holds the two together.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

from annotation.consensus import KeepRule, Tally, decide
from annotation.models import COUNTED, AgreementCount, AgreementState, ItemTally, Reason, TallyMark, Vote
from annotation.quality import ItemPattern, PeoplePattern, RaterPattern, Scheme, distance_to_bar
from annotation.tallies import Key, Kind, Value, read_key
from core.models import Project

_VOTE_OF: dict[str, tuple[str, int | None]] = {
    Value.NO_INTENT: ("no", None),
    Value.ZERO: ("yes", 0),
    Value.ONE: ("yes", 1),
    Value.CODE_UNCLEAR: ("yes", None),
    Value.QUERY_UNCLEAR: ("unclear", None),
}
WORST_BY = {Scheme.ANSWER: "answer_disagreement", Scheme.INTENT: "intent_disagreement"}


def read_counts(project: Project, kind: Kind) -> list[tuple[Key, int]]:
    """The counts of one kind, in no particular order."""
    rows = AgreementCount.objects.filter(project=project, kind=kind).values_list("key", "n")
    return [(read_key(key), n) for key, n in rows]


def counted_items(project: Project) -> tuple[list[ItemPattern], list[ItemPattern]]:
    """Counted votes by item: of the project's batches, and of its pilot batches."""
    found: tuple[list[ItemPattern], list[ItemPattern]] = ([], [])
    for (is_pilot, batch_id, *counts), n in read_counts(project, Kind.ITEM):
        *tally, pool_yes, pool_no, is_set_aside = counts
        row = ItemPattern(batch_id, Tally(*tally), Tally(pool_yes, pool_no), bool(is_set_aside), n)
        found[is_pilot].append(row)
    return found


def counted_raters(project: Project) -> list[RaterPattern]:
    """Counted votes of each person beside the tallies of the items they judged; no pilot batches."""
    return [
        RaterPattern(person_id, *_VOTE_OF[value], Tally(*tally), n)
        for (person_id, value, *tally), n in read_counts(project, Kind.RATER)
    ]


def counted_people(project: Project) -> list[PeoplePattern]:
    """How often every two people judged an item how; no pilot batches."""
    return [
        PeoplePattern(one, other, _VOTE_OF[value], _VOTE_OF[other_value], n)
        for (one, other, value, other_value), n in read_counts(project, Kind.PAIR)
    ]


def counted_groups(project: Project, kind: Kind) -> dict[int | str | None, Counter[Tally]]:
    """Counted tallies by week, guideline version, score band or stratum; each item stands in one group."""
    groups: dict[int | str | None, Counter[Tally]] = defaultdict(Counter)
    for (name, *tally), n in read_counts(project, kind):
        groups[name][Tally(*tally)] += n
    return dict(groups)


def counted_reasons(project: Project) -> dict[str, list[RaterPattern]]:
    """By reason category: the votes that gave it, beside the tallies of their items."""
    groups: dict[str, list[RaterPattern]] = defaultdict(list)
    for (reason, value, *tally), n in read_counts(project, Kind.REASON):
        groups[reason].append(RaterPattern(0, *_VOTE_OF[value], Tally(*tally), n))
    return dict(groups)


def n_waiting(project: Project) -> int:
    """Changed pairs that are not counted yet."""
    return TallyMark.objects.filter(project=project).order_by().values("item").distinct().count()


def counted_version(project: Project) -> int:
    """Grows whenever the counts change."""
    return AgreementState.objects.filter(project=project).values_list("version", flat=True).first() or 0


# --- pairs --------------------------------------------------------------------------------------------------------
_VOTED = {
    "none": Q(n_no__gt=0),
    "0": Q(n_zero__gt=0),
    "1": Q(n_one__gt=0),
    "unclear": Q(n_unclear__gt=0) | Q(n_yes__gt=F("n_one") + F("n_zero")),
}
# What people gave beside each other, as an address names it, and in words.
DIFFERING = {
    "none-0": "no intent and 0",
    "none-1": "no intent and 1",
    "0-1": "0 and 1",
    "none-unclear": "no intent and cannot judge",
    "0-unclear": "0 and cannot judge",
    "1-unclear": "1 and cannot judge",
}


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which counted pairs a list shows, and in which order."""

    scheme: Scheme = Scheme.ANSWER
    batch_id: int | None = None
    differing: str = ""
    reason: str = ""
    stratum: str | None = None

    @classmethod
    def read(cls, project: Project, given: Mapping[str, str]) -> "ItemFilter":
        """A filter from an address; what means nothing is left out."""
        batch = given.get("batch", "")
        number = int(batch) if batch.isascii() and batch.isdecimal() and len(batch) < 19 else None
        return cls(
            scheme=Scheme.INTENT if given.get("scheme") == Scheme.INTENT else Scheme.ANSWER,
            batch_id=number if number is not None and project.batches.filter(pk=number).exists() else None,
            differing=given["differing"] if given.get("differing") in DIFFERING else "",
            reason=given["reason"] if given.get("reason") in Reason.values else "",
            stratum=given["stratum"][:40] if "stratum" in given else None,
        )

    @property
    def order(self) -> str:
        """Most split first; the newest first where the filter asks for pairs that need not be split."""
        return "-id" if "unclear" in self.differing else f"-{WORST_BY[self.scheme]}"


def filtered_items(project: Project, wanted: ItemFilter) -> QuerySet[ItemTally]:
    """Counted items, with their votes, as the filter says; to be ordered by its `order`."""
    rows = shown_tallies(project)
    if wanted.order != "-id":
        rows = rows.filter(**{f"{WORST_BY[wanted.scheme]}__isnull": False})
    if wanted.batch_id is not None:
        rows = rows.filter(batch=wanted.batch_id)
    if wanted.differing:
        one, other = wanted.differing.split("-")
        rows = rows.filter(_VOTED[one] & _VOTED[other])
    if wanted.stratum is not None:
        rows = rows.filter(item__stratum=wanted.stratum)
    if wanted.reason:
        given = Vote.objects.filter(COUNTED, item=OuterRef("item"), reason=wanted.reason)
        rows = rows.filter(Exists(given))
    return rows


def worst_items(project: Project, scheme: Scheme = Scheme.ANSWER) -> QuerySet[ItemTally]:
    """Counted items with at least two votes to compare, most split first, with their votes.

    scheme: answer or intent. For answers this is the order of alpha_u, lowest first: both depend on d_u alone.
    """
    return filtered_items(project, ItemFilter(scheme=scheme)).order_by(f"-{WORST_BY[scheme]}", "-id")


def shown_tallies(project: Project) -> QuerySet[ItemTally]:
    """Counted items with what a list shows of them. Held back ones have no row once counted; until then, no text."""
    votes = Vote.objects.filter(COUNTED).select_related("person").order_by("id")
    return (
        ItemTally.objects.filter(
            project=project, item__query__quarantine_reason="", item__pair__code__quarantine_reason=""
        )
        .select_related("item__query", "item__pair__code", "batch")
        .prefetch_related(Prefetch("item__votes", votes), "item__comments")
    )


def borderline_items(
    project: Project, patterns: Sequence[ItemPattern], rule: KeepRule, expected: Fraction, *, n: int = 20
) -> list[ItemTally]:
    """Up to `n` items nearest to the rule's bar, half of them kept and half removed where there are as many.

    patterns: as `counted_items` gives them. Each item carries `is_kept`; nearest first, kept ones before removed.
    """
    nearest = sorted(
        (
            (distance, _order(row), row)
            for row in patterns
            if (distance := distance_to_bar(row, rule, expected)) is not None
        ),
        key=lambda found: found[:2],
    )
    sides: dict[bool, list[ItemTally]] = {True: [], False: []}
    taken: set[tuple[Tally, Tally]] = set()
    for _, _, row in nearest:
        is_kept = decide(row.tally, rule, query=row.query, expected_disagreement=expected).is_kept
        side = sides[is_kept]
        if len(side) >= n or (row.tally, row.query) in taken:
            continue
        taken.add((row.tally, row.query))  # batches share patterns
        for item in _like(project, row)[: n - len(side)]:
            item.is_kept = is_kept  # type: ignore[attr-defined]
            side.append(item)
    kept = sides[True][: max(n // 2, n - len(sides[False]))]
    return kept + sides[False][: n - len(kept)]


def _order(row: ItemPattern) -> tuple[int, ...]:
    """Among equally near ones, those with the fewest votes first: they are the least sure."""
    tally = row.tally
    return tally.n_answers, tally.n_no, tally.n_unclear, tally.n_yes, tally.n_one


def _like(project: Project, row: ItemPattern) -> QuerySet[ItemTally]:
    tally = row.tally
    return (
        shown_tallies(project)
        .filter(
            is_pilot=False,
            n_yes=tally.n_yes,
            n_no=tally.n_no,
            n_unclear=tally.n_unclear,
            n_one=tally.n_one,
            n_zero=tally.n_zero,
            pool_yes=row.query.n_yes,
            pool_no=row.query.n_no,
            item__is_set_aside=False,
        )
        .order_by("id")
    )
