"""How figures of models are printed."""

from django import template

register = template.Library()
NO_FIGURE = "–"


@register.filter
def metric(value: float | None) -> str:
    """A share between 0 and 1 as the field prints it: times 100, one decimal; a dash where there is none."""
    return NO_FIGURE if value is None or value == "" else f"{100 * value:.1f}"


@register.filter
def signed_metric(value: float | None) -> str:
    """A difference of two shares, times 100, always with its sign."""
    return NO_FIGURE if value is None or value == "" else f"{100 * value:+.1f}".replace("-", "−")


@register.filter
def score(value: float | None) -> str:
    """A matching score, three decimals."""
    return NO_FIGURE if value is None or value == "" else f"{value:.3f}"
