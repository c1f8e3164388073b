"""The annotation stage in the admin."""

from annotation.admin import plans, queue, releases

__all__ = ["plans", "queue", "releases"]
