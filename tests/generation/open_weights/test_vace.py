"""Wan-VACE: what the pipeline is told in every mode, and films from a photo on tiny checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photoplay.errors import RequestError
from photoplay.generation.backends.open_weights.composite import Compositor
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, plan_native
from photoplay.generation.backends.open_weights.vace import WanVace, changes, hint_scales, references, told_of
from photoplay.generation.backends.open_weights.vace_inputs import cut_out, face_areas, people_of, trusted
from photoplay.generation.backends.open_weights.wan import framed_photo
from photoplay.generation.controls.whole_body import draw_whole_body
from photoplay.motion.curves import perform
from photoplay.motion.library import find
from photoplay.motion.retarget import make_track
from photoplay.types import Array, Footage, Frames, HeadPose, Mode, MotionTrack, Photo, RenderPlan, Sampling, Scene
from photoplay.weights import store
from tests.generation import actors
from tests.generation.open_weights import checkpoints

SMALL = Grid(max_frames=9, area=64 * 64, overlap=5)
LARGE = replace(SMALL, area=256 * 256)
SHORT = Grid(max_frames=5, area=64 * 64, overlap=1)
WHOLE = (0.0, 0.0, 512.0, 512.0)
CROP = (130.0, 10.0, 322.0, 202.0)
TRACKED: tuple[Mode, ...] = ("image-to-video", "pose-guided", "audio-driven")


@cache
def person() -> Scene:
    """The astronaut, who looks straight into the camera."""
    scene = actors.astronaut()
    (one,) = scene.subjects
    return replace(scene, subjects=(replace(one, face=replace(one.face, head_pose=HeadPose(0.0, 0.0, 0.0))),))


@cache
def laugh() -> MotionTrack:
    performance = perform(find("laugh"), seconds=1.5, fps=24.0, speed=2.0, seed=0)
    return make_track(person(), 0, performance, intensity=1.0)


def plan(mode: Mode, frames: int = 13, size: int = 64, **more: Any) -> RenderPlan:
    sampling = Sampling(num_inference_steps=2, guidance_scale=1.0)
    asked = RenderPlan(size, size, CROP, 24.0, frames, 7, "She laughs.", 5, mode, sampling)
    return replace(asked, **more)


def photo(seed: int = 1) -> Photo:
    return Photo(noise(90, 70, 3, seed=seed), f"{seed:064d}")


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def square(*shape: int) -> Array:
    """A hole in the upper left, off the model's own squares."""
    hole = np.zeros(shape, np.uint8)
    hole[:, 5:30, 5:30] = 255
    return hole


def repair(frames: int) -> RenderPlan:
    """A video of the model's own rate with a hole."""
    told = Footage(video=noise(frames, 64, 64, 3), repair=square(frames, 64, 64))
    return plan("video-to-video", frames=frames, fps=16.0, footage=told)


def footage(mode: Mode, frames: int = 13, size: int = 64) -> Footage:
    """What a mode cannot do without."""
    if mode == "multi-image-to-video":
        return Footage(references=(person().photo, photo()))
    if mode == "video-to-video":
        return Footage(video=noise(frames, size, size, 3))
    return Footage()


def clip_of(asked: RenderPlan, number: int = 0, known: Array | None = None, grid: Grid = SMALL) -> ClipInputs:
    backend = WanVace(grid)
    native = plan_native(asked, grid)
    before = np.zeros((0, native.height, native.width, 3), np.uint8) if known is None else known
    tracks = [laugh()] if asked.mode in TRACKED and asked.prompt != "words" else []
    return backend.inputs(person(), tracks, asked, native, native.spans[number], before)


def film(asked: RenderPlan, tracks: list[MotionTrack], grid: Grid = SMALL) -> list[Frames]:
    return list(WanVace(grid).generate(person(), tracks, asked))


def pictures(frames: list[Frames]) -> Array:
    return np.concatenate([one.rgb for one in frames])


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Callable[..., Path]) -> Callable[..., str]:
    """``installed(name, **settings)`` puts a tiny VACE into an empty store."""
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))

    def put(name: str = "wan-vace-1.3b", **settings: Any) -> str:
        store.add(name, built(checkpoints.wan_vace, **settings), backend="wan-vace", licence="none")
        return name

    return put


