"""The agreement of a project as one report: what the page, the API and the command show."""

from collections import Counter
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from annotation.agreement import PAPER_ALPHA, RESAMPLES, alpha_u
from annotation.card import describe_removal, describe_rule, name_rule
from annotation.consensus import KeepRule
from annotation.quality import (
    ItemPattern,
    KeepSummary,
    RaterSummary,
    answer_patterns,
    by_batch,
    by_rater,
    expected_disagreement,
    headline,
    keep_summary,
    patterns_under,
    rule_table,
)
from annotation.selectors.votes import item_patterns, rater_patterns
from core.models import Project, User


def agreement_report(project: Project, *, rule: KeepRule | None = None, with_names: bool = True) -> dict[str, Any]:
    """Alpha before filtering with intervals, by batch, by annotator; what keep rules leave; `rule` as the what-if.

    with_names: False shows annotators by number only, for readers who may not know who voted how.
    """
    items = item_patterns(project)
    has_pilot = project.batches.filter(is_pilot=True).exists()
    pilot = item_patterns(project, is_pilot=True) if has_pilot else []
    report: dict[str, Any] = {
        "project": project.slug,
        **headline(items).to_dict(),
        "paper": PAPER_ALPHA,
        "batches": _batches(project, [*items, *pilot]),
        "raters": _raters(by_rater(rater_patterns(project)), with_names=with_names),
        "rules": [_kept(keep_summary(items, each)) for each in rule_table()],
        "patterns": _answer_patterns(items),
        "note": three_rater_note(expected_disagreement(items)),
    }
    if rule is not None:
        report["what_if"] = _what_if(items, rule)
    return report


def _answer_patterns(items: list[ItemPattern]) -> list[tuple[str, int]]:
    """How the answers on a pair are divided, larger side first, and on how many pairs: [("3-0", 120), ...]."""
    counts: Counter[str] = Counter()
    for (zeros, ones), n in answer_patterns(items).items():
        if zeros + ones > 1:
            counts[f"{max(zeros, ones)}-{min(zeros, ones)}"] += n
    return sorted(counts.items())


def _kept(summary: KeepSummary) -> dict[str, Any]:
    facts = summary.to_dict()
    share = round(summary.share_of_ones, 4) if summary.kept else None
    rule = facts["rule"]
    return {**facts, "name": name_rule(rule), "text": describe_rule(rule), "share_of_ones": share}


def _what_if(items: list[ItemPattern], rule: KeepRule) -> dict[str, Any]:
    """A rule in numbers, and what its threshold says of each way of voting."""
    expected = expected_disagreement(items)
    kept = keep_summary(items, rule, resamples=RESAMPLES)
    return {
        **_kept(kept),
        "removed_words": [(describe_removal(reason), n) for reason, n in kept.removed.items()],
        "patterns": [asdict(pattern) for pattern in patterns_under(rule, expected)],
    }


def three_rater_note(expected: Fraction) -> str:
    """What a threshold on alpha_u means with three raters, for the labels at hand."""
    split = alpha_u((2, 1), expected)
    here = f" (here {float(split):.3f})" if split is not None else ""
    return (
        f"With three raters a 2-1 split has an alpha_u of -1/3 for evenly split labels{here}: any higher threshold "
        "keeps unanimous pairs only."
    )


def _batches(project: Project, items: list[ItemPattern]) -> list[dict[str, Any]]:
    measured = by_batch(items)
    rows = project.batches.filter(pk__in=measured).order_by("id").values_list("pk", "name", "is_pilot")
    return [{"id": pk, "name": name, "is_pilot": is_pilot, **measured[pk].to_dict()} for pk, name, is_pilot in rows]


def _raters(summaries: list[RaterSummary], *, with_names: bool) -> list[dict[str, Any]]:
    people = User.objects.in_bulk([rater.person_id for rater in summaries]) if with_names else {}
    return [
        {
            "name": _name(people.get(rater.person_id), number),
            "kind": _kind(people.get(rater.person_id)),
            **rater.to_dict(),
        }
        for number, rater in enumerate(summaries, start=1)
    ]


def _name(person: User | None, number: int) -> str:
    if person is None:
        return f"annotator {number}"
    return person.first_name or person.username if person.is_placeholder else person.username


def _kind(person: User | None) -> str:
    if person is None:
        return ""
    return "simulated" if person.is_simulated else "imported" if person.is_placeholder else "human"
