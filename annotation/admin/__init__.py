"""The annotation stage in the admin."""

from annotation.admin import control, intent, people, plans, preferences, queue, releases

__all__ = ["control", "intent", "people", "plans", "preferences", "queue", "releases"]
