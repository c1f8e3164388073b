"""A matcher scores queries against codes: an encoder with a matching head, or BM25. Also its checkpoint on disk.

A checkpoint is a folder: `quarry.json` (what it is, how it was made), `encoder/` (a transformers folder),
`head.safetensors`, `README.md` (a card for people). Nothing in it is a pickle.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.encoding import FloatArray, HashingEncoder, Progress
from modeling.ml.bm25 import Bm25Index, tokens_of
from modeling.ml.cards import card
from modeling.ml.encoders import TransformerEncoder, load_encoder, quiet_transformers
from modeling.ml.errors import BadCheckpointError
from modeling.ml.files import MANIFEST, replace_folder, settled_folder, write_json, write_text
from modeling.ml.heads import CosineHead, MlpHead, make_head
from modeling.ml.views import VIEWS, text_view

FORMAT = 1
QUERIES_AT_ONCE = 64


class Scorer(Protocol):
    """What search and evaluation ask of anything that matches queries with codes."""

    name: str
    max_length: int | None
    view: str
    manifest: dict[str, Any]
    ties_expected: bool  # equal scores are normal (word counts), not the sign of a collapsed encoder

    def index(self, codes: Sequence[str], *, progress: Progress | None = None) -> Any:
        """Whatever makes scoring against these codes fast. The text view is applied here."""
        ...

    def score_rows(self, queries: Sequence[str], index: Any) -> Iterator[FloatArray]:
        """(q, M) blocks of scores, rows in the order of the queries."""
        ...

    def score_pairs(self, queries: Sequence[str], codes: Sequence[str]) -> FloatArray:
        """(N,) scores of query i with code i, the same numbers as in `score_rows` up to rounding."""
        ...


class Matcher:
    """A siamese encoder and a head; `manifest` holds what its checkpoint says beyond that."""

    ties_expected = False

    def __init__(
        self,
        encoder: TransformerEncoder | HashingEncoder,
        head: CosineHead | MlpHead,
        *,
        head_name: str = "cosine",
        view: str = "full",
        name: str | None = None,
        manifest: dict[str, Any] | None = None,
    ) -> None:
        self.encoder = encoder
        self.device = getattr(encoder, "device", "cpu")
        self.head = head.to(self.device)
        self.head_name = head_name
        self.view = view
        self.name = name or encoder.name
        self.max_length: int | None = encoder.max_length
        self.manifest = manifest or {}

    def embed(self, texts: Sequence[str], *, progress: Progress | None = None) -> FloatArray:
        """(N, D) vectors for the head: as pooled; unit rows where only the cosine matters."""
        if isinstance(self.encoder, HashingEncoder) or self.head_name == "cosine":
            return self.encoder.encode(texts, progress=progress)
        return self.encoder.embed(texts, progress=progress)

    def index(self, codes: Sequence[str], *, progress: Progress | None = None) -> FloatArray:
        return self.embed([text_view(code, self.view) for code in codes], progress=progress)

    @torch.inference_mode()
    def score_rows(self, queries: Sequence[str], index: FloatArray) -> Iterator[FloatArray]:
        code_vecs = self._tensor(index)
        query_vecs = self._tensor(self.embed(queries))
        for start in range(0, len(query_vecs), QUERIES_AT_ONCE):
            yield self.head.matrix(query_vecs[start : start + QUERIES_AT_ONCE], code_vecs).cpu().numpy()

    @torch.inference_mode()
    def score_pairs(self, queries: Sequence[str], codes: Sequence[str]) -> FloatArray:
        logits: FloatArray = (
            self.head.pairs(self._tensor(self.embed(queries)), self._tensor(self.index(codes))).cpu().numpy()
        )
        return logits

    def save(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Write the checkpoint; an older one in the folder is replaced only when the new one is complete."""
        replace_folder(folder, lambda part: self._fill(part, manifest))

    def _fill(self, folder: Path, manifest: dict[str, Any]) -> None:
        encoder = self.encoder
        if isinstance(encoder, HashingEncoder):
            raise TypeError("The hashing stand-in is not trained and not saved.")
        with quiet_transformers():
            encoder.tower.backbone.save_pretrained(folder / "encoder")
            encoder.tokenizer.save_pretrained(folder / "encoder")
        save_file(
            {key: value.contiguous().cpu() for key, value in self.head.state_dict().items()},
            folder / "head.safetensors",
        )
        complete = {
            "kind": "matcher",
            "format": FORMAT,
            "head": self.head_name,
            "dim": encoder.dim,
            "pooling": encoder.pooling,
            "max_length": encoder.max_length,
            "text_view": self.view,
            **manifest,
        }
        write_json(folder / MANIFEST, complete)
        write_text(folder / "README.md", card(complete))

    def _tensor(self, rows: FloatArray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows)).to(self.device)


