"""Wan from text and from a picture: each model's own sizes and settings, what its pipeline is told, and every mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photoplay.errors import RequestError, UnavailableError
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, plan_native
from photoplay.generation.backends.open_weights.wan import WanBackend, WanI2V, WanT2V, framed_photo
from photoplay.types import Footage, Frames, Mode, RenderPlan, Sampling
from tests.generation import actors
from tests.generation.open_weights import checkpoints
from tests.generation.open_weights.calls import calls_of

SMALL = Grid(multiple=16, frame_step=4, max_frames=5, fps=16.0, area=64 * 64, overlap=1)
TEXT, IMAGE = "WanPipeline", "WanImageToVideoPipeline"


def plan(mode: Mode, frames: int = 5, size: int = 64, fps: float = 16.0, **more: Any) -> RenderPlan:
    sampling = Sampling(num_inference_steps=2)
    asked = RenderPlan(size, size, (0.0, 0.0, 512.0, 512.0), fps, frames, 7, "She smiles.", 3, mode, sampling)
    return replace(asked, **more)


def clip_of(backend: WanBackend, asked: RenderPlan, clip: int = 0, known: Any = None) -> ClipInputs:
    """What the backend's clip number ``clip`` is made from."""
    native = plan_native(asked, backend.grid_for(asked))
    told = np.zeros((0, native.height, native.width, 3), np.uint8) if known is None else known
    return backend.inputs(actors.astronaut(), [], asked, native, native.spans[clip], told)


def film(backend: WanBackend, asked: RenderPlan) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.concatenate([one.rgb for one in backend.generate(actors.astronaut(), [], asked)])


def told(pipe: Any, backend: WanBackend, clip: ClipInputs) -> dict[str, Any]:
    """The pipeline's arguments for one step of one clip."""
    size = {"width": clip.plan.width, "height": clip.plan.height, "num_frames": clip.plan.num_frames}
    noise = {"generator": torch.Generator().manual_seed(0), "num_inference_steps": 1, "guidance_scale": 1.0}
    return {"prompt": clip.plan.prompt, "output_type": "np", **size, **noise, **backend.condition(pipe, clip)}


# --- each model's own sizes and settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "model", "shape", "clip"),
    [
        (WanT2V(), "wan2.1-t2v-1.3b", (848, 480), (81, 16.0)),
        (WanT2V(), "wan2.1-t2v-14b", (1280, 720), (81, 16.0)),
        (WanT2V(), "wan2.2-t2v-a14b", (1280, 720), (81, 16.0)),
        (WanT2V(), "wan2.2-ti2v-5b", (1280, 704), (121, 24.0)),
        (WanI2V(), "wan2.2-ti2v-5b", (1280, 704), (121, 24.0)),
        (WanI2V(), "wan2.1-i2v-14b-480p", (848, 480), (81, 16.0)),
        (WanI2V(), "wan2.1-i2v-14b-720p", (1280, 720), (81, 16.0)),
        (WanI2V(), "wan2.2-i2v-a14b", (1280, 720), (81, 16.0)),
    ],
)
def test_a_film_of_720p_is_made_as_its_model_was_trained(
    backend: WanBackend, model: str, shape: tuple[int, int], clip: tuple[int, float]
) -> None:
    asked = RenderPlan(1280, 720, (0, 0, 1280, 720), 24.0, 120, sampling=Sampling(model))
    native = plan_native(asked, backend.grid_for(asked))
    assert (native.width, native.height) == shape
    assert (native.spans[0].frames, native.fps) == clip
    assert len(native.spans) == 1


def test_every_model_is_named_once_and_the_default_comes_first() -> None:
    for backend in (WanT2V(), WanI2V()):
        assert backend.capabilities.models == tuple(backend.recipes)
        assert backend.resolved(Sampling()).model == backend.capabilities.models[0]
        assert backend.grid_for(plan("text-to-video")) == backend.recipes[backend.capabilities.models[0]].grid


def test_settings_are_the_chosen_model_s_own_unless_the_user_has_some() -> None:
    backend = WanI2V()
    settled = backend.resolved(Sampling("wan2.2-i2v-a14b"))
    assert (settled.num_inference_steps, settled.guidance_scale, settled.flow_shift) == (40, 3.5, 5.0)
    assert backend.resolved(Sampling("wan2.1-i2v-14b-480p")).flow_shift == 3.0
    mine = backend.resolved(Sampling("wan2.2-i2v-a14b", num_inference_steps=4, guidance_scale=1.0, negative_prompt=""))
    assert (mine.num_inference_steps, mine.guidance_scale, mine.negative_prompt) == (4, 1.0, "")


def test_a_model_of_one_s_own_goes_by_the_name_it_begins_with() -> None:
    backend = WanI2V()
    assert backend.recipe("wan2.1-i2v-14b-720p-of-mine") is backend.recipes["wan2.1-i2v-14b-720p"]
    assert backend.recipe("mine") is backend.recipe("") is backend.recipes["wan2.2-ti2v-5b"]


