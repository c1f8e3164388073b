"""What decides a candidate run, checked before anything is queued."""

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from core.errors import BadInputError
from core.index import RECALL
from core.models import Project
from curation.assignment import POLICIES
from curation.models import CandidateRun
from curation.retrieval import HYBRIDS, POOL, RETRIEVERS
from curation.text_views import VIEWS

PAPER_THRESHOLD = 0.5
MAX_TOP_K = 100
MAX_CAP = 10_000
MAX_SHARDS = 10_000
CASCADE_DEPTH = 20  # codes beyond the wanted ones that cascade may fall back to, the best one included
CLICKED = "clicked"
_ENCODER_NAME = re.compile(r"[\w.~/ -]{1,300}\Z")


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run; `threshold` is on the retriever's score and inclusive."""

    encoder: str
    retriever: str = "dense"
    top_k: int = 1
    threshold: float = PAPER_THRESHOLD
    cap: int = 10
    policy: str = "default"
    text_view: str = "full"
    weight: float = 0.5
    pool: int = POOL
    recall: float = RECALL
    shards: int = 1

    @property
    def needs_vectors(self) -> bool:
        return self.retriever == "dense" or self.retriever in HYBRIDS

    @property
    def needs_words(self) -> bool:
        return self.retriever == "bm25" or self.retriever in HYBRIDS

    @property
    def depth(self) -> int:
        """Codes per query that the assignment looks at."""
        return self.top_k + CASCADE_DEPTH - 1 if self.policy == "cascade" else self.top_k

    def columns(self) -> dict[str, Any]:
        """As columns of a CandidateRun; what has none stands in `params`."""
        values = asdict(self)
        params = {name: values.pop(name) for name in ("weight", "pool", "recall", "shards")}
        used = {"recall", "shards"} if self.needs_vectors else set()
        used |= {"pool"} if self.retriever in HYBRIDS else set()
        used |= {"weight"} if self.retriever == "hybrid_sum" else set()
        return {**values, "params": {name: value for name, value in params.items() if name in used}}

    @classmethod
    def of(cls, run: CandidateRun) -> "RunSettings":
        """The settings that a run was started with."""
        names = ("encoder", "retriever", "top_k", "threshold", "cap", "policy", "text_view")
        extra = {name: run.params[name] for name in ("weight", "pool", "recall", "shards") if name in run.params}
        return cls(**{name: getattr(run, name) for name in names}, **extra)


def checked_settings(
    project: Project,
    *,
    encoder: str = "",
    retriever: str = "dense",
    top_k: int = 1,
    threshold: float | None = None,
    cap: int = 10,
    policy: str = "default",
    text_view: str = "full",
    weight: float = 0.5,
    pool: int = POOL,
    recall: float = RECALL,
    shards: int = 1,
) -> RunSettings:
    """The settings with their defaults filled in; raises BadInputError for one that makes no sense.

    The default threshold is the paper's 0.5 for cosines and 0 for the other scores, which nobody has calibrated yet.
    """
    if retriever not in RETRIEVERS and retriever != CLICKED:
        raise BadInputError(problem=f"There is no retriever {retriever}. There are: {', '.join(RETRIEVERS)}.")
    if threshold is None:
        threshold = PAPER_THRESHOLD if retriever == "dense" else 0.0
    _check_assignment(retriever, top_k, threshold, cap, policy)
    if text_view not in VIEWS:
        raise BadInputError(problem=f"There is no text view {text_view}. There are: {', '.join(VIEWS)}.")
    _check_search(weight, pool, recall, shards)
    return RunSettings(
        encoder=_encoder_of(project, encoder, retriever),
        retriever=retriever,
        top_k=top_k,
        threshold=threshold,
        cap=cap,
        policy=policy,
        text_view=text_view,
        weight=weight,
        pool=pool,
        recall=recall,
        shards=shards,
    )


def _encoder_of(project: Project, encoder: str, retriever: str) -> str:
    if retriever == CLICKED:
        return ""
    if retriever == "bm25":
        return "bm25"
    name = encoder.strip() or project.encoder or settings.QUARRY_ENCODER
    if not _ENCODER_NAME.match(name):
        raise BadInputError(problem="The encoder is a name such as minilm, the folder of a model, or a hub name.")
    return name


def _check_assignment(retriever: str, top_k: int, threshold: float, cap: int, policy: str) -> None:
    if not 1 <= top_k <= MAX_TOP_K:
        raise BadInputError(problem=f"{top_k} codes per query are out of bounds: 1 to {MAX_TOP_K} can be kept.")
    if retriever == "dense" and not -1 <= threshold <= 1:
        raise BadInputError(problem=f"The threshold {threshold} is no cosine: give a number from -1 to 1.")
    if not (math.isfinite(threshold) and -1 <= threshold <= 10_000):
        raise BadInputError(problem=f"The threshold {threshold} is no score of {retriever}: give 0 or more.")
    if not 1 <= cap <= MAX_CAP:
        raise BadInputError(problem=f"The cap {cap} is out of bounds: a code is used 1 to {MAX_CAP:,} times.")
    if policy not in POLICIES:
        raise BadInputError(problem=f"There is no assignment policy {policy}. There are: {', '.join(POLICIES)}.")


def _check_search(weight: float, pool: int, recall: float, shards: int) -> None:
    if not 0 <= weight <= 1:
        raise BadInputError(problem=f"The weight {weight} of the cosine is out of bounds: give a number from 0 to 1.")
    if not 1 <= pool <= 1000:
        raise BadInputError(problem=f"A pool of {pool} codes is out of bounds: a hybrid looks at 1 to 1,000.")
    if not 0.5 <= recall <= 1:
        raise BadInputError(problem=f"The recall {recall} is out of bounds: give a share from 0.5 to 1.")
    if not 1 <= shards <= MAX_SHARDS:
        raise BadInputError(problem=f"{shards} shards are out of bounds: a search has 1 to {MAX_SHARDS:,}.")
