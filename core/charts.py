"""Geometry of the charts, without Django: numbers in, places in per cent out.

A plot stretches to the width it gets. Places along it are therefore per cent of the width, and only texts have a size
of their own; so a chart reads as well at 360 px as on a wide screen, and needs no inline style.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

PLOT_HEIGHT = 224  # px; the stylesheet gives .chart-plot the same height
WIDEST = 1000.0  # units of the inner coordinate system that polylines are drawn in
DATE_STEPS = (1, 2, 7, 14, 28, 56, 91, 182)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in per cent of its length from the origin."""

    at: float
    label: str

    @property
    def from_top(self) -> float:
        """The same place on an axis that is drawn upwards, as SVG counts it."""
        return 100 - self.at


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram, in per cent of the plot; `below` says that it lies wholly below the mark."""

    x: float
    width: float
    y: float
    height: float
    count: float
    low: float
    high: float
    below: bool


@dataclass(frozen=True)
class Line:
    """One series: its points for an SVG polyline in a WIDEST x WIDEST system, and its place in the legend."""

    name: str
    number: int
    polyline: str
    points: list[tuple[float, float]]
    last: tuple[float, float]  # per cent


@dataclass(frozen=True)
class Axes:
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True)
class Histogram:
    axes: Axes
    bars: list[Bar]
    mark_at: float | None
    total: float
    share_above: float | None


@dataclass(frozen=True)
class LineChart:
    axes: Axes
    lines: list[Line] = field(default_factory=list)


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) that cover [low, high] in about `wanted` steps."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"an axis needs finite ends, not {low} and {high}")
    if high <= low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, low + pad
    raw = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999), power * 10)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * n, 12) for n in range(first, last + 1)]


def short_number(value: float) -> str:
    """A tick label: 1200 -> 1,200; 1500000 -> 1.5M; 0.25 -> 0.25; no trailing zeros."""
    for limit, suffix in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= limit:
            return f"{value / limit:.4g}{suffix}"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.4g}"


def histogram_of(edges: Sequence[float], counts: Sequence[float], mark: float | None = None) -> Histogram:
    """Bars of `counts` between neighbouring `edges` (one edge more than counts); `mark` splits above from below."""
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(counts)} counts need {len(counts) + 1} edges, not {len(edges)}")
    y_values = nice_ticks(0, max([*counts, 1]), wanted=4)
    low, high, top = edges[0], edges[-1], y_values[-1]
    span = (high - low) or 1.0
    bars = [
        Bar(
            x=100 * (left - low) / span,
            width=max(100 * (right - left) / span - 0.3, 0.2),
            y=100 - 100 * count / top,
            height=100 * count / top,
            count=count,
            low=left,
            high=right,
            below=mark is not None and right <= mark + 1e-12,
        )
        for left, right, count in zip(edges, edges[1:], counts, strict=False)
    ]
    total = sum(counts)
    inside = mark is not None and low <= mark <= high
    above = sum(bar.count for bar in bars if not bar.below)
    return Histogram(
        axes=Axes(_ticks([v for v in nice_ticks(low, high) if low <= v <= high], low, span), _ticks(y_values, 0, top)),
        bars=bars,
        mark_at=100 * (mark - low) / span if inside and mark is not None else None,
        total=total,
        share_above=above / total if mark is not None and total else None,
    )


def line_chart_of(series: Sequence[dict], *, dates: bool = False) -> LineChart:
    """Lines of `series` (each {"name", "points": [(x, y)]}); points that are not finite are left out.

    dates: x are days (`date.toordinal`), and the axis names dates.
    """
    clean = [
        (str(one["name"]), [(x, y) for x, y in one["points"] if _is_number(x) and _is_number(y)]) for one in series
    ]
    clean = [(name, points) for name, points in clean if points]
    if not clean:
        return LineChart(Axes([], []))
    xs = [x for _, points in clean for x, _ in points]
    ys = [y for _, points in clean for _, y in points]
    y_values = nice_ticks(min(ys), max(ys), wanted=4)
    x_low, x_span = min(xs), (max(xs) - min(xs)) or 1.0
    y_low, y_span = y_values[0], y_values[-1] - y_values[0]
    x_ticks = _date_ticks(min(xs), x_span) if dates else _number_ticks(min(xs), max(xs), x_span)
    lines = []
    for number, (name, points) in enumerate(clean):
        places = [(100 * (x - x_low) / x_span, 100 - 100 * (y - y_low) / y_span) for x, y in points]
        scale = WIDEST / 100
        polyline = " ".join(f"{x * scale:.1f},{y * scale:.1f}" for x, y in places)
        lines.append(Line(name, number % 6 + 1, polyline, points, places[-1]))
    return LineChart(Axes(x_ticks, _ticks(y_values, y_low, y_span)), lines)


def _number_ticks(low: float, high: float, span: float) -> list[Tick]:
    return _ticks([value for value in nice_ticks(low, high) if low <= value <= high], low, span)


def _date_ticks(low: float, span: float) -> list[Tick]:
    """At most five dates, whole weeks apart where the axis is long."""
    step = next((days for days in DATE_STEPS if span / days < 5), math.ceil(span / 4))
    days = range(math.ceil(low), math.floor(low + span) + 1, step)
    return [Tick(100 * (day - low) / span, short_date(day)) for day in days]


def short_date(ordinal: float) -> str:
    """A day as an axis names it: 20 Nov."""
    day = date.fromordinal(int(ordinal))
    return f"{day.day} {day:%b}"


def _ticks(values: Sequence[float], low: float, span: float) -> list[Tick]:
    return [Tick(100 * (value - low) / span, short_number(value)) for value in values]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
