"""The annotation stage in the admin."""

from annotation.admin import queue, releases

__all__ = ["queue", "releases"]
