"""Wan-VACE with two people who belong together: whose references, whose tokens, and films."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoplay.errors import CancelledError
from photoplay.generation.backends.open_weights import vace
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, plan_native
from photoplay.generation.backends.open_weights.parallel import share_forwards
from photoplay.generation.backends.open_weights.routed_attention import NAME, Route
from photoplay.generation.backends.open_weights.vace import WanVace, references
from photoplay.generation.backends.open_weights.vace_inputs import cut_out, people_of
from photoplay.types import Array, Footage, Mode, Photo, RenderPlan, Sampling, Scene, StageEvent
from tests.generation.open_weights import checkpoints
from tests.generation.open_weights.calls import calls_of
from tests.generation.open_weights.couples import DIGESTS, composed, couple, shoulder_to_shoulder, together, tracks_of

SMALL = Grid(max_frames=5, area=128 * 64, overlap=1)
FRAMES = 7
"""At 24 a second: five at the model's 16."""


def plan(mode: Mode = "image-to-video", strength: float = 0.0, **more: Any) -> RenderPlan:
    sampling = Sampling(num_inference_steps=2, guidance_scale=1.0)
    crop = (0.0, 0.0, 1024.0, 512.0)
    asked = RenderPlan(
        128, 64, crop, 24.0, FRAMES, 7, "They smile.", 4, mode, sampling, duet=together(FRAMES, strength=strength)
    )
    return replace(asked, **more)


def clip_of(asked: RenderPlan, scene: Scene | None = None) -> ClipInputs:
    scene = scene or composed()
    native = plan_native(asked, SMALL)
    known = np.zeros((0, native.height, native.width, 3), np.uint8)
    return WanVace(SMALL).inputs(scene, tracks_of(scene, FRAMES), asked, native, native.spans[0], known)


def film(asked: RenderPlan, **more: Any) -> Array:
    scene = composed()
    made = WanVace(SMALL).generate(scene, tracks_of(scene, FRAMES), asked, **more)
    return np.concatenate([one.rgb for one in made])


@contextmanager
def reads_everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every token is nobody's alone."""
    with monkeypatch.context() as patched:
        plain = vace.route_of
        patched.setattr(vace, "route_of", lambda *said: _open(plain(*said)))
        yield


def _open(told: Route) -> Route:
    return Route(np.zeros_like(told.asks), np.zeros_like(told.told))


