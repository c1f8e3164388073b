"""Two candidate runs side by side."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from core.access import project_for
from core.errors import BadInputError
from core.models import Project
from core.paging import keyset_page
from curation.models import CandidateRun
from curation.selectors.candidate_comparison import PARTS, comparable_runs, compare_runs, part_of
from curation.views.candidates import READERS

MOST_RUNS = 200  # in the two lists to choose from


@login_required
@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """Chooses two runs (?a=, ?b=) and compares them."""
    project = project_for(request.user, slug, *READERS)
    a, b = _run(request, project, "a"), _run(request, project, "b")
    context = {
        "project": project,
        "section": "candidates",
        "runs": comparable_runs(project)[:MOST_RUNS],
        "a": a,
        "b": b,
        "choices": [("a", a), ("b", b)],
    }
    if a is not None and b is not None:
        found = compare_runs(a, b, seed=_seed(request))
        rows = reverse("curation:compared_pairs", args=[project.slug]) + f"?a={a.pk}&b={b.pk}"
        overlap = [
            ("in both", found.both, f"{rows}&part=both"),
            ("only in A", found.only_a, f"{rows}&part=a"),
            ("only in B", found.only_b, f"{rows}&part=b"),
        ]
        context |= {"found": found, "overlap": overlap, "next_seed": _seed(request) + 1}
    return render(request, "curation/candidate_compare.html", context)


@login_required
@require_safe
def compared_pairs(request: HttpRequest, slug: str) -> HttpResponse:
    """The pairs behind an overlap's numbers."""
    project = project_for(request.user, slug, *READERS)
    a, b = _run(request, project, "a"), _run(request, project, "b")
    if a is None or b is None:
        raise BadInputError(problem="Two runs are needed: ?a= and ?b=.")
    part = request.GET.get("part", "both")
    rows = part_of(a, b, part)
    context = {
        "project": project,
        "section": "candidates",
        "a": a,
        "b": b,
        "part": part,
        "parts": list(PARTS.items()),
        "page": keyset_page(rows, request, order="id"),
    }
    return render(request, "curation/candidate_compared_pairs.html", context)


def _run(request: HttpRequest, project: Project, name: str) -> CandidateRun | None:
    given = request.GET.get(name, "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise BadInputError(problem=f"{given[:40]} is no number of a run.")
    return get_object_or_404(comparable_runs(project), pk=int(given))


def _seed(request: HttpRequest) -> int:
    given = request.GET.get("seed", "0")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 9 else 0
