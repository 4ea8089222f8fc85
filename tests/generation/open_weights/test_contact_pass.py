"""The contact pass with a model that is made in a thread of its own: both films take turns, and both end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from photoplay.generation.backends.open_weights.native import Grid
from photoplay.generation.backends.open_weights.vace import WanVace
from photoplay.generation.contact_pass import passes, with_contact_pass, worth_it
from photoplay.types import Array, Duet, RenderPlan, Sampling
from tests.generation.open_weights import checkpoints
from tests.generation.open_weights.couples import composed, together, tracks_of

SMALL = Grid(max_frames=5, area=128 * 64, overlap=1)
FRAMES = 12


def meeting() -> Duet:
    both = together(FRAMES)
    strength = np.zeros(FRAMES, np.float32)
    strength[4:9] = 1
    (contact,) = both.contacts
    return replace(both, contacts=(replace(contact, strength=strength, radius=100.0),))


def plan(both: Duet) -> RenderPlan:
    sampling = Sampling(num_inference_steps=1, guidance_scale=1.0)
    crop = (0.0, 0.0, 1024.0, 512.0)
    return RenderPlan(
        128, 64, crop, 24.0, FRAMES, 7, "They smile.", 4, "image-to-video", sampling, duet=both
    )  # fmt: skip


def film(asked: RenderPlan) -> Array:
    scene = composed()
    made = with_contact_pass(WanVace(SMALL), scene, tracks_of(scene, FRAMES), asked)
    return np.concatenate([one.rgb for one in made])


@pytest.fixture
def model(installed: Callable[..., str]) -> None:
    installed("wan-vace-1.3b", checkpoints.wan_vace)


@pytest.mark.usefixtures("model")
def test_a_models_film_is_made_again_only_where_two_people_meet() -> None:
    both = meeting()
    assert worth_it(WanVace(SMALL), plan(both))
    (one,) = passes(tracks_of(composed(), FRAMES), plan(both))
    assert (one.start, one.end) == (4, 9)
    plain, passed = film(plan(replace(both, contacts=()))), film(plan(both))
    changed = (plain != passed).any((1, 2, 3))
    assert changed[4:9].all()
    assert not changed[:4].any()
    assert not changed[9:].any()
    np.testing.assert_array_equal(film(plan(both)), passed)


@pytest.mark.usefixtures("model")
def test_a_film_that_is_given_up_leaves_no_thread() -> None:
    scene, before = composed(), threading.active_count()
    windows = with_contact_pass(WanVace(SMALL), scene, tracks_of(scene, FRAMES), plan(meeting()))
    next(windows)
    next(windows)
    windows.close()
    assert threading.active_count() == before
