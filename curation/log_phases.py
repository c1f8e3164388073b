"""How far the import of a log has come, in words and numbers: reading, sorting, writing. Needs no database."""

import time
from collections.abc import Mapping
from typing import Any

READING, SORTING, WRITING = "reading", "sorting", "writing"
PHASES = (READING, SORTING, WRITING)
# Shares of the whole time, as measured on a million lines; only the bar and the time left rest on them.
_SHARES = {READING: 0.3, SORTING: 0.1, WRITING: 0.6}
_STEADY_S = 2.0  # no time left is named before


class Phases:
    """Done and total of each phase, and the seconds it took so far; goes on from what an earlier attempt did."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self.rows: dict[str, dict[str, Any]] = {
            name: {"done": 0, "total": 0, "seconds": 0.0, "lines": 0, **(stored or {}).get(name, {})} for name in PHASES
        }
        self._since: dict[str, float] = {}
        self._begun = time.monotonic()
        self._begun_share = self.share

    def move(self, name: str, done: int, total: int, *, lines: int) -> None:
        """Sets how far a phase is (bytes, parts or lines) and how many lines of the log that stands for."""
        now = time.monotonic()
        row = self.rows[name]
        row["seconds"] = round(row["seconds"] + now - self._since.get(name, now), 3)
        row.update(done=done, total=total, lines=lines)
        self._since[name] = now

    def restart(self, name: str) -> None:
        """The phase is done from its beginning in this attempt."""
        self.rows[name] = {"done": 0, "total": 0, "seconds": 0.0, "lines": 0}
        self._since[name] = time.monotonic()

    @property
    def share(self) -> float:
        """How much of the whole is done, 0 to 1."""
        return sum(
            _SHARES[name] * min(1.0, row["done"] / row["total"]) for name, row in self.rows.items() if row["total"]
        )

    def seconds_left(self) -> float | None:
        """An estimate from the pace of this attempt; None while it is too early to say."""
        passed, moved = time.monotonic() - self._begun, self.share - self._begun_share
        return passed * (1 - self.share) / moved if passed > _STEADY_S and moved > 0.01 else None

    def note(self, name: str) -> str:
        """The phase in words, with its pace and the time left."""
        row = self.rows[name]
        parts = [f"{name.capitalize()}: {row['lines']:,} lines"]
        if row["seconds"] > 0.5:
            parts.append(f"{row['lines'] / row['seconds']:,.0f} lines/s")
        left = self.seconds_left()
        if left is not None:
            parts.append(f"about {minutes(left)} left")
        return ", ".join(parts)


def minutes(seconds: float) -> str:
    """m:ss, or h:mm:ss from one hour on."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def phase_rows(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The phases as a page or an API shows them; `percent` is None before a phase began."""
    rows = []
    for name in PHASES:
        row = stored.get(name, {})
        total, seconds, lines = row.get("total", 0), row.get("seconds", 0.0), row.get("lines", 0)
        rows.append(
            {
                "name": name,
                "percent": min(100, int(100 * row["done"] / total)) if total else None,
                "lines": lines,
                "seconds": seconds,
                "lines_per_s": round(lines / seconds) if seconds else None,
            }
        )
    return rows
