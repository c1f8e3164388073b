"""Reads of the curation stage: the only door for other apps."""

from curation.selectors.candidates import candidate_runs, pairs_to_open
from curation.selectors.code import (
    NOT_STATED,
    code_base,
    code_counts,
    codes_only_under,
    commented_codes,
    licence_counts,
    licences_of,
    proposable_codes,
)
from curation.selectors.queries import (
    current_rule_set,
    judgeable_queries,
    proposable_count,
    proposable_queries,
    rule_counts,
    rule_sets,
    shown_text,
)
from curation.services.rule_sets import profile_of

__all__ = [
    "NOT_STATED",
    "candidate_runs",
    "code_base",
    "code_counts",
    "codes_only_under",
    "commented_codes",
    "current_rule_set",
    "judgeable_queries",
    "licence_counts",
    "licences_of",
    "pairs_to_open",
    "profile_of",
    "proposable_codes",
    "proposable_count",
    "proposable_queries",
    "rule_counts",
    "rule_sets",
    "shown_text",
]
