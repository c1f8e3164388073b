"""The door to annotation for other apps: reads only."""

from annotation.selectors.releases import consistent_reads, imported_labels, release_folder
from annotation.selectors.votes import counted_votes, item_patterns, items_by_disagreement, rater_patterns

__all__ = [
    "consistent_reads",
    "counted_votes",
    "imported_labels",
    "item_patterns",
    "items_by_disagreement",
    "rater_patterns",
    "release_folder",
]
