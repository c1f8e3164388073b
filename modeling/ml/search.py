"""Answer a query from a code base: exact ranking by a scorer's logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modeling.ml.data import Code
from modeling.ml.errors import BadDataError, NotFiniteError
from modeling.ml.matcher import Scorer

MOST_RESULTS = 1000


@dataclass(frozen=True)
class Hit:
    """One answer: rank from 1, its place in the code base, the score (a logit; for zero-shot encoders the cosine)."""

    rank: int
    place: int
    score: float
    name: str
    code: str


def search(scorer: Scorer, query: str, code_base: Sequence[Code], *, k: int = 10, index: Any = None) -> list[Hit]:
    """The k best codes, best first; equal scores in the order of the code base.

    index  `scorer.index(...)` of the same code base, kept from an earlier call: encoding the codes is the slow part.
    Raises BadDataError on an empty query, an empty code base or k below 1.
    """
    if not query.strip():
        raise BadDataError(place="query", problem="it is empty.")
    if not code_base:
        raise BadDataError(place="code base", problem="it is empty.")
    if not 1 <= k <= MOST_RESULTS:
        raise BadDataError(place="number of results", problem=f"{k} is outside 1 to {MOST_RESULTS}.")
    if index is None:
        index = scorer.index([code.text for code in code_base])
    scores = next(iter(scorer.score_rows([query], index)))[0]  # (M,)
    if not np.isfinite(scores).all():
        raise NotFiniteError(what="Scores", place=f"code {int(np.flatnonzero(~np.isfinite(scores))[0])}")
    places = np.argsort(-scores, kind="stable")[:k]
    return [
        Hit(rank, int(place), float(scores[place]), code_base[place].name, code_base[place].text)
        for rank, place in enumerate(places, 1)
    ]
