"""Comparing candidate encoders on judged pairs of a project, or of a file."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from core.errors import BadInputError, QuarryError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from curation.encoder_quality import evaluate_encoder
from curation.judgements import judged_pairs
from curation.models import Code
from curation.text_views import VIEWS, code_text
from modeling.ml.data import Example, read_pairs
from modeling.ml.errors import BadDataError

EVALUATE_ENCODERS = "curation.evaluate_encoders"
MAX_ENCODERS = 12
MOST_PAIRS = 20_000
_NAME = re.compile(r"[\w.~/ -]{1,300}\Z")


class NothingJudgedError(QuarryError):
    """No judged pair to measure encoders on."""

    code, status = "nothing_judged", 409
    template = "{problem}"


def start_evaluate_encoders(
    *,
    project: Project,
    encoders: Sequence[str],
    text_view: str = "full",
    file: str = "",
    user: User | None = None,
    inline: bool = False,
) -> Job:
    """Queues a comparison; `file` (for commands) holds judged pairs in the shape of CoSQA and StaQC."""
    names = list(dict.fromkeys(name.strip() for name in encoders if name.strip()))
    if not 1 <= len(names) <= MAX_ENCODERS:
        raise BadInputError(problem=f"Name 1 to {MAX_ENCODERS} encoders, for example minilm and bm25.")
    unusable = next((name for name in names if not _NAME.match(name)), None)
    if unusable is not None:
        raise BadInputError(problem=f"{unusable[:60]!r} is no encoder: give names, folders of models, or bm25.")
    if text_view not in VIEWS:
        raise BadInputError(problem=f"There is no text view {text_view}. There are: {', '.join(VIEWS)}.")
    if not file and not judged_pairs(project):
        raise NothingJudgedError(
            problem="No pair of this project is judged yet. Import judged pairs, or judge a batch first."
        )
    return create_job(
        kind=EVALUATE_ENCODERS,
        title=f"Compare encoders: {', '.join(names)}"[:200],
        params={"project_id": project.pk, "encoders": names, "text_view": text_view, "file": file},
        project=project,
        user=user,
        inline=inline,
    )


def evaluate_encoders(
    *, run: RunningJob, project: Project, encoders: Sequence[str], text_view: str, file: str = ""
) -> dict[str, Any]:
    """Measures every encoder on the same judged pairs, best AUC first."""
    run.progress(0, len(encoders), "reading judged pairs")
    examples = _from_file(file) if file else _from_project(project, text_view)
    if not examples:
        raise NothingJudgedError(problem="No pair of this project is judged any more.")
    rows = []
    for number, name in enumerate(encoders):

        def report(done: int, total: int, number: int = number, name: str = name) -> None:
            run.progress(number, len(encoders), f"{name}: encoding {done:,} of {total:,}")

        report(0, 0)
        found = evaluate_encoder(name, examples, Path(settings.QUARRY_HOME, "vectors"), view=text_view, progress=report)
        rows.append(found.as_data())
    rows.sort(key=lambda row: (-(row["auc"] or 0.0), row["encoder"]))
    return {"source": file or "project", "text_view": text_view, "pairs": len(examples), "encoders": rows}


def _from_project(project: Project, view: str) -> list[Example]:
    pairs = judged_pairs(project)[:MOST_PAIRS]
    codes = Code.objects.only("pk", "text", "header", "docstring", "body").in_bulk({pair.code_id for pair in pairs})
    return [
        Example.of(pair.query, code_text(codes[pair.code_id], view), pair.label)
        for pair in pairs
        if pair.code_id in codes
    ]


def _from_file(file: str) -> list[Example]:
    examples = read_pairs(file)[:MOST_PAIRS]
    if not any(example.label == 1 for example in examples):
        raise BadDataError(place=file, problem="no pair in it is labelled 1.")
    return examples
