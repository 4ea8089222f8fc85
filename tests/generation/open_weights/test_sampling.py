"""Settings reach the pipeline or are refused; what comes back is right; a call that is stopped leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from photoplay.errors import CancelledError, RequestError, UnavailableError
from photoplay.generation.backends.open_weights.sampling import arguments_for, audio_of, denoise, frames_of
from photoplay.types import Sampling, silent
from tests.generation.open_weights import checkpoints
from tests.generation.open_weights.calls import Heard, clip_of, counted, pictures, pipeline

THREE = Sampling(num_inference_steps=3, guidance_scale=3.0, negative_prompt="blur")


@pytest.fixture(scope="module")
def pipe(built: Callable[..., Path]) -> Any:
    return pipeline("WanPipeline", built(checkpoints.wan_t2v))


@pytest.fixture(scope="module")
def plain(pipe: Any) -> Any:
    return denoise(pipe, {}, clip_of(), THREE, silent)[0]


def test_the_frames_are_those_of_the_pipeline_itself(pipe: Any) -> None:
    """What is followed is computed as if it were not."""
    clip = clip_of()
    seen: dict[str, Any] = {}

    def spy(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen[f"latents {step}"] = tensors["latents"].clone()
        return tensors

    followed, audio = denoise(pipe, {"callback_on_step_end": spy}, clip, THREE, silent)
    last, steps = seen["latents 2"], pipe.scheduler.config
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence((3, 0)).generate_state(1, np.uint64)[0]) >> 1)
    latents: list[Any] = []

    def note(_: Any, __: int, ___: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents.append(tensors["latents"])
        return tensors

    output = pipe(
        prompt=clip.plan.prompt, negative_prompt="blur", width=64, height=64, num_frames=5, num_inference_steps=3,
        guidance_scale=3.0, generator=generator, output_type="np",
        callback_on_step_end=note,
    )  # fmt: skip
    assert audio is None
    assert torch.equal(last, latents[-1])
    np.testing.assert_array_equal(followed, np.rint(output.frames[0] * 255).astype(np.uint8))
    assert pipe.scheduler.config == steps


def test_same_call_same_frames_and_every_setting_and_seed_and_place_counts(pipe: Any, plain: Any) -> None:
    assert plain.shape == (5, 64, 64, 3)
    assert plain.std() > 10  # a picture
    np.testing.assert_array_equal(plain, denoise(pipe, {}, clip_of(), THREE, silent)[0])
    others: dict[str, tuple[Any, Sampling]] = {
        "seed": (clip_of(seed=4), THREE),
        "place in the film": (clip_of(start=16), THREE),
        "prompt": (clip_of(prompt="a face frowns"), THREE),
        "steps": (clip_of(), replace(THREE, num_inference_steps=4)),
        "guidance": (clip_of(), replace(THREE, guidance_scale=6.0)),
        "negative prompt": (clip_of(), replace(THREE, negative_prompt="rain")),
        "shift": (clip_of(), replace(THREE, flow_shift=8.0)),
    }
    made = {name: denoise(pipe, {}, clip, sampling, silent)[0] for name, (clip, sampling) in others.items()}
    for name, frames in made.items():
        assert not np.array_equal(frames, plain), name


def test_guidance_1_is_off(pipe: Any) -> None:
    """One forward a step instead of two, and no negative prompt."""
    forwards = counted(pipe.transformer)
    without = denoise(pipe, {}, clip_of(), replace(THREE, guidance_scale=1.0), silent)[0]
    assert forwards[0] == 3
    other = denoise(pipe, {}, clip_of(), replace(THREE, guidance_scale=1.0, negative_prompt="rain"), silent)[0]
    np.testing.assert_array_equal(without, other)
    denoise(pipe, {}, clip_of(), THREE, silent)
    assert forwards[0] == 12


def test_every_step_is_told_and_the_pipeline_is_as_it_was(pipe: Any) -> None:
    kind, scheduler, told = type(pipe), pipe.scheduler, dict(pipe.config)
    heard = Heard()
    before = torch.random.get_rng_state()
    denoise(pipe, {}, clip_of(), replace(THREE, flow_shift=7.0), heard)
    assert heard.steps == [(1, 3), (2, 3), (3, 3)]
    assert type(pipe) is kind
    assert pipe.scheduler is scheduler
    assert dict(pipe.config) == told
    assert torch.equal(torch.random.get_rng_state(), before)


def test_cancelling_stops_within_the_step_and_leaves_the_pipeline_usable(pipe: Any, plain: Any) -> None:
    forwards = counted(pipe.transformer)
    freed: list[bool] = []
    free = pipe.maybe_free_model_hooks

    def freeing() -> None:
        freed.append(True)
        free()

    pipe.maybe_free_model_hooks = freeing
    try:
        with pytest.raises(CancelledError):
            denoise(pipe, {}, clip_of(), THREE, Heard(2, CancelledError()))
    finally:
        del pipe.maybe_free_model_hooks
    assert (forwards[0], freed) == (4, [True])
    np.testing.assert_array_equal(denoise(pipe, {}, clip_of(), THREE, silent)[0], plain)


def test_segments_of_wan_animate_are_counted_together(built: Callable[..., Path]) -> None:
    pipe = pipeline("WanAnimatePipeline", built(checkpoints.wan_animate))
    call = {"image": pictures(1)[0], "pose_video": pictures(9), "face_video": pictures(9, 16)}
    heard = Heard()
    settings = Sampling(num_inference_steps=2, guidance_scale=1.0)
    denoise(pipe, call | {"segment_frame_length": 5}, clip_of(9), settings, heard)
    assert heard.steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


class Pipe:
    """A pipeline's signature alone."""

    def __call__(self, prompt: str, height: int, guidance_scale: float = 2.0, num_inference_steps: int = 9) -> None: ...


