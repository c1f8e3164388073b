"""The searchable index of a code base: code ids beside memory-mapped vectors, and what scores a query against them.

A folder `indexes/<project>-<random>/` with ids.npy (n,) int64 ascending and vectors.npy (n, D) float32. It is built in
`tmp/` and renamed, so it is whole or absent; a rebuilt one gets a new name, so a reader never sees its vectors change.
Used by workers and the inference process only.
"""

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from core.encoders import load_encoder
from core.encoding import Encoder, FloatArray
from core.errors import BadInputError, QuarryError
from core.index import MatrixIndex, top_codes
from core.models import Project
from core.vectors import VectorStore, encode_missing
from curation.selectors import code_base
from modeling.ml.files import MANIFEST
from modeling.ml.views import text_view

Progress = Callable[[int, int], None]
INDEXES_FOLDER = "indexes"


class DamagedIndexError(QuarryError):
    code, status = "damaged_index", 409
    template = "The search index {path} cannot be read ({problem}). Build it again."


class Matcher(Protocol):
    """Makes the vectors of codes, and ranks codes for a query by them."""

    max_length: int

    def code_vectors(self, texts: Sequence[str], progress: Progress | None = None) -> FloatArray:
        """(n, D)"""
        ...

    def best(self, query: str, codes: FloatArray, top: int) -> list[tuple[int, float]]:
        """The `top` best (place, score), best first; the earlier place first among equals."""
        ...


class CosineMatcher:
    """An encoder whose unit vectors are compared by their cosine: scores are those of the candidate runs."""

    def __init__(self, encoder: Encoder, *, view: str = "full") -> None:
        self.encoder = encoder
        self.view = view
        self.max_length = encoder.max_length

    def code_vectors(self, texts: Sequence[str], progress: Progress | None = None) -> FloatArray:
        """Unit vectors; what is stored already is not encoded again."""
        store = VectorStore.of(Path(settings.QUARRY_HOME) / "vectors", self.encoder, view=self.view)
        return encode_missing(store, self.encoder, [text_view(text, self.view) for text in texts], progress)

    def best(self, query: str, codes: FloatArray, top: int) -> list[tuple[int, float]]:
        """By cosine, exact to six decimals."""
        found = top_codes(self.encoder.encode([query]), codes, k=top, index=MatrixIndex(codes))
        return [(int(place), float(score)) for place, score in zip(found.codes[0], found.scores[0], strict=True)]


class HeadMatcher:
    """A checkpoint whose trained head scores pairs of vectors (CoSQA's MLP). Its vectors are of no use elsewhere."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer
        self.max_length = scorer.max_length

    def code_vectors(self, texts: Sequence[str], progress: Progress | None = None) -> FloatArray:
        """Pooled vectors, not of length 1, so not kept in the store of unit vectors."""
        vectors: FloatArray = self.scorer.index(texts, progress=progress)
        return vectors

    def best(self, query: str, codes: FloatArray, top: int) -> list[tuple[int, float]]:
        """By logit."""
        scores = next(self.scorer.score_rows([query], codes))[0]
        return best_of_logits(scores, top)


def best_of_logits(scores: FloatArray, top: int) -> list[tuple[int, float]]:
    """The `top` highest as (place, score), the earlier place first among equals."""
    order = np.argsort(-scores, kind="stable")[:top]
    return [(int(place), float(scores[place])) for place in order]


def load_matcher(checkpoint: str) -> Matcher:
    """The matcher of an encoder name or checkpoint folder."""
    if not (Path(checkpoint) / MANIFEST).is_file():
        return CosineMatcher(load_encoder(checkpoint))
    from modeling.ml.matcher import Matcher as TrainedMatcher
    from modeling.ml.matcher import load_scorer

    scorer = load_scorer(checkpoint)
    if not isinstance(scorer, TrainedMatcher):
        raise BadInputError(problem=f"{checkpoint} compares words, not vectors; no index can be built for it.")
    return CosineMatcher(scorer.encoder, view=scorer.view) if scorer.head_name == "cosine" else HeadMatcher(scorer)


@dataclass(frozen=True)
class LoadedIndex:
    """An index, memory-mapped."""

    ids: NDArray[np.int64]
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, matcher: Matcher, query: str, *, top: int) -> list[tuple[int, float]]:
        """The `top` best (code id, score), best first; equal scores in order of id."""
        return [(int(self.ids[place]), score) for place, score in matcher.best(query, self.vectors, top)]


def load_index(path: str) -> LoadedIndex:
    """Opens the index in a folder below QUARRY_HOME; raises DamagedIndexError when it cannot."""
    home = Path(settings.QUARRY_HOME).resolve()
    folder = (home / path).resolve()
    if not folder.is_relative_to(home / INDEXES_FOLDER):
        raise DamagedIndexError(path=path, problem="it is not in the folder of indexes")
    try:
        ids = np.load(folder / "ids.npy", allow_pickle=False)
        vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DamagedIndexError(path=path, problem=str(error)) from error
    if vectors.ndim != 2 or len(ids) != len(vectors):
        raise DamagedIndexError(path=path, problem="ids and vectors do not belong together")
    return LoadedIndex(ids=ids, vectors=vectors)


@dataclass(frozen=True)
class BuiltIndex:
    """What a build made: the folder below QUARRY_HOME, how many codes, and the largest code id."""

    path: str
    n_codes: int
    last_code_id: int


def write_index(project: Project, checkpoint: str, *, progress: Progress | None = None) -> BuiltIndex:
    """Makes the index of the project's code base as it is now."""
    rows = sorted((code_id, text) for code_id, _, text in code_base(project))
    ids = np.array([code_id for code_id, _ in rows], dtype=np.int64)
    vectors = load_matcher(checkpoint).code_vectors([text for _, text in rows], progress)
    path = f"{INDEXES_FOLDER}/{project.slug}-{uuid.uuid4().hex[:12]}"
    _write_folder(Path(settings.QUARRY_HOME) / path, ids, vectors)
    return BuiltIndex(path=path, n_codes=len(ids), last_code_id=int(ids[-1]) if len(ids) else 0)


def _write_folder(folder: Path, ids: NDArray[np.int64], vectors: FloatArray) -> None:
    part = Path(settings.QUARRY_HOME) / "tmp" / folder.name
    part.mkdir(parents=True)
    np.save(part / "ids.npy", ids, allow_pickle=False)
    np.save(part / "vectors.npy", vectors, allow_pickle=False)
    folder.parent.mkdir(exist_ok=True)
    part.rename(folder)


def remove_index(path: str) -> None:
    """Removes an index that was replaced; one that is still mapped somewhere lives on until it is let go."""
    if path.startswith(f"{INDEXES_FOLDER}/"):
        shutil.rmtree(Path(settings.QUARRY_HOME) / path, ignore_errors=True)