@pytest.fixture(scope="module")
def pipe(built: Callable[..., Path]) -> Any:
    from diffusers import WanVACEPipeline

    made = WanVACEPipeline.from_pretrained(built(checkpoints.wan_vace), local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


def heard(pipe: Any, call: dict[str, Any], clip: ClipInputs) -> dict[str, Any]:
    """What the transformer is given in the first step of a clip."""
    said: list[dict[str, Any]] = []
    hook = pipe.transformer.register_forward_pre_hook(lambda _, __, given: said.append(given), with_kwargs=True)
    size = {"width": clip.plan.width, "height": clip.plan.height, "num_frames": clip.plan.num_frames}
    try:
        pipe(prompt="x", num_inference_steps=1, guidance_scale=1.0, output_type="latent", **size, **call)
    finally:
        hook.remove()
    return said[0]


# --- what stands, what is made, and from what -------------------------------------------------------------------------


def test_the_photo_stands_where_it_is_sure_and_faces_are_drawn_where_it_is_not() -> None:
    clip = clip_of(plan("image-to-video", size=256, crop=WHOLE), grid=LARGE)
    assert clip.anchor is not None
    told = told_of(clip)
    np.testing.assert_array_equal(told.rgb, clip.anchor.rgb)
    assert not told.make[0].any(), "the film begins with the photo itself"
    assert 0.05 < told.make[4:].mean() < 0.6
    compositor = Compositor(clip.scene, clip.plan)
    for frame in range(9):
        shown = compositor.share(clip.anchor, frame) > 0
        assert told.make[frame][shown].all(), "what the film will show of the model's, the model makes"
    area = face_areas(clip.tracks, clip.plan)
    np.testing.assert_array_equal(told.shown, told.make & area)
    np.testing.assert_array_equal(told.hint, draw_whole_body(clip.tracks, clip.plan))
    video, mask = told.video()[0], told.mask()[0, ..., 0]
    kept = mask == 0
    np.testing.assert_array_equal(np.rint(video[kept] * 255), clip.anchor.rgb[kept])
    assert (video[told.make & ~area] == 0.5).all()
    assert told.hint[told.shown].max() == 255, "white dots of lids and lips"


def test_poses_are_struck_by_all_of_a_person_that_moves_before_the_photo_s_own_background() -> None:
    asked = plan("pose-guided", size=256, crop=WHOLE)
    posed = told_of(clip_of(asked, grid=LARGE))
    clip = clip_of(replace(asked, mode="image-to-video"), grid=LARGE)
    moved = told_of(clip)
    assert clip.anchor is not None
    assert (posed.make | ~moved.make).all()
    assert posed.make[4:].mean() > moved.make[4:].mean() + 0.1
    np.testing.assert_array_equal(posed.shown, posed.make)
    background = clip.anchor.labels == 0
    assert posed.make[background].mean() < 0.5 < posed.make[4:][~background[4:]].mean()
    assert not posed.make[0].any()


def test_a_photo_without_a_motion_is_the_first_frame_and_words_say_the_rest() -> None:
    clip = clip_of(plan("image-to-video", prompt="words"))
    told = told_of(clip)
    np.testing.assert_array_equal(told.rgb[0], framed_photo(clip))
    assert told.make.any((1, 2)).tolist() == [False] + [True] * 8
    assert (told.video()[0, 1:] == 0.5).all()
    assert told.make[1:].all()


@pytest.mark.parametrize("mode", ["text-to-video", "multi-image-to-video"])
def test_where_no_photo_is_moved_nothing_stands(mode: Mode) -> None:
    told = told_of(clip_of(plan(mode, footage=footage(mode))))
    assert told.make.all()
    assert (told.video() == 0.5).all()
    assert (told.mask() == 1).all()


def test_the_last_picture_stands_from_the_film_s_last_frame_on() -> None:
    last = noise(64, 64, 3)
    clip = clip_of(plan("image-to-video", prompt="words", frames=11, footage=Footage(last=last)))
    told = told_of(clip)
    assert clip.span.frames == 9
    assert told.make.any((1, 2)).tolist() == [False, *[True] * 6, False, False]
    np.testing.assert_array_equal(told.rgb[7:], np.stack([last, last]))


def test_the_last_picture_is_not_told_to_a_clip_that_the_film_does_not_end_in() -> None:
    asked = plan("image-to-video", prompt="words", frames=19, footage=Footage(last=noise(64, 64, 3)))
    assert told_of(clip_of(asked)).make[1:].all()
    assert not told_of(clip_of(asked, 1, noise(5, 64, 64, 3))).make[-1].any()


def test_a_clip_goes_on_from_the_frames_before_it_and_from_the_photo_again() -> None:
    known = noise(5, 64, 64, 3)
    words = told_of(clip_of(plan("image-to-video", prompt="words", frames=19), 1, known))
    np.testing.assert_array_equal(words.rgb[:5], known)
    assert words.make.any((1, 2)).tolist() == [False] * 5 + [True] * 4
    assert words.mask()[0, :5].max() == 0
    clip = clip_of(plan("image-to-video", frames=19), 1, known)
    moved = told_of(clip)
    assert clip.anchor is not None
    share = Compositor(clip.scene, clip.plan).share(clip.anchor, 0)
    np.testing.assert_array_equal(moved.rgb[0][share == 0], clip.anchor.rgb[0][share == 0])
    assert (moved.rgb[0][share == 255] != clip.anchor.rgb[0][share == 255]).any()
    assert not moved.make[:5].any()


def test_a_repair_is_made_from_nothing_and_the_rest_of_the_video_stands() -> None:
    asked = repair(9)
    clip = clip_of(asked)
    told = told_of(clip)
    assert changes(clip.plan) == 1
    np.testing.assert_array_equal(told.make[0], told.make[-1])
    assert told.make[0, :32, :32].all()
    assert not told.make[:, 32:].any()
    assert not told.make[:, :, 32:].any()
    assert (told.video()[0][told.make] == 0.5).all()
    np.testing.assert_array_equal(told.rgb, clip.plan.footage.video)


def test_a_video_is_made_anew_from_its_light_and_dark_the_less_so_the_more_it_may_change() -> None:
    asked = plan("video-to-video", footage=footage("video-to-video"))
    told = told_of(clip_of(asked))
    assert told.make.all()
    assert told.shown.all()
    video = told.video()
    np.testing.assert_array_equal(video[..., 0], video[..., 2])
    assert video.std() > 0.1
    wholly = told_of(clip_of(replace(asked, sampling=replace(asked.sampling, strength=1.0))))
    assert (wholly.video() == 0.5).all()


def test_people_strike_the_poses_of_a_clip_unless_the_clip_itself_is_to_change() -> None:
    clip = clip_of(plan("pose-guided", fps=16.0, frames=9))
    asked = replace(clip.plan, mode="video-to-video", footage=Footage(video=noise(9, 64, 64, 3)))
    posed = told_of(replace(clip, plan=asked, film=asked))
    expected = told_of(clip)
    np.testing.assert_array_equal(posed.video(), expected.video())
    np.testing.assert_array_equal(posed.mask(), expected.mask())
    said = replace(asked, sampling=Sampling(strength=0.5))
    assert told_of(replace(clip, plan=said, film=said)).make.all()
    mended = replace(asked, footage=replace(asked.footage, repair=square(9, 64, 64)))
    np.testing.assert_array_equal(told_of(replace(clip, plan=mended, film=mended)).rgb, asked.footage.video)


def test_who_is_put_into_a_clip_is_drawn_in_the_hole_and_shown_beside() -> None:
    clip = clip_of(plan("pose-guided", fps=16.0, frames=9))
    asked = replace(repair(9), sampling=clip.plan.sampling)
    own = replace(clip.plan, mode="video-to-video", footage=asked.footage)
    put = replace(clip, plan=own, film=own)
    told, drawn = told_of(put), draw_whole_body(clip.tracks, clip.plan)
    np.testing.assert_array_equal(told.make, told_of(replace(put, tracks=(), anchor=None)).make)
    shown = told.video()[0] * 255
    np.testing.assert_allclose(shown[told.make], drawn[told.make], atol=1e-3)
    assert drawn[told.make].any()
    np.testing.assert_allclose(shown[~told.make], own.footage.video[~told.make], atol=1e-3)
    assert len(references(put)) == 1
    known = noise(5, 64, 64, 3)
    on = told_of(replace(put, known=known, span=replace(put.span, known=5)))
    np.testing.assert_array_equal(on.rgb[:5], known)


def test_hints_of_who_is_put_in_do_not_fade(pipe: Any) -> None:
    clip = clip_of(plan("pose-guided", fps=16.0, frames=9))
    own = replace(clip.plan, mode="video-to-video", footage=repair(9).footage)
    call = WanVace(SMALL).condition(pipe, replace(clip, plan=own, film=own))
    assert set(call["conditioning_scale"]) == {1.0}


def test_hints_fade_from_the_first_block_to_the_last() -> None:
    assert hint_scales(1.0, 0.0, 8) == [1.0] * 8
    assert hint_scales(0.8, 0.5, 3) == pytest.approx([0.8, 0.6, 0.4])
    assert hint_scales(1.0, 1.0, 2) == [1.0, 0.0]
    assert hint_scales(0.7, 1.0, 1) == [0.7]


# --- who is seen ------------------------------------------------------------------------------------------------------


def test_people_are_shown_where_the_clip_itself_does_not_show_them() -> None:
    (cut,) = people_of(person(), [0], 64, 64)
    before = noise(5, 64, 64, 3)
    for asked, known, shown in (
        (plan("image-to-video"), None, False),
        (plan("image-to-video", prompt="words", frames=19), None, False),
        (plan("image-to-video", prompt="words", frames=19), before, True),
        (plan("pose-guided"), None, True),
        (plan("text-to-video"), None, False),
        (plan("video-to-video", footage=footage("video-to-video")), None, True),
    ):
        seen = references(clip_of(asked, 0 if known is None else 1, known))
        assert len(seen) == int(shown), asked.mode
        if shown:
            np.testing.assert_array_equal(seen[0], cut)


def test_two_people_lie_in_the_latents_in_the_order_of_the_request(pipe: Any) -> None:
    clip = clip_of(plan("multi-image-to-video", footage=footage("multi-image-to-video")))
    call = WanVace(SMALL).condition(pipe, clip)
    first, second = references(clip)
    np.testing.assert_array_equal(second, cut_out(photo().pixels, None, 64, 64))
    control = heard(pipe, call, clip)["control_hidden_states"]
    assert control.shape == (1, 96, 2 + 3, 8, 8)
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1, 1)
        for values in (pipe.vae.config.latents_mean, pipe.vae.config.latents_std)
    )
    with torch.no_grad():
        for place, reference in enumerate((first, second)):
            pixels = torch.from_numpy(reference).permute(2, 0, 1)[None, :, None] / 127.5 - 1
            latent = (pipe.vae.encode(pixels).latent_dist.mode() - mean) / std
            torch.testing.assert_close(control[:, :16, place : place + 1], latent, atol=1e-4, rtol=1e-4)
    assert (control[:, 16:32, :2] == 0).all(), "references have nothing to react to"
    assert (control[:, 32:, :2] == 0).all()
    assert (control[:, 32:, 2:] == 1).all()


