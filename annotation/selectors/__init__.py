"""The door to annotation for other apps: reads only."""

from annotation.selectors.releases import imported_labels, release_folder
from annotation.selectors.tallies import worst_items
from annotation.selectors.votes import counted_votes, item_patterns, rater_patterns

__all__ = [
    "counted_votes",
    "imported_labels",
    "item_patterns",
    "rater_patterns",
    "release_folder",
    "worst_items",
]
