"""Reads of the modeling stage: runs and their curves, evaluations, checkpoints that can be searched with."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Prefetch, QuerySet

from core.errors import NotFoundError
from core.models import Job, JobState, Project
from curation.selectors import proposable_codes
from modeling.ml.errors import UnknownEncoderError
from modeling.models import CodeIndex, Evaluation, TrainingRun

RUN_PREFIX = "run:"
CHECKPOINTS_FOLDER = "checkpoints/"
MAX_CURVE_POINTS = 300
_NOT_A_METRIC = {"step", "epoch", "time", "total"}
_SHARES = ("mrr", "accuracy", "f1", "auc")


def training_runs(project: Project) -> QuerySet[TrainingRun]:
    """The project's runs, newest first, with job, release and evaluations at hand."""
    evaluations = Prefetch("evaluations", queryset=Evaluation.objects.order_by("id"))
    return project.training_runs.select_related("job", "release").prefetch_related(evaluations)


def run_folder(run: TrainingRun) -> Path:
    """The run's folder: metrics.jsonl, run.log and, when it is trained, checkpoint/."""
    return Path(settings.QUARRY_HOME) / run.path


def checkpoint_folder(run: TrainingRun) -> Path:
    """Where the run's checkpoint stands, or will."""
    return run_folder(run) / "checkpoint"


def checkpoint_name(run: TrainingRun) -> str:
    """The checkpoint's folder relative to QUARRY_HOME: what stands in a project's `encoder`."""
    return f"{run.path}/checkpoint"


def has_vectors(run: TrainingRun) -> bool:
    """Whether the run's checkpoint makes vectors."""
    return bool(run.config.get("objective") != "none")


def is_trained(run: TrainingRun) -> bool:
    """Whether the run ended well, so that its checkpoint may be used."""
    return bool(run.path) and run.job is not None and run.job.state == JobState.DONE and checkpoint_folder(run).is_dir()


def metric_rows(run: TrainingRun) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl so far; a line still being written is left out."""
    path = run_folder(run) / "metrics.jsonl"
    if not run.path or not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def curves(rows: Iterable[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Metric name -> points (step, value), thinned to at most MAX_CURVE_POINTS.

    After a resume the same step may stand twice; the later line counts.
    """
    points: dict[str, dict[float, float]] = defaultdict(dict)
    for row in rows:
        step = row.get("step")
        if not isinstance(step, int | float):
            continue
        for name, value in row.items():
            if name not in _NOT_A_METRIC and isinstance(value, int | float) and not isinstance(value, bool):
                points[name][step] = float(value)
    return {name: _thinned(sorted(values.items())) for name, values in points.items()}


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every k-th point, and always the last one."""
    stride = -(-len(points) // MAX_CURVE_POINTS)
    if stride <= 1:
        return points
    kept = points[::stride]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def log_tail(run: TrainingRun, *, lines: int = 12) -> str:
    """The last lines that the training wrote to its log."""
    path = run_folder(run) / "run.log"
    if not run.path or not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 8_000))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])


@dataclass(frozen=True)
class Chart:
    """Curves that share a pair of axes."""

    title: str
    ylabel: str
    series: list[dict[str, Any]]


def charts(run: TrainingRun) -> list[Chart]:
    """The run's curves as charts: losses first, then shares such as MRR and accuracy, then speed."""
    found = curves(metric_rows(run))
    groups = [
        ("Loss", "loss", [name for name in found if "loss" in name]),
        ("Figures on the dev split", "share", [name for name in found if name.endswith(_SHARES)]),
        ("Learning rate", "rate", [name for name in found if name == "learning_rate"]),
        ("Speed", "pairs a second", [name for name in found if name == "pairs_per_s"]),
    ]
    return [
        Chart(title, ylabel, [{"name": name.replace("_", " "), "points": found[name]} for name in names])
        for title, ylabel, names in groups
        if names
    ]


def usable_releases(project: Project) -> QuerySet[Any]:
    """Releases whose files stand: drafts and published ones, newest first."""
    return project.releases.filter(state__in=["draft", "published"]).order_by("-id")


def find_release(project: Project, name: str) -> Any:
    """The usable release of this name; raises NotFoundError with those there are."""
    release = usable_releases(project).filter(name=name.removeprefix(f"{project.slug}/")).first()
    if release is None:
        known = ", ".join(usable_releases(project).values_list("name", flat=True)[:10]) or "none yet"
        raise NotFoundError(what="usable release", name=f"{name} (there are: {known})")
    return release