def test_a_film_from_text_is_one_clip() -> None:
    backend, long = WanT2V(), plan("text-to-video", frames=122, fps=24.0)
    assert plan_native(replace(long, num_frames=121), backend.grid_for(replace(long, num_frames=121))).num_frames == 81
    with pytest.raises(RequestError, match=r"5\.0 seconds") as refused:
        list(backend.generate(actors.astronaut(), [], long))
    assert refused.value.code == "film_too_long"


# --- what the pipelines are told --------------------------------------------------------------------------------------


def test_the_second_expert_has_its_own_guidance(loaded: Callable[..., Any]) -> None:
    pipe, backend = loaded(TEXT, checkpoints.wan_t2v, experts=2), WanT2V(SMALL)
    asked = plan("text-to-video", sampling=Sampling("wan2.2-t2v-a14b"))
    assert backend.condition(pipe, clip_of(backend, asked)) == {"guidance_scale_2": 3.0}
    mine = replace(asked, sampling=replace(asked.sampling, guidance_scale=6.0))
    assert backend.condition(pipe, clip_of(backend, mine)) == {}
    assert backend.condition(loaded(TEXT, checkpoints.wan_t2v), clip_of(backend, asked)) == {}


@pytest.mark.parametrize("experts", [1, 2])
def test_an_image_is_the_first_frame_and_the_only_known_one(experts: int, loaded: Callable[..., Any]) -> None:
    """Channels: 16 noise, 4 mask (1: known; one for each frame of a latent frame), 16 latents of photo and grey."""
    pipe, backend = loaded(IMAGE, checkpoints.wan_i2v, experts=experts), WanI2V(SMALL)
    clip = clip_of(backend, plan("image-to-video", frames=5))
    with calls_of(pipe.transformer) as seen:
        pipe(**told(pipe, backend, clip))
    shown = seen[0]["hidden_states"]
    assert shown.shape == (1, 36, 2, 8, 8)
    assert (shown[0, 16:20, 0] == 1).all()
    assert (shown[0, 16:20, 1] == 0).all()
    photo = torch.from_numpy(framed_photo(clip)).permute(2, 0, 1).float() / 127.5 - 1
    video = torch.cat([photo[:, None], torch.zeros(3, 4, 64, 64)], dim=1)[None]
    torch.testing.assert_close(shown[:, 20:], latents(pipe, video), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("experts", "last"), [(2, False), (1, True)])
def test_the_film_ends_on_the_last_picture(experts: int, last: bool, loaded: Callable[..., Any]) -> None:
    pipe, backend = loaded(IMAGE, checkpoints.wan_i2v, experts=experts, last=last), WanI2V(SMALL)
    end = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    clip = clip_of(backend, plan("image-to-video", footage=Footage(last=end)))
    with calls_of(pipe.transformer) as seen:
        pipe(**told(pipe, backend, clip))
    shown = seen[0]["hidden_states"][0]
    assert (shown[16:20, 0] == 1).all()
    assert (shown[16:19, 1] == 0).all()
    assert (shown[19, 1] == 1).all()
    ends = [torch.from_numpy(p).permute(2, 0, 1).float() / 127.5 - 1 for p in (framed_photo(clip), end)]
    video = torch.stack([ends[0], *[torch.zeros(3, 64, 64)] * 3, ends[1]], dim=1)[None]
    torch.testing.assert_close(shown[None, 20:], latents(pipe, video), atol=1e-5, rtol=1e-4)


def test_the_last_picture_belongs_to_the_clip_in_which_the_film_ends(loaded: Callable[..., Any]) -> None:
    pipe, backend = loaded(IMAGE, checkpoints.wan_i2v, experts=2), WanI2V(SMALL)
    asked = plan("image-to-video", frames=8, footage=Footage(last=np.zeros((64, 64, 3), np.uint8)))
    known = np.zeros((1, 64, 64, 3), np.uint8)
    assert "last_image" not in backend.condition(pipe, clip_of(backend, asked, 0))
    assert "last_image" in backend.condition(pipe, clip_of(backend, asked, 1, known))


@pytest.mark.parametrize("builder", [checkpoints.wan_i2v, checkpoints.wan_ti2v])
def test_a_model_without_room_for_a_last_picture_says_so(
    builder: Callable[..., Path], loaded: Callable[..., Any]
) -> None:
    pipe, backend = loaded(IMAGE, builder), WanI2V(replace(SMALL, multiple=32))
    clip = clip_of(backend, plan("image-to-video", footage=Footage(last=np.zeros((64, 64, 3), np.uint8))))
    with pytest.raises(RequestError) as refused:
        backend.condition(pipe, clip)
    assert refused.value.code == "last_frame_unsupported"


