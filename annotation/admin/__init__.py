"""The annotation stage in the admin."""

from annotation.admin import intent, plans, queue, releases

__all__ = ["intent", "plans", "queue", "releases"]
