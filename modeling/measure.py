"""Measures checkpoints on files, in a process of its own: each is loaded once and encodes a code base once.

    python -m modeling.measure SPEC.json

The specification is a list of {"checkpoint", "max_length", "view"} as load_scorer takes them, each with "measures": a
list of {"kind": "search", "queries": FILE, "code_base": FILE} and {"kind": "qa", "pairs": FILE, "choose_on": FILE}.
Printed are lines {"checkpoint": number, "progress": [done, total]} and, last, {"results": [[...], ...]}: for each
measure its metrics, or a {"problem": text}. No Django.
"""

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core.encoding import Progress
from core.errors import QuarryError
from modeling.ml.data import Example, read_code_base, read_pairs
from modeling.ml.errors import BadDataError
from modeling.ml.evaluation import evaluate_qa, evaluate_search
from modeling.ml.matcher import Scorer, load_scorer

THRESHOLD_PAIRS = 1000  # more say no more about one number


class Remembering:
    """A scorer that indexes the same codes only once."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._codes: Sequence[str] = []
        self._index: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scorer, name)

    def index(self, codes: Sequence[str], *, progress: Progress | None = None) -> Any:
        """The scorer's own index of these codes."""
        if self._index is None or list(codes) != list(self._codes):
            self._codes, self._index = list(codes), self.scorer.index(codes, progress=progress)
        return self._index


def measure_all(number: int, source: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of one checkpoint's measures."""
    scorer = Remembering(load_scorer(source["checkpoint"], max_length=source["max_length"], view=source["view"]))
    return [measure(scorer, spec, progress=partial(_say, number)) for spec in source["measures"]]


def measure(scorer: Scorer, spec: dict[str, Any], *, progress: Progress | None = None) -> dict[str, Any]:
    """The metrics of one measure; a file without usable pairs gives {"problem": text}."""
    try:
        if spec["kind"] == "search":
            pairs, code_base = read_pairs(spec["queries"]), read_code_base(spec["code_base"])
            return evaluate_search(scorer, pairs, code_base, progress=progress)
        return evaluate_qa(scorer, read_pairs(spec["pairs"]), choose_on=_other_pairs(spec["choose_on"]))
    except BadDataError as error:
        return {"problem": str(error)}


def _other_pairs(path: str) -> list[Example]:
    """Pairs to choose the threshold on; none where the file has none."""
    try:
        return read_pairs(path)[:THRESHOLD_PAIRS]
    except BadDataError:
        return []


def _say(number: int, done: int, total: int) -> None:
    print(json.dumps({"checkpoint": number, "progress": [done, total]}), flush=True)  # noqa: T201 - the output


def main(arguments: Sequence[str]) -> int:
    """Runs a specification; 0 when done, 2 when a checkpoint cannot be loaded."""
    sources = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        results = [measure_all(number, source) for number, source in enumerate(sources)]
    except QuarryError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps({"results": results}), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
