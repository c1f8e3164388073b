"""Test pools: build one, see how the systems did, take the qrels along. Not for people who judge."""

import io
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from annotation.models import Pool
from annotation.selectors.pools import pool_report, pools_of, qrels_of
from annotation.services.batches import MAX_OVERLAP
from annotation.services.pools import MAX_DEPTH, MAX_QUERIES, MAX_SEED, start_build_pool
from annotation.views.releases import download
from core.access import person_of, project_for, roles_in
from core.errors import QuarryError
from core.models import Project, Role
from core.paging import keyset_page
from curation.selectors import proposable_codes, proposable_count
from curation.text_views import VIEWS

MAX_FILE_BYTES = 2 * 2**20


class PoolForm(forms.Form):
    """What a pool needs."""

    systems = forms.CharField(
        label="Systems",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="One a line: bm25, a packaged encoder (minilm), a folder, or checkpoints/… of this server.",
    )
    k = forms.IntegerField(
        label="Depth", min_value=1, max_value=MAX_DEPTH, help_text="The best codes of each system for each query."
    )
    n_queries = forms.IntegerField(
        label="Queries",
        min_value=1,
        max_value=MAX_QUERIES,
        required=False,
        help_text="Drawn at random. Empty: all that fit.",
    )
    text = forms.CharField(
        label="Queries that contain", max_length=200, required=False, help_text="Empty: any accepted query."
    )
    queries = forms.FileField(
        label="Queries from a file",
        required=False,
        help_text="One a line, or a number, a tab and the query. Each must be an accepted query of the project.",
    )
    text_view = forms.ChoiceField(
        label="Text of the code", choices=[(name, f"{name}: {what}") for name, what in VIEWS.items()]
    )
    overlap = forms.IntegerField(label="Votes per pair", min_value=1, max_value=MAX_OVERLAP)
    max_extra = forms.IntegerField(label="Extra votes at most", min_value=0, max_value=MAX_OVERLAP)
    seed = forms.IntegerField(label="Seed", min_value=0, max_value=MAX_SEED)
    name = forms.CharField(label="Name", max_length=100, required=False, help_text="Empty: a number.")

    def __init__(self, data: Any, files: Any, *, project: Project) -> None:
        encoder = project.encoder or "minilm"
        initial = {"systems": f"bm25\n{encoder}", "k": 10, "n_queries": 50, "text_view": "full", "seed": 0}
        initial |= {"overlap": project.overlap, "max_extra": project.max_extra_votes}
        super().__init__(data, files, initial=initial)

    def clean_queries(self) -> list[str] | None:
        """The lines of the file; None without one."""
        given = self.cleaned_data["queries"]
        if given is None:
            return None
        if given.size > MAX_FILE_BYTES:
            raise forms.ValidationError("The file is larger than 2 MB.")
        try:
            lines: list[str] = given.read().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise forms.ValidationError(f"The file is not UTF-8 (byte {error.start:,}).") from error
        return lines

    def add_refusal(self, error: QuarryError) -> None:
        field = error.fields.get("field")
        self.add_error(field if field in self.fields else None, str(error))


@login_required
@require_http_methods(["GET", "POST"])
def pools(request: HttpRequest, slug: str) -> HttpResponse:
    """The pools of the project and the form that builds one."""
    project = project_for(request.user, slug, *((Role.READER,) if request.method == "GET" else ()), Role.CURATOR)
    form = PoolForm(request.POST or None, request.FILES or None, project=project)
    if request.method == "POST" and form.is_valid():
        given = {**form.cleaned_data, "systems": form.cleaned_data["systems"].splitlines()}
        try:
            pool, _ = start_build_pool(project=project, user=person_of(request), **given)
        except QuarryError as error:
            form.add_refusal(error)
        else:
            messages.success(request, f"{pool.name} is being built.")
            return redirect("annotation:pool", slug, pool.pk)
    context = {
        "project": project,
        "section": "batches",
        "form": form,
        "page": keyset_page(pools_of(project), request, size=25),
        "n_queries": proposable_count(project),
        "n_codes": proposable_codes(project).count(),
        "curates": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "annotation/pools.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def pool(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One pool: progress, what each system found, how far it is judged."""
    project = project_for(request.user, slug, Role.READER, Role.CURATOR)
    shown = get_object_or_404(pools_of(project), pk=pk)
    context = {
        "project": project,
        "section": "batches",
        "pool": shown,
        "report": pool_report(shown) if shown.is_complete else None,
        "n_opened": shown.batch.items.count() if shown.batch else 0,
    }
    return render(request, "annotation/pool.html", context)


@login_required
@require_safe
def pool_qrels(request: HttpRequest, slug: str, pk: int) -> FileResponse:
    """Judged pairs of a pool as a download: TREC's text, or JSON with ?shape=json."""
    project = project_for(request.user, slug, Role.READER, Role.CURATOR)
    return qrels_file(get_object_or_404(pools_of(project), pk=pk), request.GET.get("shape", ""))


def qrels_file(found: Pool, shape: str) -> FileResponse:
    """The download, whoever asks."""
    qrels = qrels_of(found.project, [found])
    text, ending = (qrels.json(), "json") if shape == "json" else (qrels.text(), "txt")
    return download(io.BytesIO(text.encode()), f"{found.project.slug}-pool-{found.pk}-qrels.{ending}")
