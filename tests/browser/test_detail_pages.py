"""The pages behind the lists, filled by the real services: nothing overflows, axe finds nothing, no console message."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from annotation.services.pools import start_build_pool
from core.jobs import run_inline
from core.models import Project, User
from curation.intent import Rule, RuleKind
from curation.models import CandidateRun, Code, CodeSource, LogImport, Query
from curation.reading import LogShape
from curation.rule_text import RuleEdit
from curation.selectors import current_rule_set
from curation.services.candidates import start_propose_pairs
from curation.services.candidates.preview import start_preview_candidates
from curation.services.code import start_ingest_code
from curation.services.log_uploads import keep_upload
from curation.services.logs import start_ingest_log, store_log
from curation.services.rule_sets import draft_rule_set, edit_rule
from curation.services.rules import start_adopt_rule_set
from tests.annotation.conftest import make_batch
from tests.browser.conftest import axe_violations, overflow_of

pytestmark = pytest.mark.django_db(transaction=True)
SAMPLES = Path(__file__).resolve().parents[1] / "curation" / "code_samples"
VERBS, THINGS = ("sort", "read", "parse", "join", "count", "close"), ("list", "file", "date", "path", "names")
LOG = "\n".join(
    [
        "query\tuser",
        *(f"python {verb} {thing}\tann{number}" for number, verb in enumerate(VERBS) for thing in THINGS),
        "what is python\tbob",
        "python mail anna@example.org\tbob",
        "\tbob",
    ]
)


@pytest.fixture
def addresses(project: Project) -> list[str]:
    """A project on which every stage of curation has run, and the pages of what came of it."""
    log = start_ingest_log(project=project, stored=store_log([LOG.encode()], name="log.tsv"), shape=LogShape())
    run_inline(log.job)
    waiting, _ = keep_upload(project=project, stored=store_log([LOG.encode() + b"\nx\ty"], name="next.tsv"))
    run_inline(start_ingest_code(project=project, spec=str(SAMPLES))[1])
    runs = []
    for retriever in ("dense", "bm25"):
        encoder = "hashing" if retriever == "dense" else ""
        run, job = start_propose_pairs(project=project, encoder=encoder, retriever=retriever, threshold=0.01, top_k=2)
        run_inline(job)
        runs.append(run)
    preview = start_preview_candidates(project=project, encoder="hashing", threshold=0.01)
    run_inline(preview)
    draft = draft_rule_set(project=project, source=current_rule_set(project))
    rule = Rule(category="Others", form="names", kind=RuleKind.STEM)
    edit_rule(draft=draft, edit=RuleEdit(rule=rule))
    run_inline(start_adopt_rule_set(project=project, rule_set=draft))
    second = draft_rule_set(project=project, source=draft)
    pool, job = start_build_pool(project=project, name="pool", systems=["bm25", "hashing"], k=2, n_queries=5)
    run_inline(job)
    batch = make_batch(project, 3)

    def page(name: str, *args: Any) -> str:
        return reverse(name, args=[project.slug, *args])

    code = Code.objects.filter(project=project, is_paired=True).first()
    return [
        page("core:project"),
        page("curation:log", LogImport.objects.get(project=project).pk),
        page("curation:log_upload", waiting.pk),
        page("curation:query", Query.objects.filter(project=project, quarantine_reason="").first().pk),
        page("curation:quarantined", "query"),
        page("curation:code_source", CodeSource.objects.filter(project=project).first().pk),
        page("curation:function", code.pk),
        page("curation:candidate_run", runs[0].pk),
        page("curation:candidate_matches", runs[1].pk) + "?by=query",
        page("curation:compare_runs") + f"?a={runs[0].pk}&b={runs[1].pk}",
        page("curation:candidate_preview", preview.pk),
        page("curation:rule_set_edit", second.pk),
        page("curation:adoption", project.adoptions.get().pk),
        page("annotation:batch", batch.pk),
        page("annotation:pool", pool.pk),
        page("annotation:plan") + f"?run={CandidateRun.objects.filter(project=project).first().pk}",
    ]


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_the_pages_of_a_whole_curation_fit_satisfy_axe_and_stay_silent(
    width: int, theme: str, addresses: list[str], curator: User, new_page: Callable[..., Any]
) -> None:
    page = new_page(width=width, theme=theme, user=curator)
    troubles: list[str] = []
    for address in addresses:
        answer = page.goto(address)
        assert answer.status == 200, address
        troubles += [f"{address}: {line}" for line in (*axe_violations(page), *overflow_of(page), *page.trouble)]
        page.trouble.clear()
    assert not troubles, "\n".join(troubles)