@dataclass(frozen=True)
class Checkpoint:
    """Something that can encode: an encoder by name, or a trained run of the project."""

    key: str
    label: str
    location: str  # what modeling.ml.encoders.load_encoder takes
    run: TrainingRun | None = None

    @property
    def has_vectors(self) -> bool:
        """False for a run of BM25, which compares words: it can be measured, but no index and no pairs come of it."""
        return self.run is None or has_vectors(self.run)


def checkpoints(project: Project) -> list[Checkpoint]:
    """What this project can search with and measure: its own encoder, the other encoders, trained runs newest first."""
    names = dict.fromkeys([project.encoder, settings.QUARRY_ENCODER, "minilm"])
    encoders = [_encoder_choice(name) for name in names if name and not name.startswith(CHECKPOINTS_FOLDER)]
    trained = [run for run in project.training_runs.select_related("job", "release") if is_trained(run)]
    known = [*encoders, *(_run_choice(run) for run in trained)]
    return sorted(known, key=lambda one: one.run is None or checkpoint_name(one.run) != project.encoder)


def find_checkpoint(project: Project, key: str) -> Checkpoint:
    """The checkpoint with this key (the first one where it is empty); raises NotFoundError."""
    known = checkpoints(project)
    if not key:
        return known[0]
    for checkpoint in known:
        if checkpoint.key == key:
            return checkpoint
    raise NotFoundError(what="checkpoint", name=f"{key} (there are: {', '.join(one.key for one in known)})")


def encoder_location(project: Project, name: str) -> str:
    """What load_encoder takes for a checkpoint's key, an encoder's name or a folder.

    Raises NotFoundError for a run that is not there, UnknownEncoderError for a folder that is not there; whether a hub
    name exists is known only when it is loaded.
    """
    for checkpoint in checkpoints(project):
        if checkpoint.key == name:
            return checkpoint.location
    if name.startswith(RUN_PREFIX):
        return find_checkpoint(project, name).location
    if name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir():
        raise UnknownEncoderError(
            name=name, problem="there is no such folder. Use minilm, codebert, a folder or a hub name."
        )
    return name


def split_sizes(release: Any) -> dict[str, dict[str, int]]:
    """Split -> {"pairs", "ones"} from the release's statistics; empty where it has none."""
    sizes: dict[str, dict[str, int]] = release.stats.get("statistics", {}).get("splits", {})
    return sizes


def _encoder_choice(name: str) -> Checkpoint:
    return Checkpoint(key=name, label=f"{name} (untrained)", location=name)


def _run_choice(run: TrainingRun) -> Checkpoint:
    label = f"{run.name} ({run.recipe} on {run.release.name if run.release else 'files'})"
    return Checkpoint(key=f"{RUN_PREFIX}{run.name}", label=label, location=str(checkpoint_folder(run)), run=run)


@dataclass(frozen=True)
class IndexState:
    """Whether a checkpoint's index of the code base can be searched, and whether it is of today."""

    index: CodeIndex | None
    n_codes: int  # in the code base now
    last_code_id: int

    @property
    def is_built(self) -> bool:
        return self.index is not None and self.index.built_at is not None

    @property
    def is_current(self) -> bool:
        index = self.index
        return (
            index is not None
            and self.is_built
            and (index.n_codes, index.last_code_id) == (self.n_codes, self.last_code_id)
        )

    @property
    def job(self) -> Job | None:
        """The job that builds or built it."""
        return self.index.job if self.index else None


def index_state(project: Project, checkpoint: Checkpoint) -> IndexState:
    """The index of the project's code base for a checkpoint, beside the code base as it is now."""
    index = CodeIndex.objects.select_related("job").filter(project=project, checkpoint=checkpoint.key).first()
    n_codes, last_id = code_base_size(project)
    return IndexState(index=index, n_codes=n_codes, last_code_id=last_id)


def code_base_size(project: Project) -> tuple[int, int]:
    """How many codes a search of this project ranks, and the largest id among them."""
    found = proposable_codes(project).order_by().aggregate(n=Count("pk"), last=Max("pk"))
    return found["n"], found["last"] or 0
