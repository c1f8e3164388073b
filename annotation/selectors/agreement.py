"""The agreement of a project as reports: what the pages, the API and the command show.

Everything here is read from the counts that follow the votes (annotation.selectors.tallies).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from fractions import Fraction
from typing import Any

from annotation.agreement import PAPER_ALPHA, RESAMPLES, alpha_u
from annotation.card import describe_removal, describe_rule, name_rule
from annotation.consensus import DEFAULT_RULE, KeepRule, Tally
from annotation.criteria import read_rule
from annotation.models import ChosenKeepRule, ItemTally, Reason
from annotation.quality import (
    ItemPattern,
    KeepSummary,
    Measure,
    RaterPattern,
    RaterSummary,
    Scheme,
    answer_patterns,
    by_people,
    by_rater,
    confusions,
    expected_disagreement,
    keep_summary,
    measure_tallies,
    patterns_under,
    rule_table,
    scheme_pattern,
    scheme_value,
    sweep,
)
from annotation.selectors.tallies import (
    borderline_items,
    counted_groups,
    counted_items,
    counted_people,
    counted_raters,
    counted_reasons,
    n_waiting,
)
from annotation.tallies import SEVERAL_VERSIONS, Kind, band_edges
from core.models import Project, User

MAX_HEAT_MAP = 20  # people on the picture; all are in the list
SCHEME_NAMES = {Scheme.INTENT: "Intent", Scheme.ANSWER: "Answer", Scheme.COMBINED: "Both steps"}


# --- all votes ----------------------------------------------------------------------------------------------------
def agreement_report(project: Project, *, rule: KeepRule | None = None, with_names: bool = True) -> dict[str, Any]:
    """Agreement before filtering with intervals, and by batch, week, guideline version, score band and annotator;
    what keep rules leave; `rule` as the what-if.

    with_names: False shows annotators by number only, for readers who may not know who voted how.
    """
    items, pilot = counted_items(project)
    whole = measure_tallies(_tallies(items), resamples=RESAMPLES)
    report: dict[str, Any] = {
        "project": project.slug,
        **_schemes(whole),
        "paper": PAPER_ALPHA,
        "batches": _batches(project, [*items, *pilot]),
        "weeks": _groups(counted_groups(project, Kind.WEEK), _week),
        "guidelines": _groups(counted_groups(project, Kind.GUIDELINE), _guideline),
        "bands": _groups(counted_groups(project, Kind.BAND), _band),
        "raters": _raters(project, with_names=with_names),
        "rules": [_kept(keep_summary(items, each)) for each in rule_table()],
        "patterns": _answer_patterns(items),
        "note": three_rater_note(expected_disagreement(items)),
        "waiting": n_waiting(project),
    }
    if rule is not None:
        report["what_if"] = _what_if(items, rule)
    return report


def headline_report(project: Project) -> dict[str, Any]:
    """Agreement of all votes alone: what a page asks for that refreshes itself."""
    items, _ = counted_items(project)
    return _schemes(measure_tallies(_tallies(items), resamples=RESAMPLES))


def _tallies(items: Sequence[ItemPattern]) -> Counter[Tally]:
    counts: Counter[Tally] = Counter()
    for row in items:
        counts[row.tally] += row.n
    return counts


def _schemes(measures: dict[Scheme, Measure]) -> dict[str, Any]:
    return {str(scheme): measured.to_dict() for scheme, measured in measures.items()}


def _answer_patterns(items: list[ItemPattern]) -> list[tuple[str, int]]:
    """How the answers on a pair are divided, larger side first, and on how many pairs: [("3-0", 120), ...]."""
    counts: Counter[str] = Counter()
    for (zeros, ones), n in answer_patterns(items).items():
        if zeros + ones > 1:
            counts[f"{max(zeros, ones)}-{min(zeros, ones)}"] += n
    return sorted(counts.items())


def three_rater_note(expected: Fraction) -> str:
    """What a threshold on alpha_u means with three raters, for the labels at hand."""
    split = alpha_u((2, 1), expected)
    here = f" (here {float(split):.3f})" if split is not None else ""
    return (
        f"With three raters a 2-1 split has an alpha_u of -1/3 for evenly split labels{here}: any higher threshold "
        "keeps unanimous pairs only."
    )


# --- by group -----------------------------------------------------------------------------------------------------
def _batches(project: Project, items: list[ItemPattern]) -> list[dict[str, Any]]:
    tallies: dict[int, Counter[Tally]] = {}
    for row in items:
        tallies.setdefault(row.batch_id, Counter())[row.tally] += row.n
    rows = project.batches.filter(pk__in=tallies).order_by("id").values_list("pk", "name", "is_pilot")
    return [{"id": pk, "name": name, "is_pilot": is_pilot, **_group(tallies[pk])} for pk, name, is_pilot in rows]


def _group(tallies: Counter[Tally]) -> dict[str, Any]:
    return {"items": sum(tallies.values()), **_schemes(measure_tallies(tallies))}


def _groups(
    groups: dict[int | str | None, Counter[Tally]], describe: Callable[[Any], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Groups in their own order, the one without a value last."""
    ordered = sorted(groups, key=lambda name: (name is None, name if name is not None else 0))
    return [{**describe(name), **_group(groups[name])} for name in ordered]


