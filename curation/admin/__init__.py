"""Administration of the curation stage."""

from curation.admin import code

__all__ = ["code"]
