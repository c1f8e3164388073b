"""Forms of the modeling stage. The form of a run is made from the recipes' own settings."""

from typing import Any

from django import forms

from core.errors import QuarryError
from core.models import Project
from modeling.ml.recipes import RECIPES, SETTINGS
from modeling.models import Evaluation
from modeling.selectors import checkpoints, usable_releases

PREFIX = "set_"
# What people change from run to run; the rest is decided by the recipe's name (commands may set it all).
FORM_SETTINGS = [
    "epochs",
    "batch_size",
    "learning_rate",
    "head_learning_rate",
    "warmup_share",
    "max_length",
    "text_view",
    "head",
    "scale",
    "reduction",
    "select",
    "dev_share",
]


class RunForm(forms.Form):
    """A new training run of a project."""

    recipe = forms.ChoiceField(label="Recipe", help_text="The method; what each one does stands below.")
    release: Any = forms.ModelChoiceField(
        queryset=None,
        label="Release",
        empty_label=None,
        help_text="Trained on its train split, chosen on dev, measured on test.",
    )
    encoder = forms.ChoiceField(label="Encoder", help_text="The model that training starts from.")
    name = forms.RegexField(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=60,
        required=False,
        label="Name",
        help_text="Letters, digits, - . _; empty: the recipe's name with a number.",
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        label="Seed",
        help_text="Same seed, same data, same machine: the same model. Train with several to see the spread.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["recipe"].choices = [(name, name) for name in RECIPES]
        fields["recipe"].initial = "coclr-iba-switch"
        fields["release"].queryset = usable_releases(project)
        fields["encoder"].choices = [
            *((one.key, one.label) for one in checkpoints(project)),
            ("codebert", "codebert (fetched from the model hub)"),
        ]
        for name in FORM_SETTINGS:
            fields[PREFIX + name] = _setting_field(name)

    @property
    def setting_fields(self) -> list[forms.BoundField]:
        """The recipe's settings as bound fields, for the template."""
        return [self[PREFIX + name] for name in FORM_SETTINGS]

    @property
    def settings_given(self) -> bool:
        """Whether any setting departs from the recipe, so that the form shows them."""
        return any(bound.value() not in (None, "") or bound.errors for bound in self.setting_fields)

    def recipes(self) -> list[dict[str, str]]:
        """Names and summaries, for the list below the form."""
        return [{"name": name, "summary": summary} for name, (summary, _) in RECIPES.items()]

    def training(self) -> dict[str, Any]:
        """The keyword arguments of `start_training`."""
        given = self.cleaned_data
        overrides = {name: given[PREFIX + name] for name in FORM_SETTINGS if given[PREFIX + name] not in (None, "")}
        return {key: given[key] for key in ("recipe", "release", "encoder", "name", "seed")} | {"overrides": overrides}

    def add_refusal(self, error: QuarryError) -> None:
        """Shows a refusal of the service at its field where it names one."""
        key = PREFIX + str(error.fields.get("key", ""))
        self.add_error(key if key in self.fields else None, str(error))


def _setting_field(name: str) -> forms.Field:
    item = SETTINGS[name]
    choices, low, high = (item.metadata[key] for key in ("choices", "low", "high"))
    common: dict[str, Any] = {"required": False, "label": name.replace("_", " ").capitalize(), "help_text": _help(name)}
    if choices:
        return forms.ChoiceField(choices=[("", "as the recipe says"), *((one, one) for one in choices)], **common)
    kind: Any = forms.IntegerField if isinstance(item.default, int) else forms.FloatField
    field: forms.Field = kind(min_value=low, max_value=high, widget=forms.NumberInput(attrs={"step": "any"}), **common)
    return field


def _help(name: str) -> str:
    item = SETTINGS[name]
    low, high = item.metadata["low"], item.metadata["high"]
    bounds = f" From {low:g} to {high:g}." if low is not None else ""
    return f"{item.metadata['help']}{bounds} Usually {item.default}."


class EvaluationForm(forms.Form):
    """A new evaluation."""

    kind = forms.ChoiceField(
        choices=Evaluation.Kind.choices,
        label="Measure",
        help_text="Code search ranks the release's whole code base (MRR); code QA judges its pairs (accuracy).",
    )
    checkpoint = forms.ChoiceField(label="Checkpoint", help_text="A trained run, or an encoder as it came.")
    release: Any = forms.ModelChoiceField(queryset=None, label="Release", empty_label=None)
    split = forms.ChoiceField(
        choices=[("test", "test"), ("dev", "dev")],
        label="Split",
        help_text="Report test; dev is for choosing between settings.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["release"].queryset = usable_releases(project)
        fields["checkpoint"].choices = [(one.key, one.label) for one in checkpoints(project)]

    def evaluation(self) -> dict[str, Any]:
        """The keyword arguments of `start_evaluation`."""
        return dict(self.cleaned_data)
