"""The curator's dashboard: a page, and its inside that a page asks for again while somebody looks at it."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from annotation.models import BoardState
from annotation.selectors.board import Board, Day, Live, board_of, etag_of, live_of, state_of
from annotation.services.board import catch_up, note_watched
from core.access import project_for
from core.models import Project, Role

STALE = timedelta(seconds=60)  # no worker counts: the page does it itself
FIRST_BUDGET_S = 1.0
REFRESH_BUDGET_S = 0.3
REFRESH_EVERY_S = 20
SPANS = {"30": 30, "90": 90, "365": 365, "all": None}
DEFAULT_SPAN = "90"


@login_required
@require_safe
def dashboard(request: HttpRequest, slug: str) -> HttpResponse:
    """Progress, pace, labels, agreement, queue and people of a project. ?days= chooses the span of the charts."""
    project = project_for(request.user, slug, Role.CURATOR)
    state = fresh_state(project, budget_s=FIRST_BUDGET_S)
    span = _span(request)
    live = live_of(project)
    context = {
        "project": project,
        "section": "dashboard",
        "spans": [(key, "all days" if days is None else f"{days} days") for key, days in SPANS.items()],
        "etag": etag_of(state, live, days=SPANS[span]),
        "every_s": REFRESH_EVERY_S,
        **_shown(project, state, live, span),
    }
    return render(request, "annotation/dashboard.html", context)


@login_required
@require_safe
def dashboard_part(request: HttpRequest, slug: str) -> HttpResponse:
    """The inside of the dashboard, or 304 where nothing of it has changed."""
    project = project_for(request.user, slug, Role.CURATOR)
    state = fresh_state(project, budget_s=REFRESH_BUDGET_S)
    span = _span(request)
    live = live_of(project)
    etag = etag_of(state, live, days=SPANS[span])
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        response = render(request, "annotation/_board.html", {"project": project, **_shown(project, state, live, span)})
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


def fresh_state(project: Project, *, budget_s: float) -> BoardState:
    """How far the project is counted; counts on here where no worker has done so lately."""
    state = state_of(project)
    if state is None or state.counted_at is None or timezone.now() - state.counted_at > STALE:
        catch_up(project=project, budget_s=budget_s)
        state = BoardState.objects.get(project=project)
    note_watched(project)
    return state


def _span(request: HttpRequest) -> str:
    wanted = request.GET.get("days", DEFAULT_SPAN)
    return wanted if wanted in SPANS else DEFAULT_SPAN


def _shown(project: Project, state: BoardState, live: Live, span: str) -> dict[str, Any]:
    board = board_of(project, state, live, days=SPANS[span])
    return {"board": board, "span": span, "charts": _charts(board), "has_alpha": any(board.alpha)}


def _charts(board: Board) -> dict[str, Any]:
    """Series over days, as the charts take them."""
    return {
        "votes": [_line("votes", board.days, "votes")],
        "people": [_line("people", board.days, "people")],
        "hours": [{"name": "hours", "points": [(day.day.toordinal(), day.active_s / 3600) for day in board.days]}],
        "times": [_line("median", board.days, "median_s"), _line("nine of ten are faster than", board.days, "p90_s")],
        "labels": [
            _line("intent yes", board.days, "intent_share"),
            _line("answer 1", board.days, "answer_share"),
            _line("cannot judge", board.days, "unjudged_share"),
        ],
        "alpha": [
            {"name": "intent", "points": [(week.monday.toordinal(), week.intent) for week in board.weeks]},
            {"name": "answer", "points": [(week.monday.toordinal(), week.answer) for week in board.weeks]},
        ],
    }


def _line(name: str, days: list[Day], field: str) -> dict[str, Any]:
    return {"name": name, "points": [(day.day.toordinal(), getattr(day, field)) for day in days]}
