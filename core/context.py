"""What every template knows."""

from typing import Any

from django.http import HttpRequest

from core.health import how_to_start_a_worker, is_worker_alive


def quarry(request: HttpRequest) -> dict[str, Any]:
    """Theme chosen by the person ('', 'light' or 'dark'), and whether a worker is alive (asked only where it shows)."""
    theme = request.COOKIES.get("theme", "")
    return {
        "theme": theme if theme in {"light", "dark"} else "",
        "worker_alive": is_worker_alive,
        "worker_command": how_to_start_a_worker,
    }
