"""Template tags, charts, paging, Markdown: what every page is made of."""

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from core import charts
from core.models import Job, Project
from core.paging import BadCursorError, keyset_page
from core.rendering import highlighted, markdown_html
from core.templatetags.quarry import duration, number, percent
from curation.models import Query
from tests.factories import QueryFactory


def rendered(source: str, **context: object) -> str:
    return Template("{% load quarry %}" + source).render(Context({"request": RequestFactory().get("/"), **context}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.6344, "0.634"),
        (-0.5, "−0.500"),
        (None, "undefined"),
        (float("nan"), "undefined"),
        ("x", "x"),
    ],
)
def test_numbers_read_well(value: object, text: str) -> None:
    assert number(value) == text


def test_shares_and_durations_carry_their_unit() -> None:
    assert percent(0.6344) == "63.4 %"
    assert [duration(s) for s in (0.42, 42, 185, 7_800)] == ["0.4 s", "42 s", "3 min 5 s", "2 h 10 min"]


def test_a_stat_links_to_its_rows_only_when_told() -> None:
    assert '<a class="stat" href="/q">' in rendered('{% stat "Queries" 12 "/q" %}')
    assert "<a" not in rendered('{% stat "Queries" 12 %}')


def test_texts_of_components_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    for tag in (
        "{% stat x 1 %}",
        "{% empty x x %}",
        "{% bar_chart x items %}",
        "{{ x|markdown }}",
        "{{ x|highlight }}",
    ):
        assert "<script" not in rendered(tag, x=evil, items=[(evil, 1, "/")])


# --- charts ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 400, [0, 100, 200, 300, 400]),
        (3, 3, [2.7, 2.8, 2.9, 3.0, 3.1, 3.2, 3.3]),
    ],
)
def test_axes_have_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    found = charts.nice_ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    if low != high:
        assert found == ticks


def test_an_axis_refuses_numbers_that_are_none() -> None:
    with pytest.raises(ValueError, match="finite"):
        charts.nice_ticks(0, float("inf"))


def test_a_histogram_says_how_much_lies_above_its_mark() -> None:
    drawn = charts.histogram_of([0, 0.25, 0.5, 0.75, 1.0], [1, 2, 4, 1], mark=0.5)
    assert [bar.below for bar in drawn.bars] == [True, True, False, False]
    assert drawn.share_above == pytest.approx(5 / 8)
    assert drawn.mark_at == pytest.approx(50)
    text = rendered(
        '{% histogram "Cosines" edges counts mark=0.5 ylabel="queries" %}', edges=[0, 0.5, 1], counts=[3, 5]
    )
    assert "8 queries in 2 bins" in text
    assert "62.5 % lie at or above 0.5" in text


def test_a_histogram_needs_one_edge_more_than_counts() -> None:
    with pytest.raises(ValueError, match="2 counts need 3 edges"):
        charts.histogram_of([0, 1], [1, 2])


def test_lines_start_and_end_at_the_edges_of_the_plot_and_skip_what_is_no_number() -> None:
    drawn = charts.line_chart_of([{"name": "loss", "points": [(0, 2.0), (5, float("nan")), (10, 0.0)]}])
    assert drawn.lines[0].points == [(0, 2.0), (10, 0.0)]
    assert drawn.lines[0].polyline == "0.0,0.0 1000.0,1000.0"


def test_charts_have_a_title_a_description_and_their_data_as_a_table() -> None:
    text = rendered(
        '{% line_chart "Loss" series xlabel="step" ylabel="loss" %}', series=[{"name": "a", "points": [(1, 2)]}]
    )
    assert 'role="img"' in text
    assert "Loss. 1 lines over step: a ends at 2." in text
    assert "<table" in text
    assert " style=" not in text


@pytest.mark.parametrize("tag", ['{% line_chart "T" e %}', '{% histogram "T" e e %}', '{% bar_chart "T" e %}'])
def test_a_chart_without_data_says_so(tag: str) -> None:
    assert "nothing to show yet" in rendered(tag, e=[])


