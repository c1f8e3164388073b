import json
from pathlib import Path

import pytest

from modeling.ml.data import code_id, name_of, query_id, read_code_base, read_pairs, read_training_files
from modeling.ml.errors import BadDataError


def write(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


ROW = {"idx": "cosqa-1", "doc": "sort a list", "code": "def f(x):\n    return sorted(x)", "label": 1}


def test_cosqa_rows_are_read(tmp_path):
    (example,) = read_pairs(write(tmp_path / "a.json", [{**ROW, "retrieval_idx": 4}]))
    assert (example.query, example.label, example.idx, example.code_index) == ("sort a list", 1, "cosqa-1", 4)


def test_json_lines_and_a_query_field_are_read(tmp_path):
    lines = "\n".join(json.dumps({"query": f"q{n}", "code": "c", "label": n % 2}) for n in range(3)) + "\n\n"
    assert [pair.idx for pair in read_pairs(write(tmp_path / "a.jsonl", lines))] == ["1", "2", "3"]


def test_a_release_folder_is_read_by_split(tmp_path):
    write(tmp_path / "cosqa-qa-train.json", [ROW])
    write(tmp_path / "cosqa-qa-test.json", [{**ROW, "idx": "t"}])
    write(tmp_path / "cosqa-retrieval-dev.json", [{**ROW, "idx": "d"}])
    assert [read_pairs(tmp_path, split=split)[0].idx for split in ("train", "test", "dev")] == ["cosqa-1", "t", "d"]


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(BadDataError, match=r"no cosqa-qa-train\.json"):
        read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("[]", "no pairs"),
        ("{", "neither JSON nor JSON Lines"),
        ('{"doc": "a", "code": "b", "label": 1}\nnot json\n', "line 2 is not JSON"),
        ('"text"', "a list of rows is expected"),
        ("[1]", "row 1: an object with doc and code"),
        ('[{"code": "x", "label": 1}]', r"row 1: doc \(the query\) is missing"),
        ('[{"doc": "x", "code": " ", "label": 1}]', "row 1: code is missing or empty"),
        ('[{"doc": "x", "code": "y"}]', "row 1: label is missing"),
        ('[{"doc": "x", "code": "y", "label": 2}]', "row 1: label is 2; 0 or 1"),
        ('[{"doc": "x", "code": "y", "label": [1]}]', r"row 1: label is \[1\]"),
        ('[{"doc": "x", "code": "y", "label": 1, "retrieval_idx": "a"}]', "retrieval_idx 'a'"),
    ],
)
def test_bad_pairs_name_the_place(tmp_path, content, message):
    with pytest.raises(BadDataError, match=message):
        read_pairs(write(tmp_path / "bad.json", content))


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(BadDataError, match="no such file"):
        read_pairs(tmp_path / "none.json")
    (tmp_path / "bin").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(BadDataError, match="not UTF-8 text"):
        read_pairs(tmp_path / "bin")
    with pytest.raises(BadDataError, match="not UTF-8 text"):
        read_code_base(tmp_path / "bin")


def test_unlabelled_pairs_are_read_when_asked(tmp_path):
    path = write(tmp_path / "a.json", [{"doc": "x", "code": "y"}])
    assert read_pairs(path, labelled=False)[0].label is None


def test_repeated_pairs_count_once_and_contradictions_are_left_out(tmp_path):
    other = {**ROW, "doc": "sort a dict"}
    first = write(tmp_path / "a.json", [ROW, other])
    second = write(tmp_path / "b.json", [{**ROW, "doc": "Sort  a LIST"}, {**other, "label": 0, "idx": "x"}])
    pairs = read_training_files([first, second])
    assert [example.query for example in pairs.examples] == ["sort a list"]
    assert (pairs.repeated, pairs.contradictory) == (2, ["cosqa-1"])


def test_text_identity_ignores_case_of_queries_and_line_endings_of_codes():
    assert query_id(" Sort a  List") == query_id("sort a list")
    assert code_id("def f():\r\n    pass\r\n") == code_id("def f():\n    pass")
    assert code_id("def f():\n    pass") != code_id("def f():\n  pass")


def test_a_code_base_is_read_in_the_order_of_its_indexes(tmp_path):
    codes = read_code_base(write(tmp_path / "map.txt", {"def b(): pass": 1, "def a(): pass": 0}))
    assert [code.name for code in codes] == ["a", "b"]


@pytest.mark.parametrize("value", [["def a(): pass", "b"], [{"code": "def a(): pass"}, {"code": "b", "name": ""}]])
def test_a_code_base_may_be_a_list(tmp_path, value):
    assert [code.name for code in read_code_base(write(tmp_path / "base.json", value))] == ["a", ""]


@pytest.mark.parametrize(
    ("value", "message"),
    [({"a": 0, "b": 2}, "1 is missing"), ({"a": 0, "b": 0}, "1 is missing"), ([], "no code"), ([" "], "row 1: code")],
)
def test_a_bad_code_base_is_refused(tmp_path, value, message):
    with pytest.raises(BadDataError, match=message):
        read_code_base(write(tmp_path / "base.json", value))


def test_names_come_from_the_first_definition():
    assert name_of("@x\nasync def run(a): pass") == "run"
    assert name_of("1 + 1") == ""


def test_the_cosqa_files_are_read_whole(real_data):
    pairs = read_pairs(real_data / "cosqa" / "cosqa-dev.json")
    assert (len(pairs), sum(pair.label for pair in pairs)) == (604, 313)
    base = read_code_base(real_data / "cosqa" / "code_idx_map.txt")
    for pair in read_pairs(real_data / "cosqa" / "cosqa-retrieval-dev-500.json"):
        assert base[pair.code_index].text == pair.code


def test_questions_without_a_label_match_their_code_where_that_is_asked_for(tmp_path):
    rows = [{"question": "sort a list", "code": "sorted(x)"}, {"doc": "read", "code": "open(f)", "label": 0}]
    path = write(tmp_path / "staqc.json", rows)
    pairs = read_training_files([path], unlabelled_match=True)
    assert [(pair.query, pair.label) for pair in pairs.examples] == [("sort a list", 1), ("read", 0)]
    with pytest.raises(BadDataError, match="label is missing"):
        read_training_files([path])


def test_the_shape_of_staqc_is_read(real_data):
    pairs = read_training_files([real_data / "staqc" / "train_staqc.json"])
    assert len(pairs.examples) + pairs.repeated + 2 * len(pairs.contradictory) >= 2932
    assert {pair.label for pair in pairs.examples} == {0, 1}
