"""Administration of the curation stage."""

from curation.admin import code, queries

__all__ = ["code", "queries"]
