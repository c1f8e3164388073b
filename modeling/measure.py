"""Measures one checkpoint on several files in one process: it is loaded once, its code base is encoded once.

    python -m modeling.measure SPEC.json

The specification is {"checkpoint", "max_length", "view"} as load_scorer takes them, and "measures": a list of
{"kind": "search", "queries": FILE, "code_base": FILE} and {"kind": "qa", "pairs": FILE, "choose_on": FILE or null}.
Printed are lines {"progress": [done, total]} and, last, {"results": [metrics or {"problem": text}, ...]} in the order of
the measures. No Django.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.errors import QuarryError
from modeling.ml.data import read_code_base, read_pairs
from modeling.ml.errors import BadDataError
from modeling.ml.evaluation import evaluate_qa, evaluate_search
from modeling.ml.matcher import Scorer, load_scorer

PROGRESS_EVERY = 64


class Remembering:
    """A scorer that indexes the same codes only once."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._codes: Sequence[str] = []
        self._index: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scorer, name)

    def index(self, codes: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Any:
        """The scorer's own index of these codes."""
        if self._index is None or list(codes) != list(self._codes):
            self._codes, self._index = list(codes), self.scorer.index(codes, progress=progress)
        return self._index


def measure(scorer: Scorer, spec: dict[str, Any]) -> dict[str, Any]:
    """The metrics of one measure; a file without usable pairs gives {"problem": text}."""
    try:
        if spec["kind"] == "search":
            return evaluate_search(
                scorer, read_pairs(spec["queries"]), read_code_base(spec["code_base"]), progress=_say
            )
        return evaluate_qa(scorer, read_pairs(spec["pairs"]), choose_on=_dev_pairs(spec.get("choose_on")))
    except BadDataError as error:
        return {"problem": str(error)}


def _dev_pairs(path: str | None) -> list[Any]:
    """Pairs to choose the threshold on; none where the file has none."""
    if path is None:
        return []
    try:
        return read_pairs(path)
    except BadDataError:
        return []


def _say(done: int, total: int) -> None:
    if done % PROGRESS_EVERY == 0 or done >= total:
        print(json.dumps({"progress": [done, total]}), flush=True)  # noqa: T201 - this is the program's output


def main(arguments: Sequence[str]) -> int:
    """Runs a specification; 0 when done, 2 when the checkpoint cannot be loaded."""
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        scorer = Remembering(load_scorer(spec["checkpoint"], max_length=spec.get("max_length"), view=spec.get("view")))
        results = [measure(scorer, one) for one in spec["measures"]]
    except QuarryError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps({"results": results}), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
