"""Function extraction with all filters against `ast.parse` and a walk over the same files (the standard library's).

python benchmarks/extraction.py
"""

import ast
import sys
import sysconfig
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.code_filters import reason_to_leave_out
from curation.extraction import extract_functions


def main() -> None:
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = [path for path in folder.rglob("*.py") if not {"site-packages", "test"} & set(path.parts)]
    texts = [(str(path), path.read_text(encoding="utf-8", errors="replace")) for path in paths]
    started = time.perf_counter()
    parsed = 0
    for _, text in texts:
        try:
            parsed += sum(1 for _ in ast.walk(ast.parse(text)))
        except (SyntaxError, ValueError):
            continue
    plain = time.perf_counter() - started
    started = time.perf_counter()
    kept = found = 0
    for path, text in texts:
        try:
            functions = extract_functions(text)
        except (SyntaxError, ValueError):
            continue
        found += len(functions)
        kept += sum(not reason_to_leave_out(function, path) for function in functions)
    ours = time.perf_counter() - started
    print(f"{len(texts):,} files, {parsed:,} nodes, {found:,} functions, {kept:,} pass every filter")
    print(f"parse and walk {plain:.2f} s; extraction with filters {ours:.2f} s; {plain / ours:.2f} of the plain speed")


if __name__ == "__main__":
    main()
