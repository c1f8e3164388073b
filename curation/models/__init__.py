"""Rows of the curation stage: logs and queries, rules and verdicts, code, candidates."""

from curation.models.candidates import BestMatch, Candidate, CandidateRun, Outcome, Pair
from curation.models.code import Code, CodeOccurrence, CodeSettings, CodeSource
from curation.models.logs import BadRow, LogImport, Query, QueryClick, QueryCount
from curation.models.privacy import PrivacyAct, PrivacyDecision, SavedFilter, TextKind
from curation.models.rules import Adoption, RuleHit, RuleSet, Verdict, VerdictCount
from curation.models.uploads import LogUpload

__all__ = [
    "Adoption",
    "BadRow",
    "BestMatch",
    "Candidate",
    "CandidateRun",
    "Code",
    "CodeOccurrence",
    "CodeSettings",
    "CodeSource",
    "LogImport",
    "LogUpload",
    "Outcome",
    "Pair",
    "PrivacyAct",
    "PrivacyDecision",
    "Query",
    "QueryClick",
    "QueryCount",
    "RuleHit",
    "RuleSet",
    "SavedFilter",
    "TextKind",
    "Verdict",
    "VerdictCount",
]
