"""A page with every component on it, for the browser tests: addresses of the product plus /components/."""

import math

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import path

from config.urls import urlpatterns as product_urlpatterns
from core.forms import MemberForm
from core.funnel import segments_of
from core.models import Job
from core.overview import Branch, Stage, Step

PAGE = Template(
    """{% extends "base.html" %}{% load quarry %}
{% block title %}Components{% endblock %}{% block heading %}Components{% endblock %}
{% block lede %}Everything a page may be made of.{% endblock %}
{% block actions %}<a class="button" href="#a">Second</a><a class="button button-primary" href="#b">First act</a>{% endblock %}
{% block content %}
{% include "core/_funnel.html" %}
<div class="stats">{% stat "Queries" 8431 "#q" %}{% stat "With intent" 4210 "#i" note="49.9 % of all" %}{% stat "Alpha" 0.634 note="of all votes, n = 300" %}{% stat "Median time" 12 unit="s" %}{% stat "Undefined" None %}</div>
<div class="notice">A plain notice.</div><div class="notice notice-warn">Mind this.</div><div class="notice notice-bad">This failed.</div><div class="notice notice-ok">Done.</div>
<p><span class="tag">plain</span> <span class="tag tag-ok">has intent</span> <span class="tag tag-bad">no intent</span> <span class="tag tag-warn">quarantined</span></p>
<div class="button-row"><button class="button">Button</button><button class="button button-primary">Primary</button><button class="button button-danger">Danger</button><button class="button button-quiet">Quiet</button><button class="button" disabled>Disabled</button></div>
{% for job in jobs %}{% job_card job %}{% endfor %}
<div class="grid"><div class="card">{% bar_chart "Queries per reason" bars unit="queries" %}</div><div class="card">{% bar_chart "Nothing" empty %}</div></div>
<div class="card">{% histogram "Best cosine per query" edges counts mark=0.5 xlabel="cosine of the best code" ylabel="queries" mark_label="threshold 0.5" %}</div>
<div class="card">{% line_chart "Loss while training" series xlabel="step" ylabel="loss" %}</div>
<div class="table-wrap" tabindex="0" role="group" aria-label="Queries"><table class="table"><thead><tr><th scope="col">Query</th><th scope="col">Verdict</th><th scope="col" class="num">Seen</th></tr></thead><tbody>{% for bar in bars %}<tr><td>python how to {{ bar.0 }}</td><td><span class="tag tag-ok">intent</span></td><td class="num"><a href="#x">{{ bar.1|number }}</a></td></tr>{% endfor %}</tbody></table></div>
{% empty "No batch yet" "Open the pairs with the best scores as the first batch." "#new" "Open a batch" %}
<form class="form card">{% field form.username %}{% field form.roles %}<button class="button button-primary">Save</button></form>
{{ code|highlight:"python" }}
<div class="prose card">{{ text|markdown }}</div>
{% endblock %}"""
)

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
        Stage(
            "lines", "Log lines", 18_204, "#l", branches=[Branch("doubles", 9_612, "#d"), Branch("bad rows", 161, "#b")]
        ),
        Stage(
            "queries",
            "Queries",
            8_431,
            "#q",
            branches=[Branch("quarantined", 92, "#x"), Branch("no intent", 4_129, "#n")],
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
