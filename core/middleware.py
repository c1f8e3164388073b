"""The language of an answer, and refusals as pages."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import redirect, render
from django.urls import reverse

from core.errors import QuarryError
from core.language import keep_language
from core.services.people import note_presence
from core.steps import ALWAYS_OPEN, Step, open_step


class ErrorPageMiddleware:
    """A QuarryError that no view caught becomes a page with its status, its text and what to do."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, QuarryError):
            return None
        return render(request, "core/error.html", {"error": error}, status=error.status)


class LanguageMiddleware(LocaleMiddleware):
    """The cookie's language, else the browser's. It reads no row: a login puts the person's choice in the cookie."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response = super().process_response(request, response)
        chosen = getattr(request, "language_to_keep", "")
        if chosen:
            keep_language(response, chosen)
        return response


class StepsMiddleware:
    """Holds people at what they have to do first (core/steps.py): pages lead there, the API answers 403.

    Who passes was here: that is noted too, at most once in ten minutes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name in ALWAYS_OPEN:
            return None
        user = request.user
        step = open_step(user)
        if step is not None and name not in step.views:
            return _to_step(request, step)
        if user.is_authenticated:
            note_presence(user)
        return None


def _to_step(request: HttpRequest, step: Step) -> HttpResponse:
    """The answer to a request that comes before its turn."""
    if request.path.startswith("/api/v1/"):
        body = {"code": step.code, "status": 403, "detail": str(step.text), "fields": {}}
        return JsonResponse(body, status=403, content_type="application/problem+json")
    came_for = request.get_full_path() if request.method == "GET" else ""
    address = reverse(step.view) + (f"?{urlencode({'next': came_for})}" if came_for else "")
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse(step.view)})
    return redirect(address)
