"""Components of every page: numbers, fields, charts, code, jobs. `{% load quarry %}`."""

import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django import template
from django.db.models import Max, Q
from django.forms import BoundField, CheckboxInput
from django.forms.widgets import Input
from django.template import Context, TemplateDoesNotExist
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy

from core import charts, rendering
from core.menu import Menu, menu_for
from core.models import Job, JobState, Project

register = template.Library()

UNDEFINED = gettext_lazy("undefined")
STATE_CLASSES = {
    JobState.QUEUED: "tag",
    JobState.RUNNING: "tag tag-busy",
    JobState.DONE: "tag tag-ok",
    JobState.FAILED: "tag tag-bad",
    JobState.CANCELLED: "tag",
}


# --- numbers and texts --------------------------------------------------------------------------------
GERMAN_SIGNS = str.maketrans(",.", ".,")


def in_language(written: str) -> str:
    """1,234.5 as the language of the page writes it: 1.234,5 in German."""
    return written.translate(GERMAN_SIGNS) if (get_language() or "").startswith("de") else written


@register.filter
def number(value: Any, digits: int | None = None) -> str:
    """1234567 -> 1,234,567; a float with `digits` decimals (default 3, zeros kept); None and NaN -> undefined."""
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return str(UNDEFINED)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) and digits is None:
        return in_language(f"{value:,}")
    return in_language(f"{value:,.{3 if digits is None else int(digits)}f}").replace("-", "−")


@register.filter
def percent(share: Any, digits: int = 1) -> str:
    """A share between 0 and 1 as per cent: 0.634 -> 63.4 %."""
    if share is None or (isinstance(share, float) and not math.isfinite(share)):
        return str(UNDEFINED)
    return in_language(f"{100 * float(share):.{int(digits)}f}") + " %"


@register.filter
def duration(seconds: Any) -> str:
    """Seconds as people say them: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return str(UNDEFINED)
    seconds = float(seconds)
    if seconds < 10:
        return in_language(f"{seconds:.1f} s")
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


@register.filter
def highlight(code: str, language: str = "python") -> SafeString:
    """Code as a focusable `pre`, coloured on the server by classes alone."""
    return mark_safe(rendering.highlighted(str(code), language))


@register.filter
def markdown(text: str) -> SafeString:
    """Sanitised HTML of a Markdown text; its headings start at h2."""
    return mark_safe(rendering.markdown_html(str(text)))


# --- small components -----------------------------------------------------------------------------------
@register.inclusion_tag("components/stat.html")
def stat(label: str, value: Any, href: str = "", unit: str = "", note: str = "") -> dict[str, Any]:
    """A number with its name; the number opens the rows behind it when `href` is given."""
    return {"label": label, "value": number(value), "href": href, "unit": unit, "note": note}


@register.inclusion_tag("components/empty.html")
def empty(title: str, text: str = "", href: str = "", label: str = "") -> dict[str, Any]:
    """An empty state: what is missing, what to do next, and a link that does it."""
    return {"title": title, "text": text, "href": href, "label": label}


@register.inclusion_tag("components/pager.html", takes_context=True)
def pager(context: Context, page: Any) -> dict[str, Any]:
    """Links to the neighbouring pages of a `core.paging.Page`; nothing where there is only one."""
    return {"page": page, "request": context["request"]}


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field: label, control, help, errors, joined for screen readers."""
    widget = bound.field.widget
    kind = "check" if isinstance(widget, CheckboxInput) else "group" if bound.use_fieldset else "plain"
    is_hidden = isinstance(widget, Input) and widget.input_type == "hidden"
    return {"field": bound, "kind": "hidden" if is_hidden else kind}


# --- jobs -----------------------------------------------------------------------------------------------
@register.simple_tag
def state_tag(state: str) -> SafeString:
    """The state of a job as a tag."""
    known = JobState(state)
    return template.Template('<span class="{{ css }}">{{ label }}</span>').render(
        Context({"css": STATE_CLASSES[known], "label": known.label})
    )


