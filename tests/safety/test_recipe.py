from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoplay.errors import RequestError
from photoplay.safety.recipe import canonical, digest, make_recipe, recipe_digest, request_from_recipe
from photoplay.types import Admitted, Audio, Lora, Sampling, Turn
from tests.safety.conftest import PLAN, TEMPLATE, make_admitted, make_photo

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_canonical_json_survives_a_round_trip(data: Any) -> None:
    assert canonical(json.loads(canonical(data))) == canonical(data)


def test_order_does_not_matter_and_nan_is_no_number() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(math.nan)


def test_same_request_same_recipe(admitted: Admitted, recipe: dict[str, Any]) -> None:
    again = make_admitted()
    again.statements["consent"][0]["date"] = "1999-12-31"
    assert make_recipe(again, TEMPLATE, PLAN, "anchor") == recipe
    assert not re.search(r"\d{4}-\d\d-\d\d", canonical(recipe))


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"intensity": 0.5}, {"prompt": "hello"}, {"consent": ("granted",)}, {"photos": (make_photo("b"),)},
     {"fps": 25.0}, {"seconds": 4.0}, {"size": "480p"}, {"speed": 2.0}, {"priors": False}, {"who": "main"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_whatever_changes_the_film_changes_the_digest(recipe: dict[str, Any], change: dict[str, Any]) -> None:
    other = make_recipe(make_admitted(**change), TEMPLATE, PLAN, "anchor")
    assert recipe_digest(other) != recipe_digest(recipe)


def test_template_backend_and_frame_count_too(admitted: Admitted, recipe: dict[str, Any]) -> None:
    others = [
        make_recipe(admitted, {**TEMPLATE, "tracks": {}}, PLAN, "anchor"),
        make_recipe(admitted, TEMPLATE, PLAN, "echo"),
        make_recipe(admitted, TEMPLATE, PLAN, "anchor", "2.0"),
        make_recipe(admitted, TEMPLATE, replace(PLAN, crop=(0.0, 0.0, 90.0, 60.0)), "anchor"),
    ]
    assert len({recipe_digest(one) for one in [recipe, *others]}) == 5


def test_no_path_of_a_template_file_gets_in() -> None:
    admitted = make_admitted(template="/home/somebody/private/wink.yaml")
    assert "somebody" not in canonical(make_recipe(admitted, TEMPLATE, PLAN, "anchor"))


def test_a_recipe_gives_its_request_back() -> None:
    admitted = make_admitted(seed=7, intensity=0.8, prompt="a nod", fps=25.0, who="main", consent=("historical",))
    recipe = json.loads(canonical(make_recipe(admitted, TEMPLATE, PLAN, "anchor")))
    assert request_from_recipe(recipe, admitted.request.photos) == admitted.request


def test_a_dialogue_with_its_settings_comes_back(tmp_path: Path) -> None:
    lora = tmp_path / "private" / "style.safetensors"
    lora.parent.mkdir()
    lora.write_bytes(b"weights")
    sound = Audio(np.zeros(8, np.float32), 16_000, "e" * 64)
    sampling = Sampling(model="m", num_inference_steps=4, loras=(Lora(str(lora), 0.5),), upscaler="sharp")
    said = {"mode": "audio-driven", "audio": (sound,), "turns": (Turn(0.0, 1.5, 1), Turn(1.5, 2.0, 0))}
    admitted = make_admitted(sampling=sampling, **said)
    text = canonical(make_recipe(admitted, TEMPLATE, PLAN, "anchor"))
    assert "private" not in text
    recipe = json.loads(text)
    assert recipe["request"]["sampling"]["loras"][0]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    again = request_from_recipe(recipe, admitted.request.photos, audio=[sound], loras=sampling.loras)
    assert again == admitted.request
    lora.write_bytes(b"other weights")
    with pytest.raises(RequestError) as caught:
        request_from_recipe(recipe, admitted.request.photos, audio=[sound], loras=sampling.loras)
    assert caught.value.code == "recipe_other_lora"
    with pytest.raises(RequestError):
        request_from_recipe(recipe, admitted.request.photos)


def test_another_photo_is_refused(recipe: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        request_from_recipe(recipe, [make_photo("b")])
    assert caught.value.code == "recipe_other_photo"


@pytest.mark.parametrize(
    "broken", [{}, {"recipe": 2}, {"recipe": 1}, {"recipe": 1, "photos": [], "request": {}, "consent": [1]}]
)
def test_what_is_no_recipe(broken: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        request_from_recipe(broken, [make_photo()])
    assert caught.value.code == "recipe_unreadable"
