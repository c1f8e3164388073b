"""The annotation stage in the admin."""

from annotation.admin import (
    adjudication,
    board,
    control,
    guidelines,
    intent,
    people,
    plans,
    preferences,
    queue,
    releases,
)

__all__ = [
    "adjudication",
    "board",
    "control",
    "guidelines",
    "intent",
    "people",
    "plans",
    "preferences",
    "queue",
    "releases",
]
