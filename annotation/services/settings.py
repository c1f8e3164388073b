"""What the curator asks of annotators in a project, changed on the record."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from annotation.models import AnnotationSettings, Asked, GoldAct
from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError
from core.models import Project, User

FIELDS = (
    "reasons",
    "search_url",
    "qualification_bar",
    "qualification_size",
    "qualification_attempts",
    "gold_act",
    "gold_bar",
    "gold_window",
    "gold_min_failures",
    "repeat_share",
    "repeat_after_days",
)
CHOICES: dict[str, list[str]] = {"reasons": Asked.values, "gold_act": GoldAct.values}
BOUNDS: dict[str, tuple[float, float]] = {
    "qualification_bar": (0, 1),
    "qualification_size": (1, 500),
    "qualification_attempts": (1, 20),
    "gold_bar": (0, 1),
    "gold_window": (2, 500),
    "gold_min_failures": (2, 500),
    "repeat_share": (0, 0.5),
    "repeat_after_days": (1, 365),
}


@retry_when_busy()
def change_settings(*, project: Project, given: Mapping[str, Any], user: User | None) -> AnnotationSettings:
    """Changes the named settings of the project; what is left out stays.

    Raises BadInputError that names the field for a value that is out of bounds, and for a window of gold smaller than
    the failures that it takes.
    """
    for name, value in given.items():
        _check(name, value)
    with write_transaction():
        AnnotationSettings.objects.get_or_create(project=project)
        row = AnnotationSettings.objects.select_for_update().get(project=project)
        before = {name: getattr(row, name) for name in given}
        for name, value in given.items():
            setattr(row, name, value)
        if row.gold_window < row.gold_min_failures:
            raise BadInputError(
                problem=f"{row.gold_min_failures} failures cannot be among the last {row.gold_window} gold pairs.",
                field="gold_window",
            )
        changed = [name for name, value in given.items() if before[name] != value]
        if changed:
            row.save(update_fields=changed)
            record(
                "annotation.change_settings",
                project=project,
                actor=user,
                subject=row,
                before={name: before[name] for name in changed},
                after={name: given[name] for name in changed},
            )
    return row


def _check(name: str, value: Any) -> None:
    if name not in FIELDS:
        raise BadInputError(problem=f"There is no setting {name}: {', '.join(FIELDS)}.", field=name)
    if name in CHOICES and value not in CHOICES[name]:
        raise BadInputError(problem=f"{name} is one of {', '.join(CHOICES[name])}, not {value}.", field=name)
    if name in BOUNDS:
        low, high = BOUNDS[name]
        if not low <= value <= high:
            raise BadInputError(problem=f"{name} lies between {low:g} and {high:g}, not {value}.", field=name)
    if name == "search_url" and value:
        _check_address(value)


def _check_address(address: str) -> None:
    parts = urlsplit(address.replace("{query}", "query"))
    if parts.scheme not in {"http", "https"} or not parts.netloc or "{query}" not in address:
        raise BadInputError(
            problem="The address of the web search begins with https:// and holds {query} where the words go.",
            field="search_url",
        )
    if "{" in address.replace("{query}", "") or len(address) > 200:
        raise BadInputError(problem="The address holds {query} as its only part in braces.", field="search_url")
