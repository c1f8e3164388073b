"""Small regular work that is no job: an app registers it in its `tasks.py`, every worker process does it when due."""

from collections.abc import Callable
from dataclasses import dataclass

from core.jobs import load_tasks


@dataclass(frozen=True)
class Duty:
    """A function to be called about every `every_s` seconds; several workers may do so, each for itself."""

    name: str
    every_s: float
    function: Callable[[], object]


_duties: dict[str, Duty] = {}


def duty(name: str, *, every_s: float) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Registers a function as regular work. It must be short, and harmless when done twice."""

    def register(function: Callable[[], object]) -> Callable[[], object]:
        _duties[name] = Duty(name, every_s, function)
        return function

    return register


def all_duties() -> list[Duty]:
    """The regular work of all apps."""
    load_tasks()
    return list(_duties.values())
