"""The default model is in its place before the first film, which takes it from there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from photoplay.errors import UnavailableError
from photoplay.generation.backends.open_weights.loading import shelf
from photoplay.generation.backends.open_weights.wan import WanI2V, WanT2V
from photoplay.types import Sampling
from tests.generation import actors
from tests.generation.open_weights import checkpoints
from tests.generation.open_weights.test_wan import SMALL, plan


def test_a_film_takes_the_model_that_was_read_before(installed: Callable[..., str]) -> None:
    backend = WanT2V(SMALL)
    shelf().clear()
    with pytest.raises(UnavailableError) as missing:
        backend.warm()
    assert missing.value.code == "model_missing"
    name = installed(backend.capabilities.models[0], checkpoints.wan_t2v)
    backend.warm()
    loaded = shelf().loaded
    assert loaded is not None
    assert loaded.key.model == name
    asked = plan("text-to-video", sampling=Sampling(num_inference_steps=1))
    assert sum(len(one.rgb) for one in backend.generate(actors.astronaut(), [], asked)) == 5
    assert shelf().loaded is loaded


def test_a_model_that_is_there_gives_way_to_a_film_and_not_to_a_warm_up(installed: Callable[..., str]) -> None:
    """A film may be in the making with it, and a second one beside it would not fit."""
    shelf().clear()
    for backend, builder in ((WanT2V(SMALL), checkpoints.wan_t2v), (WanI2V(SMALL), checkpoints.wan_i2v)):
        installed(backend.capabilities.models[0], builder)
    WanT2V(SMALL).warm()
    loaded = shelf().loaded
    WanI2V(SMALL).warm()
    assert shelf().loaded is loaded is not None