def test_the_transformer_hears_the_mask_and_the_scale_of_every_hint(pipe: Any) -> None:
    asked = repair(9)
    clip = clip_of(replace(asked, sampling=Sampling(conditioning_scale=0.5, strength=0.5)))
    call = WanVace(SMALL).condition(pipe, clip)
    given = heard(pipe, call, clip)
    assert given["control_hidden_states_scale"].tolist() == [0.5, 0.25]
    mask = given["control_hidden_states"][0, 32:, 1:]  # behind the reference
    assert (mask[:, :, :4, :4] == 1).all()
    assert (mask[:, :, 4:] == 0).all()
    assert (mask[:, :, :, 4:] == 0).all()


# --- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("footage_missing", plan("video-to-video")),
        ("footage_missing", plan("multi-image-to-video")),
        ("repair_mismatch", plan("text-to-video", footage=Footage(repair=square(13, 64, 64)))),
        ("track_missing", plan("pose-guided")),
        ("track_missing", plan("audio-driven")),
        ("too_many_references", plan("multi-image-to-video", footage=Footage(references=(photo(),) * 4))),
        ("setting_unsupported", plan("image-to-video", sampling=Sampling(strength=0.5))),
        ("setting_invalid", plan("video-to-video", footage=footage("video-to-video"), sampling=Sampling(strength=1.5))),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_before_anything_is_loaded(code: str, asked: RenderPlan) -> None:
    with pytest.raises(RequestError) as refused:
        film(asked, [])
    assert refused.value.code == code


