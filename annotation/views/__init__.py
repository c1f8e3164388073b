"""Pages of the annotation stage."""
