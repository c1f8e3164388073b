"""The sample project: our own search log, the functions of the running Python, and pairs to judge at once."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction

from annotation.models import Batch
from annotation.services.batches import open_batch
from core.jobs import run_inline
from core.models import Job, Project, User
from core.services.projects import create_project
from core.text import query_hash
from curation.models import Candidate, CandidateRun, Code, CodeOccurrence, LogImport, Pair, Query
from curation.reading import LogShape
from curation.selectors import current_rule_set
from curation.services.candidates import start_propose_pairs
from curation.services.code import start_ingest_code
from curation.services.logs import start_ingest_log, store_log_file
from curation.services.rules import start_apply_rules

SLUG = "sample"
TITLE = "Sample: the Python standard library"
LOG = Path(settings.BASE_DIR, "curation", "sample", "search_log.tsv")
INTENT_LABELS = LOG.with_name("intent_labels.csv")
PAIRS = Path(__file__).with_name("sample_pairs.csv")
FIRST_BATCH = "First pairs"
CODE = "stdlib"

Say = Callable[[str], None]
OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SamplePair:
    """A shipped pair: the function is found by the hash of its text, in another Python version by its name."""

    query: str
    path: str
    name: str
    code_hash: str
    score: float


@dataclass(frozen=True)
class SampleReport:
    """What the new sample project holds, and the job that goes on behind it."""

    project: Project
    log: LogImport
    n_functions: int
    n_pairs: int
    proposal: Job | None


def load_sample(
    *, user: User | None = None, say: Say = lambda text: None, on_progress: OnProgress | None = None
) -> SampleReport:
    """Makes the sample project with a first batch to judge; the full proposal is queued for the worker.

    Raises ConflictError when there is a project `sample` already.
    """
    project = create_project(slug=SLUG, title=TITLE, user=user)
    say("Reading the sample search log")
    log = ingest_sample_log(project, on_progress)
    say("Applying the intent rules")
    run_inline(start_apply_rules(project=project, rule_set=current_rule_set(project), inline=True))
    say("Reading the functions of the Python standard library")
    source, job = start_ingest_code(project=project, spec=CODE, inline=True)
    run_inline(job, on_progress=on_progress)
    source.refresh_from_db()
    batch = open_shipped_pairs(project)
    _, proposal = start_propose_pairs(project=project)
    return SampleReport(project, log, source.n_functions, batch.items.count() if batch else 0, proposal)


def ingest_sample_log(project: Project, on_progress: OnProgress | None = None) -> LogImport:
    """The shipped log, with its columns query, count and user."""
    shape = LogShape(column="query", count_column="count", user_column="user")
    start = start_ingest_log(project=project, stored=store_log_file(LOG), shape=shape, inline=True)
    if start.job is not None:
        run_inline(start.job, on_progress=on_progress)
    start.log_import.refresh_from_db()
    return start.log_import


def read_shipped_pairs(path: Path = PAIRS) -> list[SamplePair]:
    """The shipped pairs, best first."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            SamplePair(row["query"], row["path"], row["qualified_name"], row["code_hash"], float(row["score"]))
            for row in csv.DictReader(file)
        ]
    return sorted(rows, key=lambda row: (-row.score, row.query))


def open_shipped_pairs(project: Project) -> Batch | None:
    """Opens the shipped pairs whose query and function the project has as its first batch; None if it has none."""
    shipped = read_shipped_pairs()
    queries = dict(
        Query.objects.filter(
            project=project, quarantine_reason="", content_hash__in=[query_hash(row.query) for row in shipped]
        ).values_list("content_hash", "id")
    )
    codes = _codes_of(project, shipped)
    with transaction.atomic():
        run = CandidateRun.objects.create(project=project, origin="sample", name=FIRST_BATCH, encoder="minilm")
        pairs = []
        for row in shipped:
            query_id, code_id = queries.get(query_hash(row.query)), codes.get(row)
            if query_id and code_id:
                pair = Pair.objects.get_or_create(project=project, query_id=query_id, code_id=code_id)[0]
                Candidate.objects.get_or_create(run=run, pair=pair, defaults={"score": row.score})
                pairs.append(pair)
        CandidateRun.objects.filter(pk=run.pk).update(n_queries=len(pairs), n_kept=len(pairs), is_complete=True)
    return open_batch(project=project, pairs=pairs, name=FIRST_BATCH) if pairs else None


def _codes_of(project: Project, shipped: list[SamplePair]) -> dict[SamplePair, int]:
    """The code of each shipped pair: the same text, else the function of that name in this Python version."""
    by_hash = dict(
        Code.objects.filter(project=project, content_hash__in=[row.code_hash for row in shipped]).values_list(
            "content_hash", "id"
        )
    )
    named = CodeOccurrence.objects.filter(
        code__project=project, code__is_paired=True, qualified_name__in=[row.name for row in shipped]
    )
    by_name = {(path, name): code_id for path, name, code_id in named.values_list("path", "qualified_name", "code_id")}
    found = {row: by_hash.get(row.code_hash) or by_name.get((row.path, row.name)) for row in shipped}
    return {row: code_id for row, code_id in found.items() if code_id}
