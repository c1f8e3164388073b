"""The recipes: named, readable settings of a training run. No heavy import, so a web form can be made from them.

`resolve(name, overrides)` gives a frozen `Recipe`; `SETTINGS` describes every setting (kind, bounds, help).

The defaults are chosen for some hundred pairs on two cores with a small sentence encoder. For CoSQA's own settings
(CodeBERT, MLP head, 20,000 pairs) set head=mlp learning_rate=1e-6 epochs=10 max_length=200 reduction=pooled and begin
from a checkpoint that was trained on CodeSearchNet pairs.
"""

from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any

from modeling.ml.errors import BadSettingError, UnknownRecipeError
from modeling.ml.views import VIEWS

OBJECTIVES = ("bce", "coclr", "info-nce", "none")
REDUCTION_NAMES = ("paper", "pooled", "online")
SELECTIONS = ("dev_mrr", "dev_accuracy", "dev_auc", "last")


def setting(
    default: Any, text: str, *, choices: tuple[str, ...] = (), low: float | None = None, high: float | None = None
) -> Any:
    """A dataclass field with what a form and the check need."""
    return field(default=default, metadata={"help": text, "choices": choices, "low": low, "high": high})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run, besides its data. Made by `resolve`, which checks it."""

    recipe: str
    objective: str = setting("bce", "What is minimised.", choices=OBJECTIVES)
    encoder: str = setting("minilm", "Encoder to start from: minilm, codebert, a folder, a checkpoint or a hub name.")
    pooling: str = setting("auto", "How token states become one vector.", choices=("auto", "pooled-cls", "cls", "mean"))
    max_length: int = setting(0, "Tokens of a text that are read; 0: the encoder's default.", low=0, high=8192)
    query_length: int = setting(0, "Tokens of a query that training reads; 0: as many as of a code.", low=0, high=8192)
    text_view: str = setting("full", "Parts of the code that are read.", choices=VIEWS)
    head: str = setting("cosine", "How two vectors are matched: cosine, or CoSQA's MLP.", choices=("cosine", "mlp"))
    scale: float = setting(
        20.0, "Cosine head: first value of the factor on the cosine (1 / temperature).", low=0.1, high=1000
    )
    bias: float = setting(0.4, "Cosine head: first value of the cosine that counts as undecided.", low=-1, high=1)
    calibrate: bool = setting(
        True, "Cosine head: begin with the bias that parts the training pairs best instead (CoCLR and BCE)."
    )
    reduction: str = setting("paper", "CoCLR: how the terms are averaged.", choices=REDUCTION_NAMES)
    in_batch: bool = setting(False, "Use the other codes of a batch as negatives (IBA).")
    rewrite: str = setting(
        "none", "Rewrite the queries of positive pairs (QRA).", choices=("none", "delete", "copy", "switch")
    )
    rewrite_as: str = setting(
        "structured",
        "A rewrite stays with its row (structured) or is a row of its own (rows).",
        choices=("structured", "rows"),
    )
    epochs: int = setting(2, "Passes over the training pairs.", low=1, high=1000)
    batch_size: int = setting(32, "Pairs per step.", low=1, high=4096)
    learning_rate: float = setting(2e-5, "Highest rate of the encoder.", low=0, high=1)
    head_learning_rate: float = setting(1e-3, "Highest rate of the matching head.", low=0, high=1)
    warmup_share: float = setting(0.1, "Share of the steps in which the rate rises; then it falls to 0.", low=0, high=1)
    weight_decay: float = setting(0.0, "AdamW's weight decay.", low=0, high=1)
    max_grad_norm: float = setting(1.0, "Gradients longer than this are shortened.", low=1e-6, high=1e6)
    select: str = setting("dev_mrr", "Which epoch's model is kept; last: the final one.", choices=SELECTIONS)
    dev_share: float = setting(
        0.1, "Share of the pairs held out for that, in whole groups, when no dev pairs are given.", low=0, high=0.5
    )
    save_every: int = setting(
        100, "Steps between two saved states to resume from, besides every epoch's end.", low=1, high=10**6
    )
    seed: int = setting(0, "Seed of batches, rewrites, dropout and new weights.", low=0, high=2**31 - 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """A recipe from `to_dict`'s values, checked again."""
        rest = {key: value for key, value in values.items() if key != "recipe"}
        return resolve(values["recipe"], rest)


