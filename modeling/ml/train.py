"""One training run, from labelled pairs to a checkpoint; the loop is `_loop`.

In the run's folder: `run.json` (settings and hashes of the data), `metrics.jsonl` (one line per step and per dev
measurement), `state/` (everything needed to go on exactly), `checkpoint/` (the kept model). Knows nothing of databases.

    python -m modeling.ml train --recipe info-nce --files cosqa-dev.json --out /tmp/run
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from modeling.ml.batches import Batch, epoch_batches, make_batch, rewritten_rows
from modeling.ml.data import Code, Example, pairs_sha256
from modeling.ml.encoders import TransformerEncoder, load_encoder
from modeling.ml.errors import MLError, NotTrainableError, TrainingDivergedError
from modeling.ml.evaluation import auc, best_threshold, evaluate_search, qa_answers
from modeling.ml.files import MANIFEST, write_json
from modeling.ml.heads import CosineHead
from modeling.ml.losses import coclr, info_nce
from modeling.ml.matcher import Bm25, Matcher, load_scorer, new_matcher
from modeling.ml.recipes import Recipe
from modeling.ml.splitting import hold_out
from modeling.ml.state import Position, load_state, save_state

Report = Callable[[dict[str, Any]], None]
LEAST_DEV_PAIRS = 10  # fewer say nothing: the last epoch is kept instead
LEAST_THRESHOLD_PAIRS = 100  # a QA threshold chosen on fewer dev pairs is worse than one chosen on training pairs
MOST_THRESHOLD_PAIRS = 1000
CALIBRATION_PAIRS = 256


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended; `finished` is False when it was asked to stop. `metrics`: those of the kept epoch."""

    finished: bool
    checkpoint: Path
    steps: int
    total_steps: int
    metrics: dict[str, Any]


def train(
    config: Recipe,
    examples: Sequence[Example],
    out: str | Path,
    *,
    dev: Sequence[Example] = (),
    report: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
    resume: bool = True,
) -> TrainingResult:
    """Train a recipe on labelled pairs and leave a checkpoint in `out`/checkpoint.

    dev          pairs to choose the epoch on; default: a share of the examples, held out in whole connected groups.
    report       called with every line of metrics.jsonl, and `total_steps`.
    should_stop  asked before every step; when it says True the state is saved and the call returns.
    resume       go on where an earlier call in the same folder with the same settings and data stopped or died.
    Raises NotTrainableError, TrainingDivergedError, UnknownEncoderError; MLError when the folder holds another run or
    the disk is full. An older checkpoint in the folder stays until a new one is complete.
    """
    run = Run(config, examples, dev, Path(out), report)
    with disk_trouble(run.out):
        run.open(resume=resume)
        if config.objective == "none":
            return run.save_bm25()
        return run.result() if run.is_finished() else _loop(run, should_stop)


def _loop(run: "Run", should_stop: Callable[[], bool] | None) -> TrainingResult:
    """The training loop."""
    config = run.config
    run.load()
    at = run.at
    if at.step == 0:
        run.measure()
    for epoch in range(at.epoch, config.epochs):
        batches = epoch_batches(run.rows, config.batch_size, seed=config.seed, epoch=epoch)
        for number in range(at.batch, len(batches)):
            if should_stop and should_stop():
                run.save_state()
                return run.result(finished=False)
            started = time.monotonic()
            batch = make_batch([run.rows[place] for place in batches[number]], config, run.known_positives)
            rate = run.set_rate()
            loss = run.loss(batch)
            run.check(loss, batch)
            loss.backward()
            norm = clip_grad_norm_(run.parameters, config.max_grad_norm)
            run.check(norm, batch)
            run.optimizer.step()
            run.optimizer.zero_grad(set_to_none=True)
            at.step, at.batch = at.step + 1, number + 1
            speed = round(len(batch.codes) / (time.monotonic() - started), 2)
            run.record(loss=loss.item(), learning_rate=rate, gradient_norm=norm.item(), pairs_per_s=speed)
            if at.step % config.save_every == 0:
                run.save_state()
        at.epoch, at.batch = epoch + 1, 0
        run.measure()
        run.save_state()
    return run.finish()


