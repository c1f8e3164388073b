"""Encoding with length-sorted dynamic batches against the padded way: fixed batches in given order, padded to the most.

    python benchmarks/encoding.py [texts] [--max-length 256]

Reads a seeded sample of CoSQA's code base and queries beside the project where they are there, else functions of the
standard library and their names as queries. Both ways run the same model, in one process.
"""

import argparse
import inspect
import json
import pkgutil
import random
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from modeling.ml.encoders import TransformerEncoder, load_encoder

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "cosqa"
PADDED_BATCH = 32


def texts(n: int) -> tuple[list[str], list[str], str]:
    """(codes, queries, where they come from): at most n of each."""
    chance = random.Random(0)
    if (DATA / "code_idx_map.txt").exists():
        codes = list(json.loads((DATA / "code_idx_map.txt").read_text("utf-8")))
        queries = [row["doc"] for row in json.loads((DATA / "cosqa-retrieval-dev-500.json").read_text("utf-8"))]
        return chance.sample(codes, n), chance.sample(queries, min(n, len(queries))), "CoSQA"
    codes, queries = [], []
    for module in pkgutil.iter_modules():
        if module.name in sys.stdlib_module_names and not module.name.startswith("_") and not module.ispkg:
            found = import_module(module.name)
            for name, function in inspect.getmembers(found, inspect.isfunction):
                codes.append(inspect.getsource(function))
                queries.append(f"python {name.replace('_', ' ')}")
        if len(codes) >= n:
            break
    return codes[:n], queries[:n], "the standard library"


@torch.inference_mode()
def padded(encoder: TransformerEncoder, given: list[str]) -> np.ndarray:
    """The plain way: batches of PADDED_BATCH in the given order, every row as long as the model reads."""
    rows = []
    for start in range(0, len(given), PADDED_BATCH):
        batch = encoder.tokenizer(
            given[start : start + PADDED_BATCH],
            truncation=True,
            padding="max_length",
            max_length=encoder.max_length,
            return_tensors="pt",
        )
        rows.append(encoder.tower(batch["input_ids"], batch["attention_mask"]).numpy())
    vectors = np.concatenate(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed(function: Any, *args: Any) -> tuple[float, np.ndarray]:
    """(seconds, result)"""
    started = time.perf_counter()
    found = function(*args)
    return time.perf_counter() - started, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=int, nargs="?", default=300)
    parser.add_argument("--max-length", type=int, default=256)
    arguments = parser.parse_args()
    encoder = load_encoder("minilm", max_length=arguments.max_length, device="cpu")
    codes, queries, origin = texts(arguments.texts)
    encoder.encode(codes[:8])  # warm
    padded(encoder, codes[:8])
    print(f"MiniLM, {arguments.max_length} tokens, {torch.get_num_threads()} threads, texts of {origin}")
    for what, given in (("codes", codes), ("queries", queries)):
        lengths = [len(ids) for ids in encoder.tokenize(given)]
        sorted_s, ours = timed(encoder.encode, given)
        padded_s, plain = timed(padded, encoder, given)
        print(
            f"{what}: {len(given)} texts, {np.mean(lengths):.0f} tokens on average; length-sorted {sorted_s:.2f} s "
            f"({len(given) / sorted_s:.0f}/s), padded {padded_s:.2f} s ({len(given) / padded_s:.0f}/s), "
            f"ratio {padded_s / sorted_s:.2f}; largest difference {np.abs(ours - plain).max():.1e}"
        )


if __name__ == "__main__":
    main()
