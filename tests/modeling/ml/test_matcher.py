import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import load_file, save_file

from modeling.ml.data import Code
from modeling.ml.encoders import load_encoder
from modeling.ml.errors import BadCheckpointError, BadDataError, MLError, UnknownEncoderError
from modeling.ml.files import replace_folder, settled_folder
from modeling.ml.matcher import Bm25, Matcher, load_scorer, new_matcher
from modeling.ml.search import search

QUERIES = ["sort a list", "open a file"]
CODES = ["def sort(x): ...", "def open(x): ...", "def close(x): ..."]


def made(folder, head="mlp") -> Matcher:
    encoder = load_encoder(folder, device="cpu", max_length=32)
    return new_matcher(encoder, head=head, scale=20.0, bias=0.4, view="no_doc", seed=3)


def rows(scorer) -> np.ndarray:
    return np.concatenate(list(scorer.score_rows(QUERIES, scorer.index(CODES))))


@pytest.mark.parametrize("head", ["mlp", "cosine"])
def test_a_checkpoint_comes_back_with_the_same_scores(roberta, tmp_path, head):
    matcher = made(roberta, head)
    matcher.save(tmp_path / "checkpoint", {"recipe": {"recipe": "siamese-bce"}, "metrics": {"dev_mrr": 0.5}})
    again = load_scorer(tmp_path / "checkpoint", device="cpu")
    assert_allclose(rows(again), rows(matcher), atol=1e-6)
    assert (again.max_length, again.view, again.head_name) == (32, "no_doc", head)
    assert load_encoder(tmp_path / "checkpoint", device="cpu").max_length == 32
    assert "siamese-bce" in (tmp_path / "checkpoint" / "README.md").read_text(encoding="utf-8")


def test_a_checkpoint_holds_no_pickle(roberta, tmp_path):
    made(roberta).save(tmp_path / "c", {})
    endings = {path.suffix for path in (tmp_path / "c").rglob("*") if path.is_file()}
    assert endings <= {".json", ".safetensors", ".md", ".txt", ".jinja"}


@pytest.mark.parametrize("head", ["mlp", "cosine"])
def test_pairs_and_rows_score_alike(roberta, head):
    matcher = made(roberta, head)
    assert_allclose(matcher.score_pairs(QUERIES, CODES[:2]), rows(matcher)[[0, 1], [0, 1]], atol=1e-5)


def test_a_head_depends_on_its_seed_alone(roberta):
    torch.manual_seed(1)
    first = made(roberta).head.hidden.weight
    torch.manual_seed(2)
    assert torch.equal(first, made(roberta).head.hidden.weight)


def test_a_head_of_another_shape_is_refused(roberta, tmp_path):
    made(roberta).save(tmp_path / "c", {})
    weights = load_file(tmp_path / "c" / "head.safetensors")
    weights["hidden.weight"] = weights["hidden.weight"][:, :-1].contiguous()
    save_file(weights, tmp_path / "c" / "head.safetensors")
    with pytest.raises(BadCheckpointError, match=r"\(16, 63\).*expected.*\(16, 64\)"):
        load_scorer(tmp_path / "c", device="cpu")


def test_a_pickle_in_place_of_the_head_is_refused(roberta, tmp_path):
    matcher = made(roberta)
    matcher.save(tmp_path / "c", {})
    torch.save(matcher.head.state_dict(), tmp_path / "c" / "head.safetensors")
    with pytest.raises(BadCheckpointError, match=r"head\.safetensors cannot be read"):
        load_scorer(tmp_path / "c", device="cpu")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [("{", "cannot be read"), ("[]", "does not describe"), ('{"kind": "matcher", "format": 99}', "its format is 99")],
)
def test_a_damaged_manifest_is_refused(tmp_path, manifest, message):
    (tmp_path / "quarry.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(BadCheckpointError, match=message):
        load_scorer(tmp_path)


def test_another_width_than_said_is_refused(roberta, tmp_path):
    made(roberta).save(tmp_path / "c", {})
    path = tmp_path / "c" / "quarry.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "dim": 768}), encoding="utf-8")
    with pytest.raises(BadCheckpointError, match="gives 16 numbers"):
        load_scorer(tmp_path / "c", device="cpu")


def test_bm25_is_a_scorer_and_a_checkpoint(tmp_path):
    Bm25(view="no_doc").save(tmp_path / "c", {"recipe": {"recipe": "bm25"}})
    scorer = load_scorer(tmp_path / "c")
    assert isinstance(scorer, Bm25)
    assert scorer.view == "no_doc"
    assert rows(scorer).argmax(axis=1).tolist() == [0, 1]
    with pytest.raises(UnknownEncoderError, match="bm25 checkpoint without vectors"):
        load_encoder(tmp_path / "c")


def test_an_encoder_name_is_a_zero_shot_scorer():
    scorer = load_scorer("hashing")
    encoder = scorer.encoder
    assert_allclose(rows(scorer), encoder.encode(QUERIES) @ encoder.encode(CODES).T, atol=1e-6)


def test_an_unknown_view_is_refused():
    with pytest.raises(BadCheckpointError, match="no text view half"):
        load_scorer("hashing", view="half")


def test_search_answers_best_first_and_breaks_ties_by_order():
    base = [Code("def b(): sort", "b"), Code("def a(): sort list", "a"), Code("def b(): sort", "b2")]
    hits = search(load_scorer("hashing"), "sort list", base)
    assert [hit.place for hit in hits] == [1, 0, 2]
    assert (hits[0].rank, hits[0].name, hits[0].code) == (1, "a", base[1].text)
    scorer = load_scorer("hashing")
    index = scorer.index([code.text for code in base])
    assert search(scorer, "sort list", base, k=1, index=index) == hits[:1]


@pytest.mark.parametrize(
    ("query", "base", "k", "message"),
    [
        (" ", CODES, 1, "query: it is empty"),
        ("a", [], 1, "code base: it is empty"),
        ("a", CODES, 0, "outside 1 to 1000"),
    ],
)
def test_a_search_without_sense_is_refused(query, base, k, message):
    with pytest.raises(BadDataError, match=message):
        search(load_scorer("hashing"), query, [Code(text) for text in base], k=k)


def test_replacing_a_folder_leaves_the_old_one_on_failure(tmp_path):
    folder = tmp_path / "c"
    replace_folder(folder, lambda part: (part / "a").write_text("1", encoding="utf-8") and None)

    def fail(part) -> None:
        (part / "a").write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_folder(folder, fail)
    assert (folder / "a").read_text(encoding="utf-8") == "1"


def test_a_crash_between_two_renames_is_undone(tmp_path):
    (tmp_path / "c.old").mkdir()
    assert settled_folder(tmp_path / "c").is_dir()


def test_every_refusal_has_a_code_and_a_status():
    assert issubclass(BadDataError, MLError)
    error = BadDataError(place="file", problem="broken.")
    assert (error.code, error.status, error.fields["place"], str(error)) == ("bad_data", 400, "file", "file: broken.")
