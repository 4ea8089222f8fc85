"""LTX-2: what its pipelines are told, and every mode from photo, words and sound to frames with sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from photoplay.errors import CancelledError, RequestError
from photoplay.finishing.encode import encode
from photoplay.generation.backends.open_weights import ltx2
from photoplay.generation.backends.open_weights.ltx2 import Ltx2Backend, conditions, native_rate
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, plan_native
from photoplay.generation.backends.open_weights.sound import at_rate, log_mel
from photoplay.types import Array, Audio, Footage, Frames, Lora, Mode, Photo, RenderPlan, Sampling, Scene, StageEvent
from tests.generation.open_weights import checkpoints_ltx2
from tests.generation.open_weights.calls import calls_of

SMALL = Grid(multiple=32, frame_step=8, max_frames=25, fps=24.0, area=64 * 64, overlap=9)
MODEL = "ltx-2.3-distilled"


def photo_scene() -> Scene:
    across = np.linspace(0, 255, 96).astype(np.uint8)
    pixels = np.stack([np.tile(across, (96, 1)), np.tile(across[:, None], (1, 96)), np.full((96, 96), 90, np.uint8)], 2)
    return Scene(Photo(pixels, ""), (), np.zeros((96, 96), np.uint8))


def plan(mode: Mode, frames: int = 9, **more: Any) -> RenderPlan:
    sampling = Sampling(model=MODEL)
    return replace(RenderPlan(64, 64, (0.0, 0.0, 96.0, 96.0), 24.0, frames, 7, "She sings.", 5, mode, sampling), **more)


def clip_of(asked: RenderPlan, clip: int = 0, known: Any = None, grid: Grid = SMALL) -> ClipInputs:
    native = plan_native(asked, grid)
    told = np.zeros((0, native.height, native.width, 3), np.uint8) if known is None else known
    return Ltx2Backend(grid).inputs(photo_scene(), (), asked, native, native.spans[clip], told)


def film(asked: RenderPlan, grid: Grid = SMALL) -> list[Frames]:
    return list(Ltx2Backend(grid).generate(photo_scene(), (), asked))


def pictures_of(windows: list[Frames]) -> Array:
    return np.concatenate([one.rgb for one in windows])


def sound_of(windows: list[Frames]) -> Array:
    return np.concatenate([one.audio.samples for one in windows if one.audio])


def speech(seconds: float, rate: int = 16_000) -> Audio:
    """A tone that comes and goes."""
    time = np.arange(int(seconds * rate)) / rate
    loud = (np.sin(2 * np.pi * 3 * time) > 0) * 0.5
    return Audio((loud * np.sin(2 * np.pi * 440 * time)).astype(np.float32), rate, "")


# --- what the pipelines are told ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("film_rate", "rate"),
    [(24, 24), (25, 25), (30, 30), (29.97, 29.97), (60, 30), (50, 25), (48, 24), (12, 24), (15, 30), (8, 24), (17, 24)],
)
def test_the_native_rate_gives_or_takes_whole_frames(film_rate: float, rate: float) -> None:
    assert native_rate(film_rate) == pytest.approx(rate)


def test_text_alone_is_told_nothing_to_show() -> None:
    assert conditions(clip_of(plan("text-to-video"))) == []


def test_a_photo_is_the_first_frame() -> None:
    (first,) = conditions(clip_of(plan("image-to-video")))
    assert (first.index, first.strength, first.crf) == (0, 1.0, None)
    assert (first.frames.shape, first.frames.dtype) == ((64, 64, 3), np.uint8)
    assert np.abs(first.frames[32, ::8, 0].astype(int) - np.linspace(0, 255, 64)[::8]).max() < 4


def test_a_clip_goes_on_from_the_frames_it_knows_as_they_are() -> None:
    known = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), np.uint8)
    for mode in ("text-to-video", "image-to-video", "audio-driven"):
        footage = Footage(audio=speech(2.0))
        (told,) = conditions(clip_of(plan(mode, 40, footage=footage), 1, known))
        assert (told.index, told.crf) == (0, 0)
        np.testing.assert_array_equal(told.frames, known)


@pytest.mark.parametrize("frames", [9, 14, 25, 33, 40])
def test_the_last_picture_is_told_at_the_very_last_frame(loaded: Callable[..., Any], frames: int) -> None:
    last = np.full((64, 64, 3), 200, np.uint8)
    asked = plan("image-to-video", frames, footage=Footage(last=last))
    spans = plan_native(asked, SMALL).spans
    for number, span in enumerate(spans):
        known = np.zeros((span.known, 64, 64, 3), np.uint8)
        clip = clip_of(asked, number, known)
        told = conditions(clip)
        if number < len(spans) - 1:
            assert len(told) == 1
            continue
        pipe = loaded("LTX2ConditionPipeline", checkpoints_ltx2.ltx23, distilled=True)
        with calls_of(pipe.transformer) as heard:
            pipe(prompt="x", conditions=told, width=64, height=64, num_frames=span.frames, frame_rate=24.0,
                 num_inference_steps=1, output_type="latent", **ltx2_off())  # fmt: skip
        tokens = 4 * ((span.frames - 1) // 8 + 1)
        coordinates = heard[0]["video_coords"]
        assert coordinates.shape[2] == tokens + 4
        time = coordinates[0, 0, tokens:] * 24
        torch.testing.assert_close(time, torch.tensor([[frames - 1.0, frames]] * 4) - span.start)
        clean = heard[0]["timestep"][0, tokens:]
        assert (clean == 0).all()


def ltx2_off() -> dict[str, Any]:
    from photoplay.generation.backends.open_weights.sampling import OFF

    return OFF | {"guidance_scale": 1.0}


def test_first_and_known_frames_replace_the_first_tokens(loaded: Callable[..., Any]) -> None:
    pipe = loaded("LTX2ConditionPipeline", checkpoints_ltx2.ltx23, distilled=True)
    known = np.random.default_rng(1).integers(0, 255, (9, 64, 64, 3), np.uint8)
    for clip, tokens in ((clip_of(plan("image-to-video", 25)), 4), (clip_of(plan("image-to-video", 40), 1, known), 8)):
        told = conditions(clip)
        with calls_of(pipe.transformer) as heard:
            pipe(prompt="x", conditions=told, width=64, height=64, num_frames=25, num_inference_steps=1,
                 output_type="latent", **ltx2_off())  # fmt: skip
        noise = heard[0]["timestep"][0]
        assert noise.shape == (16,)
        assert (noise[:tokens] == 0).all()
        assert (noise[tokens:] == 1000).all()
        shown = torch.from_numpy(np.atleast_3d(told[0].frames)).float()
        if tokens == 8:
            picture = shown.permute(3, 0, 1, 2)[None] / 127.5 - 1
            wanted = pipe._normalize_latents(
                pipe.vae.encode(picture).latent_dist.mode(), pipe.vae.latents_mean, pipe.vae.latents_std
            )
            torch.testing.assert_close(heard[0]["hidden_states"][0, :8], wanted[0].flatten(1).T)


def test_full_models_are_guided_as_their_authors_do_and_distilled_ones_not(loaded: Callable[..., Any]) -> None:
    backend = Ltx2Backend(SMALL)
    old = loaded("LTX2ConditionPipeline", checkpoints_ltx2.ltx2)
    call = backend.condition(old, clip_of(plan("image-to-video", sampling=Sampling(model="ltx-2"))))
    assert call["use_cross_timestep"] is False
    assert call["spatio_temporal_guidance_blocks"] == [1]
    assert ltx2.guidance("exact", 29, 48)["spatio_temporal_guidance_blocks"] == [29]
    assert (call["stg_scale"], call["modality_scale"], call["audio_guidance_scale"]) == (1.0, 3.0, 7.0)
    assert "sigmas" not in call
    new = loaded("LTX2ConditionPipeline", checkpoints_ltx2.ltx23, distilled=True)
    call = backend.condition(new, clip_of(plan("image-to-video")))
    assert call["use_cross_timestep"] is True
    assert call["sigmas"] == list(ltx2.SIGMAS)
    assert not any(name.endswith("_scale") for name in call)
    off = Sampling(model="ltx-2", guidance_scale=1.0)
    assert "stg_scale" not in backend.condition(old, clip_of(plan("image-to-video", sampling=off)))
    assert ltx2.guidance("fast", 28, 48)["stg_scale"] == 0
    assert ltx2.guidance("preview", 28, 48)["modality_scale"] == 1


def test_the_steps_are_diffusers_own() -> None:
    from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES

    assert list(ltx2.SIGMAS) == DISTILLED_SIGMA_VALUES


@pytest.mark.parametrize(
    ("sampling", "steps", "scale"),
    [
        (Sampling(), 8, 1.0),
        (Sampling(model="ltx-2.5-ours"), 8, 1.0),
        (Sampling(model="ltx-2.3"), 30, 3.0),
        (Sampling(model="ltx-2"), 40, 4.0),
        (Sampling(model="ltx-2", loras=(Lora("ltx-2-19b-distilled-lora-384.safetensors"),)), 8, 1.0),
        (Sampling(model="ltx-2.3", num_inference_steps=20, guidance_scale=2.5), 20, 2.5),
    ],
)
def test_what_is_left_open_is_the_model_s_own(sampling: Sampling, steps: int, scale: float) -> None:
    settings = Ltx2Backend().resolved(sampling)
    assert (settings.num_inference_steps, settings.guidance_scale) == (steps, scale)
    assert (settings.negative_prompt == "") == (scale == 1.0)
    assert settings.model == (sampling.model or "ltx-2.3-distilled")


@pytest.mark.parametrize(("frames", "start"), [(9, 0), (25, 0), (25, 16)])
def test_sound_latents_are_what_the_pipeline_documents(loaded: Callable[..., Any], frames: int, start: int) -> None:
    pipe = loaded("LTX2DFRPipeline", checkpoints_ltx2.ltx23, distilled=True)
    asked = plan("audio-driven", 41, footage=Footage(audio=speech(3.0, 48_000)))
    clip = clip_of(asked)
    clip = replace(
        clip, plan=replace(clip.plan, num_frames=frames), span=replace(clip.span, start=start, frames=frames)
    )
    latents = ltx2.sound_latents(pipe, speech(3.0, 48_000), clip)
    padded = 25 if frames == 9 else frames
    assert latents.shape == (1, checkpoints_ltx2.SOUND_LATENTS, round(padded / 24 * 25), 16)
    assert latents.dtype == torch.float32
    begin = round(start / 24 * 16_000)
    there = at_rate(speech(3.0, 48_000), 16_000).samples[begin:]
    mel = torch.from_numpy(log_mel(Audio(there, 16_000, ""), 64, 160)[: 4 * latents.shape[2] - 3])
    wanted = pipe.audio_vae.encode(mel[None, None].expand(1, 2, -1, -1)).latent_dist.mode()
    # mirrored where the clip's sound ends, which only its last spectra see
    torch.testing.assert_close(latents[:, :, :-2], wanted[:, :, :-2], atol=1e-4, rtol=1e-4)


def test_the_given_sound_stays_as_it_is_while_pictures_are_made(installed: Callable[..., str]) -> None:
    from photoplay.generation.backends.open_weights.loading import load_pipeline

    installed(MODEL, checkpoints_ltx2.ltx23, distilled=True)
    asked = plan("audio-driven", footage=Footage(audio=speech(1.0)))
    pipe = load_pipeline("LTX2DFRPipeline", Ltx2Backend().resolved(asked.sampling))
    with calls_of(pipe.transformer) as heard:
        film(asked)
    assert len(heard) == 8
    latents = ltx2.sound_latents(pipe, speech(1.0), clip_of(asked))
    wanted = pipe._normalize_audio_latents(
        pipe._pack_audio_latents(latents), pipe.audio_vae.latents_mean, pipe.audio_vae.latents_std
    )
    for said in heard:
        assert (said["audio_timestep"] == 0).all()
        torch.testing.assert_close(said["audio_hidden_states"], wanted.to(said["audio_hidden_states"].dtype))


# --- films -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mode", "model", "builder", "settings"),
    [
        ("text-to-video", "ltx-2", checkpoints_ltx2.ltx2, {}),
        ("text-to-video", MODEL, checkpoints_ltx2.ltx23, {"distilled": True}),
        ("image-to-video", "ltx-2.3", checkpoints_ltx2.ltx23, {}),
        ("image-to-video", "ltx-2.5", checkpoints_ltx2.ltx25, {}),
        ("audio-driven", MODEL, checkpoints_ltx2.ltx23, {"distilled": True}),
        ("audio-driven", "ltx-2.5", checkpoints_ltx2.ltx25, {}),
    ],
)
def test_the_same_seed_gives_the_same_pictures_and_sound(
    installed: Callable[..., str], mode: Mode, model: str, builder: Callable[..., Path], settings: dict[str, Any]
) -> None:
    installed(model, builder, **settings)
    full = model in {"ltx-2", "ltx-2.3"}
    sampling = Sampling(model=model, num_inference_steps=2 if full else None)
    audio = speech(1.0) if mode == "audio-driven" else None
    asked = plan(mode, 12, sampling=sampling, footage=Footage(audio=audio))
    first, again, other = film(asked), film(asked), film(replace(asked, seed=8))
    assert [len(one.rgb) for one in first] == [5, 5, 2]
    assert [one.start for one in first] == [0, 5, 10]
    np.testing.assert_array_equal(pictures_of(first), pictures_of(again))
    np.testing.assert_array_equal(sound_of(first), sound_of(again))
    assert np.abs(pictures_of(first).astype(int) - pictures_of(other)).mean() > 1
    rate = {"ltx-2": 24_000}.get(model, 48_000) if audio is None else audio.rate
    assert {one.audio.rate for one in first if one.audio} == {rate}
    assert len(sound_of(first)) == round(12 / 24 * rate)
    if audio is None:
        assert 0.01 < sound_of(first).std() < 1
        assert np.abs(sound_of(first) - sound_of(other)).mean() > 1e-3
    else:
        np.testing.assert_array_equal(sound_of(first), audio.samples[: len(sound_of(first))])
        assert all(one.anchor is None for one in first)


def test_what_is_heard_and_said_changes_the_film(installed: Callable[..., str]) -> None:
    installed(MODEL, checkpoints_ltx2.ltx23, distilled=True)
    asked = plan("audio-driven", footage=Footage(audio=speech(1.0)))
    spoken = pictures_of(film(asked))
    louder = replace(asked, footage=Footage(audio=replace(speech(1.0), samples=speech(1.0).samples[::-1].copy())))
    assert np.abs(pictures_of(film(louder)).astype(int) - spoken).mean() > 0.1
    assert np.abs(pictures_of(film(replace(asked, prompt="He shouts."))).astype(int) - spoken).mean() > 0.1


@pytest.mark.parametrize("mode", ["text-to-video", "image-to-video", "audio-driven"])
def test_a_long_film_goes_on_in_picture_and_sound(installed: Callable[..., str], mode: Mode) -> None:
    installed(MODEL, checkpoints_ltx2.ltx23, distilled=True)
    audio = speech(3.0) if mode == "audio-driven" else None
    last = np.full((64, 64, 3), 200, np.uint8)
    asked = plan(mode, 50, footage=Footage(audio=audio, last=last))
    assert len(plan_native(asked, SMALL).spans) == 3
    made = film(asked)
    assert pictures_of(made).shape == (50, 64, 64, 3)
    rate = 48_000 if audio is None else 16_000
    sound = sound_of(made)
    assert len(sound) == round(50 / 24 * rate)
    assert all(np.abs(piece).max() > 0.01 for piece in np.array_split(sound, 10) if audio is None)


@pytest.mark.parametrize(
    ("name", "mode"), [("ltx-2.5-ours", "text-to-video"), ("ltx-2-distilled-ours", "audio-driven")]
)
def test_a_distilled_model_takes_its_own_steps_whatever_its_scheduler_says(
    installed: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, mode: Mode
) -> None:
    films = []
    for distilled in (True, False):
        monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / f"models-{distilled}"))
        installed(name, checkpoints_ltx2.ltx23, distilled=distilled)
        films.append(pictures_of(film(plan(mode, sampling=Sampling(model=name), footage=Footage(audio=speech(1.0))))))
    np.testing.assert_array_equal(films[0], films[1])


@pytest.mark.parametrize("mode", ["image-to-video", "audio-driven"])
def test_a_film_that_was_stopped_goes_on_with_the_same_result(
    installed: Callable[..., str], tmp_path: Path, mode: Mode
) -> None:
    installed(MODEL, checkpoints_ltx2.ltx23, distilled=True)
    asked = plan(mode, 30, footage=Footage(audio=speech(3.0) if mode == "audio-driven" else None))
    whole = film(asked)

    def stop(event: StageEvent) -> None:
        steps.append(event.done)
        if len(steps) == 12:  # in the second clip
            raise CancelledError()

    steps: list[int] = []
    kept = replace(asked, resume=tmp_path / "unfinished")
    with pytest.raises(CancelledError):
        list(Ltx2Backend(SMALL).generate(photo_scene(), (), kept, stop))
    assert steps == [*range(1, 9), *range(1, 5)]
    again: list[StageEvent] = []
    resumed = list(Ltx2Backend(SMALL).generate(photo_scene(), (), kept, again.append))
    assert len(again) < 8
    np.testing.assert_array_equal(pictures_of(resumed), pictures_of(whole))
    np.testing.assert_array_equal(sound_of(resumed), sound_of(whole))


def test_a_film_s_sound_comes_back_from_its_file(installed: Callable[..., str], tmp_path: Path) -> None:
    installed(MODEL, checkpoints_ltx2.ltx23, distilled=True)
    made = film(plan("text-to-video", 40))
    info = encode(iter(made), tmp_path / "film.mp4")
    assert (info.num_frames, info.has_audio) == (40, True)
    with av.open(str(tmp_path / "film.mp4")) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    given = sound_of(made)
    match = np.fft.irfft(np.fft.rfft(heard, 1 << 18) * np.conj(np.fft.rfft(given, 1 << 18)))
    assert match.argmax() == 0
    assert len(heard) - len(given) in range(1024)


def test_a_film_of_another_rate_is_made_at_one_that_fits(installed: Callable[..., str]) -> None:
    installed(MODEL, checkpoints_ltx2.ltx23, distilled=True)
    for fps, frames in ((25.0, 9), (12.0, 5), (60.0, 17)):
        made = film(plan("text-to-video", frames, fps=fps))
        assert pictures_of(made).shape[0] == frames
        assert {one.fps for one in made} == {fps}
        assert len(sound_of(made)) == round(frames / fps * 48_000)


def test_refusals(installed: Callable[..., str]) -> None:
    installed("ltx-2.3", checkpoints_ltx2.ltx23)
    asked = plan("audio-driven", sampling=Sampling(model="ltx-2.3"), footage=Footage(audio=speech(1.0)))
    with pytest.raises(RequestError) as full:
        film(asked)
    assert full.value.code == "model_not_distilled"
    installed(MODEL, checkpoints_ltx2.ltx23, distilled=True)
    with pytest.raises(RequestError) as quiet:
        film(plan("audio-driven"))
    assert quiet.value.code == "sound_missing"
    with pytest.raises(RequestError) as mode:
        film(plan("pose-guided"))
    assert mode.value.code == "mode_unsupported"
