"""What every template knows."""

from typing import Any

from django.http import HttpRequest


def quarry(request: HttpRequest) -> dict[str, Any]:
    """Theme chosen by the person ('', 'light' or 'dark'); the shell adds to this."""
    theme = request.COOKIES.get("theme", "")
    return {"theme": theme if theme in {"light", "dark"} else ""}
