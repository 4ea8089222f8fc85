from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.errors import UnavailableError
from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights import output
from photoplay.generation.backends.open_weights.backend import Made
from photoplay.generation.backends.open_weights.native import Grid, NativePlan, clip_plan, joined, plan_native, resample
from photoplay.generation.backends.open_weights.output import enlarged_with, finish
from photoplay.types import Array, Audio, HeadPose, MotionTrack, RenderPlan, Scene
from tests.generation.actors import REST, astronaut, track

GRID = Grid(multiple=16, max_frames=13, area=64 * 64)
SHARP = Grid(multiple=16, max_frames=13, area=160 * 160)
"""Small models: 16 frames a second, clips of 13 frames that share 5."""


def film(frames: int, **changes: object) -> RenderPlan:
    return replace(RenderPlan(96, 96, (0.0, 0.0, 512.0, 512.0), 24.0, frames, window=8), **changes)


def counting(native: NativePlan) -> Iterator[Made]:
    """Native frame k is of grey level 2 k."""
    for span in native.spans:
        levels = 2 * (span.start + span.known + np.arange(span.frames - span.known))
        shape = (native.height, native.width, 3)
        yield Made(span.start + span.known, np.stack([np.full(shape, level, np.uint8) for level in levels]))


def moving(frames: int) -> tuple[Scene, MotionTrack]:
    scene = astronaut()
    poses = [HeadPose(0.8 * k, 0, 0.2 * k) for k in range(frames)]
    return scene, track(scene, [REST, *poses[1:]], [(0.8 * k, 0.0) for k in range(frames)])


def as_told(scene: Scene, tracks: list[MotionTrack], plan: RenderPlan, native: NativePlan) -> Iterator[Made]:
    """A model that makes the anchor of its own size and rate, in colours that ran off."""
    for span in native.spans:
        own = clip_plan(plan, native, span)
        moved = [resample(track, native.fps, span.start, span.frames) for track in tracks]
        anchor = joined(list(render(scene, moved, own)))
        off = np.clip(np.rint(anchor.rgb * np.array([1.05, 1.0, 0.95]) + 4), 0, 255).astype(np.uint8)
        yield Made(span.start + span.known, off[span.known :])


@pytest.mark.parametrize(("fps", "frames"), [(24.0, 30), (16.0, 17), (25.0, 9), (12.0, 10), (24.0, 1)])
def test_every_frame_of_the_film_comes_once_and_at_its_time(fps, frames):
    plan = film(frames, fps=fps)
    native = plan_native(plan, GRID)
    windows = list(finish(counting(native), astronaut(), [], plan, native, False))
    assert [window.start for window in windows] == list(range(0, frames, 8))
    rgb = np.concatenate([window.rgb for window in windows])
    assert rgb.shape == (frames, 96, 96, 3)
    assert all(window.anchor is None and window.audio is None for window in windows)
    wanted = 2 * np.arange(frames) * native.fps / fps
    assert np.abs(rgb.mean((1, 2, 3)) - wanted).max() <= 0.51


