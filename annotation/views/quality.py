"""The agreement page: alpha before filtering, what keep rules would leave, and the pairs people differ on."""

from fractions import Fraction
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotation.agreement import alpha_u
from annotation.consensus import Keep, KeepRule
from annotation.criteria import read_rule
from annotation.models import Item
from annotation.quality import expected_disagreement
from annotation.selectors.agreement import agreement_report
from annotation.selectors.votes import item_patterns, items_by_disagreement
from core.access import project_for, roles_in
from core.errors import BadInputError
from core.menu import WATCHERS
from core.models import Role
from core.paging import keyset_page

RULE_LABELS = [
    (Keep.MAJORITY.value, "Majority share"),
    (Keep.ALPHA_U.value, "Agreement of the pair (alpha_u)"),
    (Keep.UNANIMOUS.value, "Unanimity"),
]


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
@require_safe
def agreement(request: HttpRequest, slug: str) -> HttpResponse:
    """Agreement of the project's votes, and what a keep rule given in the address would leave of them."""
    project = project_for(request.user, slug, *WATCHERS)
    curates = Role.CURATOR in roles_in(request.user, project)
    form = KeepRuleForm(request.GET if "keep" in request.GET else None)
    rule = form.cleaned_data["rule"] if form.is_valid() else (None if form.is_bound else KeepRule())
    report = agreement_report(project, rule=rule, with_names=curates)
    context = {
        "project": project,
        "section": "agreement",
        "report": report,
        "form": form,
        "curates": curates,
        "kept_chart": [(kept["name"], kept["kept"]) for kept in report["rules"]],
    }
    return render(request, "annotation/agreement.html", context)


@login_required
@require_safe
def disagreements(request: HttpRequest, slug: str) -> HttpResponse:
    """Pairs from the lowest alpha_u up, with who voted how: for curators."""
    project = project_for(request.user, slug, Role.CURATOR)
    expected = expected_disagreement(item_patterns(project))
    page = keyset_page(items_by_disagreement(project), request, size=25, order="-disagreement")
    for item in page.rows:
        item.alpha_u = _alpha_u_of(item, expected)
    return render(request, "annotation/disagreements.html", {"project": project, "section": "agreement", "page": page})


def _alpha_u_of(item: Item, expected: Fraction) -> float | None:
    worth = alpha_u((item.zeros, item.ones), expected)  # type: ignore[attr-defined]
    return None if worth is None else float(worth)
