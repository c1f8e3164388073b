"""The annotation stage in the admin."""

from annotation.admin import board, control, intent, people, plans, preferences, queue, releases

__all__ = ["board", "control", "intent", "people", "plans", "preferences", "queue", "releases"]
