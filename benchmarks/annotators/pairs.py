"""Ready pairs for load runs, made of CoSQA's queries and codes as the peers' driver makes them.

    python benchmarks/annotators/pairs.py FOLDER --n 20604 OUT.json

FOLDER holds cosqa-dev.json, code_idx_map.txt and any of the retrieval files. The first pairs are the real dev pairs,
the rest puts queries in turn with codes of chance and only serves for size: no label of it means anything.
"""

import argparse
import json
import random
from pathlib import Path

SEED = 7
MORE_QUERIES = "cosqa-retrieval-*.json"


def make_pairs(cosqa: Path, n: int) -> list[dict[str, str]]:
    """`n` distinct pairs as dicts of pid, doc (the query) and code. Asks for fewer than queries x codes."""
    dev = json.loads((cosqa / "cosqa-dev.json").read_text(encoding="utf-8"))
    queries = [row["doc"] for row in dev]
    for file in sorted(cosqa.glob(MORE_QUERIES)):
        queries += [row["doc"] for row in json.loads(file.read_text(encoding="utf-8"))]
    queries = list(dict.fromkeys(queries))
    codes = list(json.loads((cosqa / "code_idx_map.txt").read_text(encoding="utf-8")))
    pairs = [{"pid": f"p{at:05d}", "doc": row["doc"], "code": row["code"]} for at, row in enumerate(dev[:n])]
    seen, rng = {(pair["doc"], pair["code"]) for pair in pairs}, random.Random(SEED)
    while len(pairs) < n:
        query, code = queries[len(pairs) % len(queries)], rng.choice(codes)
        if (query, code) not in seen:
            seen.add((query, code))
            pairs.append({"pid": f"p{len(pairs):05d}", "doc": query, "code": code})
    return pairs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cosqa", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--n", type=int, default=20_604)
    given = parser.parse_args()
    made = make_pairs(given.cosqa, given.n)
    given.out.write_text(json.dumps(made), encoding="utf-8")
    print(json.dumps({"pairs": len(made), "bytes": given.out.stat().st_size}))
