"""The road of a project as numbers: every app says how many things stand at its stages and what to do next.

The shell must not know the apps, so they register here when Django starts (`ready()` of their app configuration).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.models import Project


@dataclass(frozen=True)
class Branch:
    """What leaves the road at a stage, or waits there."""

    label: str
    value: int
    href: str = ""


@dataclass(frozen=True)
class Stage:
    """A stage of the funnel: how many things reached it, and the page that lists them."""

    key: str
    label: str
    value: int
    href: str = ""
    unit: str = ""
    branches: list[Branch] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """A thing to do: `is_done` steps are shown as done, the first open one is the next step."""

    title: str
    text: str
    is_done: bool
    href: str = ""
    label: str = ""


@dataclass(frozen=True)
class Contribution:
    """What one app adds to the overview."""

    stages: list[Stage] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class Overview:
    stages: list[Stage]
    steps: list[Step]

    @property
    def next_step(self) -> Step | None:
        """The first thing that is still to be done."""
        return next((step for step in self.steps if not step.is_done), None)

    @property
    def n_done(self) -> int:
        return sum(step.is_done for step in self.steps)


@dataclass(frozen=True)
class PersonalNumber:
    """A number of one person in a project, e.g. their votes."""

    label: str
    value: int
    href: str = ""


_contributions: list[tuple[int, Callable[[Project], Contribution]]] = []
_personal: list[Callable[[Project, Any], list[PersonalNumber]]] = []


def register_funnel_stages(order: int, contribute: Callable[[Project], Contribution]) -> None:
    """Adds an app's stages and steps; `order` says where on the road they stand."""
    if all(known is not contribute for _, known in _contributions):
        _contributions.append((order, contribute))
        _contributions.sort(key=lambda entry: entry[0])


def register_personal(count: Callable[[Project, Any], list[PersonalNumber]]) -> None:
    """Adds an app's numbers about the person who asks."""
    if count not in _personal:
        _personal.append(count)


def overview_of(project: Project) -> Overview:
    """Every stage and step of a project, in the order of the road."""
    parts = [contribute(project) for _, contribute in _contributions]
    return Overview([stage for part in parts for stage in part.stages], [step for part in parts for step in part.steps])


def personal_numbers(project: Project, user: Any) -> list[PersonalNumber]:
    """What the apps count about this person in this project."""
    return [number for count in _personal for number in count(project, user)]
