"""What evaluations say, in figures and words: one at a time, and before beside after."""

from dataclasses import dataclass
from typing import Any

from modeling.models import Evaluation, TrainingRun
from modeling.selectors import RUN_PREFIX

VALUE = {Evaluation.Kind.SEARCH: "mrr", Evaluation.Kind.QA: "accuracy"}
LABEL = {Evaluation.Kind.SEARCH: "Code search, MRR", Evaluation.Kind.QA: "Code QA, accuracy"}
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Reading:
    """One evaluation as a row of the table."""

    evaluation: Evaluation
    checkpoint: str
    label: str
    value: float | None
    standard_error: float | None
    note: str


@dataclass(frozen=True)
class Comparison:
    """One measure of a run's encoder before and after its training, on the same data."""

    label: str
    kind: str
    split: str
    size: int | None
    before: float | None
    after: float | None
    standard_error: float | None
    baseline: str

    @property
    def difference(self) -> float | None:
        """After minus before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def reading(self) -> str:
        """The difference in words; within one standard error it is called that."""
        if self.difference is None:
            return ""
        if self.standard_error is None:
            return self.baseline
        error = 100 * self.standard_error
        if abs(self.difference) <= self.standard_error:
            text = f"within one standard error ({error:.1f}): no difference can be claimed"
        elif abs(self.difference) <= 2 * self.standard_error:
            text = f"beyond one standard error ({error:.1f}), within two: weak evidence"
        else:
            text = f"beyond two standard errors ({error:.1f})"
        return f"{text}. {self.baseline}".strip()


def reading_of(evaluation: Evaluation) -> Reading:
    """Value, error and the facts that a figure cannot be read without."""
    metrics = evaluation.metrics
    return Reading(
        evaluation=evaluation,
        checkpoint=evaluation.checkpoint.removeprefix(RUN_PREFIX),
        label=LABEL[Evaluation.Kind(evaluation.kind)],
        value=metrics.get(VALUE[Evaluation.Kind(evaluation.kind)]),
        standard_error=metrics.get(f"{VALUE[Evaluation.Kind(evaluation.kind)]}_standard_error"),
        note=_facts(evaluation),
    )


def comparisons(run: TrainingRun) -> list[Comparison]:
    """The run's own evaluations, before beside after; test before dev, search before QA."""
    found: dict[tuple[str, str], dict[str, Evaluation]] = {}
    for evaluation in run.evaluations.all():
        stage = evaluation.params.get("stage")
        if stage in (BEFORE, AFTER) and evaluation.metrics:
            found.setdefault((evaluation.split, evaluation.kind), {})[stage] = evaluation
    ordered = sorted(found.items(), key=lambda item: (item[0][0] != "test", item[0][1] != Evaluation.Kind.SEARCH))
    return [_compare(kind, split, stages) for (split, kind), stages in ordered]


def kept_note(run: TrainingRun) -> str:
    """Which epoch's model stands in the checkpoint, and that it is the untrained one where no epoch was better."""
    kept, choice = run.metrics.get("kept"), run.config.get("select")
    if not kept or run.config.get("objective") == "none":
        return ""
    if choice == "last" or choice not in kept:
        return "The checkpoint holds the model as it was after the last epoch."
    if not kept["step"]:
        return (
            f"No epoch improved {choice.replace('_', ' ')}, so the checkpoint holds the encoder as it came. Try more "
            "pairs, another learning rate or another recipe."
        )
    figure = f"{choice.replace('_', ' ')} was best ({100 * kept[choice]:.1f})"
    return f"The checkpoint holds the model after epoch {kept['epoch']}, where {figure}."


def key_figures(run: TrainingRun) -> dict[str, Comparison | None]:
    """The figures of a run's row in the list: search and QA, of the test split where there is one."""
    rows = comparisons(run)
    return {
        "search": next((row for row in rows if row.kind == Evaluation.Kind.SEARCH), None),
        "qa": next((row for row in rows if row.kind == Evaluation.Kind.QA), None),
    }


def _compare(kind: str, split: str, stages: dict[str, Evaluation]) -> Comparison:
    name = VALUE[Evaluation.Kind(kind)]
    metrics = {stage: stages[stage].metrics if stage in stages else {} for stage in (BEFORE, AFTER)}
    latest: dict[str, Any] = metrics[AFTER] or metrics[BEFORE]
    return Comparison(
        label=LABEL[Evaluation.Kind(kind)],
        kind=kind,
        split=split,
        size=latest.get("queries") or latest.get("pairs"),
        before=metrics[BEFORE].get(name),
        after=metrics[AFTER].get(name),
        standard_error=latest.get(f"{name}_standard_error"),
        baseline=_baseline(kind, latest),
    )


def _baseline(kind: str, metrics: dict[str, Any]) -> str:
    """The constant answer, which any QA accuracy must beat to mean anything."""
    if kind != Evaluation.Kind.QA or "accuracy_all_1" not in metrics:
        return ""
    constant = max(metrics["accuracy_all_1"], metrics["accuracy_all_0"])
    return f"Always giving the commoner label scores {100 * constant:.1f}."


def _facts(evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    if evaluation.kind == Evaluation.Kind.SEARCH:
        parts = [("{} queries", "queries"), ("{} codes", "codes"), ("{} tokens", "max_length")]
    else:
        parts = [("{} pairs", "pairs"), ("{} tokens", "max_length")]
    facts = [text.format(f"{metrics[key]:,}") for text, key in parts if metrics.get(key) is not None]
    return ". ".join(text for text in (", ".join(facts), _baseline(evaluation.kind, metrics)) if text)
