"""The commands over files: no database, plain refusals, exit status 2."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from tests.modeling.conftest import cosqa_rows, write_json

# No `django_db`: reaching for a database would fail these tests.


@pytest.fixture
def files(tmp_path):
    """CoSQA-shaped files: judged pairs, positive queries, their code base."""
    rows = cosqa_rows(30)
    base = {row["code"]: place for place, row in enumerate(rows)}
    positives = [{**row, "retrieval_idx": base[row["code"]]} for row in rows if row["label"]]
    return {
        "pairs": str(write_json(tmp_path / "pairs.json", rows)),
        "queries": str(write_json(tmp_path / "queries.json", positives)),
        "code_base": str(write_json(tmp_path / "code_idx_map.txt", base)),
    }


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def refusal(*arguments: str) -> str:
    """What a refused command prints on standard error; it must end with status 2 and one line."""
    err = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*arguments, stdout=StringIO(), stderr=err)
    assert ended.value.code == 2
    assert "Traceback" not in err.getvalue()
    assert len(err.getvalue().strip().splitlines()) == 1
    return err.getvalue()


def test_evaluate_search_prints_the_key_mrr_and_how_it_was_measured(files):
    arguments = ["evaluate_search", "bm25", "--queries", files["queries"], "--code-base", files["code_base"]]
    metrics = json.loads(run(*arguments, "--json"))
    assert 0.1 < metrics["mrr"] <= 1
    assert (metrics["queries"], metrics["codes"], metrics["text_view"]) == (20, 30, "full")
    assert "max_length" in metrics
    report = run(*arguments)
    assert f"{100 * metrics['mrr']:.2f} (standard error" in report
    assert "max length" in report
    assert "text view" in report


def test_evaluate_qa_prints_the_key_accuracy_beside_the_constant_answers(files):
    metrics = json.loads(run("evaluate_qa", "hashing", "--pairs", files["pairs"], "--json"))
    assert 0 <= metrics["accuracy"] <= 1
    assert metrics["accuracy_all_1"] == pytest.approx(20 / 30)
    assert "always 1 / always 0  66.67 / 33.33" in run("evaluate_qa", "hashing", "--pairs", files["pairs"])


def test_search_code_ranks_and_names_common_words(files):
    arguments = ["search_code", "python open socket", "--checkpoint", "hashing", "--code-base", files["code_base"]]
    found = json.loads(run(*arguments, "--top", "2", "--json"))
    assert len(found["results"]) == 2
    assert found["results"][0]["name"].startswith("open_socket")
    assert {"open", "socket"} <= set(found["results"][0]["common_words"])
    assert "words in common: open, socket" in run(*arguments, "--top", "2")


def test_a_text_view_changes_what_is_read(files):
    arguments = ["evaluate_search", "hashing", "--queries", files["queries"], "--code-base", files["code_base"]]
    assert json.loads(run(*arguments, "--text-view", "no_doc", "--json"))["text_view"] == "no_doc"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"\x80\x02\xff\x00binary", "not UTF-8"),
        (b'{"a": "b"}', "list of rows"),
        (b"[]", "no pairs"),
        (b'[{"doc": "python sort", "label": 1}]', "code is missing"),
        (b'[{"doc": "python sort", "code": "def f(): pass", "label": 7}]', "label is 7"),
        (b"query,label\npython,1\n", "neither JSON"),
    ],
)
def test_unusable_pairs_are_refused_in_one_line(tmp_path, files, content, words):
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_bytes(content)
    assert words in refusal("evaluate_qa", "hashing", "--pairs", str(path))
    assert words in refusal("evaluate_search", "hashing", "--queries", str(path), "--code-base", files["code_base"])


def test_an_unknown_encoder_is_refused_in_one_line(files, tmp_path):
    assert "no such folder" in refusal("evaluate_qa", str(tmp_path / "none"), "--pairs", files["pairs"])
    assert "config.json" in refusal("evaluate_qa", str(tmp_path), "--pairs", files["pairs"])


def test_bad_searches_are_refused(files):
    base = ["--checkpoint", "hashing", "--code-base", files["code_base"]]
    assert "empty" in refusal("search_code", " ", *base)
    assert "outside 1 to" in refusal("search_code", "sort", *base, "--top", "0")


def test_a_code_base_of_another_set_is_said(files, tmp_path):
    other = write_json(tmp_path / "other.json", {"def f(): pass": 0})
    said = refusal("evaluate_search", "hashing", "--queries", files["queries"], "--code-base", str(other))
    assert "another code in this code base" in said


def test_train_on_files_leaves_a_checkpoint_that_the_other_commands_take(files, tmp_path, tiny_encoder, capsys):
    out = tmp_path / "run"
    call_command(
        "train", "--recipe", "info-nce", "--files", files["pairs"], "--out", str(out), "--encoder", str(tiny_encoder),
        "--seed", "3", "--set", "epochs=1", "--set", "batch_size=8", "--set", "max_length=16", "--json",
    )  # fmt: skip
    result = json.loads(capsys.readouterr().out)
    assert result["finished"]
    assert (out / "metrics.jsonl").exists()
    checkpoint = str(out / "checkpoint")
    assert not list(out.rglob("*.bin"))
    metrics = json.loads(run("evaluate_qa", checkpoint, "--pairs", files["pairs"], "--json"))
    assert metrics["max_length"] == 16
    found = json.loads(
        run("search_code", "open socket", "--checkpoint", checkpoint, "--code-base", files["code_base"], "--json")
    )
    assert len(found["results"]) == 10


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--recipe", "alchemy"], "coclr-iba-switch"),
        (["--set", "epochs=many"], "whole number"),
        (["--set", "epochs"], "KEY=VALUE"),
        (["--detach"], "--release"),
    ],
)
def test_bad_training_arguments_are_refused(files, tmp_path, capsys, changes, words):
    with pytest.raises(SystemExit) as ended:
        call_command("train", "--recipe", "info-nce", "--files", files["pairs"], "--out", str(tmp_path / "x"), *changes)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_training_on_one_pair_is_refused(tmp_path, capsys):
    path = write_json(tmp_path / "one.json", cosqa_rows(2)[1:])
    with pytest.raises(SystemExit) as ended:
        call_command("train", "--recipe", "info-nce", "--files", str(path), "--out", str(tmp_path / "x"))
    assert ended.value.code == 2
    assert "1 pair(s) cannot train" in capsys.readouterr().err


@pytest.mark.django_db
def test_a_release_is_named_with_its_project(project, tmp_path):
    given = ["train", "--recipe", "info-nce", "--out", str(tmp_path / "x"), "--release"]
    assert "SLUG/NAME" in refusal(*given, "demo")
    assert "no usable release" in refusal(*given, "demo/none")
    assert "no project" in refusal(*given, "nowhere/r1")
