"""The picture of the funnel: from counts to the shapes that are drawn. Without Django."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MIN_SHARE = 2.0  # a stage that holds something stays visible
LINEAR_DOWN_TO = 0.04  # below this share of the largest, a stage drawn to scale would be a hairline


@dataclass(frozen=True)
class Segment:
    """One stage and the shape that leads from its size to the next stage's.

    The shapes are SVG polygons in a 100 x 100 box: `across` flows to the right, `down` flows downwards.
    """

    stage: Any
    across: str
    down: str


def is_linear(stages: Sequence[Any]) -> bool:
    """True when the stages lie close enough together to be drawn to scale; else square roots are drawn."""
    values = [stage.value for stage in stages if stage.value]
    return not values or min(values) >= LINEAR_DOWN_TO * max(values)


def segments_of(stages: Sequence[Any]) -> list[Segment]:
    """Segments for stages with a `value`; the largest has size 100, the others by `is_linear`."""
    if not stages:
        return []
    linear = is_linear(stages)
    drawn = [float(stage.value) if linear else math.sqrt(stage.value) for stage in stages]
    top = max(drawn) or 1.0
    sizes = [max(MIN_SHARE, 100 * value / top) if value else 0.0 for value in drawn]
    return [
        Segment(stage, _polygon(size, after, across=True), _polygon(size, after, across=False))
        for stage, size, after in zip(stages, sizes, [*sizes[1:], sizes[-1]], strict=True)
    ]


def _polygon(size: float, after: float, *, across: bool) -> str:
    """Flat for the first half, then a slope to the next size."""
    if not size:
        return ""
    top, bottom, next_top, next_bottom = 50 - size / 2, 50 + size / 2, 50 - after / 2, 50 + after / 2
    corners = [(0, top), (55, top), (100, next_top), (100, next_bottom), (55, bottom), (0, bottom)]
    return " ".join(f"{x:.1f},{y:.1f}" if across else f"{y:.1f},{x:.1f}" for x, y in corners)
