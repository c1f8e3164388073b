"""The rule filter over a column (103 rules, all hits) against the plain way: every rule's expression on every query.

    python benchmarks/rule_filter.py [FILE with one query a line ...]

Without a file it takes the shipped sample log, repeated with small changes so that no cache answers. Each file is
measured by itself, in CPU seconds, with a word cache that starts empty, and both ways must give the same hits.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from curation.intent import read_rule_set, shipped_rule_set_text  # noqa: E402

WANTED = 20_000


def sample_queries() -> list[str]:
    """At least WANTED queries."""
    log = (ROOT / "curation" / "sample" / "search_log.tsv").read_text(encoding="utf-8").splitlines()[1:]
    base = [line.split("\t")[0] for line in log]
    return [f"{query} {number}" for number in range(WANTED // len(base) + 1) for query in base]


def measure(name: str, rows: list[str]) -> None:
    text = shipped_rule_set_text("cosqa-strict")
    fast, plain = read_rule_set(text), read_rule_set(text)
    started = time.process_time()
    judged = fast.judge_all(rows)
    middle = time.process_time()
    expected = [plain.judge_plainly(row).hits for row in rows]
    ended = time.process_time()
    assert judged == expected, "the two ways differ"
    quick, slow = middle - started, ended - middle
    print(f"{name}: {len(rows):,} queries, same hits both ways, {sum(map(bool, judged)):,} rejected")
    print(f"  column {len(rows) / quick:,.0f}/s, plain {len(rows) / slow:,.0f}/s, ratio {slow / quick:.1f}")


def main() -> None:
    files = [Path(name) for name in sys.argv[1:]]
    for path in files:
        measure(path.name, path.read_text(encoding="utf-8").splitlines())
    if not files:
        measure("sample log, repeated", sample_queries())


if __name__ == "__main__":
    main()