def test_a_motion_ends_where_it_ends() -> None:
    with pytest.raises(RequestError) as refused:
        film(plan("image-to-video", footage=Footage(last=noise(64, 64, 3))), [laugh()])
    assert refused.value.code == "last_frame_unsupported"


def test_every_model_is_named_and_has_its_own_settings() -> None:
    backend = WanVace()
    assert backend.capabilities.models == tuple(backend.recipes)
    assert set(backend.capabilities.modes) == set(backend.pipelines)
    shifts = {model: backend.resolved(Sampling(model=model)).flow_shift for model in backend.recipes}
    assert shifts == {"wan-vace-1.3b": 16.0, "wan-vace-14b": 16.0, "wan2.2-vace-14b": 12.0}
    assert backend.resolved(Sampling()).model == "wan-vace-1.3b"
    hd = RenderPlan(1280, 720, (0, 0, 1280, 720), 24.0, 72)
    sizes = [plan_native(hd, backend.grid_for(replace(hd, sampling=Sampling(model)))) for model in backend.recipes]
    assert [(size.width, size.height) for size in sizes] == [(848, 480), (1280, 720), (1280, 720)]


# --- films ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", WanVace.capabilities.modes)
def test_a_film_of_every_mode_is_the_seed_s(mode: Mode, installed: Callable[..., str]) -> None:
    installed()
    asked = plan(mode, frames=7, footage=footage(mode, frames=7))
    tracks = [laugh()] if mode in TRACKED else []
    made = film(asked, tracks, SHORT)
    rgb = pictures(made)
    assert [one.start for one in made] == [0, 5]
    assert rgb.shape == (7, 64, 64, 3)
    other = pictures(film(replace(asked, seed=8), tracks, SHORT))
    assert (rgb != other).any()
    if mode not in TRACKED:
        return
    compositor = Compositor(person(), asked)
    for window in made:
        assert window.anchor is not None
        believed = trusted(window.anchor, mode == "pose-guided")
        for k, at in enumerate(range(window.start, window.start + len(window.rgb))):
            stands = compositor.share(believed, k) == 0
            np.testing.assert_array_equal(rgb[at][stands], other[at][stands])
            np.testing.assert_array_equal(rgb[at][stands], window.anchor.rgb[k][stands])
            assert at > 0 or stands.all(), "it begins with the photo"