class Bm25:
    """BM25 as a scorer."""

    max_length: int | None = None
    ties_expected = True

    def __init__(self, *, view: str = "full", manifest: dict[str, Any] | None = None) -> None:
        self.name = "bm25"
        self.view = view
        self.manifest = manifest or {}

    def index(self, codes: Sequence[str], *, progress: Progress | None = None) -> Bm25Index:
        return Bm25Index([tokens_of(text_view(code, self.view)) for code in codes])

    def score_rows(self, queries: Sequence[str], index: Bm25Index) -> Iterator[FloatArray]:
        for query in queries:
            yield index.scores(tokens_of(query))[np.newaxis]

    def score_pairs(self, queries: Sequence[str], codes: Sequence[str]) -> FloatArray:
        """Document frequencies come from these codes."""
        index = self.index(codes)
        return np.array(
            [index.scores(tokens_of(query))[place] for place, query in enumerate(queries)], dtype=np.float32
        )

    def save(self, folder: Path, manifest: dict[str, Any]) -> None:
        complete = {"kind": "bm25", "format": FORMAT, "text_view": self.view, **manifest}

        def fill(part: Path) -> None:
            write_json(part / MANIFEST, complete)
            write_text(part / "README.md", card(complete))

        replace_folder(folder, fill)


def new_matcher(encoder: TransformerEncoder, *, head: str, scale: float, bias: float, view: str, seed: int) -> Matcher:
    """A matcher with a fresh head; its weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = make_head(head, encoder.dim, scale=scale, bias=bias)
    return Matcher(encoder, made, head_name=head, view=view)


def load_scorer(
    name: str | Path, *, max_length: int | None = None, device: str | None = None, view: str | None = None
) -> Matcher | Bm25:
    """A checkpoint folder, `bm25`, `hashing`, or an encoder's name or folder (zero-shot: plain cosine).

    Raises BadCheckpointError or UnknownEncoderError. `view` replaces the checkpoint's text view.
    """
    if view is not None and view not in VIEWS:
        raise BadCheckpointError(path=name, problem=f"there is no text view {view}; use one of {', '.join(VIEWS)}.")
    if str(name) == "bm25":
        return Bm25(view=view or "full")
    if str(name) == "hashing":
        return Matcher(HashingEncoder(), CosineHead(), view=view or "full")
    folder = settled_folder(Path(name).expanduser())
    if (folder / MANIFEST).exists():
        return _load_checkpoint(folder, max_length=max_length, device=device, view=view)
    encoder = load_encoder(name, max_length=max_length, device=device)
    return Matcher(encoder, CosineHead(), view=view or "full")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of itself; raises BadCheckpointError."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpointError(path=folder, problem=f"{MANIFEST} cannot be read ({error}).") from error
    if not isinstance(manifest, dict) or manifest.get("kind") not in {"matcher", "bm25"}:
        raise BadCheckpointError(path=folder, problem=f"{MANIFEST} does not describe a checkpoint.")
    if manifest.get("format") != FORMAT:
        raise BadCheckpointError(
            path=folder, problem=f"its format is {manifest.get('format')}, this version reads {FORMAT}."
        )
    return manifest


def _load_checkpoint(folder: Path, *, max_length: int | None, device: str | None, view: str | None) -> Matcher | Bm25:
    manifest = read_manifest(folder)
    view = view or manifest["text_view"]
    if manifest["kind"] == "bm25":
        return Bm25(view=view, manifest=manifest)
    encoder = load_encoder(folder, max_length=max_length, device=device)
    if encoder.dim != manifest["dim"]:
        raise BadCheckpointError(
            path=folder, problem=f"its encoder gives {encoder.dim} numbers, {MANIFEST} says {manifest['dim']}."
        )
    head = make_head(manifest["head"], encoder.dim, scale=1.0, bias=0.0)
    _load_head(head, folder)
    return Matcher(encoder, head.eval(), head_name=manifest["head"], view=view, name=str(folder), manifest=manifest)


def _load_head(head: CosineHead | MlpHead, folder: Path) -> None:
    try:
        weights = load_file(folder / "head.safetensors")
    except (OSError, SafetensorError) as error:
        raise BadCheckpointError(path=folder, problem=f"head.safetensors cannot be read ({error}).") from error
    wanted = {key: tuple(value.shape) for key, value in head.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    if wanted != found:
        raise BadCheckpointError(path=folder, problem=f"its head has the shapes {found}, expected are {wanted}.")
    head.load_state_dict(weights)
