"""Keys and display: how a person likes the judge page."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.judge_keys import ACTS, GROUPS, Act, keys_of
from annotation.models import JudgePreferences, TextSize
from annotation.selectors.preferences import preferences_of
from annotation.services.preferences import KeysClashError, change_preferences, reset_preferences
from core.access import person_of, project_for
from core.models import Role


@login_required
@require_http_methods(["GET", "POST"])
def preferences(request: HttpRequest, slug: str) -> HttpResponse:
    """The person's keys and display; they hold in every project."""
    project = project_for(request.user, slug, Role.ANNOTATOR)
    person = person_of(request)
    given: dict[str, str] = {}
    wrong: dict[str, str] = {}
    if request.method == "POST":
        if request.POST.get("act") == "reset":
            reset_preferences(person=person)
            messages.success(request, _("Keys and display are as they came."))
            return redirect("annotation:preferences", slug)
        given = {name: request.POST[f"key-{name}"] for name in ACTS if f"key-{name}" in request.POST}
        try:
            change_preferences(
                person=person,
                keys=given,
                wraps_code="wraps_code" in request.POST,
                text_size=request.POST.get("text_size", TextSize.NORMAL),
            )
        except KeysClashError as error:
            wrong = error.acts
        else:
            messages.success(request, _("Saved. The judge page follows from now on."))
            return redirect("annotation:preferences", slug)
    known = _as_posted(request) if wrong else preferences_of(person)
    context = {
        "project": project,
        "section": "judge",
        "groups": _groups(keys_of(known.keys) | given, wrong),
        "preferences": known,
        "sizes": TextSize.choices,
        "is_wrong": bool(wrong),
    }
    return render(request, "annotation/preferences.html", context, status=422 if wrong else 200)


def _as_posted(request: HttpRequest) -> JudgePreferences:
    """The display as it was sent, so that a clash of keys loses none of it."""
    return JudgePreferences(
        wraps_code="wraps_code" in request.POST, text_size=request.POST.get("text_size", TextSize.NORMAL)
    )


def _groups(keys: dict[str, str], wrong: dict[str, str]) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Title and rows of each table of keys."""
    return [(title, [_row(act, keys[act.name], wrong.get(act.name, "")) for act in acts]) for title, acts in GROUPS]


def _row(act: Act, key: str, complaint: str) -> dict[str, Any]:
    return {"act": act, "key": key, "steps": " ".join(str(step) for step in sorted(act.steps)), "complaint": complaint}
