"""Reads of the guideline: its text in sections."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GuidelineSection:
    """A second-level section; `step` is 1 or 2 where it explains that step."""

    text: str
    step: int | None


def guideline_sections(text: str) -> list[GuidelineSection]:
    """The guideline cut at its second-level headings, so that the page can mark the step at hand."""
    parts = ("\n" + text).split("\n## ")
    heads = [parts[0].strip(), *(f"## {part}" for part in parts[1:])]
    return [
        GuidelineSection(part, next((n for n in (1, 2) if part.lower().startswith(f"## step {n}")), None))
        for part in heads
        if part
    ]
