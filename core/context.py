"""What every template knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language

from core.health import how_to_start_a_worker, is_worker_alive


def quarry(request: HttpRequest) -> dict[str, Any]:
    """Theme ('', 'light' or 'dark') and language of the page; whether a worker is alive (asked only where it shows)."""
    theme = request.COOKIES.get("theme", "")
    return {
        "theme": theme if theme in {"light", "dark"} else "",
        "site_language": get_language() or settings.LANGUAGE_CODE,
        "site_languages": settings.LANGUAGES,
        "worker_alive": is_worker_alive,
        "worker_command": how_to_start_a_worker,
    }