# --- code and Markdown ----------------------------------------------------------------------------
def test_code_keeps_its_indentation_and_gets_classes_only() -> None:
    html = highlighted("def f(x):\n    return '<b>'\n")
    assert '<span class="k">def</span>' in html
    assert "\n    <span" in html
    assert "&lt;b&gt;" in html
    assert "style" not in html


def test_an_unknown_language_is_shown_plain() -> None:
    assert "a &lt; b" in highlighted("a < b", "no such language")


def test_markdown_starts_below_the_title_of_the_page_and_runs_nothing() -> None:
    html = markdown_html("# Title\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n|a|\n|-|\n|b|")
    assert "<h2>Title</h2>" in html
    assert "href" not in html
    assert "<img" not in html
    assert "<td>b</td>" in html


# --- jobs and the menu ----------------------------------------------------------------------------
def test_project_jobs_shows_unfinished_ones_and_a_last_failure(project: Project, rf: RequestFactory, curator) -> None:
    for title, kind, state in [
        ("old failure", "a.b", "failed"),
        ("other kind", "x.y", "running"),
        ("runs", "a.b", "running"),
        ("last failure", "a.b", "failed"),
    ]:
        Job.objects.create(project=project, kind=kind, title=title, state=state, error="No rows.")
    request = rf.get("/")
    request.user = curator
    source = '{% load quarry %}{% project_jobs project "a.b" %}'
    text = Template(source).render(Context({"project": project, "request": request}))
    assert "runs" in text
    assert "last failure" in text
    assert "No rows." in text
    assert "old failure" not in text
    assert "other kind" not in text


# --- pages of long lists --------------------------------------------------------------------------
def walk(order: str, *, size: int = 2) -> tuple[list[list[str]], list[list[str]]]:
    """All pages forwards, then back from the last."""
    rf = RequestFactory()
    forwards, backwards = [], []
    page = keyset_page(Query.objects.all(), rf.get("/"), size=size, order=order)
    forwards.append([row.text for row in page])
    while page.next:
        page = keyset_page(Query.objects.all(), rf.get("/", {"after": page.next}), size=size, order=order)
        forwards.append([row.text for row in page])
    while page.previous:
        page = keyset_page(Query.objects.all(), rf.get("/", {"before": page.previous}), size=size, order=order)
        backwards.append([row.text for row in page])
    return forwards, backwards


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("id", [["a", "b"], ["c", "d"], ["e"]]),
        ("-id", [["e", "d"], ["c", "b"], ["a"]]),
        ("-n_seen", [["c", "e"], ["d", "b"], ["a"]]),
        ("n_seen", [["a", "b"], ["d", "e"], ["c"]]),
        ("created_at", [["e", "d"], ["c", "b"], ["a"]]),
    ],
)
def test_pages_walk_the_whole_list_both_ways(order: str, expected: list[list[str]], project: Project) -> None:
    now = timezone.now()
    for index, (text, n_seen) in enumerate([("a", 1), ("b", 2), ("c", 9), ("d", 2), ("e", 5)]):
        made = QueryFactory(project=project, text=text, n_seen=n_seen)
        Query.objects.filter(pk=made.pk).update(created_at=now - timedelta(hours=index))
    forwards, backwards = walk(order)
    assert forwards == expected
    assert backwards == expected[-2::-1]


@pytest.mark.parametrize("cursor", ["x", "!!!", "W10", "e30", "WzEsMiwzXQ", "WyJhIl0", "Wy0xXQ", "bnVsbA", "WzFlMzBd"])
def test_a_cursor_that_no_pager_made_is_refused(cursor: str, db: None) -> None:
    for name in ("after", "before"):
        with pytest.raises(BadCursorError):
            keyset_page(Query.objects.all(), RequestFactory().get("/", {name: cursor}))


def test_a_bad_cursor_is_a_page_and_no_crash(curator_client) -> None:
    assert curator_client.get("/", {"after": "!!!"}).status_code == 400
