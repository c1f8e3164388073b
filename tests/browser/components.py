"""A page with every component on it, for the browser tests: addresses of the product plus /components/."""

import math
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import path

from config.urls import urlpatterns as product_urlpatterns
from core.forms import MemberForm
from core.funnel import segments_of
from core.models import Job
from core.overview import Branch, Stage, Step

PAGE = Template((Path(__file__).parent / "components.html").read_text(encoding="utf-8"))

CODE = '''@lru_cache(maxsize=None)
def most_common(words: Iterable[str], n: int = 10) -> list[tuple[str, int]]:
    """Return the n most frequent words with their counts.

    Ties keep the order of first appearance.
    """
    counts = Counter(word.lower() for word in words)  # case does not matter
    if n <= 0 or not counts:
        raise ValueError(f"nothing to count: {n!r}")
    return counts.most_common(n)
'''
TEXT = """# A guideline

Judge what the *person* wanted, not the words. See [the docs](https://docs.python.org/).

| answer | when |
|---|---|
| 1 | the code does it |
| 0 | it does less than half |

> <script>alert(1)</script> stays text.
"""


def components(request: HttpRequest) -> HttpResponse:
    """Every component with plausible numbers; jobs are rows that are not saved."""
    stages = [
        Stage("lines", "Log lines", 18_204, "#l", branches=[Branch("doubles", 9_612, "#d"), Branch("bad", 161, "#b")]),
        Stage(
            "queries", "Queries", 8_431, "#q", branches=[Branch("quarantined", 92), Branch("no intent", 4_129, "#n")]
        ),
        Stage("intent", "With intent", 4_210, "#i", branches=[Branch("below threshold", 1_200, "#t")]),
        Stage("pairs", "Pairs", 2_612, "#p", branches=[Branch("not opened", 2_000, "#o")]),
        Stage("judged", "Judged pairs", 612, "#j"),
        Stage("released", "Released pairs", 0),
    ]
    context = {
        "segments": segments_of(stages),
        "steps": [Step("Bring a log in", "Text, CSV or JSON Lines.", True)],
        "jobs": [
            Job(
                pk=1,
                title="Propose pairs",
                kind="x",
                state="running",
                progress_done=1204,
                progress_total=4210,
                progress_note="encoding queries",
            ),
            Job(pk=2, title="Ingest queries.tsv", kind="x", state="queued"),
            Job(pk=3, title="Train cocl", kind="x", state="failed", error="The release demo/v1 has no pairs."),
        ],
        "bars": [
            ("sort a list", 412, "#1"),
            ("parse json", 230, "#2"),
            ("a rather long label that has to wrap", 57, "#3"),
        ],
        "empty": [],
        "edges": [i / 20 for i in range(21)],
        "counts": [int(400 * math.exp(-((i - 11) ** 2) / 12)) for i in range(20)],
        "series": [
            {"name": "training", "points": [(i * 10, 2.4 * math.exp(-i / 12) + 0.1) for i in range(60)]},
            {"name": "dev", "points": [(i * 100, 1.9 * math.exp(-i / 2) + 0.4) for i in range(6)]},
        ],
        "form": MemberForm(),
        "code": CODE,
        "text": TEXT,
    }
    return HttpResponse(PAGE.render(RequestContext(request, context)))


urlpatterns = [path("components/", components), *product_urlpatterns]
