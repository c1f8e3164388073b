"""The annotation stage in the admin."""

from annotation.admin import queue

__all__ = ["queue"]
