"""Agreement: all votes before filtering, two people at a time, keep rules, and where people differ."""

from fractions import Fraction
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from annotation.consensus import Keep, KeepRule
from annotation.criteria import read_rule
from annotation.models import ItemTally
from annotation.quality import Scheme, scheme_expected
from annotation.selectors.agreement import (
    MAX_HEAT_MAP,
    SCHEME_NAMES,
    agreement_report,
    cases_report,
    chosen_rule,
    item_alpha_u,
    people_report,
    rule_fields,
    rule_report,
)
from annotation.selectors.tallies import DIFFERING, ItemFilter, counted_items, filtered_items
from annotation.services.keep_rules import choose_keep_rule
from annotation.services.tallies import catch_up, start_recount_agreement
from core.access import project_for, roles_in
from core.errors import BadInputError
from core.menu import WATCHERS, section_address
from core.models import Project, Role
from core.paging import keyset_page

RULE_LABELS = [
    (Keep.MAJORITY.value, "Majority share"),
    (Keep.ALPHA_U.value, "Agreement of the pair (alpha_u)"),
    (Keep.UNANIMOUS.value, "Unanimity"),
]
MOST_PEOPLE_PAIRS = 50  # of the list under the heat map; the API has all
FOREST_TICKS = [-0.5, 0.0, 0.5, 1.0]


