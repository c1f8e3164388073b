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
from modeling.comparisons import BEFORE
from modeling.ml_process import run_module
from modeling.models import Evaluation, TrainingRun
from modeling.selectors import RUN_PREFIX, checkpoint_folder, find_checkpoint, split_sizes

KINDS = (Evaluation.Kind.SEARCH, Evaluation.Kind.QA)


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
        metrics = measure([evaluation], Source(location), run=run, log=log)[0]
    finally:
        log.unlink(missing_ok=True)
    if "problem" in metrics:
        raise NothingToMeasureError(release=evaluation.release, problem=metrics["problem"])
    return {"evaluation": evaluation.pk, **metrics}


@dataclass(frozen=True)
class Source:
    """What is measured: a name or folder, and how much of a text it reads (None: as it says itself)."""

    location: str
    max_length: int | None = None
    view: str | None = None


def measure(
    evaluations: Sequence[Evaluation], source: Source, *, run: RunningJob, log: Path, note: str = ""
) -> list[dict[str, Any]]:
    """Measures a checkpoint for all these evaluations in one process and stores their metrics."""
    measures = [_measure(one) for one in evaluations]
    label = note or f"measuring {evaluations[0].checkpoint}"

    def tick(lines: list[str]) -> None:
        found = [json.loads(line)["progress"] for line in lines if line.startswith('{"progress"')]
        if found:
            run.progress(*found[-1], label)
        else:
            run.check()

    with tempfile.TemporaryDirectory() as scratch:
        spec = Path(scratch) / "spec.json"
        wanted = {"checkpoint": source.location, "max_length": source.max_length, "view": source.view}
        spec.write_text(json.dumps({**wanted, "measures": measures}), encoding="utf-8")
        printed = run_module("modeling.measure", [str(spec)], log=log, tick=tick)
    results: list[dict[str, Any]] = json.loads(printed[-1])["results"]
    for evaluation, metrics in zip(evaluations, results, strict=True):
        # A problem stays beside the figures it prevented; a page then says why there are none.
        shown = {**metrics, "checkpoint": evaluation.checkpoint} if "problem" not in metrics else {}
        params = {**evaluation.params, **({"problem": metrics["problem"]} if "problem" in metrics else {})}
        Evaluation.objects.filter(pk=evaluation.pk).update(metrics=shown, params=params)
    return results


def _measure(evaluation: Evaluation) -> dict[str, Any]:
    folder = release_folder(evaluation.release)
    if evaluation.kind == Evaluation.Kind.SEARCH:
        queries = folder / f"cosqa-retrieval-{evaluation.split}.json"
        return {"kind": "search", "queries": str(queries), "code_base": str(folder / "code_idx_map.txt")}
    # The threshold of the answers is chosen on dev, never on the split that is measured.
    choose_on = str(folder / "cosqa-qa-dev.json") if evaluation.split != "dev" else None
    return {"kind": "qa", "pairs": str(folder / f"cosqa-qa-{evaluation.split}.json"), "choose_on": choose_on}


def evaluate_training(training: TrainingRun, *, run: RunningJob, stage: str, log: Path) -> None:
    """Measures a run's encoder before, or its checkpoint after the training, on test and dev.

    Figures that stand already are not measured again: those of a resumed job, and those of the same untrained encoder
    with the same settings in another run.
    """
    config = training.config
    if stage == BEFORE and config["objective"] == "none":
        return
    rows = [_row_of(training, stage, split, kind) for split in ("test", "dev") for kind in KINDS]
    missing = [row for row in rows if row is not None and not row.metrics]
    if not missing:
        return
    if stage == BEFORE:
        source = Source(config["encoder"], max_length=config["max_length"] or None, view=config["text_view"])
        measure(missing, source, run=run, log=log, note="measuring the encoder as it came")
    else:
        source = Source(str(checkpoint_folder(training)))
        measure(missing, source, run=run, log=log, note="measuring the trained checkpoint")


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