@pytest.fixture(scope="module")
def pipe(built: Callable[..., Path]) -> Any:
    from diffusers import WanVACEPipeline

    made = WanVACEPipeline.from_pretrained(built(checkpoints.wan_vace), local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


def routed(pipe: Any, clip: ClipInputs) -> Route:
    told = WanVace(SMALL).condition(pipe, clip)["attention_kwargs"][NAME]
    assert isinstance(told, Route)
    return told


# --- references -------------------------------------------------------------------------------------------------------


def test_both_are_shown_whole_in_the_order_of_the_duet() -> None:
    scene = composed()
    first, second = references(clip_of(plan()))
    np.testing.assert_array_equal(first, people_of(scene, [0], 128, 64)[0])
    np.testing.assert_array_equal(second, cut_out(255 - scene.photo.pixels, scene.subjects[1].matte, 128, 64))
    other_way = replace(plan(), duet=together(FRAMES, subjects=(1, 0)))
    np.testing.assert_array_equal(references(clip_of(other_way))[0], second)
    one_photo = references(clip_of(plan(), couple()))
    np.testing.assert_array_equal(one_photo, people_of(couple(), [0, 1], 128, 64))


def test_photos_of_the_two_are_not_shown_again_and_others_are() -> None:
    grey = np.full((40, 30, 3), 90, np.uint8)
    photos = [Photo(grey, digest) for digest in (*DIGESTS, "c" * 64)]
    seen = references(clip_of(plan(footage=Footage(references=tuple(photos)))))
    assert len(seen) == 3
    np.testing.assert_array_equal(seen[2], cut_out(grey, None, 128, 64))
    told = Route.of((1, 2, 0), np.zeros((1, 1, 1), np.uint8))
    assert told.told.tolist() == [1, 2, 0, 0]


# --- whose tokens -----------------------------------------------------------------------------------------------------


def test_the_route_is_as_long_as_what_the_transformer_hears(pipe: Any) -> None:
    clip = clip_of(plan())
    call = WanVace(SMALL).condition(pipe, clip)
    size = {"width": 128, "height": 64, "num_frames": 5, "output_type": "latent"}
    with calls_of(pipe.transformer) as seen:
        pipe(prompt="x", num_inference_steps=1, guidance_scale=1.0, **size, **call)
    latents = seen[0]["hidden_states"]
    assert latents.shape[2:] == (2 + 2, 8, 16)
    assert len(seen[0]["attention_kwargs"][NAME].asks) == latents[0, 0].numel() // 4


def test_each_one_s_tokens_are_where_they_are_and_the_background_is_nobody_s(pipe: Any) -> None:
    clip = clip_of(plan())
    told = routed(pipe, clip)
    cells = 4 * 8
    assert told.told.tolist() == [1] * cells + [2] * cells + [0] * 2 * cells
    np.testing.assert_array_equal(told.asks[: 2 * cells], told.told[: 2 * cells])
    picture = told.asks[2 * cells :].reshape(2, 4, 8)
    assert not (picture[:, :, :4] == 2).any()
    assert not (picture[:, :, 4:] == 1).any()
    assert clip.anchor is not None
    assert clip.anchor.identity is not None
    shown = clip.anchor.identity[0].reshape(4, 16, 8, 16)
    for who in (1, 2):
        assert (picture[0][(shown == who).all((1, 3))] == who).all()
        assert (picture == who).mean() > 0.15
    assert (picture[0][(shown == 0).all((1, 3))] == 0).all()


def test_where_they_meet_tokens_read_both(pipe: Any) -> None:
    clips = (shoulder_to_shoulder(clip_of(plan(strength=strength))) for strength in (0.0, 1.0))
    apart, meeting = (routed(pipe, clip) for clip in clips)
    free = (apart.asks > 0) & (meeting.asks == 0)
    assert free.any()
    assert (meeting.asks[~free] == apart.asks[~free]).all()
    assert set(np.flatnonzero(free) % 8) == {3, 4}


def test_alone_nobody_is_routed(pipe: Any) -> None:
    asked = replace(plan(), duet=None)
    assert "attention_kwargs" not in WanVace(SMALL).condition(pipe, clip_of(asked))


def test_several_gpus_for_one_film_are_refused(pipe: Any) -> None:
    with pytest.raises(Exception, match="several GPUs") as refused:
        share_forwards(pipe)
    assert refused.value.code == "parallel_unsupported"  # type: ignore[attr-defined]


# --- films ------------------------------------------------------------------------------------------------------------


def test_routes_change_the_film_and_nothing_after_it(
    installed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = installed("wan2.2-vace-14b", checkpoints.wan_vace, experts=2)
    sampling = Sampling(name, num_inference_steps=2, guidance_scale=1.0)
    asked = plan("pose-guided", sampling=sampling)
    alone = replace(asked, duet=None)
    before, routed_film = film(alone), film(asked)
    np.testing.assert_array_equal(film(alone), before)
    with reads_everything(monkeypatch):
        unrouted = film(asked)
    assert (unrouted != routed_film).any()


def test_two_photos_in_one_scene_are_moved_as_one_photo(installed: Callable[..., str]) -> None:
    installed("wan-vace-1.3b", checkpoints.wan_vace)
    photos = Footage(references=tuple(Photo(np.zeros((20, 20, 3), np.uint8), digest) for digest in DIGESTS))
    moved = film(plan("image-to-video"))
    np.testing.assert_array_equal(film(plan("multi-image-to-video", footage=photos)), moved)


def test_unfinished_work_of_another_route_is_not_gone_on_with(
    installed: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed("wan-vace-1.3b", checkpoints.wan_vace)
    asked = plan("pose-guided", sampling=Sampling(num_inference_steps=4, guidance_scale=1.0))
    whole, kept = film(asked), replace(asked, resume=tmp_path)

    def stop(event: StageEvent) -> None:
        if event.stage == "denoise" and event.done == 3:
            raise CancelledError()

    with reads_everything(monkeypatch), pytest.raises(CancelledError):
        film(kept, progress=stop)
    np.testing.assert_array_equal(film(kept), whole)