class Run:
    """The parts of one run that the loop puts together; the order of steps is the loop's."""

    def __init__(
        self, config: Recipe, examples: Sequence[Example], dev: Sequence[Example], out: Path, report: Report | None
    ) -> None:
        self.config, self.out, self.report = config, out, report
        self.at = Position()
        self.examples, self.dev = _with_dev(config, examples, dev)
        check_trainable(config, self.examples)
        self.rows = [*self.examples, *rewritten_rows(config, self.examples)]
        self.known_positives = {(row.query_id, row.code_id) for row in self.rows if row.label == 1}
        self.total_steps = sum(
            len(epoch_batches(self.rows, config.batch_size, seed=config.seed, epoch=epoch))
            for epoch in range(config.epochs)
        )
        self.data = {
            "pairs": len(self.examples),
            "labelled_1": sum(example.label == 1 for example in self.examples),
            "data_sha256": pairs_sha256(examples),
            "dev_pairs": len(self.dev),
            "dev_sha256": pairs_sha256(self.dev),
        }

    # --- the folder ------------------------------------------------------------------------------------

    def open(self, *, resume: bool) -> None:
        """Make the folder, or check that what it holds is this very run; without `resume`, start over."""
        self.out.mkdir(parents=True, exist_ok=True)
        identity = json.loads(json.dumps({"recipe": self.config.to_dict(), "data": self.data}))
        path = self.out / "run.json"
        if resume and path.exists():
            if json.loads(path.read_text(encoding="utf-8")) != identity:
                raise MLError(
                    problem=f"The folder {self.out} holds a run with other settings or data; choose another folder."
                )
            return
        for stale in ("state", "checkpoint", "metrics.jsonl", "result.json"):
            _remove(self.out / stale)
        write_json(path, identity)

    def is_finished(self) -> bool:
        return (self.out / "result.json").exists()

    def save_bm25(self) -> TrainingResult:
        """BM25 learns nothing; its checkpoint says which text view it reads."""
        Bm25(view=self.config.text_view).save(self.out / "checkpoint", self._manifest())
        (self.out / "metrics.jsonl").write_text("", encoding="utf-8")
        return TrainingResult(True, self.out / "checkpoint", 0, 0, {})

    def finish(self) -> TrainingResult:
        """Write the QA threshold into the kept checkpoint, note the end and drop the state."""
        self._add_threshold()
        write_json(self.out / "result.json", {**asdict(self.at), "total_steps": self.total_steps})
        _remove(self.out / "state")
        return self.result()

    def result(self, *, finished: bool = True) -> TrainingResult:
        if finished:
            self.at = Position(**_without(json.loads((self.out / "result.json").read_text("utf-8")), "total_steps"))
        return TrainingResult(finished, self.out / "checkpoint", self.at.step, self.total_steps, self.at.kept)

    # --- the model -------------------------------------------------------------------------------------

    def load(self) -> None:
        """Encoder, head and optimiser, fresh or as the saved state left them."""
        config = self.config
        torch.manual_seed(config.seed)
        self.matcher = starting_matcher(config)
        encoder = self.matcher.encoder
        if not isinstance(encoder, TransformerEncoder):
            raise NotTrainableError(problem=f"The encoder {config.encoder} has no weights to train.")
        self.encoder = encoder
        encoder_parameters, head_parameters = list(encoder.tower.parameters()), list(self.matcher.head.parameters())
        self.parameters = [*encoder_parameters, *head_parameters]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": encoder_parameters, "peak": config.learning_rate},
                {"params": head_parameters, "peak": config.head_learning_rate},
            ],
            eps=1e-8,
            weight_decay=config.weight_decay,
        )
        at = load_state(self.out / "state", self.parameters, self.optimizer)
        if at is None and config.calibrate and config.objective != "info-nce":
            calibrate(self.matcher, self.examples[:CALIBRATION_PAIRS])
        self.at = at or Position()
        self._trim_metrics()
        self.started = time.monotonic() - self.at.elapsed_s

    def loss(self, batch: Batch) -> Tensor:
        """The recipe's loss of one batch -> scalar, with its graph."""
        if not batch.queries:  # info-nce, and no row of this batch is labelled 1
            return torch.stack([parameter.sum() * 0 for parameter in self.matcher.head.parameters()]).sum()
        self.encoder.tower.train()
        with self.encoder.autocast():
            query_ids = self.encoder.tokenize(batch.queries, max_length=self.config.query_length)
            query_vecs = self.encoder.tower(*self.encoder.pad(query_ids))  # (R, D)
            code_vecs = self.encoder.tower(*self.encoder.pad(self.encoder.tokenize(batch.codes)))  # (B, D)
        logits = self.matcher.head.matrix(query_vecs.float(), code_vecs.float())  # (R, B)
        labels, gold, keep = (part.to(logits.device) for part in (batch.labels, batch.gold, batch.keep))
        if self.config.objective == "info-nce":
            return info_nce(logits, labels, gold, keep)
        reduction: Any = self.config.reduction
        return coclr(logits, labels, gold, keep, reduction=reduction, examples=batch.examples)

    def set_rate(self) -> float:
        """Set this step's learning rates and return the encoder's."""
        share = schedule(self.at.step, self.total_steps, self.config.warmup_share)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        return float(self.optimizer.param_groups[0]["lr"])

    def check(self, value: Tensor, batch: Batch) -> None:
        """Refuse to step on a loss or gradient that is not a number."""
        if not torch.isfinite(value):
            raise TrainingDivergedError(
                loss=value.item(),
                step=self.at.step + 1,
                rows=", ".join(batch.names),
                smaller_rate=self.config.learning_rate / 10,
            )

    def measure(self) -> None:
        """Dev metrics after an epoch (and before the first); keeps the model unless an earlier one was better."""
        metrics = dev_metrics(self.matcher, self.dev, self.examples) if self.dev else {}
        if metrics:
            self.record(**metrics)
        value = metrics.get(self.config.select)
        if value is not None and self.at.best is not None and value < self.at.best:
            return
        self.at.best = value
        self.at.kept = {"step": self.at.step, "epoch": self.at.epoch, **metrics}
        self.matcher.save(self.out / "checkpoint", self._manifest())

    # --- curves and state ------------------------------------------------------------------------------

    def record(self, **numbers: Any) -> None:
        """Append one line to the curves and tell whoever watches."""
        self.at.elapsed_s = time.monotonic() - self.started
        line = {"step": self.at.step, "epoch": self.at.epoch, "time": round(self.at.elapsed_s, 3), **numbers}
        with (self.out / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.at.lines += 1
        if self.report:
            self.report({**line, "total_steps": self.total_steps})

    def save_state(self) -> None:
        save_state(self.out / "state", self.at, self.parameters, self.optimizer)

    def _trim_metrics(self) -> None:
        """Drop lines written after the state that the run goes on from."""
        path = self.out / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        path.write_text("".join(lines[: self.at.lines]), encoding="utf-8")

    # --- the checkpoint --------------------------------------------------------------------------------

    def _manifest(self) -> dict[str, Any]:
        return {"recipe": self.config.to_dict(), "data": self.data, "metrics": self.at.kept}

    def _add_threshold(self) -> None:
        """Choose the kept model's QA threshold: on dev pairs where there are enough, else on training pairs."""
        origin, pairs = "dev pairs", self.dev
        if not _has_both_labels(pairs) or len(pairs) < LEAST_THRESHOLD_PAIRS:
            origin, pairs = "training pairs", self.examples[:MOST_THRESHOLD_PAIRS]
        if not _has_both_labels(pairs):
            return
        kept = load_scorer(self.out / "checkpoint", device=self.encoder.device)
        border = best_threshold(*qa_answers(kept, pairs))
        kept.save(
            self.out / "checkpoint",
            {**self._manifest(), "threshold": border, "threshold_from": f"best for {len(pairs)} {origin}"},
        )


def check_trainable(config: Recipe, examples: Sequence[Example]) -> None:
    """Raise NotTrainableError where the examples give the recipe nothing to learn."""
    if config.objective == "none":
        return
    labels = {example.label for example in examples}
    codes = len({example.code_id for example in examples})
    if len(examples) < 2:
        problem = f"{len(examples)} pair(s) cannot train a model; two are the least."
    elif 1 not in labels:
        problem = f"None of the {len(examples)} pairs is labelled 1; there is nothing to match."
    elif not config.in_batch and 0 not in labels:
        problem = (
            f"All {len(examples)} pairs are labelled 1. {config.recipe} learns from both labels; use a recipe with "
            "in-batch negatives (info-nce, coclr-iba)."
        )
    elif config.in_batch and (codes < 2 or config.batch_size < 2):
        problem = (
            f"In-batch negatives need two different codes in a batch; there are {codes} code(s) and batches of "
            f"{config.batch_size}."
        )
    else:
        return
    raise NotTrainableError(problem=problem)


def schedule(step: int, total: int, warmup_share: float) -> float:
    """Share of the highest rate at a step (0-based): linear rise over the warm-up, then linear fall towards 0."""
    warmup = math.ceil(total * warmup_share)
    if step < warmup:
        return (step + 1) / warmup
    return (total - step) / max(total - warmup, 1)


def calibrate(matcher: Matcher, examples: Sequence[Example]) -> None:
    """Move a cosine head's bias to where it parts these pairs best.

    Encoders differ in what cosine they call alike (0.6 in one, 0.98 in another); from a bias far off, the first epochs
    would only shift all cosines. Pairs of one label leave it as it is.
    """
    head = matcher.head
    if isinstance(head, CosineHead) and _has_both_labels(examples):
        border = best_threshold(*qa_answers(matcher, examples))  # in logits
        with torch.no_grad():
            head.bias.add_(border / head.log_scale.exp())


def dev_metrics(matcher: Matcher, dev: Sequence[Example], examples: Sequence[Example]) -> dict[str, float]:
    """`dev_mrr` over all distinct codes of dev and training pairs (pessimistic ties), `dev_accuracy`, `dev_auc`.

    The accuracy's threshold is the best for these dev pairs, so it is for comparing epochs only.
    """
    metrics: dict[str, float] = {}
    positives = [example for example in dev if example.label == 1]
    if positives:
        codes = {example.code_id: example.code for example in [*examples, *dev]}
        queries = [Example.of(row.query, codes[row.code_id], 1, idx=row.idx) for row in positives]
        metrics["dev_mrr"] = evaluate_search(matcher, queries, [Code(text) for text in codes.values()])["mrr"]
    if _has_both_labels(dev):
        scores, labels = qa_answers(matcher, dev)
        metrics["dev_accuracy"] = float(((scores > best_threshold(scores, labels)) == labels).mean())
        metrics["dev_auc"] = auc(scores, labels) or 0.0
    return metrics


def starting_matcher(config: Recipe) -> Matcher:
    """A fresh head on the encoder; a checkpoint's own head where recipe and checkpoint agree on its kind."""
    max_length = config.max_length or None
    if (Path(config.encoder) / MANIFEST).exists():
        scorer = load_scorer(config.encoder, max_length=max_length, view=config.text_view)
        if isinstance(scorer, Matcher) and scorer.head_name == config.head:
            return scorer
    pooling = None if config.pooling == "auto" else config.pooling
    encoder = load_encoder(config.encoder, max_length=max_length, pooling=pooling)
    return new_matcher(
        encoder, head=config.head, scale=config.scale, bias=config.bias, view=config.text_view, seed=config.seed
    )


@contextmanager
def disk_trouble(out: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a refusal that says what is still whole."""
    try:
        yield
    except OSError as error:
        raise MLError(
            problem=f"Writing to {out} failed: {error.strerror or error}. The last complete checkpoint and state there "
            "are intact; make room and run the same command again."
        ) from error


def _with_dev(
    config: Recipe, examples: Sequence[Example], dev: Sequence[Example]
) -> tuple[list[Example], list[Example]]:
    if dev or config.dev_share == 0 or config.objective == "none":
        return list(examples), list(dev)
    kept, held = hold_out(examples, config.dev_share, seed=config.seed)
    return (kept, held) if len(held) >= LEAST_DEV_PAIRS else (list(examples), [])


def _has_both_labels(pairs: Sequence[Example]) -> bool:
    return {example.label for example in pairs} >= {0, 1}


def _without(values: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def _remove(path: Path) -> None:
    if path.is_dir():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)