def test_the_model_of_text_and_image_has_the_photo_as_its_first_latent_frame(loaded: Callable[..., Any]) -> None:
    """TI2V-5B: 48 channels at a sixteenth, the photo's latents in place of the first frame's noise, their timestep 0."""
    pipe, backend = loaded(IMAGE, checkpoints.wan_ti2v), WanI2V(replace(SMALL, multiple=32))
    clip = clip_of(backend, plan("image-to-video"))
    with calls_of(pipe.transformer) as seen:
        pipe(**told(pipe, backend, clip))
    shown, steps = seen[0]["hidden_states"], seen[0]["timestep"]
    assert shown.shape == (1, 48, 2, 4, 4)
    photo = torch.from_numpy(framed_photo(clip)).permute(2, 0, 1).float() / 127.5 - 1
    torch.testing.assert_close(shown[:, :, :1], latents(pipe, photo[None, :, None]), atol=1e-5, rtol=1e-4)
    assert steps.shape == (1, 2 * 2 * 2)
    assert (steps[0, :4] == 0).all()
    assert (steps[0, 4:] > 0).all()


def test_a_clip_goes_on_from_the_last_frame_of_the_one_before(loaded: Callable[..., Any]) -> None:
    pipe, backend = loaded(IMAGE, checkpoints.wan_i2v, experts=2), WanI2V(SMALL)
    known = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    clip = clip_of(backend, plan("image-to-video", frames=9), 1, known)
    assert (clip.span.start, clip.span.known) == (4, 1)
    np.testing.assert_array_equal(np.asarray(backend.condition(pipe, clip)["image"]), known[-1])


def test_a_size_that_the_model_would_change_by_itself_is_refused(loaded: Callable[..., Any]) -> None:
    pipe, backend = loaded(IMAGE, checkpoints.wan_ti2v), WanI2V(SMALL)
    with pytest.raises(UnavailableError, match="multiples of 32") as refused:
        backend.condition(pipe, clip_of(backend, plan("image-to-video", size=48)))
    assert refused.value.code == "model_other_grid"


def latents(pipe: Any, video: torch.Tensor) -> torch.Tensor:
    """What the pipeline's autoencoder makes of a video [1, 3, f, h, w], standardised."""
    with torch.no_grad():
        mode = pipe.vae.encode(video).latent_dist.mode()
    mean, std = (torch.tensor(pipe.vae.config[name]).view(1, -1, 1, 1, 1) for name in ("latents_mean", "latents_std"))
    return (mode - mean) / std


# --- from the photo to the film ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "builder", "settings", "grid"),
    [
        ("wan2.1-t2v-1.3b", checkpoints.wan_t2v, {}, SMALL),
        ("wan2.2-t2v-a14b", checkpoints.wan_t2v, {"experts": 2}, SMALL),
        ("wan2.2-ti2v-5b", checkpoints.wan_ti2v, {"image": False}, replace(SMALL, multiple=32, fps=24.0)),
    ],
)
def test_text_becomes_a_film(
    model: str, builder: Callable[..., Path], settings: dict[str, Any], grid: Grid, installed: Callable[..., str]
) -> None:
    sampling = Sampling(installed(model, builder, **settings), num_inference_steps=2)
    backend, asked = WanT2V(grid), plan("text-to-video", fps=grid.fps, sampling=sampling)
    frames = film(backend, asked)
    assert frames.shape == (5, 64, 64, 3)
    assert frames.std() > 5
    np.testing.assert_array_equal(frames, film(backend, asked))
    assert (frames != film(backend, replace(asked, seed=8))).mean() > 0.5


@pytest.mark.parametrize(
    ("model", "builder", "settings", "grid"),
    [
        ("wan2.1-i2v-14b-480p", checkpoints.wan_i2v, {}, SMALL),
        ("wan2.2-i2v-a14b", checkpoints.wan_i2v, {"experts": 2}, SMALL),
        ("wan2.2-ti2v-5b", checkpoints.wan_ti2v, {"image": False}, replace(SMALL, multiple=32)),
    ],
)
def test_a_photo_becomes_a_film_of_two_clips(
    model: str, builder: Callable[..., Path], settings: dict[str, Any], grid: Grid, installed: Callable[..., str]
) -> None:
    sampling = Sampling(installed(model, builder, **settings), num_inference_steps=2)
    backend, asked = WanI2V(grid), plan("image-to-video", frames=9, sampling=sampling)
    windows = list(backend.generate(actors.astronaut(), [], asked))
    assert [one.start for one in windows] == [0, 3, 6]
    frames = np.concatenate([one.rgb for one in windows])
    assert frames.shape == (9, 64, 64, 3)
    assert frames.std() > 5
    np.testing.assert_array_equal(frames, film(backend, asked))


def test_a_film_that_follows_no_track_has_no_anchor(installed: Callable[..., str]) -> None:
    sampling = Sampling(installed("wan2.2-i2v-a14b", checkpoints.wan_i2v, experts=2), num_inference_steps=2)
    scene = actors.astronaut()
    track = actors.track(scene, [actors.REST] * 5)
    windows: list[Frames] = list(WanI2V(SMALL).generate(scene, [track], plan("image-to-video", sampling=sampling)))
    assert all(one.anchor is None for one in windows)


def test_another_mode_is_refused() -> None:
    with pytest.raises(RequestError) as refused:
        list(WanI2V(SMALL).generate(actors.astronaut(), [], plan("pose-guided")))
    assert refused.value.code == "mode_unsupported"