def _week(monday: str) -> dict[str, Any]:
    return {"name": f"from {date.fromisoformat(monday):%d %b %Y}", "monday": monday}


def _guideline(version: int | None) -> dict[str, Any]:
    names = {None: "not stamped", SEVERAL_VERSIONS: "votes under several versions"}
    return {"name": names.get(version, f"version {version}"), "version": version or None}


def _band(band: int | None) -> dict[str, Any]:
    if band is None:
        return {"name": "no score", "low": None, "high": None}
    low, high = band_edges(band)
    return {"name": f"{low:.2f} to {high:.2f}", "low": low, "high": high}


# --- by person ----------------------------------------------------------------------------------------------------
def _raters(project: Project, *, with_names: bool) -> list[dict[str, Any]]:
    summaries = by_rater(counted_raters(project))
    people = _people(summaries, with_names=with_names)
    return [
        {**_identity(people.get(rater.person_id), number, with_names=with_names), **rater.to_dict()}
        for number, rater in enumerate(summaries, start=1)
    ]


def _people(summaries: list[RaterSummary], *, with_names: bool) -> dict[int, User]:
    return User.objects.in_bulk([rater.person_id for rater in summaries]) if with_names else {}


def _identity(person: User | None, number: int, *, with_names: bool) -> dict[str, Any]:
    shown = person if with_names else None
    return {
        "number": number,
        "name": _name(shown, number),
        "username": shown.username if shown is not None else "",
        "kind": _kind(shown),
    }


def _name(person: User | None, number: int) -> str:
    if person is None:
        return f"annotator {number}"
    return person.first_name or person.username if person.is_placeholder else person.username


def _kind(person: User | None) -> str:
    if person is None:
        return ""
    return "simulated" if person.is_simulated else "imported" if person.is_placeholder else "human"


def people_report(project: Project, scheme: Scheme, *, with_names: bool = True) -> dict[str, Any]:
    """Agreement of every two annotators on the pairs that both judged: the least agreeing first, and a heat map of the
    MAX_HEAT_MAP people with the most votes.
    """
    summaries = by_rater(counted_raters(project), resamples=0)
    people = _people(summaries, with_names=with_names)
    who = {
        rater.person_id: _identity(people.get(rater.person_id), number, with_names=with_names)
        for number, rater in enumerate(summaries, start=1)
    }
    measured = by_people(counted_people(project), scheme)
    rows = [
        {"one": who[one], "other": who[other], **measure.to_dict()}
        for (one, other), measure in measured.items()
        if measure.alpha.units
    ]
    rows.sort(key=_least_agreeing)
    return {
        "project": project.slug,
        "scheme": str(scheme),
        "pairs": rows,
        "heat_map": _heat_map(list(who)[:MAX_HEAT_MAP], who, measured),
        "n_people": len(who),
    }


def _least_agreeing(row: dict[str, Any]) -> tuple[bool, float, int]:
    """Lowest alpha first; where it is undefined after those where it is known, many votes first."""
    return row["alpha"] is None, row["alpha"] if row["alpha"] is not None else 0.0, -row["n"]


def _heat_map(
    ids: list[int], who: dict[int, dict[str, Any]], measured: dict[tuple[int, int], Measure]
) -> list[dict[str, Any]]:
    """A row a person with a cell for each other one; None on the diagonal and where both judged no pair."""
    return [{"who": who[one], "cells": [_cell(one, other, who, measured) for other in ids]} for one in ids]


def _cell(
    one: int, other: int, who: dict[int, dict[str, Any]], measured: dict[tuple[int, int], Measure]
) -> dict[str, Any] | None:
    found = measured.get((min(one, other), max(one, other)))
    if one == other or found is None or not found.alpha.units:
        return None
    value = found.alpha.value
    return {"other": who[other], "level": None if value is None else _level(value), **found.to_dict()}


def _level(value: float) -> int:
    """Colour of a cell: 0 below zero, then steps of 0.2 up to 5."""
    return 0 if value < 0 else min(5, int(value * 5) + 1)


# --- keep rules ---------------------------------------------------------------------------------------------------
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


