from __future__ import annotations

import pytest

from photoplay.errors import InputError
from photoplay.training.config import Recipe, load_recipe, read_recipe
from photoplay.training.trainer import network_config


@pytest.mark.parametrize("name", ["cpu", "overnight", "gpu"])
def test_the_shipped_recipes_are_valid_and_name_a_network(name):
    recipe = load_recipe(name)
    assert network_config(recipe.network).channels


def test_nothing_written_is_the_default():
    assert read_recipe("") == Recipe()


def test_a_written_recipe_reads_back():
    recipe = Recipe(minutes=3, data={"patch": 64, "folder": "x"}, network={"embedding": 64})
    assert read_recipe(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    "text",
    [
        "lerning_rate: 1",
        "data: {pach: 96}",
        "data: {patch: 97}",
        "data: {mouth: 0.7, eyes: 0.7}",
        "loss: {shapes: 0.1}",
        "optim: [1]",
        "a: b: c",
        "minutes: 0",
    ],
)
def test_what_is_misspelt_or_impossible_is_refused(text):
    with pytest.raises(InputError) as refused:
        read_recipe(text)
    assert refused.value.code == "recipe_invalid"


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(InputError) as refused:
        load_recipe(str(tmp_path / "none.yaml"))
    assert refused.value.code == "recipe_missing"


def test_a_network_that_is_not_there():
    for wanted in ("enormous", {"channels": [1]}, {"colour": 1}):
        with pytest.raises(InputError):
            network_config(wanted)
