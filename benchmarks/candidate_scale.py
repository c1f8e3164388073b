"""Candidate search at scale: time, memory and recall of the index that a run would take.

    python benchmarks/candidate_scale.py [codes] [queries] [--exact]

The vectors are seeded mixtures of real MiniLM vectors (of CoSQA's texts where they are beside the project, else of the
standard library's functions), because random ones have no structure to find; they lie in memory-mapped files. --exact
searches 1,000 of the queries exactly too, to time the matrix product and to check the recall that the index states.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.encoding import texts
from core.encoding import FloatArray
from core.index import MatrixIndex, about, make_index, top_codes
from modeling.ml.encoders import load_encoder

REAL = 400  # real texts of each kind behind the mixtures
BLOCK = 50_000
SAMPLE = 1000


def real_vectors() -> tuple[FloatArray, FloatArray]:
    """(codes, queries): unit rows of real texts."""
    codes, queries, origin = texts(REAL)
    encoder = load_encoder("minilm", device="cpu")
    print(f"mixtures of {len(codes)} code and {len(queries)} query vectors of {origin}")
    return encoder.encode(codes), encoder.encode(queries)


def mixtures(real: FloatArray, rows: int, file: Path, *, seed: int, other: FloatArray | None = None) -> FloatArray:
    """(rows, dim) unit rows in a memory-mapped file: each of two real vectors and a little noise."""
    second = real if other is None else other
    chance = np.random.default_rng(seed)
    mapped = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(rows, real.shape[1]))
    for start in range(0, rows, BLOCK):
        n = min(BLOCK, rows - start)
        share = chance.beta(2, 1, size=(n, 1)).astype(np.float32)
        mixed = (
            share * real[chance.integers(len(real), size=n)]
            + (1 - share) * second[chance.integers(len(second), size=n)]
        )
        mixed += 0.015 * chance.standard_normal(mixed.shape, dtype=np.float32)
        mapped[start : start + n] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    mapped.flush()
    del mapped
    opened: FloatArray = np.load(file, mmap_mode="r")
    return opened


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def search(queries: FloatArray, codes: FloatArray, arguments: argparse.Namespace) -> None:
    started = time.perf_counter()
    index = make_index(codes, queries=queries)
    prepared = time.perf_counter()
    found = top_codes(queries, codes, k=1, index=index)
    spent = time.perf_counter() - prepared
    print(
        f"{len(queries):,} queries x {len(codes):,} codes: {about(index)}\n"
        f"  prepared in {prepared - started:.1f} s, searched in {spent:.1f} s ({len(queries) / spent:,.0f} queries/s), "
        f"peak {peak_gb():.2f} GB"
    )
    chosen = np.random.default_rng(1).choice(len(queries), size=min(SAMPLE, len(queries)), replace=False)
    if arguments.exact:
        started = time.perf_counter()
        exact = top_codes(np.asarray(queries[chosen]), codes, k=1, index=MatrixIndex(codes))
        per_query = (time.perf_counter() - started) / len(chosen)
        same = float((exact.codes[:, 0] == found.codes[chosen, 0]).mean())
        loss = float((exact.scores[:, 0] - found.scores[chosen, 0]).max())
        print(
            f"  exact: {per_query * 1000:.1f} ms a query ({per_query * len(queries):.0f} s for all, estimated); "
            f"the index finds {100 * same:.2f} % of the best codes of {len(chosen):,} random queries, "
            f"worst loss {loss:.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes", type=int, nargs="?", default=1_000_000)
    parser.add_argument("queries", type=int, nargs="?", default=100_000)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the vectors are written; default: a temporary folder")
    arguments = parser.parse_args()
    real_codes, real_queries = real_vectors()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        codes = mixtures(real_codes, arguments.codes, Path(folder, "codes.npy"), seed=1)
        queries = mixtures(real_queries, arguments.queries, Path(folder, "queries.npy"), seed=2, other=real_codes)
        search(queries, codes, arguments)


if __name__ == "__main__":
    main()
