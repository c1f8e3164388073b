"""System checks for the two settings that lock people out behind a proxy; each names what to write instead."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.http.request import validate_host


@register(Tags.security)
def check_addresses(**_: Any) -> list[CheckMessage]:
    """ALLOWED_HOSTS holds bare host names; every trusted origin is served from an allowed host."""
    return [*_hosts_with_more_than_a_name(), *_origins_without_host()]


def _hosts_with_more_than_a_name() -> list[CheckMessage]:
    return [
        Warning(
            f"ALLOWED_HOSTS names {host!r}, which no request can match.",
            hint=f"Give the bare host name, without scheme, port or path: {urlsplit('//' + host.split('://')[-1]).hostname}",
            id="core.W001",
        )
        for host in settings.ALLOWED_HOSTS
        if "/" in host or (":" in host and not host.startswith("["))
    ]


def _origins_without_host() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        host = (urlsplit(origin).hostname or "").replace("*", "any")
        if not validate_host(host, settings.ALLOWED_HOSTS):
            hint = "Add the host to ALLOWED_HOSTS as well, or its pages answer 400."
            text = f"CSRF_TRUSTED_ORIGINS trusts {origin}, but ALLOWED_HOSTS does not name its host."
            found.append(Warning(text, hint=hint, id="core.W002"))
    return found