class Sounding:
    """LTX-2's kinds of guidance."""

    def __call__(
        self,
        prompt: str,
        frame_rate: float,
        guidance_scale: float = 3.0,
        audio_guidance_scale: float = 7.0,
        stg_scale: float = 1.0,
        modality_scale: float = 3.0,
        sigmas: Any = None,
        output_type: str = "pil",
    ) -> None: ...


class Controlled:
    """AnimateDiff's control."""

    def __call__(
        self,
        prompt: str,
        strength: float,
        num_inference_steps: int,
        controlnet_conditioning_scale: float = 1.0,
        prompt_embeds: Any = None,
    ) -> None: ...


def test_only_what_the_pipeline_takes_is_said_and_the_adapter_wins() -> None:
    settings = Sampling(num_inference_steps=4, guidance_scale=1.5)
    said = arguments_for(Pipe(), {"height": 32}, clip_of(), settings)
    assert said == {"prompt": "a face smiles", "height": 32, "guidance_scale": 1.5, "num_inference_steps": 4}
    with pytest.raises(TypeError, match="takes no image"):
        arguments_for(Pipe(), {"image": 1}, clip_of(), settings)


def test_all_guidance_of_ltx_is_off_at_1_and_the_sound_follows_the_pictures_above() -> None:
    off = arguments_for(Sounding(), {}, clip_of(), Sampling(guidance_scale=1.0))
    wanted = {"guidance_scale": 1.0, "audio_guidance_scale": 1.0, "stg_scale": 0.0, "modality_scale": 1.0}
    assert wanted.items() <= off.items()
    assert (off["frame_rate"], off["output_type"]) == (16.0, "np")
    on = arguments_for(Sounding(), {}, clip_of(), Sampling(guidance_scale=4.0))
    assert on["audio_guidance_scale"] == 4.0
    assert "stg_scale" not in on
    assert arguments_for(Sounding(), {"audio_guidance_scale": 7.0}, clip_of(), Sampling(guidance_scale=4.0))[
        "audio_guidance_scale"
    ] == 7.0  # fmt: skip