def rule_report(project: Project, rule: KeepRule, *, n_borderline: int = 20) -> dict[str, Any]:
    """All that the keep-rule page says of a rule: what it keeps, what it means in votes, what other bars would keep,
    and the pairs nearest to the bar.
    """
    items, _ = counted_items(project)
    expected = expected_disagreement(items)
    steps = [(float(bar), summary) for bar, summary in sweep(items, rule)]
    return {
        "project": project.slug,
        **_what_if(items, rule),
        "judged": sum(row.n for row in items),
        "sweep": [{"bar": round(bar, 6), **_kept(summary)} for bar, summary in steps],
        "borderline": _borderline(borderline_items(project, items, rule, expected, n=n_borderline), expected),
        "rules": [_kept(keep_summary(items, each)) for each in rule_table(rule.min_votes)],
        "answers": _answer_patterns(items),
        "note": three_rater_note(expected),
        "paper": PAPER_ALPHA,
        "waiting": n_waiting(project),
        "chosen": chosen_rule(project).to_dict(),
    }


def _borderline(rows: list[ItemTally], expected: Fraction) -> list[dict[str, Any]]:
    return [
        {
            "item": row.item_id,
            "query": str(row.item.query),
            "code": row.item.pair.code.name if row.item.pair else "",
            "ones": row.n_one,
            "zeros": row.n_zero,
            "no_intent": row.n_no,
            "cannot_judge": row.cannot_judge,
            "alpha_u": item_alpha_u(row, expected),
            "is_kept": row.is_kept,  # type: ignore[attr-defined]
        }
        for row in rows
    ]


def item_alpha_u(row: ItemTally, expected: Fraction, scheme: Scheme = Scheme.ANSWER) -> float | None:
    """A pair's part in the alpha of all votes."""
    tally = Tally(row.n_yes, row.n_no, row.n_unclear, row.n_one, row.n_zero)
    worth = alpha_u(scheme_pattern(scheme, tally), expected)
    return None if worth is None else round(float(worth), 6)


def chosen_rule(project: Project) -> KeepRule:
    """The keep rule that the project's releases start from: the curator's choice, else the shipped one."""
    chosen = ChosenKeepRule.objects.filter(project=project).first()
    return DEFAULT_RULE if chosen is None else read_rule(**chosen.rule)


def rule_fields(rule: KeepRule) -> dict[str, str]:
    """A rule as the fields of a form, or as arguments of `read_rule`; what it does not read has the usual value."""
    return {
        "keep": str(rule.keep),
        "min_votes": str(rule.min_votes),
        "min_share": str(rule.min_share),
        "min_alpha_u": str(rule.min_alpha_u),
    }


def with_chosen_rule(project: Project, given: dict[str, Any]) -> dict[str, Any]:
    """What a request or a command gave of a keep rule, completed from the project's chosen one."""
    chosen = rule_fields(chosen_rule(project))
    return {**given, **{name: value for name, value in chosen.items() if given.get(name) in (None, "")}}


# --- where people differ ------------------------------------------------------------------------------------------
def cases_report(project: Project) -> dict[str, Any]:
    """Where the guideline leaves people apart: which values they confuse, by the reason they gave, and by stratum."""
    items, _ = counted_items(project)
    return {
        "project": project.slug,
        "confusions": _confusions(items),
        "reasons": _reasons(project),
        "strata": _groups(counted_groups(project, Kind.STRATUM), _stratum),
        "waiting": n_waiting(project),
    }


def _stratum(name: str) -> dict[str, Any]:
    return {"name": name or "no plan", "stratum": name}


_SECTIONS = {
    ("no intent", "0"): "Step 1",
    ("no intent", "1"): "Step 1",
    ("0", "1"): "Step 2",
}


_ADDRESS = {"no intent": "none", "0": "0", "1": "1", "cannot judge": "unclear"}  # as ItemFilter reads them


def _confusions(items: list[ItemPattern]) -> list[dict[str, Any]]:
    judged = sum(row.n for row in items)
    return [
        {
            "one": one,
            "other": other,
            "differing": f"{_ADDRESS[one]}-{_ADDRESS[other]}",
            "pairs": n_items,
            "votes": n_votes,
            "share": round(n_items / judged, 4) if judged else None,
            "section": _SECTIONS.get((one, other), "When you cannot judge"),
        }
        for (one, other), (n_items, n_votes) in confusions(items).items()
    ]


def _reasons(project: Project) -> list[dict[str, Any]]:
    """Reason categories, the one with which others agree least first."""
    rows = [
        {"reason": reason, "name": str(Reason(reason).label), **_with_others(rows)}
        for reason, rows in counted_reasons(project).items()
    ]
    return sorted(rows, key=lambda row: (row["agreeing"] is None, row["agreeing"] or 0.0, -row["votes"]))


def _with_others(rows: list[RaterPattern]) -> dict[str, Any]:
    """How the others voted on the pairs of these votes, in the combined three-way label."""
    compared = alike = 0
    for row in rows:
        value = scheme_value(Scheme.COMBINED, row.intent, row.answer)
        if value is not None:
            counts = scheme_pattern(Scheme.COMBINED, row.tally)
            compared += (sum(counts) - 1) * row.n
            alike += (counts[value] - 1) * row.n
    return {
        "votes": sum(row.n for row in rows),
        "others": compared,
        "agreeing": round(alike / compared, 4) if compared else None,
    }
