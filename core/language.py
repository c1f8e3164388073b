"""Which language a person reads: kept with the person, carried by a cookie."""

from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase

from core.models import User

YEAR_S = 365 * 24 * 3600
KNOWN = frozenset(code for code, _ in settings.LANGUAGES)


def keep_language(response: HttpResponseBase, language: str) -> None:
    """Puts the language in the cookie; an empty one removes it, so that the browser's is followed again."""
    name = settings.LANGUAGE_COOKIE_NAME
    if language in KNOWN:
        response.set_cookie(name, language, max_age=YEAR_S, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    else:
        response.delete_cookie(name, samesite="Lax")


def choose_language(user: Any, language: str) -> None:
    """Keeps the choice with the person, if somebody is logged in."""
    if user.is_authenticated:
        User.objects.filter(pk=user.pk).update(language=language if language in KNOWN else "")


@receiver(user_logged_in)
def bring_language(sender: Any, request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """A login follows the person's stored language; without one it stores what was chosen on the login page."""
    if request is None:
        return
    cookie = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    if user.language:
        request.language_to_keep = user.language  # type: ignore[attr-defined]  # the middleware's message to itself
    elif cookie in KNOWN:
        choose_language(user, cookie)
