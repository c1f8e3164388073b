"""Turns refusals into pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.errors import QuarryError


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