class KeepRuleForm(forms.Form):
    """A keep rule, field by field."""

    keep = forms.ChoiceField(
        choices=RULE_LABELS, initial=Keep.MAJORITY.value, label="Rule", help_text="What decides whether a pair stays."
    )
    min_votes = forms.CharField(
        initial="3",
        max_length=3,
        label="Valid votes",
        help_text='At least this many votes that say something of the pair; "cannot judge" does not count.',
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    min_share = forms.CharField(
        initial="3/4",
        max_length=20,
        label="Majority share",
        help_text="For the rule majority: 3/4 keeps 3-0 and 4-1 and drops 2-1; 2/3 keeps 2-1; 1/2 any majority.",
    )
    min_alpha_u = forms.CharField(
        initial="0",
        max_length=20,
        required=False,
        label="Smallest alpha_u",
        help_text="For the rule alpha_u: 1 is full agreement, 0 what chance gives.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                cleaned["rule"] = read_rule(**{name: cleaned[name] for name in RULE_FIELDS})
            except BadInputError as error:
                self.add_error(error.fields.get("field"), str(error))
        return cleaned


RULE_FIELDS = ("keep", "min_votes", "min_share", "min_alpha_u")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def agreement(request: HttpRequest, slug: str) -> HttpResponse:
    """Agreement of all votes before any pair is removed, and by group. A curator's POST has all votes counted anew."""
    project = project_for(request.user, slug, *(WATCHERS if request.method != "POST" else ()), Role.CURATOR)
    if request.method == "POST":
        start_recount_agreement(project=project, user=request.user)  # type: ignore[arg-type]
        messages.success(request, "All votes are being counted anew. Figures stay readable meanwhile.")
        return redirect("annotation:agreement", slug)
    curates = _curates(request, project)
    catch_up(project)
    report = agreement_report(project, with_names=curates)
    scheme = _scheme(request)
    context = {
        "project": project,
        "section": "agreement",
        "report": report,
        "scheme": scheme,
        "schemes": list(SCHEME_NAMES.items()),
        "headline": [(SCHEME_NAMES[each], report[each]) for each in Scheme],
        "groups": _forests(project, report, scheme),
        "raters": _rater_rows(project, report["raters"], scheme, curates=curates),
        "ticks": _ticks(),
        "curates": curates,
        "kept_chart": [(kept["name"], kept["kept"]) for kept in report["rules"]],
    }
    return render(request, "annotation/agreement.html", context)


def _curates(request: HttpRequest, project: Project) -> bool:
    return Role.CURATOR in roles_in(request.user, project)


def _scheme(request: HttpRequest) -> Scheme:
    wanted = request.GET.get("scheme", "")
    return Scheme(wanted) if wanted in set(Scheme) else Scheme.ANSWER


# --- rows with an interval drawn in them --------------------------------------------------------------------------
def _place(value: float) -> float:
    """Where an alpha stands on the drawn axis, in per cent; what lies below the axis stands at its end."""
    low, high = FOREST_TICKS[0], FOREST_TICKS[-1]
    return round(100 * (min(max(value, low), high) - low) / (high - low), 2)


def _ticks() -> list[tuple[float, float]]:
    return [(tick, _place(tick)) for tick in FOREST_TICKS]


def _forest_row(name: str, facts: dict[str, Any], *, href: str = "", note: str = "") -> dict[str, Any]:
    """A line of a breakdown: its figures, and places of the dot and of the interval."""
    row = {"name": name, "href": href, "note": note, **facts}
    if facts["alpha"] is not None:
        row["at"] = _place(facts["alpha"])
    if facts.get("interval"):
        row["low"] = _place(facts["interval"][0])
        row["width"] = round(max(_place(facts["interval"][1]) - row["low"], 0.5), 2)
    return row


def _forests(project: Project, report: dict[str, Any], scheme: Scheme) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """(title, note, rows) of each breakdown that has more to say than the headline."""
    batches = [
        _forest_row(
            row["name"],
            row[scheme],
            href=section_address("annotation:batch", project, row["id"]),
            note="pilot" if row["is_pilot"] else "",
        )
        for row in report["batches"]
    ]
    plain = {
        name: [_forest_row(row["name"], row[scheme]) for row in report[name]]
        for name in ("weeks", "guidelines", "bands")
    }
    return [
        ("By batch", "", batches),
        ("By week", "A pair stands in the week of its newest vote.", plain["weeks"]),
        (
            "By guideline version",
            "A pair stands under the version that all its votes were given under.",
            plain["guidelines"],
        ),
        ("By candidate score", "The score in the run that proposed the pair first.", plain["bands"]),
    ]


def _rater_rows(
    project: Project, raters: list[dict[str, Any]], scheme: Scheme, *, curates: bool
) -> list[dict[str, Any]]:
    """Annotators, the one who agrees least with the rest first."""
    rows = [
        {
            **_forest_row(
                rater["name"],
                rater[scheme],
                href=section_address("annotation:scorecard-of", project, rater["username"])
                if curates and rater["username"]
                else "",
                note=rater["kind"] if rater["kind"] in {"simulated", "imported"} else "",
            ),
            "rater": rater,
        }
        for rater in raters
    ]
    return sorted(rows, key=lambda row: (row["alpha"] is None, row["alpha"] or 0.0, -row["n"]))


# --- two people at a time -----------------------------------------------------------------------------------------
@login_required
@require_safe
def annotator_pairs(request: HttpRequest, slug: str) -> HttpResponse:
    """Agreement of every two annotators: a heat map, and the list with the least agreeing first."""
    project = project_for(request.user, slug, *WATCHERS)
    catch_up(project)
    scheme = _scheme(request)
    curates = _curates(request, project)
    report = people_report(project, scheme, with_names=curates)
    context = {
        "project": project,
        "section": "agreement",
        "report": report,
        "scheme": scheme,
        "schemes": list(SCHEME_NAMES.items()),
        "shown": report["pairs"][:MOST_PEOPLE_PAIRS],
        "most_people": MAX_HEAT_MAP,
        "curates": curates,
    }
    return render(request, "annotation/annotator_pairs.html", context)


# --- keep rules ---------------------------------------------------------------------------------------------------
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def keep_rule(request: HttpRequest, slug: str) -> HttpResponse:
    """What a keep rule leaves, what it means in votes, and the pairs nearest to its bar; a curator chooses the rule
    that releases start from.
    """
    project = project_for(request.user, slug, *(WATCHERS if request.method != "POST" else ()), Role.CURATOR)
    if request.method == "POST":
        form = KeepRuleForm(request.POST)
        if form.is_valid():
            choose_keep_rule(project=project, rule=form.cleaned_data["rule"], user=request.user)
            messages.success(request, "Releases of this project start from this rule now.")
            return redirect("annotation:keep-rule", slug)
    else:
        form = KeepRuleForm(request.GET if "keep" in request.GET else None, initial=rule_fields(chosen_rule(project)))
    catch_up(project)
    rule = form.cleaned_data["rule"] if form.is_valid() else (None if form.is_bound else chosen_rule(project))
    context = {
        "project": project,
        "section": "agreement",
        "form": form,
        "curates": _curates(request, project),
        **_rule_context(project, rule),
    }
    return render(request, "annotation/keep_rule.html", context, status=422 if request.method == "POST" else 200)


def _rule_context(project: Project, rule: KeepRule | None) -> dict[str, Any]:
    if rule is None:
        return {"report": None}
    report = rule_report(project, rule)
    steps = report["sweep"]
    kept_line = {
        "name": "share of judged pairs kept",
        "points": [(step["bar"], _share(step, report)) for step in steps],
    }
    alpha_line = {
        "name": "alpha of the kept answers",
        "points": [(step["bar"], step["answer_kept"]["alpha"]) for step in steps],
    }
    return {
        "report": report,
        "fields": rule_fields(rule).items(),
        "is_chosen": rule == chosen_rule(project),
        "sweep": [kept_line, alpha_line] if len(steps) > 1 else [],
        "bar_name": {Keep.MAJORITY: "majority share", Keep.ALPHA_U: "alpha_u"}.get(rule.keep, ""),
    }


def _share(step: dict[str, Any], report: dict[str, Any]) -> float:
    return step["kept"] / report["judged"] if report["judged"] else 0.0


# --- where people differ ------------------------------------------------------------------------------------------
@login_required
@require_safe
def cases(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the guideline leaves people apart: what they confuse, and by reason category and stratum."""
    project = project_for(request.user, slug, *WATCHERS)
    catch_up(project)
    report = cases_report(project)
    scheme = _scheme(request)
    strata = [_forest_row(row["name"], row[scheme], note="") | {"stratum": row["stratum"]} for row in report["strata"]]
    context = {
        "project": project,
        "section": "agreement",
        "report": report,
        "curates": _curates(request, project),
        "confused": [(f"{row['one']} and {row['other']}", row["pairs"]) for row in report["confusions"]],
        "scheme": scheme,
        "schemes": list(SCHEME_NAMES.items()),
        "strata": sorted(strata, key=lambda row: (row["alpha"] is None, row["alpha"] or 0.0)),
        "ticks": _ticks(),
    }
    return render(request, "annotation/cases.html", context)


@login_required
@require_safe
def disagreements(request: HttpRequest, slug: str) -> HttpResponse:
    """Pairs from the lowest alpha_u up, with who voted how: for curators. Filters stand in the address."""
    project = project_for(request.user, slug, Role.CURATOR)
    catch_up(project)
    wanted = ItemFilter.read(project, request.GET)
    page = keyset_page(filtered_items(project, wanted), request, size=25, order=wanted.order)
    expected = scheme_expected(counted_items(project)[0], wanted.scheme)
    for row in page.rows:
        _complete(project, row, expected, wanted.scheme)
    context = {
        "project": project,
        "section": "agreement",
        "page": page,
        "wanted": wanted,
        "batches": project.batches.order_by("-id")[:200],
        "differing": DIFFERING,
        "schemes": [(each, SCHEME_NAMES[each]) for each in (Scheme.ANSWER, Scheme.INTENT)],
    }
    return render(request, "annotation/disagreements.html", context)


def _complete(project: Project, row: ItemTally, expected: Fraction, scheme: Scheme) -> None:
    """What the list shows beside the row's own columns."""
    row.alpha_u = item_alpha_u(row, expected, scheme)  # type: ignore[attr-defined]
    row.n_flags = sum(comment.is_flag for comment in row.item.comments.all())  # type: ignore[attr-defined]
    row.decide = section_address("annotation:adjudicate", project, row.item_id)  # type: ignore[attr-defined]
