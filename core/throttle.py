"""A bound on failed logins: after a few, the same name from the same address has to wait."""

from dataclasses import dataclass
from hashlib import sha256

from django.core.cache import cache


@dataclass(frozen=True)
class Limit:
    """At most `tries` failures in `window_s` seconds, counted from the first."""

    name: str
    tries: int
    window_s: int


PER_NAME = Limit("name", tries=5, window_s=300)
PER_ADDRESS = Limit("address", tries=50, window_s=900)  # many names from one place; a shared proxy stays usable


PER_RESET = Limit("reset", tries=5, window_s=3600)  # mails for a new password asked for from one address


def _keys(username: str, address: str) -> list[tuple[Limit, str]]:
    name = sha256(f"{username.casefold()}\0{address}".encode("utf-8", "surrogatepass")).hexdigest()
    place = sha256(address.encode()).hexdigest()
    return [(PER_NAME, f"login-name-{name}"), (PER_ADDRESS, f"login-address-{place}")]


def wait_s(username: str, address: str) -> int:
    """Longest time in seconds that this name from this address has to wait; 0: it may try."""
    return max(
        (limit.window_s for limit, key in _keys(username, address) if cache.get(key, 0) >= limit.tries), default=0
    )


def record_failure(username: str, address: str) -> None:
    """Counts a failed login."""
    for limit, key in _keys(username, address):
        _count(limit, key)


def _count(limit: Limit, key: str) -> None:
    if not cache.add(key, 1, timeout=limit.window_s):
        try:
            cache.incr(key)
        except ValueError:  # it expired between the two calls
            cache.set(key, 1, timeout=limit.window_s)


def may_ask_for_reset(address: str) -> bool:
    """Counts a wish for a mail with a link; False when this address had its share."""
    key = f"reset-{sha256(address.encode()).hexdigest()}"
    _count(PER_RESET, key)
    return bool(cache.get(key, 0) <= PER_RESET.tries)


def record_success(username: str, address: str) -> None:
    """A right password forgives the earlier slips of this name."""
    cache.delete(_keys(username, address)[0][1])
