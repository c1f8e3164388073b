"""Precision and recall of the detectors on both halves: `python -m tests.curation.privacy_corpus.measure`.

With `--misses` also every text of the tuned half that came out wrong; the held-out half is not looked at.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

from curation.privacy import REASONS, quarantine_reasons

HERE = Path(__file__).parent
HALVES = ("tuned", "held_out")


def read(half: str) -> list[tuple[str, str]]:
    """(reason, text) of every line of a half; '' for a look-alike."""
    with (HERE / f"{half}.csv").open(encoding="utf-8", newline="") as file:
        return [(row["reason"], row["text"]) for row in csv.DictReader(file)]


def figures(half: str) -> dict[str, dict[str, float]]:
    """By reason, and for `any`: texts, precision and recall (0 to 1). `any` asks only whether a text is held back."""
    rows = read(half)
    found = quarantine_reasons([text for _, text in rows])
    wanted, given = Counter(reason for reason, _ in rows), Counter(found)
    right = Counter(reason for (reason, _), got in zip(rows, found, strict=True) if reason and reason == got)
    table = {
        reason: {
            "n": wanted[reason],
            "precision": right[reason] / (given[reason] or 1),
            "recall": right[reason] / wanted[reason],
        }
        for reason in REASONS
    }
    held = sum(bool(got) for got in found)
    private = sum(bool(reason and got) for (reason, _), got in zip(rows, found, strict=True))
    n_private = len(rows) - wanted[""]
    table["any"] = {"n": n_private, "precision": private / held, "recall": private / n_private}
    return table


def table() -> str:
    """Both halves side by side, as it stands in docs/privacy.md."""
    both = {half: figures(half) for half in HALVES}
    lines = [f"| reason | {' | '.join(f'{half} n | precision | recall' for half in HALVES)} |", "|---|" + "--:|" * 6]
    for reason in (*REASONS, "any"):
        rows = (both[half][reason] for half in HALVES)
        cells = [f"{row['n']:.0f} | {row['precision']:.3f} | {row['recall']:.3f}" for row in rows]
        lines.append(f"| {reason} | {' | '.join(cells)} |")
    return "\n".join(lines)


def misses(half: str) -> list[str]:
    """Every text that came out wrong."""
    rows = read(half)
    found = quarantine_reasons([text for _, text in rows])
    return [
        f"wanted {reason or 'pass'}, got {got or 'pass'}: {text}"
        for (reason, text), got in zip(rows, found, strict=True)
        if reason != got
    ]


if __name__ == "__main__":
    tuned = misses("tuned") if "--misses" in sys.argv else []
    sys.stdout.write("\n".join([table(), *tuned]) + "\n")
