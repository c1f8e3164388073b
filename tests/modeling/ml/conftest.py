"""Tiny random models saved in the formats of the real ones, built once per session."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from modeling.ml.data import Example

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges: CodeBERT's kind, 261 tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIALS, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
    )


def save_roberta(folder: Path, *, pooler: bool = True) -> Path:
    """A random two-layer RoBERTa in the CodeBERT format."""
    torch.manual_seed(7)
    config = RobertaConfig(
        vocab_size=261,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=0.3,
    )
    RobertaModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    byte_level_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def roberta(tmp_path_factory) -> Path:
    """Folder of a tiny random RoBERTa with a pooler, as CodeBERT is saved."""
    return save_roberta(tmp_path_factory.mktemp("roberta"))


@pytest.fixture(scope="session")
def roberta_without_pooler(tmp_path_factory) -> Path:
    return save_roberta(tmp_path_factory.mktemp("roberta-no-pooler"), pooler=False)


def toy_pairs(count: int = 24) -> list[Example]:
    """Judged pairs about distinct words; every second one is judged 0 because its code is another word's."""
    words = [f"{chr(97 + n % 26)}{chr(97 + n // 3 % 26)}{n}" for n in range(count)]
    return [
        Example.of(
            f"how to {word}", f"def {words[-n - 1] if n % 2 else word}(x):\n    return x", 1 - n % 2, idx=f"row-{n}"
        )
        for n, word in enumerate(words)
    ]
