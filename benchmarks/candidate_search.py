"""Best code of each query: FAISS and the batched matrix product, exactly rescored, against a loop over the queries.

    python benchmarks/candidate_search.py [codes] [queries]

The vectors are mixtures of a few hundred directions, because wholly random ones have no structure to find.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.encoding import FloatArray
from core.index import make_index, top_codes

DIM, TOPICS = 384, 300


def vectors(rows: int, seed: int) -> FloatArray:
    """Unit rows (rows, DIM): each a mixture of three topics and some noise."""
    chance = np.random.default_rng(seed)
    topics = np.random.default_rng(0).standard_normal((TOPICS, DIM))
    mixed = topics[chance.integers(TOPICS, size=(rows, 3))].sum(axis=1) + 0.5 * chance.standard_normal((rows, DIM))
    return np.ascontiguousarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def main() -> None:
    n_codes, n_queries = (int(value) for value in (*sys.argv[1:], "6267", "20000")[:2])
    codes, queries = vectors(n_codes, 1), vectors(n_queries, 2)
    started = time.perf_counter()
    plain = np.array([int(np.argmax(codes @ query)) for query in queries])
    loop = time.perf_counter() - started
    print(f"{n_queries:,} queries x {n_codes:,} codes x {DIM}: loop over queries {loop:.2f} s")
    for backend in ("faiss", "matrix"):
        started = time.perf_counter()
        found = top_codes(queries, codes, k=1, index=make_index(codes, backend=backend))
        spent = time.perf_counter() - started
        same = float((np.asarray(found.codes)[:, 0] == plain).mean())
        print(f"{backend}: {spent:.2f} s, ratio {loop / spent:.1f}; same best code as the loop for {100 * same:.2f} %")


if __name__ == "__main__":
    main()
