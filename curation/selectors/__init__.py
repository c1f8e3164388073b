"""Reads of the curation stage: the only door for other apps."""

from curation.selectors.candidates import (
    best_matches,
    candidate_runs,
    codes_used,
    pairs_to_open,
    queries_per_code,
    sample_candidates,
    summary,
)
from curation.selectors.code import browse_codes, code_base, code_counts, code_sources, proposable_codes

__all__ = [
    "best_matches",
    "browse_codes",
    "candidate_runs",
    "code_base",
    "code_counts",
    "code_sources",
    "codes_used",
    "pairs_to_open",
    "proposable_codes",
    "queries_per_code",
    "sample_candidates",
    "summary",
]
