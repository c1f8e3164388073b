"""The card of a checkpoint: what a person should know before using it."""

from collections.abc import Mapping
from typing import Any

INTRO = {
    "matcher": "A siamese encoder that matches search queries with Python functions.",
    "bm25": "BM25, word overlap without a model. Nothing was trained.",
}


def card(manifest: Mapping[str, Any]) -> str:
    """Markdown from a checkpoint's manifest."""
    recipe = manifest.get("recipe", {})
    parts = [
        f"# {recipe.get('recipe', 'checkpoint')}",
        INTRO[manifest["kind"]],
        _table("What it is", {key: manifest[key] for key in _FACTS if key in manifest}),
        _table("Settings", recipe),
        _table("Training data", manifest.get("data", {})),
        _table("Metrics of the epoch that was kept", manifest.get("metrics", {})),
        _USE,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_FACTS = ("head", "pooling", "dim", "max_length", "text_view", "threshold", "threshold_from", "step", "epoch")
_USE = """## Use
    python -m modeling.ml search "sort a list of dicts" --checkpoint THIS_FOLDER --code-base FILE

Dev metrics were used to choose the epoch, so they are a little too good; measure on pairs that no choice has seen, and
whose queries and codes are not connected with the training pairs."""


def _table(title: str, rows: Mapping[str, Any]) -> str:
    if not rows:
        return ""
    lines = [f"| {key} | {_shown(value)} |" for key, value in rows.items()]
    return "\n".join([f"## {title}", "| | |", "|---|---|", *lines])


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).replace("|", "\\|")
