"""Training runs: start, cancel, resume, and the training itself in a process of its own."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotation.selectors import release_folder
from core.db import write_transaction
from core.errors import BadInputError, ConflictError, QuarryError
from core.jobs import RunningJob, cancel_job, create_job, retry_job
from core.models import Job, Project
from modeling.ml.errors import BadSettingError
from modeling.ml.recipes import Recipe, resolve
from modeling.ml_process import Printed, run_module
from modeling.models import TrainingRun
from modeling.selectors import RUN_PREFIX, encoder_location, run_folder, split_sizes
from modeling.services.evaluations import evaluate_training

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
RESERVED_NAMES = {"new"}
MIN_PAIRS = 2
STEP = re.compile(r"step \d+/(\d+),")
_BOOKKEEPING = {"step", "epoch", "time"}


class NotTrainableReleaseError(QuarryError):
    code, status = "not_trainable", 422
    template = "Release {release} cannot train {recipe}: {problem}"


def start_training(
    *,
    project: Project,
    release: Any,
    recipe: str,
    encoder: str = "",
    seed: int = 0,
    overrides: dict[str, Any] | None = None,
    name: str = "",
    user: Any = None,
    copy_to: str = "",
    left_out: Sequence[Path] = (),
) -> Job:
    """Checks recipe, settings, encoder and data, makes the run, and queues its training.

    encoder  an encoder's name or folder, or run:NAME; empty: the recipe's own
    copy_to  also copy the finished run to this folder
    left_out  test files: pairs connected with their queries or codes, directly or through others, are not trained on
    Raises the recipe's own refusals (unknown recipe, bad setting), NotTrainableReleaseError where the release has
    nothing to learn from, ConflictError where the project has a run of that name.
    """
    config = _config(project, recipe, encoder, seed, overrides or {})
    _check_release(release, config)
    _check_name(project, name)
    with write_transaction():
        run = TrainingRun.objects.create(
            project=project,
            release=release,
            name=name or _free_name(project, recipe),
            recipe=recipe,
            encoder=encoder or config.encoder,
            seed=config.seed,
            config=config.to_dict(),
            left_out=[str(path.resolve()) for path in left_out],
        )
        run.path = f"checkpoints/{project.slug}/{run.pk}-{run.name}"
        run.job = create_job(
            kind="modeling.train",
            title=f"Train {run.name} ({recipe}) on {release}",
            params={"training_run_id": run.pk, **({"copy_to": copy_to} if copy_to else {})},
            project=project,
            user=user,
        )
        run.save(update_fields=["path", "job"])
    return run.job


def _config(project: Project, recipe: str, encoder: str, seed: int, overrides: dict[str, Any]) -> Recipe:
    for key in ("encoder", "seed"):
        if key in overrides:
            raise BadSettingError(key=key, problem=f"it is given as {key}, not among the settings.")
    start = {"encoder": encoder_location(project, encoder)} if encoder else {}
    return resolve(recipe, {**overrides, **start, "seed": seed})


def _check_release(release: Any, config: Recipe) -> None:
    """What can be seen from the release's statistics; the training looks at the pairs themselves."""
    sizes = split_sizes(release).get("train")
    if sizes is None or config.objective == "none":
        return
    pairs, ones = sizes["pairs"], sizes["ones"]
    problem = ""
    if pairs < MIN_PAIRS:
        problem = f"its train split has {pairs} pair(s), and at least {MIN_PAIRS} are needed."
    elif not ones:
        problem = f"none of the {pairs} pairs of its train split is judged 1."
    elif ones == pairs and not config.in_batch:
        problem = (
            f"all {pairs} pairs of its train split are judged 1, and this recipe learns from both labels. Use one with "
            "in-batch negatives (info-nce, coclr-iba)."
        )
    if problem:
        raise NotTrainableReleaseError(release=release, recipe=config.recipe, problem=problem)


def _check_name(project: Project, name: str) -> None:
    if not name:
        return
    if not NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise BadInputError(
            problem=f"A run cannot be called {name!r}: use up to 60 letters, digits, dots, dashes and underscores."
        )
    if project.training_runs.filter(name=name).exists():
        raise ConflictError(problem=f"Project {project.slug} has a run named {name} already. Choose another name.")


