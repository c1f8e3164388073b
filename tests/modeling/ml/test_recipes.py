import subprocess
import sys

import pytest

from modeling.ml.errors import BadSettingError, UnknownRecipeError
from modeling.ml.recipes import RECIPES, SETTINGS, Recipe, parse_overrides, resolve


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_resolves_and_survives_json(name):
    config = resolve(name, {"seed": "7"})
    assert config.seed == 7
    assert Recipe.from_dict(config.to_dict()) == config


def test_the_recipes_differ_as_their_names_say():
    assert not resolve("siamese-bce").in_batch
    assert resolve("coclr-iba").rewrite == "none"
    assert (resolve("coclr-qra-copy").in_batch, resolve("coclr-qra-copy").rewrite) == (False, "copy")
    assert (resolve("coclr-iba-switch").in_batch, resolve("coclr-iba-switch").rewrite) == (True, "switch")


def test_overrides_take_the_type_of_the_setting():
    config = resolve("siamese-bce", {"epochs": "5", "learning_rate": "1e-6", "in_batch": "true", "head": "mlp"})
    assert (config.epochs, config.learning_rate, config.in_batch, config.head) == (5, 1e-6, True, "mlp")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epoch", 3, "no such setting. There are: objective"),
        ("epochs", "three", "not a whole number"),
        ("epochs", "2.5", "not a whole number"),
        ("epochs", 0, "outside 1 to 1000"),
        ("learning_rate", "fast", "not a number"),
        ("learning_rate", "nan", "outside 0 to 1"),
        ("head", "linear", "not one of cosine, mlp"),
        ("in_batch", "maybe", "neither true nor false"),
        ("encoder", "", "it is empty"),
    ],
)
def test_bad_settings_are_refused(key, value, message):
    with pytest.raises(BadSettingError, match=message):
        resolve("coclr-iba", {key: value})


def test_an_unknown_recipe_names_the_known():
    with pytest.raises(UnknownRecipeError, match="There are: siamese-bce"):
        resolve("coclr")


def test_overrides_are_parsed():
    assert parse_overrides(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    with pytest.raises(BadSettingError, match="KEY=VALUE"):
        parse_overrides(["epochs"])


def test_every_setting_has_help():
    assert all(item.metadata["help"] for item in SETTINGS.values())


def test_a_form_can_be_made_without_heavy_imports():
    script = "import sys, modeling.ml.recipes, modeling.ml.data, modeling.ml.bm25; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
