"""The score of a candidate run beside what people judged: share judged 1, and a threshold that follows from it."""

import math
from dataclasses import dataclass
from typing import Any

from annotation.models import Batch
from annotation.selectors.plans import judged_scores
from curation.models import CandidateRun
from curation.score_curve import LEAST_PAIRS, ScoreCurve, Suggestion, score_curve, suggest_threshold

BAND_WIDTH = 0.05
LEAST_JUDGED = LEAST_PAIRS


@dataclass(frozen=True, slots=True)
class RunCurve:
    """What judgements say of a run's scores. `suggestion` is None where too few pairs are judged, or none fits."""

    run: CandidateRun
    curve: ScoreCurve
    suggestion: Suggestion | None
    n_below: int  # judged pairs below the run's threshold
    edges: list[float]
    counts: list[int]

    @property
    def is_enough(self) -> bool:
        """Whether enough pairs are judged to say anything."""
        return self.curve.n >= LEAST_JUDGED

    @property
    def series(self) -> list[dict[str, Any]]:
        return self.curve.series()


def run_curve(run: CandidateRun, batch: Batch | None = None) -> RunCurve:
    """The curve of a run over all judged pairs that it scored, or over those of one batch."""
    judged = judged_scores(run, batch=batch)
    scores, labels = [score for score, _ in judged], [label for _, label in judged]
    edges, counts = histogram(scores)
    return RunCurve(
        run=run,
        curve=score_curve(scores, labels),
        suggestion=suggest_threshold(scores, labels),
        n_below=sum(score < run.threshold for score in scores),
        edges=edges,
        counts=counts,
    )


def histogram(scores: list[float]) -> tuple[list[float], list[int]]:
    """(edges, counts) of bands of BAND_WIDTH (wider where scores are no cosines), each with its lower edge."""
    if not scores:
        return [], []
    width = BAND_WIDTH
    while (max(scores) - min(scores)) / width > 40:
        width *= 2
    places = [math.floor(score / width + 1e-9) for score in scores]  # 0.55 opens the band from 0.55
    first = min(places)
    counts = [0] * (max(places) - first + 1)
    for place in places:
        counts[place - first] += 1
    return [round((first + step) * width, 6) for step in range(len(counts) + 1)], counts
