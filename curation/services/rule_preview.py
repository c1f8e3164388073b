"""What a change of rules would do to a project's queries, before anything is saved: fast enough to answer while typing.

Only queries that hold the letters a changed rule begins with (and one of the words it needs) can change: the database
finds those. Up to MAX_JUDGED of them are judged under the rules before and after, and the numbers are exact. Are there
more, or is the project larger than MAX_SEARCHED queries, a random part of the project is looked at instead (a slice of
the content hashes, which are random by nature) and the numbers are estimates with a 95 % margin.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from core.models import Project
from curation.intent import Rule, RuleProfile, is_in_keyword
from curation.models import Query
from curation.rule_text import RuleEdit, check_edit, diff_profiles

MAX_SEARCHED = 150_000  # queries that the database looks through for letters
MAX_JUDGED = 8_000
PROBE = 0.05  # of what is searched, to foresee how many queries may change
MAX_SEARCHED_RULES = 12  # more letters to look for cost the database more than judging a sample
BUDGET_S = 1.0  # of judging: no rule may keep a page waiting; what was judged by then is reported as a sample
_FIRST_BLOCK, _MOST_BLOCK = 25, 1000  # queries judged between two looks at the clock
EXAMPLES = 8
_DOTTED_I = "\u0130"  # the only letter beyond ASCII whose small form holds an ASCII letter


@dataclass(frozen=True)
class Amount:
    """A number of queries; `margin` is the half width of its 95 % interval, 0 where it was counted."""

    n: int
    margin: int = 0

    @property
    def text(self) -> str:
        """As people read it."""
        return f"about {self.n:,} ± {self.margin:,}" if self.margin else f"{self.n:,}"


Example = tuple[
    int, str, tuple[str, ...]
]  # query id, text, rules that hit (after for removed, before for brought back)


@dataclass
class Preview:
    """The effect of a change: queries newly removed, brought back, and hit but rejected by other rules anyway."""

    queries: int
    looked_at: int
    share: float
    removed: Amount
    brought_back: Amount
    rejected_anyway: Amount
    removed_examples: list[Example] = field(default_factory=list)
    brought_back_examples: list[Example] = field(default_factory=list)
    rejected_anyway_examples: list[Example] = field(default_factory=list)
    milliseconds: int = 0

    @property
    def is_exact(self) -> bool:
        return self.share >= 1

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        sides = ("removed", "brought_back", "rejected_anyway")
        return {
            "queries": self.queries,
            "looked_at": self.looked_at,
            "is_exact": self.is_exact,
            "share": round(self.share, 6),
            "milliseconds": self.milliseconds,
            **{name: vars(getattr(self, name)) for name in sides},
            **{
                f"{name}_examples": [
                    {"query": pk, "text": text, "rules": list(forms)}
                    for pk, text, forms in getattr(self, f"{name}_examples")
                ]
                for name in sides
            },
        }


def preview_edit(*, project: Project, profile: RuleProfile, edit: RuleEdit, seed: int = 0) -> Preview:
    """What adding, changing or removing one rule would do. Raises RuleSetError where the edit cannot be made."""
    check_edit(profile, edit)
    old = next((rule for rule in profile.rules if edit.old and rule.form == edit.old), None)
    rules = [rule for rule in (old, edit.rule) if rule is not None]
    language = project.language
    alone = RuleProfile("", (edit.rule,) if edit.rule and not is_in_keyword(edit.rule, language) else ())

    def after(texts: list[str], before: list[Forms]) -> list[Forms]:
        """Only the one rule can differ; judging by all of them again would take twice as long."""
        added = alone.judge_all(texts, language="")
        return [(*(form for form in hits if form != edit.old), *new) for hits, new in zip(before, added, strict=True)]

    return _preview(project, profile, after, rules, seed)


def preview_rule_set(*, project: Project, before: RuleProfile, after: RuleProfile, seed: int = 0) -> Preview:
    """What taking `after` into use in place of `before` would do."""
    found = diff_profiles(before, after)
    rules = [*found.added, *found.removed, *(rule for one in found.changed for rule in (one.before, one.after))]
    may_search = len(rules) <= MAX_SEARCHED_RULES and found.keyword_before == found.keyword_after
    return _preview(
        project,
        before,
        lambda texts, _: after.judge_all(texts, language=project.language),
        rules if may_search else None,
        seed,
    )


Forms = tuple[str, ...]
After = Callable[[list[str], list[Forms]], list[Forms]]  # texts and what hits them before -> what hits them after


def _open(project: Project) -> QuerySet[Query]:
    return Query.objects.filter(project=project, quarantine_reason="")


def _preview(project: Project, before: RuleProfile, after: After, rules: Sequence[Rule] | None, seed: int) -> Preview:
    """Judges the queries that may change; `rules` are all that differ between the two (None: any may)."""
    started = time.perf_counter()
    if rules is not None and not rules:
        return Preview(_open(project).count(), 0, 1.0, Amount(0), Amount(0), Amount(0))
    total = _open(project).count()
    rows, share = _rows_that_may_change(project, rules, total, seed)
    random.Random(seed).shuffle(rows)
    sides = Sides({rule.form for rule in rules or ()})
    size, judging_since = _FIRST_BLOCK, time.perf_counter()
    while block := rows[sides.looked_at : sides.looked_at + size]:
        texts = [text for _, text in block]
        old = before.judge_all(texts, language=project.language)
        sides.add(block, old, after(texts, old))
        if time.perf_counter() - judging_since > BUDGET_S:
            break
        size = min(2 * size, _MOST_BLOCK)
    if sides.looked_at < len(rows):
        share *= sides.looked_at / len(rows)
    return Preview(
        queries=total,
        looked_at=sides.looked_at,
        share=share,
        removed=_amount(len(sides.removed), share),
        brought_back=_amount(len(sides.back), share),
        rejected_anyway=_amount(len(sides.anyway), share),
        removed_examples=sides.removed[:EXAMPLES],
        brought_back_examples=sides.back[:EXAMPLES],
        rejected_anyway_examples=sides.anyway[:EXAMPLES],
        milliseconds=round(1000 * (time.perf_counter() - started)),
    )


@dataclass
class Sides:
    """Rows newly removed, brought back, and hit by a changed rule but rejected before as well."""

    changed: set[str]
    removed: list[Example] = field(default_factory=list)
    back: list[Example] = field(default_factory=list)
    anyway: list[Example] = field(default_factory=list)
    looked_at: int = 0

    def add(self, block: list[tuple[int, str]], before: list[Forms], after: list[Forms]) -> None:
        self.looked_at += len(block)
        for (pk, text), old, new in zip(block, before, after, strict=True):
            if new and not old:
                self.removed.append((pk, text, new))
            elif old and not new:
                self.back.append((pk, text, old))
            elif not self.changed.isdisjoint(new):
                self.anyway.append((pk, text, new))


def _rows_that_may_change(
    project: Project, rules: Sequence[Rule] | None, total: int, seed: int
) -> tuple[list[tuple[int, str]], float]:
    """(id, text) of queries that may change, and the share of the project in which they were looked for."""
    share = min(1.0, MAX_SEARCHED / total) if total else 1.0
    if total > MAX_JUDGED:
        expected = _candidates(project, rules, PROBE * share, seed).count() / PROBE
        share *= min(1.0, MAX_JUDGED / max(expected, 1.0))
    while len(rows := _fetch(project, rules, share, seed)) > 2 * MAX_JUDGED:
        share /= 2
    return rows, share


def _fetch(project: Project, rules: Sequence[Rule] | None, share: float, seed: int) -> list[tuple[int, str]]:
    # The order names the index to walk along; another one costs SQLite five times as much.
    order = "content_hash" if share < 1 else "pk"
    rows = _candidates(project, rules, share, seed).order_by(order).values_list("pk", "text", "quarantine_reason")
    return [(pk, text) for pk, text, reason in rows[: 2 * MAX_JUDGED + 1] if not reason]


def _candidates(project: Project, rules: Sequence[Rule] | None, share: float, seed: int) -> QuerySet[Query]:
    rows = Query.objects.filter(project=project)
    if share < 1:
        # Not filtered by quarantine here: the database would prefer that index and walk through the whole project.
        low = random.Random(seed).uniform(0, 1 - share)
        rows = rows.filter(content_hash__gte=_as_hash(low), content_hash__lt=_as_hash(low + share))
    else:
        rows = rows.filter(quarantine_reason="")
    if rules is None or not all(rule.first_letters.isascii() for rule in rules):
        return rows
    wanted = Q(text__contains=_DOTTED_I)
    for rule in rules:
        wanted |= _holds_letters(rule)
    return rows.filter(wanted)


def _holds_letters(rule: Rule) -> Q:
    letters = Q(text__icontains=rule.first_letters)
    ends = [word for word in rule.needed_words if word.isascii()]
    if not ends or len(ends) < len(rule.needed_words):
        return letters
    any_end = Q()
    for word in ends:
        any_end |= Q(text__icontains=word)
    return letters & any_end


def _as_hash(place: float) -> str:
    """The hash below which this share of all hashes lies."""
    return "g" if place >= 1 else f"{int(place * 2**48):012x}"


def _amount(n: int, share: float) -> Amount:
    """An estimate from a random share of the project: binomial, at least the rule of three where nothing was found."""
    if share >= 1:
        return Amount(n)
    deviation = math.sqrt(max(n, 0) * (1 - share)) / share
    return Amount(round(n / share), max(math.ceil(1.96 * deviation), math.ceil(3 / share) if n == 0 else 1))
