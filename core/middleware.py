"""The language of an answer, and refusals as pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render

from core.errors import QuarryError
from core.language import keep_language


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

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        chosen = getattr(request, "language_to_keep", "")
        if chosen:
            keep_language(response, chosen)
        return response
