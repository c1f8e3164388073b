"""What a demo run reports: one row per step, said while it happens and as a table at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Step:
    """A step of the road: what happened, in words and numbers, how long it took, and where to look."""

    name: str
    look: str = ""
    text: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class Road:
    """Collects steps; `say` gets a line when one begins and when it is done."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str, *, look: str = "") -> Iterator[Step]:
        """Times a step; the body sets its `text` and `numbers`."""
        step = Step(name, look)
        self.say(f"{len(self.steps) + 1}. {name} ...")
        started = time.monotonic()
        yield step
        step.seconds = round(time.monotonic() - started, 1)
        self.steps.append(step)
        self.say(f"   {step.text} ({step.seconds:.1f} s)")

    def table(self) -> str:
        """The table at the end, in lines of at most about 120 characters."""
        width = max(len(step.name) for step in self.steps)
        rows = []
        for number, step in enumerate(self.steps, start=1):
            rows.append(f"  {number:>2}  {step.name.ljust(width)}  {step.seconds:>6.1f} s  {step.text}")
            if step.look:
                rows.append(f"      {''.ljust(width)}            {step.look}")
        return "\n".join(rows)

    def data(self) -> list[dict[str, Any]]:
        """The same as data."""
        return [asdict(step) for step in self.steps]
