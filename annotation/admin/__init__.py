"""The annotation stage in the admin."""

from annotation.admin import (
    adjudication,
    agreement,
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
    "agreement",
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
