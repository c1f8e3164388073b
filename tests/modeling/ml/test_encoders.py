import shutil

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from core.encoding import HashingEncoder
from modeling.ml.encoders import load_encoder
from modeling.ml.errors import NotFiniteError, UnknownEncoderError

TEXTS = ["sort a list", "x", "def add(a, b):\n    return a + b", "", "sort a list of dicts by value in python"]


@pytest.mark.parametrize("make", [lambda folder: HashingEncoder(), lambda folder: load_encoder(folder, device="cpu")])
def test_every_encoder_returns_unit_rows_in_order(make, roberta):
    encoder = make(roberta)
    rows = encoder.encode(TEXTS)
    assert rows.shape == (len(TEXTS), encoder.dim)
    assert rows.dtype == np.float32
    assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert_allclose(rows[2], encoder.encode([TEXTS[2]])[0], atol=1e-5)


def test_codebert_format_is_read_with_its_pooled_cls(roberta):
    from transformers import RobertaModel

    encoder = load_encoder(roberta, device="cpu")
    assert encoder.pooling == "pooled-cls"
    ids, mask = encoder.pad(encoder.tokenize(["sort a list"]))
    expected = RobertaModel.from_pretrained(roberta).eval()(input_ids=ids, attention_mask=mask).pooler_output
    assert_allclose(encoder.embed(["sort a list"]), expected.detach().numpy(), atol=1e-6)


def test_batching_by_length_and_padding_change_nothing(roberta):
    encoder = load_encoder(roberta, device="cpu", pooling="mean")
    texts = [f"{'word ' * (n % 9)}{n}" for n in range(40)]
    one_by_one = np.concatenate([encoder.embed([text]) for text in texts])
    assert_allclose(encoder.embed(texts), one_by_one, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_backbone_without_pooler_is_used_with_other_poolings(roberta_without_pooler, pooling):
    assert load_encoder(roberta_without_pooler, device="cpu").pooling == "mean"
    assert load_encoder(roberta_without_pooler, device="cpu", pooling=pooling).encode(["a"]).shape == (1, 16)


def test_a_missing_pooler_is_refused_and_not_made_up(roberta_without_pooler):
    with pytest.raises(UnknownEncoderError, match="needs a trained pooler"):
        load_encoder(roberta_without_pooler, device="cpu", pooling="pooled-cls")


def test_missing_weights_are_refused(roberta, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(roberta, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnknownEncoderError, match=r"1 weights are missing.*encoder\.layer\.1"):
        load_encoder(folder, device="cpu")


def test_a_pickle_is_refused(roberta, tmp_path):
    folder = shutil.copytree(roberta, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save({"a": torch.ones(1)}, folder / "pytorch_model.bin")
    with pytest.raises(UnknownEncoderError, match="pickle, which can run code"):
        load_encoder(folder, device="cpu")


def test_a_damaged_weight_file_is_refused(roberta, tmp_path):
    folder = shutil.copytree(roberta, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(UnknownEncoderError, match="cannot be loaded"):
        load_encoder(folder, device="cpu")


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "two words", "README.md/x y"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(UnknownEncoderError, match="no such folder"):
        load_encoder(name)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UnknownEncoderError, match=r"contains neither config\.json"):
        load_encoder(tmp_path)


def test_a_hub_name_without_network_says_how_to_pass_a_folder():
    with pytest.raises(UnknownEncoderError, match="pass its folder instead of the name"):
        load_encoder("codebert")


def test_max_length_cuts_and_is_checked(roberta):
    encoder = load_encoder(roberta, device="cpu", max_length=8)
    assert len(encoder.tokenize(["a much longer text"])[0]) == 8
    assert load_encoder(roberta, device="cpu").max_length == 64
    with pytest.raises(UnknownEncoderError, match="outside 3 to 64"):
        load_encoder(roberta, device="cpu", max_length=65)


def test_the_fingerprint_follows_weights_pooling_and_length(roberta, tmp_path):
    from safetensors.torch import load_file, save_file

    plain = load_encoder(roberta, device="cpu").fingerprint
    assert load_encoder(roberta, device="cpu").fingerprint == plain
    other = shutil.copytree(roberta, tmp_path / "model")
    assert load_encoder(other, device="cpu").fingerprint == plain
    weights = load_file(other / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][0] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    variants = [
        load_encoder(other, device="cpu").fingerprint,
        load_encoder(roberta, device="cpu", pooling="mean").fingerprint,
        load_encoder(roberta, device="cpu", max_length=32).fingerprint,
    ]
    assert len({plain, *variants}) == 4


def test_odd_texts_are_encoded(roberta):
    rows = load_encoder(roberta, device="cpu").encode(["", " ", "\ud800", "\x00", "日本" * 200_000])
    assert np.isfinite(rows).all()


def test_vectors_that_are_not_numbers_are_refused(roberta):
    encoder = load_encoder(roberta, device="cpu")
    with torch.no_grad():
        encoder.tower.backbone.pooler.dense.bias.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="text 0"):
        encoder.encode(["a"])


def test_progress_counts_up_to_all_texts(roberta):
    seen: list[tuple[int, int]] = []
    load_encoder(roberta, device="cpu").encode(TEXTS * 20, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100, 100)
    assert seen == sorted(seen)


def test_minilm_is_packaged_and_verified():
    encoder = load_encoder("minilm", device="cpu")
    assert (encoder.dim, encoder.max_length, encoder.pooling) == (384, 128, "mean")
    near = encoder.encode(["sort a list", "order a list", "open a socket"]) @ encoder.encode(["sort a list"])[0]
    assert near[0] > near[1] > near[2]


def test_minilm_with_other_weights_is_refused(monkeypatch):
    monkeypatch.setattr("modeling.ml.encoders.MINILM_SHA256", "0" * 64)
    with pytest.raises(UnknownEncoderError, match="not the known ones"):
        load_encoder("minilm")
