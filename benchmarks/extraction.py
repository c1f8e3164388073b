"""Function extraction with all filters against `ast.parse` and a walk over the same files, in one run of one core.

python benchmarks/extraction.py                     the standard library, one core
python benchmarks/extraction.py --folder DIR        another folder
python benchmarks/extraction.py --folder DIR --pool 2   also in helper processes, whole, with peak memory
"""

import argparse
import ast
import itertools
import resource
import sys
import sysconfig
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.code_filters import is_english, is_generated, reason_to_leave_out
from curation.code_reading import FoundFunction, Problem, Unit
from curation.code_workers import ReadingPool
from curation.extraction import UnparsableError, extract_functions
from curation.licences import licence_of_header
from curation.near_duplicates import NearDuplicateFinder
from curation.privacy import code_reason

Text = tuple[str, str]
ROUNDS = 3
SECTION_BYTES = 8 * 2**20  # files measured one after the other, so that both ways see the same machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(sysconfig.get_paths()["stdlib"]))
    parser.add_argument("--pool", type=int, default=0, metavar="N", help="also read everything in N helper processes")
    parser.add_argument("--megabytes", type=int, default=16, help="of source for the comparison on one core")
    given = parser.parse_args()
    skipped = {"test"} if given.folder.name == "site-packages" else {"site-packages", "test"}
    inside = len(given.folder.parts)
    paths = sorted(path for path in given.folder.rglob("*.py") if not skipped & set(path.parts[inside:]))
    is_english("warm the language model up, as a worker does once")
    compare(paths, given.megabytes * 2**20)
    if given.pool:
        read_all(given.folder, paths, given.pool)


def compare(paths: list[Path], limit: int) -> None:
    """Seconds of each way over the same texts, the best of a few rounds for each section."""
    spent: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for texts in _sections(paths, limit):
        counts["files"] += len(texts)
        for name, work in WAYS.items():
            spent[name] += min(_timed(work, texts, counts if number == 0 else Counter()) for number in range(ROUNDS))
    plain = spent["parse and walk"]
    print(f"{counts['files']:,} files, {counts['functions']:,} functions, {counts['kept']:,} pass every filter")
    for name, seconds in spent.items():
        print(f"{name:<42} {seconds:6.2f} s   {plain / seconds:5.2f} of the plain speed")


def _sections(paths: list[Path], limit: int) -> Iterator[list[Text]]:
    texts, size, total = [], 0, 0
    step = max(1, len(paths) * 12_000 // limit)  # spread over the folder, whatever stands first in it
    for path in paths[::step]:
        raw = path.read_text(encoding="utf-8", errors="replace")
        texts.append((str(path), raw))
        size, total = size + len(raw), total + len(raw)
        if size >= SECTION_BYTES or total >= limit:
            yield texts
            texts, size = [], 0
        if total >= limit:
            return
    if texts:
        yield texts


def _timed(work: Callable[[list[Text], Counter[str]], None], texts: list[Text], counts: Counter[str]) -> float:
    started = time.process_time()
    work(texts, counts)
    return time.process_time() - started


def parse_and_walk(texts: list[Text], counts: Counter[str]) -> None:
    """The plain way: nothing but the syntax tree, every node visited once."""
    for _, text in texts:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                counts["nodes"] += sum(1 for _ in ast.walk(ast.parse(text)))
        except (SyntaxError, ValueError):
            continue


def extract_and_filter(texts: list[Text], counts: Counter[str]) -> None:
    """Functions, in-line comments, and every filter."""
    for path, text in texts:
        for _, reason in _filtered(path, text):
            counts["functions"] += 1
            counts["kept"] += not reason


def with_licence_and_privacy(texts: list[Text], counts: Counter[str]) -> None:
    """What a worker does with a file: also its licence tag and the privacy detectors on every function."""
    for path, text in texts:
        licence_of_header(text)
        for function, _ in _filtered(path, text):
            code_reason(function.text, function.docstring)


def with_signatures(texts: list[Text], counts: Counter[str]) -> None:
    """Extraction and filters, then near duplicates among what passed."""
    finder = NearDuplicateFinder()
    for path, text in texts:
        for function, reason in _filtered(path, text):
            if not reason:
                finder.add(f"{function.header}\n{function.body}")
    counts["near"] += sum(1 for _ in finder.groups())


def _filtered(path: str, text: str) -> Iterator[tuple]:
    try:
        functions = extract_functions(text)
    except UnparsableError:
        return
    generated = is_generated(text, path)
    for function in functions:
        yield function, reason_to_leave_out(function, path, in_generated_file=generated)


WAYS: dict[str, Callable[[list[Text], Counter[str]], None]] = {
    "parse and walk": parse_and_walk,
    "extraction, comments, all filters": extract_and_filter,
    "the same, near duplicates included": with_signatures,
    "the same, licence and privacy instead": with_licence_and_privacy,
}


def read_all(folder: Path, paths: list[Path], processes: int) -> None:
    """Everything in helper processes, nothing kept but hashes and near-duplicate signatures: time and peak memory."""
    units = [Unit(path.relative_to(folder).as_posix(), "python", str(path)) for path in paths]
    reasons: Counter[str] = Counter()
    finder, seen, comments = NearDuplicateFinder(), set(), 0
    started = time.perf_counter()
    with ReadingPool(processes) as pool:
        for one in itertools.chain.from_iterable(found for _, found in pool.read(iter(units))):
            if isinstance(one, Problem):
                reasons["(problems)"] += 1
                continue
            assert isinstance(one, FoundFunction)
            key = hash(one.function.text)
            reason = one.reason or ("duplicate" if key in seen else "")
            seen.add(key)
            reasons[reason or "kept"] += 1
            comments += len(one.function.comments)
            if not reason:
                finder.add(f"{one.function.header}\n{one.function.body}")
    read = time.perf_counter() - started
    started = time.perf_counter()
    near = sum(1 for _ in finder.groups())
    grouped = time.perf_counter() - started
    own, helpers = (
        resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    functions = sum(n for reason, n in reasons.items() if reason != "(problems)")
    print(f"\nwhole folder, {processes} helpers: {len(units):,} files, {functions:,} functions, {comments:,} comments")
    print(
        f"read in {read:.1f} s ({functions / read:,.0f} functions/s); "
        f"near duplicates of {finder.n:,} in {grouped:.1f} s"
    )
    print(f"peak memory: this process {own:,} MB, the largest helper {helpers:,} MB")
    print(f"near duplicates: {near:,}; " + "; ".join(f"{reason} {n:,}" for reason, n in reasons.most_common()))


if __name__ == "__main__":
    main()
