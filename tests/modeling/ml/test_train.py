import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from modeling.ml import train as training
from modeling.ml.batches import make_batch
from modeling.ml.crossval import cross_validate_qa
from modeling.ml.data import Example
from modeling.ml.encoders import load_encoder
from modeling.ml.errors import MLError, NotTrainableError, TrainingDivergedError, UnknownEncoderError
from modeling.ml.matcher import Bm25, load_scorer, new_matcher
from modeling.ml.recipes import RECIPES, resolve
from modeling.ml.train import schedule, train

from .conftest import toy_pairs


@pytest.fixture(autouse=True)
def _one_thread_on_the_cpu(monkeypatch):
    """Sums in a fixed order; and the same numbers on a machine with a GPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield
    torch.set_num_threads(threads)


def small(roberta, recipe="coclr-iba-switch", **settings):
    return resolve(
        recipe,
        {
            "encoder": str(roberta),
            "epochs": 2,
            "batch_size": 4,
            "learning_rate": 1e-3,
            "save_every": 2,
            "max_length": 0,
            **settings,
        },
    )


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def without_times(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in {"time", "pairs_per_s"}} for row in rows]


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "bm25"])
@pytest.mark.parametrize("head", ["cosine", "mlp"])
def test_every_recipe_trains_and_leaves_a_checkpoint(roberta, tmp_path, recipe, head):
    result = train(small(roberta, recipe, head=head, epochs=1), toy_pairs(), tmp_path, dev=toy_pairs(12))
    assert result.finished
    assert result.steps == result.total_steps > 0
    rows = lines(tmp_path)
    assert all(math.isfinite(row["loss"]) for row in rows if "loss" in row)
    assert {"dev_mrr", "dev_auc"} <= rows[-1].keys()
    scorer = load_scorer(result.checkpoint, device="cpu")
    assert scorer.manifest["recipe"]["recipe"] == recipe
    assert scorer.manifest["data"]["pairs"] == 24
    assert "threshold" in scorer.manifest
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("reduction", ["paper", "pooled", "online"])
@pytest.mark.parametrize("rewrite_as", ["structured", "rows"])
def test_training_lowers_the_loss(roberta, tmp_path, reduction, rewrite_as):
    config = small(roberta, reduction=reduction, rewrite_as=rewrite_as, epochs=8, select="last", dev_share=0)
    train(config, toy_pairs(12), tmp_path)
    losses = [row["loss"] for row in lines(tmp_path)]
    assert sum(losses[-3:]) < sum(losses[:3])


class DiedError(Exception):
    """Stands for kill -9: nothing is saved on the way out."""


def test_a_killed_run_goes_on_with_the_same_losses(roberta, tmp_path):
    config = small(roberta)
    train(config, toy_pairs(), tmp_path / "whole", dev=toy_pairs(12))

    def die(line) -> None:
        if line["step"] == 5 and "loss" in line:
            raise DiedError

    with pytest.raises(DiedError):
        train(config, toy_pairs(), tmp_path / "killed", dev=toy_pairs(12), report=die)
    assert lines(tmp_path / "killed")[-1]["step"] == 5
    train(config, toy_pairs(), tmp_path / "killed", dev=toy_pairs(12))
    assert without_times(lines(tmp_path / "killed")) == without_times(lines(tmp_path / "whole"))
    assert [row["step"] for row in lines(tmp_path / "killed") if "loss" in row] == list(range(1, 13))


@pytest.mark.parametrize("stop_at", [1, 6, 7])
def test_a_stopped_run_goes_on_with_the_same_losses(roberta, tmp_path, stop_at):
    config = small(roberta)
    train(config, toy_pairs(), tmp_path / "whole", dev=toy_pairs(12))
    steps: list[dict] = []
    result = train(
        config, toy_pairs(), tmp_path / "part", dev=toy_pairs(12), report=steps.append,
        should_stop=lambda: bool(steps) and steps[-1]["step"] >= stop_at,
    )  # fmt: skip
    assert (result.finished, result.steps, result.total_steps) == (False, stop_at, 12)
    assert train(config, toy_pairs(), tmp_path / "part", dev=toy_pairs(12)).finished
    assert without_times(lines(tmp_path / "part")) == without_times(lines(tmp_path / "whole"))


def test_kill_minus_nine_of_the_command_loses_nothing(roberta, tmp_path):
    data = tmp_path / "pairs.json"
    rows = [{"doc": row.query, "code": row.code, "label": row.label, "idx": row.idx} for row in toy_pairs()]
    data.write_text(json.dumps(rows), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "modeling.ml", "train", "--recipe", "coclr-iba", "--files", str(data)),
        *("--encoder", str(roberta), "--set", "epochs=3", "--set", "batch_size=4", "--set", "save_every=1", "--json"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    out = tmp_path / "run"
    with subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.DEVNULL, env=environment) as process:
        deadline = time.monotonic() + 60
        while not (out / "state").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (out / "result.json").exists()
    config = resolve("coclr-iba", {"encoder": str(roberta), "epochs": 3, "batch_size": 4, "save_every": 1})
    examples = toy_pairs()
    train(config, examples, out)
    train(config, examples, tmp_path / "whole")
    assert without_times(lines(out)) == without_times(lines(tmp_path / "whole"))


def test_a_finished_run_is_not_run_again(roberta, tmp_path):
    config = small(roberta)
    first = train(config, toy_pairs(), tmp_path)
    before = lines(tmp_path)
    assert train(config, toy_pairs(), tmp_path) == first
    assert lines(tmp_path) == before
    train(config, toy_pairs(), tmp_path, resume=False)
    assert without_times(lines(tmp_path)) == without_times(before)


def test_a_folder_with_another_run_is_refused(roberta, tmp_path):
    train(small(roberta), toy_pairs(), tmp_path)
    with pytest.raises(MLError, match="holds a run with other settings or data"):
        train(small(roberta, seed=1), toy_pairs(), tmp_path)
    with pytest.raises(MLError, match="holds a run with other settings or data"):
        train(small(roberta), toy_pairs(20), tmp_path)


def test_the_best_epoch_is_kept_and_the_start_counts(roberta, tmp_path, monkeypatch):
    values = iter([0.5, 0.7, 0.6])
    monkeypatch.setattr(training, "dev_metrics", lambda *args: {"dev_mrr": next(values)})
    result = train(small(roberta), toy_pairs(), tmp_path, dev=toy_pairs(12))
    assert (result.metrics["epoch"], result.metrics["dev_mrr"]) == (1, 0.7)
    assert load_scorer(result.checkpoint, device="cpu").manifest["metrics"]["epoch"] == 1


def test_a_run_that_only_harms_keeps_the_untrained_encoder(roberta, tmp_path, monkeypatch):
    values = iter([0.9, 0.2, 0.1])
    monkeypatch.setattr(training, "dev_metrics", lambda *args: {"dev_mrr": next(values)})
    result = train(small(roberta, head="cosine"), toy_pairs(), tmp_path, dev=toy_pairs(12))
    assert result.metrics["epoch"] == 0
    trained, untouched = load_scorer(result.checkpoint, device="cpu"), load_scorer(roberta, device="cpu")
    assert torch.allclose(torch.from_numpy(trained.embed(["a"])), torch.from_numpy(untouched.embed(["a"])), atol=1e-6)


def test_without_dev_pairs_the_last_epoch_is_kept(roberta, tmp_path):
    result = train(small(roberta, dev_share=0), toy_pairs(), tmp_path)
    assert result.metrics == {"step": 12, "epoch": 2}


def test_a_loss_that_is_no_number_names_its_rows_and_keeps_the_checkpoint(roberta, tmp_path, monkeypatch):
    real = training.Run.loss

    def broken(run, batch):
        loss = real(run, batch)
        return loss * float("nan") if run.at.step == 3 else loss

    monkeypatch.setattr(training.Run, "loss", broken)
    with pytest.raises(TrainingDivergedError, match=r"The loss is nan at step 4 \(rows row-\d+, row-"):
        train(small(roberta), toy_pairs(), tmp_path)
    assert load_scorer(tmp_path / "checkpoint", device="cpu")


def test_a_full_disk_is_said_and_the_checkpoint_stays(roberta, tmp_path, monkeypatch):
    def full(*args) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "save_state", full)
    with pytest.raises(MLError, match=r"No space left on device\. The last complete checkpoint"):
        train(small(roberta), toy_pairs(), tmp_path)
    assert load_scorer(tmp_path / "checkpoint", device="cpu")


@pytest.mark.parametrize(
    ("recipe", "examples", "message"),
    [
        ("coclr-iba", [], "0 pair"),
        ("coclr-iba", toy_pairs()[:1], "1 pair"),
        ("siamese-bce", [row for row in toy_pairs() if row.label == 1], "All 12 pairs are labelled 1"),
        ("info-nce", [row for row in toy_pairs() if row.label == 0], "None of the 12 pairs is labelled 1"),
        ("info-nce", [Example.of(f"q{n}", "same", 1) for n in range(4)], r"there are 1 code\(s\)"),
    ],
)
def test_examples_that_cannot_train_are_refused(roberta, tmp_path, recipe, examples, message):
    with pytest.raises(NotTrainableError, match=message):
        train(small(roberta, recipe, dev_share=0), examples, tmp_path)


def test_an_unknown_encoder_is_refused(tmp_path):
    with pytest.raises(UnknownEncoderError):
        train(resolve("coclr-iba", {"encoder": "/no/such"}), toy_pairs(), tmp_path)


def test_bm25_needs_no_training(tmp_path):
    result = train(resolve("bm25", {"text_view": "no_doc"}), toy_pairs(), tmp_path)
    scorer = load_scorer(result.checkpoint)
    assert isinstance(scorer, Bm25)
    assert scorer.view == "no_doc"


def test_training_goes_on_from_a_checkpoint_with_its_head(roberta, tmp_path):
    first = train(small(roberta, head="mlp"), toy_pairs(), tmp_path / "a")
    config = small(first.checkpoint, head="mlp", learning_rate=0, head_learning_rate=0)
    second = train(config, toy_pairs(), tmp_path / "b")
    before, after = (load_scorer(run.checkpoint, device="cpu") for run in (first, second))
    assert torch.equal(before.head.hidden.weight, after.head.hidden.weight)


def test_batches_follow_the_recipe(roberta):
    rows = toy_pairs(4)
    plain = make_batch(rows, small(roberta, "siamese-bce"), set())
    assert (plain.gold.tolist(), plain.labels.tolist(), bool(plain.keep.any())) == ([0, 1, 2, 3], [1, 0, 1, 0], False)
    anchored = make_batch(rows, small(roberta, "info-nce"), set())
    assert (anchored.gold.tolist(), len(anchored.codes), anchored.examples) == ([0, 2], 4, 2)
    rewritten = make_batch(rows, small(roberta, "coclr-iba-delete"), set())
    assert (rewritten.gold.tolist(), rewritten.examples) == ([0, 1, 2, 3, 0, 2], 4)
    assert all(len(query.split()) == 2 for query in rewritten.queries[4:])


def test_the_rate_rises_then_falls():
    shares = [schedule(step, 10, 0.2) for step in range(10)]
    assert shares[:2] == [0.5, 1.0]
    assert shares[2:] == sorted(shares[2:], reverse=True)
    assert shares[-1] == pytest.approx(1 / 8)
    assert schedule(0, 1, 1.0) == 1


def test_cross_validation_answers_every_pair_by_a_model_that_did_not_see_it(roberta, tmp_path):
    result = cross_validate_qa(small(roberta, epochs=1), toy_pairs(), tmp_path, folds=3)
    assert 0 <= result["accuracy"] <= 1
    assert 0 <= result["accuracy_zero_shot"] <= 1
    assert (result["pairs"], result["folds"], result["accuracy_all_1"]) == (24, 3, 0.5)
    with pytest.raises(NotTrainableError, match="cannot be cut into 30"):
        cross_validate_qa(small(roberta, epochs=1), toy_pairs(), tmp_path, folds=30)


def test_calibration_puts_the_border_between_the_labels(roberta):
    matcher = new_matcher(
        load_encoder(roberta, device="cpu"), head="cosine", scale=20.0, bias=-1.0, view="full", seed=0
    )
    examples = toy_pairs()
    training.calibrate(matcher, examples)
    scores = matcher.score_pairs([row.query for row in examples], [row.code for row in examples])
    labels = [row.label == 1 for row in examples]
    most = max(((scores > border) == labels).mean() for border in [*scores, scores.min() - 1])
    assert ((scores > 0) == labels).mean() == most
    before = matcher.head.bias.item()
    training.calibrate(matcher, [row for row in examples if row.label == 1])
    assert matcher.head.bias.item() == before


def test_a_candidate_encoder_learns_the_cosine_and_leaves_the_factor_at_20(roberta, tmp_path):
    config = small(roberta, "candidate-encoder", max_length=40, query_length=12, epochs=6)
    assert (config.objective, config.in_batch, config.head, config.scale) == ("info-nce", True, "cosine", 20.0)
    result = train(config, toy_pairs(), tmp_path, dev=toy_pairs(12))
    losses = [row["loss"] for row in lines(tmp_path) if "loss" in row]
    assert sum(losses[-4:]) < sum(losses[:4])
    scorer = load_scorer(result.checkpoint, device="cpu")
    assert scorer.head.log_scale.exp().item() == pytest.approx(20.0)
    assert scorer.head.bias.item() == 0.0
    vectors = load_encoder(result.checkpoint, device="cpu").encode(["python sort a list"])
    assert vectors.shape == (1, 16)


def test_the_loss_of_a_candidate_encoder_is_the_softmax_over_20_cosines(roberta, tmp_path):
    config = small(roberta, "candidate-encoder", max_length=40)
    run = training.Run(config, toy_pairs(), toy_pairs(12), tmp_path, None)
    run.open(resume=False)
    run.load()
    run.encoder.tower.eval()
    batch = make_batch(run.rows[:6], config, set())
    queries = torch.from_numpy(run.encoder.encode(batch.queries))
    codes = torch.from_numpy(run.encoder.encode(batch.codes))
    own = [place for place, row in enumerate(run.rows[:6]) if row.label == 1]
    keep = batch.keep | torch.zeros_like(batch.keep).scatter(1, batch.gold.unsqueeze(1), True)
    logits = (20 * queries @ codes.T).masked_fill(~keep, float("-inf"))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(own))
    run.encoder.tower.train = lambda *args: run.encoder.tower  # without dropout
    assert run.loss(batch).item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_query_is_cut_shorter_than_a_code(roberta):
    encoder = load_encoder(roberta, max_length=40, device="cpu")
    text = "x" * 100
    assert len(encoder.tokenize([text])[0]) == 40
    assert len(encoder.tokenize([text], max_length=12)[0]) == 12
    assert len(encoder.tokenize([text], max_length=90)[0]) == 40
