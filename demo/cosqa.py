"""The same road on CoSQA's own files: real queries, its 6,267 functions, and the labels that its people gave.

The judged pairs come in as single labels, raters unknown. Training leaves out every query and code that is connected
with the retrieval queries, directly or through others; those queries then measure the search.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.criteria import read_criteria
from annotation.models import Release
from annotation.selectors import release_folder
from annotation.services.imports import start_import_votes
from annotation.services.releases import start_freeze_release
from core.errors import BadInputError
from core.models import Project
from core.services.projects import create_project
from curation.reading import LogFormat, LogShape
from curation.services.logs import start_ingest_log, store_log_file
from demo.walk import Walk, filter_queries, free_slug, propose, read_code
from modeling.ml_process import run_module
from modeling.models import Evaluation, TrainingRun
from modeling.selectors import checkpoint_folder
from modeling.services.runs import start_training

JUDGED = "cosqa-dev.json"
RETRIEVAL = "cosqa-retrieval-dev-500.json"
CODE_BASE = "code_idx_map.txt"
UNJUDGED = "webquery-unlabelled.json"
MORE_QUERIES = Path("cosqa_queries", "cosqa-1200.jsonl")  # beside the folder, if at hand
FOLDS = 3
PAPER = "The paper's models were trained on 19,604 pairs: 51.3 before, 54.4 with CoSQA, 64.7 with CoCLR."


def walk_cosqa(walk: Walk, folder: Path) -> Project:
    """The road on a folder of CoSQA files. Raises BadInputError that names the file which is missing."""
    folder = folder.expanduser().resolve()
    for name in (JUDGED, RETRIEVAL, CODE_BASE):
        if not (folder / name).is_file():
            raise BadInputError(problem=f"{folder} holds no {name}. Give the folder with CoSQA's files.")
    project = create_project(slug=free_slug("cosqa"), title="CoSQA")
    _ingest(walk, project, folder)
    filter_queries(walk, project)
    read_code(walk, project, str(folder / CODE_BASE))
    propose(walk, project)
    _import_labels(walk, project, folder)
    release = _release(walk, project)
    training = _train(walk, project, release, folder)
    _measure_search(walk, training, folder)
    _measure_answers(walk, training, release)
    return project


def _ingest(walk: Walk, project: Project, folder: Path) -> None:
    with walk.road.step("Ingest the queries as a log", look=f"/p/{project.slug}/logs/") as step:
        with tempfile.TemporaryDirectory(dir=_scratch()) as place:
            log = Path(place, "cosqa-queries.txt")
            log.write_text("\n".join(_queries(folder)) + "\n", encoding="utf-8")
            start = start_ingest_log(
                project=project, stored=store_log_file(log), shape=LogShape(LogFormat.TEXT), inline=True
            )
        if start.job is not None:
            walk.finish(start.job)
        start.log_import.refresh_from_db()
        made = start.log_import
        step.numbers = {"read": made.n_read, "new": made.n_new, "known": made.n_known, "bad": made.n_bad}
        step.text = "{read:,} rows: {new:,} new, {known:,} known, {bad:,} bad".format(**step.numbers)


def _queries(folder: Path) -> Iterator[str]:
    """Queries of the judged and the unjudged pairs, and of the file of further ones."""
    for name in (JUDGED, UNJUDGED):
        path = folder / name
        if path.is_file():
            yield from (row["doc"] for row in json.loads(path.read_text(encoding="utf-8")))
    more = folder.parent / MORE_QUERIES
    if more.is_file():
        with more.open(encoding="utf-8") as file:
            yield from (json.loads(line)["query"] for line in file if line.strip())


def _import_labels(walk: Walk, project: Project, folder: Path) -> None:
    with walk.road.step("Import judged pairs", look=f"/p/{project.slug}/releases/") as step:
        report = walk.finish(start_import_votes(project=project, path=folder / JUDGED, inline=True))
        step.numbers = {name: report[name] for name in ("read", "labels", "bad")}
        step.text = "{labels:,} labels of {read:,} rows ({bad:,} did not fit); imported, raters unknown".format(
            **step.numbers
        )


def _release(walk: Walk, project: Project) -> Release:
    with walk.road.step("Freeze a release", look=f"/p/{project.slug}/releases/v1/") as step:
        # No dev or test split of its own: retrieval-dev measures the search, cross-validation the answers.
        criteria = read_criteria(min_votes=1, dev="0", test="0", seed=walk.seed)
        _, job = start_freeze_release(project=project, name="v1", criteria=criteria, inline=True)
        made = walk.finish(job)
        step.numbers = {"kept": made["pairs"], "ones": made["ones"], "removed": made["removed"]}
        step.text = (
            f"{made['pairs']:,} pairs, {made['ones']:,} with label 1; removed: {sum(made['removed'].values()):,}"
        )
    return project.releases.get(name="v1")


def _train(walk: Walk, project: Project, release: Release, folder: Path) -> TrainingRun:
    with walk.road.step(f"Train {walk.recipe}", look=f"/p/{project.slug}/runs/") as step:
        job = start_training(
            project=project,
            release=release,
            recipe=walk.recipe,
            encoder=walk.model,
            seed=walk.seed,
            overrides=dict(walk.settings),
            left_out=[folder / RETRIEVAL],
        )
        training = TrainingRun.objects.get(project=project, name=walk.finish(job)["training_run"])
        facts = training.metrics["data"]
        step.numbers = {**facts, "steps": training.metrics["steps"]}
        step.text = f"{facts['pairs']:,} pairs left after everything connected with retrieval-dev was taken out"
    return training


def _measure_search(walk: Walk, training: TrainingRun, folder: Path) -> None:
    look = f"/p/{training.project.slug}/evaluations/"
    with walk.road.step("Code search, MRR x100 on retrieval-dev", look=look) as step:
        arguments = ["--queries", str(folder / RETRIEVAL), "--code-base", str(folder / CODE_BASE)]
        figures = {}
        for name, checkpoint in (
            ("BM25", "bm25"),
            ("zero-shot", walk.model),
            ("trained", str(checkpoint_folder(training))),
        ):
            walk.road.say(f"   measuring {name}")
            figures[name] = _run(["evaluate-search", checkpoint, *arguments])
            _store(training, Evaluation.Kind.SEARCH, name, checkpoint, "retrieval-dev", figures[name])
        step.numbers = {name: {"mrr": row["mrr"], "se": row["mrr_standard_error"]} for name, row in figures.items()}
        values = "; ".join(f"{name} {100 * row['mrr']:.1f}" for name, row in figures.items())
        step.text = f"{values}. {_reading(figures)}"


def _reading(figures: dict[str, Any]) -> str:
    """The gain of the training, called what it is."""
    gain = 100 * (figures["trained"]["mrr"] - figures["zero-shot"]["mrr"])
    error = 100 * figures["trained"]["mrr_standard_error"]
    within = "within" if abs(gain) <= error else "beyond"
    return f"Training: {gain:+.1f}, {within} one standard error ({error:.1f})"


def _measure_answers(walk: Walk, training: TrainingRun, release: Release) -> None:
    look = f"/p/{training.project.slug}/evaluations/"
    with walk.road.step(f"Code QA accuracy, {FOLDS}-fold by groups", look=look) as step:
        config = {key: value for key, value in training.config.items() if key not in ("recipe", "seed", "encoder")}
        with tempfile.TemporaryDirectory(dir=_scratch()) as place:
            result = _run(
                [
                    *["cross-validate", "--recipe", training.recipe, "--folds", str(FOLDS)],
                    *["--files", str(release_folder(release)), "--out", place],
                    *["--encoder", training.config["encoder"], "--seed", str(walk.seed)],
                    *(part for key, value in sorted(config.items()) for part in ("--set", f"{key}={value}")),
                ]
            )
        _store(training, Evaluation.Kind.QA, "trained", "cross-validation", "grouped folds", result)
        step.numbers = {key: value for key, value in result.items() if key.startswith(("accuracy", "f1", "auc"))}
        constant = 100 * max(result["accuracy_all_1"], result["accuracy_all_0"])
        step.text = (
            f"zero-shot {100 * result['accuracy_zero_shot']:.1f} -> trained {100 * result['accuracy']:.1f} "
            f"(standard error {100 * result['accuracy_standard_error']:.1f}; the commoner label alone {constant:.1f})"
        )


def _run(arguments: list[str]) -> dict[str, Any]:
    """The model library's command line in a process of its own; its JSON result."""
    log = _scratch() / "demo-cosqa.log"
    printed = run_module("modeling.ml", [arguments[0], "--json", *arguments[1:]], log=log)
    result: dict[str, Any] = json.loads(printed[-1])
    return result


def _store(training: TrainingRun, kind: str, name: str, checkpoint: str, split: str, metrics: dict[str, Any]) -> None:
    Evaluation.objects.create(
        project=training.project,
        run=training if name == "trained" else None,
        release=training.release,
        kind=kind,
        checkpoint=f"run:{training.name}" if name == "trained" else checkpoint,
        split=split,
        metrics=metrics,
    )


def _scratch() -> Path:
    place = Path(settings.QUARRY_HOME) / "tmp"
    place.mkdir(parents=True, exist_ok=True)
    return place