def test_the_same_request_makes_the_same_film(installed: Callable[..., str]) -> None:
    installed()
    asked = plan("pose-guided", frames=7)
    first, again = (pictures(film(asked, [laugh()], SHORT)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_film_in_several_clips_from_words_with_a_last_picture_and_two_experts(installed: Callable[..., str]) -> None:
    name = installed("wan2.2-vace-14b", experts=2)
    sampling = Sampling(name, num_inference_steps=2, guidance_scale=1.0)
    asked = plan("image-to-video", prompt="words", frames=19, sampling=sampling, footage=Footage(last=noise(64, 64, 3)))
    assert len(plan_native(asked, SMALL).spans) == 2
    rgb = pictures(film(asked, []))
    assert rgb.shape == (19, 64, 64, 3)
    freer = pictures(film(replace(asked, footage=Footage()), []))
    np.testing.assert_array_equal(rgb[:12], freer[:12])
    assert (rgb[-1] != freer[-1]).any()


def test_a_repair_changes_nothing_but_what_is_repaired(installed: Callable[..., str]) -> None:
    installed()
    video, hole = noise(13, 96, 96, 3), square(13, 96, 96)
    rgb = pictures(film(plan("video-to-video", size=96, footage=Footage(video=video, repair=hole)), []))
    np.testing.assert_array_equal(rgb[hole == 0], video[hole == 0])
    assert (rgb[hole > 0] != video[hole > 0]).mean() > 0.8
