"""The rule filter (all 103 rules, all hits) against the plain way: every rule's regular expression on every query.

    python benchmarks/rule_filter.py [FILE with one query a line]

Without a file it takes the shipped sample log, repeated with small changes so that no cache answers.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from curation.intent import read_rule_set  # noqa: E402

WANTED = 20_000


def queries() -> list[str]:
    """At least WANTED queries."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    log = (ROOT / "curation" / "sample" / "search_log.tsv").read_text(encoding="utf-8").splitlines()[1:]
    base = [line.split("\t")[0] for line in log]
    return [f"{query} {number}" for number in range(WANTED // len(base) + 1) for query in base]


def main() -> None:
    text = (ROOT / "curation" / "rule_sets" / "cosqa-strict.toml").read_text(encoding="utf-8")
    fast, plain, rows = read_rule_set(text), read_rule_set(text), queries()
    started = time.perf_counter()
    judged = [fast.judge(row) for row in rows]
    middle = time.perf_counter()
    expected = [plain.judge_plainly(row) for row in rows]
    ended = time.perf_counter()
    assert judged == expected, "the two ways differ"
    quick, slow = middle - started, ended - middle
    print(f"{len(rows):,} queries, same verdicts and hits: {sum(not each.has_intent for each in judged):,} rejected")
    print(
        f"filter {len(rows) / quick:,.0f} queries/s, plain {len(rows) / slow:,.0f} queries/s, ratio {slow / quick:.1f}"
    )


if __name__ == "__main__":
    main()