@register.inclusion_tag("core/_job_card.html", takes_context=True)
def job_card(context: Context, job: Job) -> dict[str, Any]:
    """A job with live progress (htmx asks every second), its error in plain words, and its cancel button."""
    return {"job": job, "request": context.get("request"), "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("components/project_jobs.html", takes_context=True)
def project_jobs(context: Context, project: Project, *kinds: str) -> dict[str, Any]:
    """Cards of the unfinished jobs of these kinds (of any, if none is named), and of the last one if it failed."""
    jobs = Job.objects.filter(project=project, **({"kind__in": kinds} if kinds else {}))
    latest = jobs.aggregate(latest=Max("id"))["latest"]
    shown = jobs.filter(
        Q(state__in=[JobState.QUEUED, JobState.RUNNING]) | Q(pk=latest, state=JobState.FAILED)
    ).order_by("-id")[:10]
    return {"jobs": shown, "request": context.get("request"), "csrf_token": context.get("csrf_token")}


@register.simple_tag(takes_context=True)
def worker_banner(context: Context) -> str:
    """The banner that says that no worker is alive; it is the engine room's template."""
    try:
        banner = get_template("core/_worker_banner.html")
    except TemplateDoesNotExist:
        return ""
    known: dict[str, Any] = context.flatten()  # type: ignore[assignment]
    return banner.render(known, context.get("request"))


# --- the menu ---------------------------------------------------------------------------------------------
@register.simple_tag(takes_context=True)
def project_menu(context: Context) -> Menu | None:
    """The menu of the page's project as this person sees it; None on pages without a project."""
    project, user = context.get("project"), context.get("user")
    if not isinstance(project, Project) or user is None or not user.is_authenticated:
        return None
    return menu_for(user, project, str(context.get("section", "")))


# --- charts -----------------------------------------------------------------------------------------------
@register.inclusion_tag("components/bar_chart.html")
def bar_chart(title: str, items: Iterable[Sequence[Any]], unit: str = "") -> dict[str, Any]:
    """Horizontal bars in a table. `items`: (label, value) or (label, value, href)."""
    rows = [(item[0], item[1], item[2] if len(item) > 2 else "") for item in items]
    top = max([row[1] or 0 for row in rows], default=0) or 1
    bars = [
        {"label": label, "value": number(value), "href": href, "width": max(0.0, 100 * (value or 0) / top)}
        for label, value, href in rows
    ]
    return {"title": title, "bars": bars, "unit": unit}


@register.inclusion_tag("components/histogram.html")
def histogram(
    title: str,
    edges: Sequence[float],
    counts: Sequence[float],
    mark: float | None = None,
    xlabel: str = "",
    ylabel: str = "",
    mark_label: str = "",
) -> dict[str, Any]:
    """Bars between neighbouring edges, with an optional mark (a threshold) that splits them."""
    if not counts:
        return {"title": title}
    drawn = charts.histogram_of(edges, counts, mark)
    label = mark_label or (charts.short_number(mark) if mark is not None else "")
    return {
        "title": title,
        "chart": drawn,
        "mark": mark,
        "mark_label": label,
        "mark_is_right": drawn.mark_at is not None and drawn.mark_at > 60,
        "xlabel": xlabel,
        "ylabel": ylabel,
        "desc": _histogram_text(drawn, label, ylabel),
    }


def _histogram_text(chart: charts.Histogram, mark_label: str, ylabel: str) -> str:
    tallest = max(chart.bars, key=lambda bar: bar.count)
    low, high = charts.short_number(tallest.low), charts.short_number(tallest.high)
    text = (
        f"{number(int(chart.total))} {ylabel or 'values'} in {len(chart.bars)} bins; "
        f"the tallest, from {low} to {high}, holds {number(int(tallest.count))}."
    )
    if chart.share_above is not None:
        text += f" {percent(chart.share_above)} lie at or above {mark_label}."
    return text


@register.inclusion_tag("components/line_chart.html")
def line_chart(
    title: str, series: Sequence[dict[str, Any]], xlabel: str = "", ylabel: str = "", dates: bool = False
) -> dict[str, Any]:
    """Lines over a shared pair of axes. `series`: dicts {"name", "points": [(x, y)]}; with `dates`, x are days."""
    drawn = charts.line_chart_of(series, dates=dates)
    ends = "; ".join(f"{line.name} ends at {charts.short_number(line.points[-1][1])}" for line in drawn.lines)
    return {
        "title": title,
        "chart": drawn,
        "xlabel": xlabel,
        "ylabel": ylabel,
        "desc": f"{len(drawn.lines)} lines over {xlabel or 'x'}: {ends}.",
        "widest": charts.WIDEST,
        "table": _line_table(drawn, dates=dates),
    }


MAX_TABLE_ROWS = 200  # a curve of ten thousand steps is thinned evenly in its data table


def _line_table(chart: charts.LineChart, *, dates: bool = False) -> list[tuple[str, list[str]]]:
    xs = sorted({x for line in chart.lines for x, _ in line.points})
    step = max(1, -(-len(xs) // MAX_TABLE_ROWS))
    values = [dict(line.points) for line in chart.lines]
    return [
        (
            date.fromordinal(int(x)).isoformat() if dates else charts.short_number(x),
            [charts.short_number(column[x]) if x in column else "" for column in values],
        )
        for x in xs[::step]
    ]