def test_the_adapters_own_steps_must_be_as_many_as_were_asked_for() -> None:
    own = {"sigmas": [1.0, 0.5]}
    assert arguments_for(Sounding(), own, clip_of(), Sampling(num_inference_steps=2))["sigmas"] == [1.0, 0.5]
    for call in (own, {}):
        with pytest.raises(RequestError) as caught:
            arguments_for(Sounding(), call, clip_of(), Sampling(num_inference_steps=3))
        assert caught.value.code == "setting_unsupported"


def test_a_setting_goes_by_the_pipelines_own_name() -> None:
    settings = Sampling(conditioning_scale=0.7, strength=0.5, num_inference_steps=4, negative_prompt="")
    said = arguments_for(Controlled(), {"prompt_embeds": 1}, clip_of(), settings)
    named = {"controlnet_conditioning_scale": 0.7, "strength": 0.5, "num_inference_steps": 4}
    assert said == named | {"prompt_embeds": 1}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Sampling(strength=0.5), "strength"),
        (Sampling(conditioning_scale=0.5), "conditioning_scale"),
        (Sampling(negative_prompt="blur"), "negative_prompt"),
    ],
)
def test_a_setting_that_a_pipeline_does_not_know_is_refused_unless_it_changes_nothing(
    settings: Sampling, name: str
) -> None:
    with pytest.raises(RequestError, match=name) as caught:
        arguments_for(Pipe(), {}, clip_of(), settings)
    assert caught.value.code == "setting_unsupported"
    arguments_for(Pipe(), {}, clip_of(), Sampling(strength=1.0, conditioning_scale=1.0, negative_prompt=""))


@pytest.mark.parametrize(
    "settings",
    [
        Sampling(num_inference_steps=0),
        Sampling(guidance_scale=0.5),
        Sampling(strength=1.5),
        Sampling(flow_shift=0.0),
        Sampling(strength=0.1, num_inference_steps=5),
    ],
)
def test_impossible_settings_are_refused(settings: Sampling) -> None:
    with pytest.raises(RequestError) as caught:
        arguments_for(Controlled(), {}, clip_of(), settings)
    assert caught.value.code == "setting_invalid"


def test_frames_are_rounded_whatever_they_come_as() -> None:
    levels = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16, 1).repeat(3, -1) / 255
    expected = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    nudged = np.clip(levels + np.float32(0.49 / 255), 0, 1)
    image = pytest.importorskip("PIL.Image")
    for frames in (
        levels,
        nudged,
        torch.from_numpy(levels).permute(0, 1, 4, 2, 3),
        torch.from_numpy(levels).permute(0, 1, 4, 2, 3).double(),
        [[image.fromarray(expected[0])]],
    ):
        np.testing.assert_array_equal(frames_of(frames), expected)


def test_sound_becomes_mono_and_names_itself() -> None:
    pipe = SimpleNamespace(vocoder=SimpleNamespace(config=SimpleNamespace(output_sampling_rate=24000)))
    stereo = torch.tensor([[[0.5, 1.0, 3.0], [0.25, -1.0, 3.0]]])
    audio = audio_of(pipe, SimpleNamespace(audio=stereo))
    assert audio is not None
    assert audio.rate == 24000
    assert audio.samples.tolist() == [0.375, 0.0, 1.0]
    again = audio_of(pipe, SimpleNamespace(audio=stereo.bfloat16()))
    assert again is not None
    assert again.sha256 == audio.sha256
    assert audio_of(pipe, SimpleNamespace(frames=1)) is None


def test_a_clip_of_another_length_is_an_error(pipe: Any) -> None:
    with pytest.raises(UnavailableError) as caught:
        denoise(pipe, {"num_frames": 1}, clip_of(5), Sampling(num_inference_steps=1, guidance_scale=1.0), silent)
    assert caught.value.code == "clip_shape"
