"""What the tests of runs, evaluations and search share."""

import json
import threading
import time
from pathlib import Path

import pytest

from modeling.inference import Engine, Server
from modeling.inference_client import is_running
from tests.factories import CodeFactory

FUNCTIONS = {
    "read_csv_file": "Read a csv file into a list of dicts.",
    "sort_items": "Sort the items in place.",
    "open_socket": "Open a tcp socket to a host.",
    "parse_json_text": "Parse json text into python objects.",
    "count_words": "Count the words of a text.",
}


@pytest.fixture
def home(tmp_path, settings) -> Path:
    """A QUARRY_HOME of its own."""
    settings.QUARRY_HOME = tmp_path
    return tmp_path


@pytest.fixture
def hashing(settings) -> None:
    """The cheap encoder is the default one."""
    settings.QUARRY_ENCODER = "hashing"


@pytest.fixture
def codes(project) -> dict:
    """Five documented functions of `project`, by name."""
    return {name: CodeFactory(project=project, name=name, docstring=doc) for name, doc in FUNCTIONS.items()}


@pytest.fixture
def inference(home):
    """An inference server in a thread of this process."""
    server = Server(Engine().handlers())
    thread = threading.Thread(target=server.serve)
    thread.start()
    while not is_running():
        time.sleep(0.01)
    yield server
    server.stop()
    thread.join()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    """A folder with a random BERT of a few thousand weights and a word tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(33, 127)]
    words = sorted({word for text in FUNCTIONS.values() for word in text.lower().split()} | {"python", "def", "return"})
    vocabulary = {token: place for place, token in enumerate(dict.fromkeys([*specials, *letters, *words]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def cosqa_rows(n: int, *, start: int = 0) -> list[dict]:
    """Rows in CoSQA's QA shape, two thirds of them label 1; queries and codes are all different."""
    names = list(FUNCTIONS)
    rows = []
    for place in range(start, start + n):
        name = names[place % len(names)]
        code = f'def {name}_{place}(x):\n    """{FUNCTIONS[name]}"""\n    return {place}\n'
        query = f"python {name.replace('_', ' ')} {place}"
        rows.append({"idx": f"row-{place}", "doc": query, "code": code, "label": int(place % 3 != 0)})
    return rows


def write_json(path: Path, value: object) -> Path:
    """Writes JSON and gives the path back."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_release_files(folder: Path) -> None:
    """The data files of a small release: 12 train, 6 dev, 6 test pairs."""
    folder.mkdir(parents=True)
    base: dict[str, int] = {}
    for split, start, n in (("train", 0, 12), ("dev", 12, 6), ("test", 18, 6)):
        rows = cosqa_rows(n, start=start)
        for row in rows:
            base.setdefault(row["code"], len(base))
        write_json(folder / f"cosqa-qa-{split}.json", rows)
        search_rows = [{**row, "retrieval_idx": base[row["code"]]} for row in rows if split == "train" or row["label"]]
        write_json(folder / f"cosqa-retrieval-{split}.json", search_rows)
    write_json(folder / "code_idx_map.txt", base)
