"""Candidate runs: propose pairs, look at a sample first."""

from curation.services.candidates.figures import histogram_of, warnings_about
from curation.services.candidates.runs import NothingToProposeError, propose_pairs, start_propose_pairs
from curation.services.candidates.storing import store_pairs

__all__ = [
    "NothingToProposeError",
    "histogram_of",
    "propose_pairs",
    "start_propose_pairs",
    "store_pairs",
    "warnings_about",
]
