"""Evaluations: code search MRR over a release's code base and code QA accuracy on its pairs."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.selectors import release_folder
from core.db import write_transaction
from core.errors import BadInputError, QuarryError
from core.jobs import RunningJob, create_job
from core.models import Job, Project
from modeling.comparisons import AFTER, BEFORE
from modeling.ml_process import run_module
from modeling.models import Evaluation, TrainingRun
from modeling.selectors import RUN_PREFIX, checkpoint_folder, find_checkpoint, split_sizes

KINDS = (Evaluation.Kind.SEARCH, Evaluation.Kind.QA)
AUTOMATIC = [("test", Evaluation.Kind.SEARCH), ("test", Evaluation.Kind.QA), ("dev", Evaluation.Kind.SEARCH)]


class NothingToMeasureError(QuarryError):
    code, status = "nothing_to_measure", 422
    template = "Release {release} cannot be measured on: {problem}"


def start_evaluation(
    *, project: Project, kind: str, checkpoint: str, release: Any, split: str = "test", user: Any = None
) -> Job:
    """Queues one measurement of a checkpoint (encoder name or run:NAME) on a split of a release."""
    chosen = find_checkpoint(project, checkpoint)
    if kind not in KINDS:
        raise BadInputError(problem=f"There is no measure {kind}. Use one of {', '.join(KINDS)}.")
    _check_split(release, split, kind)
    with write_transaction():
        evaluation = Evaluation.objects.create(
            project=project, run=chosen.run, release=release, kind=kind, checkpoint=chosen.key, split=split
        )
        evaluation.job = create_job(
            kind="modeling.evaluate",
            title=f"Evaluate {chosen.key} on {release} ({split})",
            params={"evaluation_id": evaluation.pk},
            project=project,
            user=user,
        )
        evaluation.save(update_fields=["job"])
    return evaluation.job


def _check_split(release: Any, split: str, kind: str) -> None:
    sizes = split_sizes(release).get(split)
    if sizes is None:
        return
    needed = sizes["ones"] if kind == Evaluation.Kind.SEARCH else sizes["pairs"]
    if not needed:
        what = "pairs judged 1" if kind == Evaluation.Kind.SEARCH else "pairs"
        raise NothingToMeasureError(release=release, problem=f"its {split} split has no {what}.")


def evaluate(*, run: RunningJob, evaluation_id: int) -> dict[str, Any]:
    """Measures and stores; running it again gives the same row the same figures."""
    evaluation = Evaluation.objects.select_related("project", "release").get(pk=evaluation_id)
    location = find_checkpoint(evaluation.project, evaluation.checkpoint).location
    log = Path(settings.QUARRY_HOME) / "tmp" / f"evaluation-{evaluation.pk}.log"
    try:
        measure([Source(location, [evaluation])], run=run, log=log)
    finally:
        log.unlink(missing_ok=True)
    evaluation.refresh_from_db()
    if not evaluation.metrics:
        raise NothingToMeasureError(release=evaluation.release, problem=evaluation.params.get("problem", ""))
    return {"evaluation": evaluation.pk, **evaluation.metrics}


@dataclass(frozen=True)
class Source:
    """A name or folder that is measured, for which rows, and how much of a text it reads (None: as it says itself)."""

    location: str
    evaluations: Sequence[Evaluation]
    max_length: int | None = None
    view: str | None = None

    def spec(self) -> dict[str, Any]:
        """As modeling.measure reads it."""
        measures = [_measure(one) for one in self.evaluations]
        return {"checkpoint": self.location, "max_length": self.max_length, "view": self.view, "measures": measures}


def measure(sources: Sequence[Source], *, run: RunningJob, log: Path) -> None:
    """Measures all sources in one process and stores their figures."""

    def tick(lines: list[str]) -> None:
        said = [json.loads(line) for line in lines if line.startswith('{"checkpoint"')]
        if said:
            measured = sources[said[-1]["checkpoint"]].evaluations[0].checkpoint
            done, total = said[-1]["progress"]
            run.progress(done, total, f"measuring {measured.removeprefix(RUN_PREFIX)}: codes encoded")
        else:
            run.check()

    with tempfile.TemporaryDirectory() as scratch:
        spec = Path(scratch) / "spec.json"
        spec.write_text(json.dumps([source.spec() for source in sources]), encoding="utf-8")
        printed = run_module("modeling.measure", [str(spec)], log=log, tick=tick)
    for source, results in zip(sources, json.loads(printed[-1])["results"], strict=True):
        for evaluation, metrics in zip(source.evaluations, results, strict=True):
            _store(evaluation, metrics)


def _store(evaluation: Evaluation, metrics: dict[str, Any]) -> None:
    """Figures, or beside the row why there are none."""
    if "problem" in metrics:
        evaluation.params["problem"] = metrics["problem"]
    else:
        evaluation.metrics = {**metrics, "checkpoint": evaluation.checkpoint}
    evaluation.save(update_fields=["metrics", "params"])


def _measure(evaluation: Evaluation) -> dict[str, Any]:
    release: Any = evaluation.release
    folder = release_folder(release)
    if evaluation.kind == Evaluation.Kind.SEARCH:
        queries = folder / f"cosqa-retrieval-{evaluation.split}.json"
        return {"kind": "search", "queries": str(queries), "code_base": str(folder / "code_idx_map.txt")}
    # The threshold of the answers is chosen on dev, never on the split that is measured.
    others = "dev" if evaluation.split != "dev" else "train"
    pairs, choose_on = (str(folder / f"cosqa-qa-{split}.json") for split in (evaluation.split, others))
    return {"kind": "qa", "pairs": pairs, "choose_on": choose_on}


def evaluate_training(training: TrainingRun, *, run: RunningJob, log: Path) -> None:
    """Measures a run's encoder as it came and its checkpoint: search and QA on test, search on dev.

    Dev has no QA figure of its own, because the threshold is chosen there.

    Figures that stand already are not measured again: those of a resumed job, and those of the same untrained encoder
    with the same settings in another run.
    """
    config = training.config
    before = Source(
        config["encoder"],
        _missing_rows(training, BEFORE) if config["objective"] != "none" else [],
        max_length=config["max_length"] or None,
        view=config["text_view"],
    )
    after = Source(str(checkpoint_folder(training)), _missing_rows(training, AFTER))
    sources = [source for source in (before, after) if source.evaluations]
    if sources:
        measure(sources, run=run, log=log)


def _missing_rows(training: TrainingRun, stage: str) -> list[Evaluation]:
    rows = [_row_of(training, stage, split, kind) for split, kind in AUTOMATIC]
    return [row for row in rows if row is not None and not row.metrics]


def _row_of(training: TrainingRun, stage: str, split: str, kind: str) -> Evaluation | None:
    """The row of one figure, filled where it is known; None where the split has nothing to measure on."""
    try:
        _check_split(training.release, split, kind)
    except NothingToMeasureError:
        return None
    params = {"stage": stage, **({"start": _start(training)} if stage == BEFORE else {})}
    known = Evaluation.objects.filter(release=training.release, kind=kind, split=split, project=training.project)
    row = known.filter(run=training, params__stage=stage).first()
    if row is not None:
        return row
    twin = known.filter(params__start=params["start"]).exclude(metrics={}).first() if stage == BEFORE else None
    return Evaluation.objects.create(
        project=training.project,
        run=training,
        release=training.release,
        kind=kind,
        split=split,
        checkpoint=training.encoder if stage == BEFORE else f"{RUN_PREFIX}{training.name}",
        params=params,
        metrics=twin.metrics if twin else {},
        job=training.job,
    )


def _start(training: TrainingRun) -> list[Any]:
    """What decides the figures of the untrained encoder."""
    return [training.config[key] for key in ("encoder", "pooling", "max_length", "text_view")]