SETTINGS: dict[str, Field[Any]] = {item.name: item for item in fields(Recipe) if item.metadata}

# pooled is what the released code optimises for search. On one held-out fold of 510 CoSQA pairs (MiniLM, one seed) it
# gained where `paper`, which weighs every pair judged 0 much more, lost; docs/results.md has the figures.
_QRA = {"objective": "coclr", "reduction": "pooled", "learning_rate": 5e-5}
_COCLR = {**_QRA, "in_batch": True}
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "siamese-bce": ("Siamese encoder, binary cross-entropy on the judged pairs (CoSQA Eq. 1-3).", {}),
    "coclr-iba": ("CoCLR with in-batch augmentation (CoSQA Eq. 5).", _COCLR),
    "coclr-qra-delete": (
        "CoCLR with rewritten queries only: a word deleted.",
        {**_QRA, "rewrite": "delete"},
    ),
    "coclr-qra-copy": ("CoCLR with rewritten queries only: a word copied.", {**_QRA, "rewrite": "copy"}),
    "coclr-qra-switch": (
        "CoCLR with rewritten queries only: two words switched.",
        {**_QRA, "rewrite": "switch"},
    ),
    "coclr-iba-delete": ("CoCLR in full (Eq. 4), rewriting by deletion.", {**_COCLR, "rewrite": "delete"}),
    "coclr-iba-copy": ("CoCLR in full (Eq. 4), rewriting by copying.", {**_COCLR, "rewrite": "copy"}),
    "coclr-iba-switch": (
        "CoCLR in full (Eq. 4), rewriting by switching: the paper's best.",
        {**_COCLR, "rewrite": "switch"},
    ),
    "info-nce": (
        "In-batch softmax with the judged-1 pairs as anchors and the judged-0 codes as further negatives.",
        {"objective": "info-nce", "in_batch": True, "learning_rate": 5e-5},
    ),
    "candidate-encoder": (
        "An encoder that finds candidates: in-batch softmax on 20 x cosine over question-code pairs (StaQC's shape).",
        {
            "objective": "info-nce",
            "in_batch": True,
            "scale": 20.0,
            "bias": 0.0,
            "head_learning_rate": 0.0,  # the factor stays 20: what is trained is the cosine itself
            "learning_rate": 2e-5,
            "max_length": 200,
            "query_length": 128,
        },
    ),
    "bm25": ("Word overlap (BM25, Lucene's form); nothing is trained.", {"objective": "none", "select": "last"}),
}


def resolve(name: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of this name with some settings replaced; values may be texts, as a command line gives them.

    Raises UnknownRecipeError, or BadSettingError with the settings that exist.
    """
    if name not in RECIPES:
        raise UnknownRecipeError(name=name, known=", ".join(RECIPES))
    values = dict(RECIPES[name][1])
    for key, value in (overrides or {}).items():
        if key not in SETTINGS:
            raise BadSettingError(key=key, problem=f"there is no such setting. There are: {', '.join(SETTINGS)}.")
        values[key] = _checked(key, value)
    return Recipe(recipe=name, **values)


def parse_overrides(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE` texts to a mapping."""
    parsed = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise BadSettingError(key=pair, problem="write it as KEY=VALUE.")
        parsed[key.strip()] = value.strip()
    return parsed


def _checked(key: str, value: Any) -> Any:
    """The value in the type of the setting's default, within its bounds."""
    item = SETTINGS[key]
    typed = _typed(key, value, type(item.default))
    choices, low, high = (item.metadata[name] for name in ("choices", "low", "high"))
    if choices and typed not in choices:
        raise BadSettingError(key=key, problem=f"{value} is not one of {', '.join(choices)}.")
    if low is not None and not low <= typed <= high:  # NaN fails too
        raise BadSettingError(key=key, problem=f"{value} is outside {low:g} to {high:g}.")
    return typed


def _typed(key: str, value: Any, kind: type) -> Any:
    if kind is bool:
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if str(value).lower() in known:
            return known[str(value).lower()]
        raise BadSettingError(key=key, problem=f"{value} is neither true nor false.")
    try:
        number = kind(str(value))
    except ValueError:
        raise BadSettingError(key=key, problem=f"{value} is not {_in_words(kind)}.") from None
    if kind is str and not number:
        raise BadSettingError(key=key, problem="it is empty.")
    return number


def _in_words(kind: type) -> str:
    return {int: "a whole number", float: "a number"}.get(kind, "a text")