def test_frames_that_coincide_are_the_models_own_enlarged():
    plan = film(25)
    native = plan_native(plan, GRID)
    rng = np.random.default_rng(0)
    clips = [Made(made.start, rng.integers(0, 256, made.rgb.shape, np.uint8)) for made in counting(native)]
    every = np.concatenate([clip.rgb for clip in clips])
    windows = finish(iter(clips), astronaut(), [], plan, native, False)
    rgb = np.concatenate([window.rgb for window in windows])
    enlarge = output.fit_of(plan, native).resize
    for index in range(0, 25, 3):
        assert (rgb[index] == enlarge(every[index * 2 // 3])).all()


def test_a_film_that_keeps_the_photo_is_the_photo_but_for_its_holes():
    plan = film(12, width=240, height=240)
    scene, moved = moving(12)
    native = plan_native(plan, SHARP)
    windows = list(finish(as_told(scene, [moved], plan, native), scene, [moved], plan, native, True))
    truth = joined([window.anchor for window in windows])
    rgb = np.concatenate([window.rgb for window in windows])
    assert (rgb[0] == truth.rgb[0]).all()
    same = (rgb == truth.rgb).all(-1)
    assert same[:, truth.confidence[0] == 255].mean() > 0.7
    made = ~same[-1]
    assert made.sum() > 300
    assert np.abs(np.median(rgb[-1][made].astype(int) - truth.rgb[-1][made], axis=0)).max() < 2


def test_a_film_that_does_not_keep_it_is_the_models():
    plan = film(6, width=240, height=240)
    scene, moved = moving(6)
    native = plan_native(plan, SHARP)
    windows = list(finish(as_told(scene, [moved], plan, native), scene, [moved], plan, native, False))
    truth = joined([window.anchor for window in windows])
    rgb = np.concatenate([window.rgb for window in windows])
    told = np.clip(truth.rgb * np.array([1.05, 1.0, 0.95]) + 4, 0, 255)
    soft = [cv2.GaussianBlur(frames[4].astype(np.float32), (0, 0), 3) for frames in (rgb, told, truth.rgb)]
    assert np.abs(soft[0] - soft[1]).mean() < 1.2
    assert np.abs(soft[0] - soft[2]).mean() > 3


def test_the_sound_of_the_clips_goes_with_the_frames():
    plan = film(30)
    native = plan_native(plan, GRID)
    rate = 4800

    def heard() -> Iterator[Made]:
        for made in counting(native):
            first, count = round(made.start / native.fps * rate), round(len(made.rgb) / native.fps * rate)
            samples = (np.arange(first, first + count) % 1000 / 1000).astype(np.float32)
            yield replace(made, audio=Audio(samples, rate, "0" * 64))

    windows = list(finish(heard(), astronaut(), [], plan, native, False))
    samples = np.concatenate([window.audio.samples for window in windows])
    assert len(samples) == round(30 / 24 * rate)
    assert np.allclose(samples, np.arange(len(samples)) % 1000 / 1000)
    assert all(len(window.audio.samples) == round(len(window.rgb) / 24 * rate) for window in windows)


def test_no_more_of_the_film_is_held_than_is_shown():
    """Clips are asked for one at a time, and let go: a film of any length takes the same memory."""
    plan = film(70)
    native = plan_native(plan, GRID)
    alive: list[weakref.ref[Array]] = []
    most = 0

    def watched() -> Iterator[Made]:
        for made in counting(native):
            alive.append(weakref.ref(made.rgb))
            yield made

    for window in finish(watched(), astronaut(), [], plan, native, False):
        gc.collect()
        most = max(most, sum(rgb() is not None for rgb in alive))
        asked = max(k for k, span in enumerate(native.spans) if k < len(alive))
        end = (window.start + len(window.rgb)) / plan.fps * native.fps
        assert native.spans[asked].start + native.spans[asked].known <= end + 1
    assert len(alive) == len(native.spans) > 5
    assert most <= 3


def test_a_model_that_makes_too_few_frames_is_noticed():
    plan = film(24)
    native = plan_native(plan, GRID)
    with pytest.raises(ValueError, match="fewer frames"):
        list(finish(iter(list(counting(native))[:1]), astronaut(), [], plan, native, False))


def test_the_recipe_can_say_what_enlarged_it():
    plan = film(24)
    assert enlarged_with(plan, plan_native(plan, GRID)) == "lanczos"
    assert enlarged_with(plan, plan_native(plan, Grid(max_frames=13, area=96 * 96))) == "none"


def test_an_upscaler_that_was_chosen_is_no_lanczos(tmp_path, monkeypatch):
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path))
    monkeypatch.setattr(output, "chosen_upscaler", lambda plan: "span-x4")
    plan = film(24)
    native = plan_native(plan, GRID)
    with pytest.raises(UnavailableError) as caught:
        next(finish(counting(native), astronaut(), [], plan, native, False))
    assert caught.value.code == "model_missing"


def test_a_clip_may_show_more_than_the_film(monkeypatch):
    """Where a model's frames have another shape, its clips may be of a wider crop; the film shows its own part."""
    wider = (-64.0, 0.0, 576.0, 512.0)
    monkeypatch.setattr(
        output, "clip_plan", lambda plan, native, span: replace(clip_plan(plan, native, span), crop=wider)
    )
    plan = film(24)
    native = NativePlan(320, 256, 16.0, 17, plan_native(plan, GRID).spans)
    assert output.fit_of(plan, native).box == (32.0, 0.0, 288.0, 256.0)
