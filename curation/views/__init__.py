"""Pages of the curation stage."""
