import json
import subprocess
import sys

import pytest

from modeling.ml.__main__ import main

from .conftest import toy_pairs


@pytest.fixture
def files(tmp_path):
    """pairs.json and base.json of the toy pairs."""
    rows = [{"doc": row.query, "code": row.code, "label": row.label, "idx": row.idx} for row in toy_pairs()]
    (tmp_path / "pairs.json").write_text(json.dumps(rows), encoding="utf-8")
    codes = sorted({row.code for row in toy_pairs()})
    (tmp_path / "base.json").write_text(json.dumps({code: n for n, code in enumerate(codes)}), encoding="utf-8")
    return tmp_path


def test_the_whole_way_from_training_to_search(files, roberta, capsys):
    pairs, base, out = (str(files / name) for name in ("pairs.json", "base.json", "run"))
    settings = ["--encoder", str(roberta), "--set", "epochs=1", "--set", "batch_size=8", "--seed", "3"]
    assert main(["train", "--recipe", "info-nce", "--files", pairs, "--out", out, *settings, "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["finished"]
    assert "24 pairs read" in printed.err
    assert "step 4/4" in printed.err
    checkpoint = result["checkpoint"]
    assert main(["evaluate-search", checkpoint, "--queries", pairs, "--code-base", base, "--json"]) == 0
    assert {"mrr", "max_length", "text_view"} <= json.loads(capsys.readouterr().out).keys()
    assert main(["evaluate-qa", checkpoint, "--pairs", pairs, "--json"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["accuracy"] <= 1
    assert main(["search", "how to aa0", "--checkpoint", checkpoint, "--code-base", base, "-k", "2", "--json"]) == 0
    assert [hit["rank"] for hit in json.loads(capsys.readouterr().out)["hits"]] == [1, 2]


def test_reports_are_readable_without_json(files, capsys):
    pairs, base = str(files / "pairs.json"), str(files / "base.json")
    assert main(["evaluate-search", "bm25", "--queries", pairs, "--code-base", base]) == 0
    assert "mrr " in capsys.readouterr().out
    assert main(["search", "aa0", "--checkpoint", "bm25", "--code-base", base, "-k", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("aa0")
    assert main(["recipes"]) == 0
    assert "coclr-iba-switch" in capsys.readouterr().out


def test_pairs_connected_with_a_test_file_are_left_out(files, roberta, capsys):
    test = files / "test.json"
    test.write_text(json.dumps([{"doc": "HOW to  aa0", "code": "elsewhere"}]), encoding="utf-8")
    arguments = ["--recipe", "bm25", "--files", str(files / "pairs.json"), "--out", str(files / "run")]
    assert main(["train", *arguments, "--without-connected-to", str(test)]) == 0
    assert "2 pairs connected with" in capsys.readouterr().err


def test_bad_input_ends_with_status_2_and_one_line(files, tmp_path, capsys):
    pairs, base = str(files / "pairs.json"), str(files / "base.json")
    (tmp_path / "one.json").write_text('[{"doc": "a", "code": "b", "label": 1}]', encoding="utf-8")
    out = ["--out", str(tmp_path / "run")]
    for arguments, message in [
        (["train", "--recipe", "none", "--files", pairs, *out], "There is no recipe none"),
        (["train", "--recipe", "info-nce", "--files", "no.json", *out], "no such file"),
        (["train", "--recipe", "info-nce", "--files", str(tmp_path / "one.json"), *out], "cannot train a model"),
        (["train", "--recipe", "info-nce", "--files", pairs, *out, "--set", "lr=1"], "no such setting"),
        (["train", "--recipe", "info-nce", "--files", pairs, *out, "--encoder", "/none"], "no such folder"),
        (["evaluate-search", "/none", "--queries", pairs, "--code-base", base], "no such folder"),
        (["evaluate-qa", "bm25", "--pairs", base], "list of rows"),
        (["search", " ", "--checkpoint", "bm25", "--code-base", base], "query: it is empty"),
    ]:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error.splitlines()[-1]
        assert "Traceback" not in error


def test_the_command_line_runs_without_django(files):
    script = (
        "import sys; sys.modules['django'] = None\n"
        "from modeling.ml.__main__ import main\n"
        f"raise SystemExit(main(['evaluate-search', 'bm25', '--queries', {str(files / 'pairs.json')!r},"
        f" '--code-base', {str(files / 'base.json')!r}, '--json']))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["codes"] == 12


def test_a_candidate_encoder_trains_on_unlabelled_questions(tmp_path, roberta, capsys):
    words = ["sort", "read", "parse", "join", "open", "date"]
    rows = [{"question": f"how to {word} {n}", "code": f"{word}({n})"} for n, word in enumerate(words)]
    (tmp_path / "staqc.json").write_text(json.dumps(rows))
    out, files = str(tmp_path / "out"), str(tmp_path / "staqc.json")
    settings = ["--encoder", str(roberta), "--set", "epochs=1", "--set", "max_length=40"]
    assert main(["train", "candidate-encoder", "--files", files, "--out", out, *settings, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["recipe"], result["pairs"], result["finished"]) == ("candidate-encoder", 6, True)
    assert main(["train", "bm25", "--recipe", "info-nce", "--files", files, "--out", out]) == 2
    assert main(["train", "--files", files, "--out", out]) == 2
