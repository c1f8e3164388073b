"""What people judged, for those in curation who compare it with scores.

Votes live in annotation, which curation does not know: annotation registers here where they come from when Django
starts (`ready()` of its app configuration).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.models import Project
from curation.models import CandidateRun


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """A pair with the label that people (or an import) gave it."""

    query: str
    code: str
    label: int
    query_id: int
    code_id: int


@dataclass(frozen=True, slots=True)
class JudgedScore:
    """The score that a run gave a pair, and the label that people gave it."""

    score: float
    label: int


@dataclass(frozen=True)
class JudgementSource:
    """Where judgements come from: of all pairs of a project, and of a run's candidates."""

    pairs: Callable[[Project], Iterator[JudgedPair]]
    scores: Callable[[CandidateRun], list[JudgedScore]]


_sources: list[JudgementSource] = []


def register_judgements(source: JudgementSource) -> None:
    """Makes a source known; the last one counts."""
    _sources.append(source)


def judged_pairs(project: Project) -> list[JudgedPair]:
    """Judged pairs of a project; none where nobody judges."""
    return list(_sources[-1].pairs(project)) if _sources else []


def judged_scores(run: CandidateRun) -> list[JudgedScore]:
    """Scores and labels of a run's judged candidates."""
    return _sources[-1].scores(run) if _sources else []
