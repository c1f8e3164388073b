"""API of the curation stage: the same services as the pages."""
