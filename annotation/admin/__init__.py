"""The annotation stage in the admin."""

from annotation.admin import intent, people, plans, queue, releases

__all__ = ["intent", "people", "plans", "queue", "releases"]
