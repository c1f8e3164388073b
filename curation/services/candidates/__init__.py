"""Candidate runs: propose pairs, look at a sample first."""

from curation.services.candidates.figures import histogram_of, warnings_about
from curation.services.candidates.preview import preview_candidates, start_preview_candidates
from curation.services.candidates.runs import NothingToProposeError, propose_pairs, start_propose_pairs
from curation.services.candidates.storing import store_pairs

__all__ = [
    "NothingToProposeError",
    "histogram_of",
    "preview_candidates",
    "propose_pairs",
    "start_preview_candidates",
    "start_propose_pairs",
    "store_pairs",
    "warnings_about",
]