def _free_name(project: Project, recipe: str) -> str:
    taken = set(project.training_runs.filter(name__startswith=f"{recipe}-").values_list("name", flat=True))
    return next(name for n in range(1, len(taken) + 2) if (name := f"{recipe}-{n}") not in taken)


def cancel_training(*, run: TrainingRun) -> Job:
    """Asks the training to stop; what it has learned so far stays on disk."""
    if run.job is None:
        raise ConflictError(problem=f"Run {run.name} was not trained here; there is nothing to cancel.")
    return cancel_job(job=run.job)


def resume_training(*, run: TrainingRun, user: Any = None) -> Job:
    """Queues a cancelled or failed run again; it goes on from its last saved step."""
    if run.job is None:
        raise ConflictError(problem=f"Run {run.name} was not trained here; it cannot be resumed.")
    return retry_job(job=run.job)


def train_run(*, run: RunningJob, training_run_id: int, copy_to: str = "") -> dict[str, Any]:
    """Trains, then measures before and after. A second call goes on where the first one stopped."""
    training = TrainingRun.objects.select_related("project", "release", "job").get(pk=training_run_id)
    folder = run_folder(training)
    log = folder / "run.log"
    metrics = _train(training, run, log)
    evaluate_training(training, run=run, log=log)
    if copy_to:
        shutil.copytree(folder, copy_to, dirs_exist_ok=True)
    return {"training_run": training.name, "checkpoint": f"{RUN_PREFIX}{training.name}", "metrics": metrics}


def _train(training: TrainingRun, run: RunningJob, log: Path) -> dict[str, Any]:
    """Runs the library's trainer in the run's folder, follows its curves, and stores how it ended."""
    folder = run_folder(training)
    curves, messages = Printed(folder / "metrics.jsonl"), Printed(log, from_end=True)
    last: dict[str, Any] = {}
    total = 0

    def tick(_: list[str]) -> None:
        nonlocal total
        for line in curves.new_lines():
            last.update(json.loads(line))
        total = max([total, *(int(found[1]) for line in messages.new_lines() if (found := STEP.match(line)))])
        run.progress(last.get("step", 0), total, _note(last, training.config["epochs"]))

    printed = run_module("modeling.ml", _arguments(training, folder), log=log, tick=tick)
    tick([])
    return _store(training, folder, last, json.loads(printed[-1]))


def _arguments(training: TrainingRun, folder: Path) -> list[str]:
    release: Any = training.release
    files = release_folder(release)
    config = {key: value for key, value in training.config.items() if key != "recipe"}
    dev = files / "cosqa-qa-dev.json"
    return [
        *["train", "--json", "--recipe", training.recipe, "--out", str(folder)],
        *["--files", str(files / "cosqa-qa-train.json")],
        *(["--dev", str(dev)] if split_sizes(release).get("dev", {}).get("pairs") else []),
        *(part for path in training.left_out for part in ("--without-connected-to", path)),
        *(part for key, value in sorted(config.items()) for part in ("--set", f"{key}={value}")),
    ]


def _note(last: dict[str, Any], epochs: int) -> str:
    """The newest figures, for the job's progress line."""
    shown = [("loss", "loss {:.3f}"), ("dev_mrr", "dev MRR {:.3f}"), ("pairs_per_s", "{:.1f} pairs/s")]
    parts = [text.format(last[name]) for name, text in shown if name in last]
    if not parts:
        return "loading the encoder"
    return ", ".join([f"epoch {min(last['epoch'] + 1, epochs)} of {epochs}", *parts])


def _store(training: TrainingRun, folder: Path, last: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))["data"]
    figures = {key: value for key, value in last.items() if key not in _BOOKKEEPING}
    training.metrics = {**figures, "steps": result["steps"], "kept": result["metrics"], "data": facts}
    training.data_sha256 = facts["data_sha256"]
    training.save(update_fields=["metrics", "data_sha256"])
    metrics: dict[str, Any] = training.metrics
    return metrics
