"""Scorecards and pay: everybody's for curators, one's own for each annotator."""

import csv
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from annotation.selectors.ceiling import human_ceiling_of
from annotation.selectors.scorecards import (
    FINDINGS,
    HOW_TIME_IS_COUNTED,
    LEAST_GOLD,
    PayRow,
    Scorecard,
    pay_rows,
    scorecard,
    scorecards,
    weeks_with_work,
)
from annotation.views.board import FIRST_BUDGET_S, fresh_state
from annotation.work import BANDS, LONG, MEDIUM, QUERY, SHORT, VERY_LONG, quantile
from core.access import person_of, project_for
from core.models import Project, Role, User
from core.spreadsheets import spreadsheet_cell

# Column -> (heading, what it sorts by); None sorts last in either direction.
COLUMNS: dict[str, tuple[str, Any]] = {
    "name": ("Annotator", lambda card: card.name.lower()),
    "findings": ("To look at", lambda card: len(card.findings)),
    "votes": ("Votes", lambda card: card.n_votes),
    "hours": ("Active time", lambda card: card.active_s),
    "median": ("Median time", lambda card: card.times.median),
    "fast": ("Fast", lambda card: card.speed.share),
    "gold": ("Gold right", lambda card: card.gold.share),
    "alpha": ("Alpha of answer", lambda card: card.alpha_answer.value if card.alpha_answer else None),
    "consensus": ("As the others", lambda card: card.consensus_answer.share),
    "intent": ("Intent yes", lambda card: card.intent_rate.share),
    "answer": ("Answer 1", lambda card: card.answer_rate.share),
    "unjudged": ("Cannot judge", lambda card: card.unjudged_share),
    "skips": ("Skips", lambda card: card.skips),
    "late": ("Late", lambda card: card.late),
    "flags": ("Flags", lambda card: card.flags),
    "self": ("Self-agreement", lambda card: card.self_agreement.share),
}
DEFAULT_SORT = "-votes"
BAND_LABELS = {
    QUERY: _("query alone"),
    SHORT: _("code up to 7 lines"),
    MEDIUM: _("8 to 20 lines"),
    LONG: _("21 to 50 lines"),
    VERY_LONG: _("more than 50 lines"),
}
PAY_COLUMNS = ("week", "person", "name", "votes", "taken_back", "set_aside", "untimed", "active_s", "hours")


