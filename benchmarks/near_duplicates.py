"""The threshold of near duplicates, measured on real functions: what each threshold drops, and whether it is right.

python benchmarks/near_duplicates.py                   functions of the standard library that pass every filter
python benchmarks/near_duplicates.py --folder DIR [--sample N]

Three questions. Recall: of the pairs that comparing everything with everything finds (on a sample), how many does the
finder see? Precision: of the pairs it joins, how many does a measure of its own kind call the same, namely difflib's
share of equal tokens in order (at least 0.9), which knows nothing of sets or runs? And how much is dropped.
"""

import argparse
import difflib
import random
import sys
import sysconfig
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.code_filters import is_generated, reason_to_leave_out
from curation.extraction import UnparsableError, extract_functions
from curation.near_duplicates import SHINGLE_TOKENS, NearDuplicateFinder, jaccard, tokens_of

THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
BANDS = tuple(zip(THRESHOLDS, (*THRESHOLDS[1:], 1.01), strict=True))
SAME = 0.9
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(sysconfig.get_paths()["stdlib"]))
    parser.add_argument("--sample", type=int, default=2000, help="functions compared all with all")
    parser.add_argument("--limit", type=int, default=20_000, help="functions at most")
    parser.add_argument("--show", type=int, default=0, help="print so many pairs of each band")
    given = parser.parse_args()
    codes = functions_of(given.folder, given.limit)
    print(f"{len(codes):,} functions that pass every filter")
    recall(random.Random(SEED).sample(codes, min(given.sample, len(codes))))
    curve(codes, given.show)


def functions_of(folder: Path, limit: int) -> list[str]:
    """Header and body of the functions of a folder that pass every filter, distinct, in an order of chance."""
    inside = len(folder.parts)
    paths = [path for path in folder.rglob("*.py") if not {"test", "tests"} & set(path.parts[inside:])]
    if folder.name != "site-packages":
        paths = [path for path in paths if "site-packages" not in path.parts[inside:]]
    random.Random(SEED).shuffle(paths)
    codes: dict[str, None] = {}
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        if len(codes) >= limit:
            break
        try:
            functions = extract_functions(text)
        except UnparsableError:
            continue
        generated = is_generated(text, str(path))
        for one in functions:
            if not reason_to_leave_out(one, str(path), in_generated_file=generated):
                codes[f"{one.header}\n{one.body}"] = None
    return list(codes)


def recall(codes: list[str]) -> None:
    """All pairs of a sample: how many at each similarity share a bucket of the finder."""
    sets = [shingles(code) for code in codes]
    order = sorted(range(len(codes)), key=lambda place: len(sets[place]))
    pairs = [
        (jaccard(sets[one], sets[other]), one, other)
        for at, one in enumerate(order)
        for other in order[at + 1 :]
        if sets[one] and len(sets[one]) >= THRESHOLDS[0] * len(sets[other])
    ]
    pairs = [pair for pair in pairs if pair[0] >= THRESHOLDS[0]]
    print(f"\nrecall on {len(codes):,} functions, all {len(codes) * (len(codes) - 1) // 2:,} pairs compared")
    for low, high in BANDS:
        inside = [pair for pair in pairs if low <= pair[0] < high]
        found = sum(joined(codes[one], codes[other], low) for _, one, other in inside)
        if inside:
            print(f"  similarity {low:.2f} to {min(high, 1):.2f}: {found:,} of {len(inside):,} found")


def joined(one: str, other: str, threshold: float) -> bool:
    """Whether the finder joins two codes when it sees them alone."""
    finder = NearDuplicateFinder(threshold)
    finder.add(one)
    finder.add(other)
    return any(True for _ in finder.groups())


def curve(codes: list[str], show: int) -> None:
    """Dropped codes at each threshold, and the share of joined pairs in each band that difflib calls the same."""
    finder = NearDuplicateFinder(THRESHOLDS[0])
    for code in codes:
        finder.add(code)
    found = list(finder.groups())
    print("\nsimilarity     pairs judged   the same by difflib >= 0.9   median difflib")
    for low, high in BANDS:
        inside = [one for one in found if low <= one.similarity < high]
        sample = random.Random(SEED).sample(inside, min(200, len(inside)))
        ratios = sorted(alike(codes[one.dropped], codes[one.kept]) for one in sample)
        if not ratios:
            continue
        same = sum(ratio >= SAME for ratio in ratios)
        print(
            f"  {low:.2f}-{min(high, 1):.2f} {len(ratios):>14,}   {same:>6} ({100 * same / len(ratios):5.1f} %)"
            f" {ratios[len(ratios) // 2]:>22.2f}"
        )
        for one in sample[:show]:
            print(f"--- {one.similarity:.2f}\n{codes[one.dropped]}\n+++\n{codes[one.kept]}\n")
    print("\nthreshold   dropped")
    for threshold in THRESHOLDS:
        own = NearDuplicateFinder(threshold)
        for code in codes:
            own.add(code)
        n = sum(1 for _ in own.groups())
        print(f"  {threshold:.2f} {n:>10,} ({100 * n / len(codes):.1f} %)")


def shingles(code: str) -> set[tuple[str, ...]]:
    """The plain set of runs of tokens."""
    tokens = tokens_of(code)
    return {tuple(tokens[at : at + SHINGLE_TOKENS]) for at in range(len(tokens) - SHINGLE_TOKENS + 1)}


def alike(one: str, other: str) -> float:
    """difflib's ratio over tokens in order."""
    return difflib.SequenceMatcher(None, tokens_of(one), tokens_of(other), autojunk=False).ratio()


if __name__ == "__main__":
    main()