class PayForm(forms.Form):
    """Which weeks, and the rate to multiply with."""

    first = forms.DateField(
        label="From the week of", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label="To the week of", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    rate = forms.DecimalField(
        label="Pay per hour",
        required=False,
        min_value=0,
        max_digits=8,
        decimal_places=2,
        help_text="Adds an amount to each row. It is not kept.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", "The last week lies before the first.")
        return cleaned


@login_required
@require_safe
def scorecard_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Everybody who has voted, in one table that any column sorts (?sort=votes, ?sort=-votes)."""
    project = project_for(request.user, slug, Role.CURATOR)
    state = fresh_state(project, budget_s=FIRST_BUDGET_S)
    sort = request.GET.get("sort", DEFAULT_SORT)
    if sort.removeprefix("-") not in COLUMNS:
        sort = DEFAULT_SORT
    context = {
        "project": project,
        "section": "scorecards",
        "cards": sorted_cards(scorecards(project), sort),
        "columns": _headings(sort),
        "findings": FINDINGS,
        "ceiling": human_ceiling_of(project),
        "state": state,
    }
    return render(request, "annotation/scorecards.html", context)


def sorted_cards(cards: Iterable[Scorecard], sort: str) -> list[Scorecard]:
    """Cards by a column, descending with a minus sign; those without the figure come last either way."""
    key = COLUMNS[sort.removeprefix("-")][1]
    known: list[Scorecard] = []
    unknown: list[Scorecard] = []
    for card in cards:
        (unknown if key(card) is None else known).append(card)
    return sorted(known, key=key, reverse=sort.startswith("-")) + unknown


def _headings(sort: str) -> list[dict[str, str]]:
    """Headings with the address that sorts by them; a second press turns the order round."""
    made = []
    for name, (label, _key) in COLUMNS.items():
        first = name if name == "name" else f"-{name}"
        turned = name if first.startswith("-") else f"-{name}"
        current = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        made.append({"name": name, "label": label, "sort": turned if sort == first else first, "current": current})
    return made


@login_required
@require_safe
def scorecard_of(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """One person's figures, for curators."""
    project = project_for(request.user, slug, Role.CURATOR)
    person = get_object_or_404(people_of(project), username=username)
    fresh_state(project, budget_s=FIRST_BUDGET_S)
    card = scorecard(project, person)
    context = {"project": project, "section": "scorecards", "card": card, **_facts(project, card)}
    return render(request, "annotation/scorecard_of.html", context | {"findings": FINDINGS})


@login_required
@require_safe
def own_scorecard(request: HttpRequest, slug: str) -> HttpResponse:
    """One's own figures."""
    project = project_for(request.user, slug, Role.ANNOTATOR)
    fresh_state(project, budget_s=FIRST_BUDGET_S)
    card = scorecard(project, person_of(request), is_own=True)
    context = {"project": project, "section": "scorecard", "card": card, **_facts(project, card)}
    return render(request, "annotation/scorecard.html", context | {"least_gold": LEAST_GOLD})


def people_of(project: Project) -> QuerySet[User]:
    """People with a card: members, and whoever has worked here before leaving."""
    has_worked = Q(pk__in=project.work_hours.order_by().values("person"))
    return User.objects.filter(has_worked | Q(memberships__project=project)).distinct()


def _facts(project: Project, card: Scorecard) -> dict[str, Any]:
    weeks = pay_rows(project, person=card.person)
    return {
        "weeks": weeks,
        "bands": [
            (BAND_LABELS[band], sum(bins.values()), quantile(bins, 0.5))
            for band in BANDS
            if (bins := card.times.bands.get(band))
        ],
        "by_week": [{"name": "votes", "points": [(row.monday.toordinal(), row.votes) for row in reversed(weeks)]}],
    }


# --- pay --------------------------------------------------------------------------------------------------------------
@login_required
@require_safe
def pay(request: HttpRequest, slug: str) -> HttpResponse:
    """Votes and active time by week and person."""
    project = project_for(request.user, slug, Role.CURATOR)
    fresh_state(project, budget_s=FIRST_BUDGET_S)
    span = weeks_with_work(project)
    form = PayForm(request.GET or _latest_weeks(span))
    given = form.cleaned_data if form.is_valid() else {}
    rows = [] if form.is_bound and not form.is_valid() else _rows(project, given)
    rate = _rate(given)
    context = {
        "project": project,
        "section": "scorecards",
        "form": form,
        "rows": [(row, row.to_dict(rate)) for row in rows],
        "rate": rate,
        "totals": _totals(rows, rate),
        "how": HOW_TIME_IS_COUNTED,
        "span": span,
        "query": urlencode({name: value for name, value in given.items() if value is not None}),
    }
    return render(request, "annotation/pay.html", context, status=422 if form.errors else 200)


def _latest_weeks(span: tuple[date, date] | None) -> dict[str, date] | None:
    """The last four weeks with work: what the page shows unasked."""
    return {"first": span[1] - timedelta(days=21), "last": span[1]} if span else None


def _rows(project: Project, given: dict[str, Any]) -> list[PayRow]:
    return pay_rows(project, first=given.get("first"), last=given.get("last"))


def _rate(given: dict[str, Any]) -> float | None:
    return float(given["rate"]) if given.get("rate") is not None else None


def _totals(rows: list[PayRow], rate: float | None) -> dict[str, Any]:
    """Sums of the rows as they stand, so that the column adds up."""
    listed = [row.to_dict(rate) for row in rows]
    return {name: round(sum(row[name] for row in listed), 2) for name in ("votes", "hours")} | (
        {"amount": round(sum(row["amount"] for row in listed), 2)} if rate is not None else {}
    )


@login_required
@require_safe
def pay_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """The same rows as a file for a spreadsheet."""
    project = project_for(request.user, slug, Role.CURATOR)
    fresh_state(project, budget_s=FIRST_BUDGET_S)
    form = PayForm(request.GET)
    if not form.is_valid():
        return pay(request, slug)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-pay-{date.today():%Y-%m-%d}.csv"'
    write_pay(response, _rows(project, form.cleaned_data), _rate(form.cleaned_data))
    return response


def write_pay(file: Any, rows: Iterable[PayRow], rate: float | None = None) -> None:
    """Writes pay rows as CSV; no cell starts a formula in a spreadsheet."""
    columns = [*PAY_COLUMNS, "amount"] if rate is not None else list(PAY_COLUMNS)
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        facts = row.to_dict(rate)
        writer.writerow([spreadsheet_cell(facts[name]) for name in columns])
