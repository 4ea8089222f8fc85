from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights.composite import Compositor, Inlay, Tone
from photoplay.types import Anchor, Array, HeadPose, Label, RenderPlan, Scene
from tests.generation.actors import REST, astronaut, plan, track

SIZE = 384


@pytest.fixture(scope="module")
def moved() -> tuple[Scene, RenderPlan, Anchor]:
    """At rest, then turned and shifted with an open mouth."""
    scene = astronaut()
    film = replace(plan(3, SIZE), window=3)
    poses, shifts = [REST, HeadPose(8, 0, 4), HeadPose(-10, 4, 0)], [(0.0, 0.0), (14.0, 0.0), (-16.0, 4.0)]
    return scene, film, next(render(scene, [track(scene, poses, shifts, jaw=[0.0, 14.0, 20.0])], film))


def run_off(frame: Array) -> Array:
    """What a model makes of it: other colours, softer, noisy."""
    soft = cv2.GaussianBlur(frame, (0, 0), 0.8).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 2, frame.shape)
    return np.clip(np.rint(soft * (1.05, 1.0, 0.94) + (7, 3, -4) + noise), 0, 255).astype(np.uint8)


def seam(film: Array, truth: Array, share: Array) -> float:
    """Energy of a visible border: how much the smooth error differs between the two sides of the rim of what was made."""
    error = cv2.GaussianBlur(film.astype(np.float32) - truth, (0, 0), 2.5)
    steps = [np.abs(np.diff(error, axis=axis)).sum(-1) for axis in (0, 1)]
    rim = cv2.dilate(((share > 8) & (share < 247)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert rim.sum() > 500
    return float(np.mean([steps[0][rim[1:]].mean(), steps[1][rim[:, 1:]].mean()]))


def test_a_model_that_makes_nothing_of_it_changes_nothing_where_the_photo_is_sure(moved):
    scene, film, anchor = moved
    compositor = Compositor(scene, film)
    for index in range(3):
        made = compositor.frame(np.zeros_like(anchor.rgb[index]), anchor, index)
        sure = compositor.share(anchor, index) == 0
        assert (made[sure] == anchor.rgb[index][sure]).all()
        assert sure.mean() > 0.75


def test_at_rest_the_film_is_the_photo(moved):
    scene, film, anchor = moved
    made = Compositor(scene, film).frame(run_off(anchor.rgb[0])[::-1].copy(), anchor, 0)
    assert (made == anchor.rgb[0]).all()


def test_holes_are_the_models(moved):
    scene, film, anchor = moved
    compositor = Compositor(scene, film)
    for index in (1, 2):
        share = compositor.share(anchor, index)
        unseen = cv2.erode((anchor.confidence[index] < 95).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        differs = np.abs(anchor.rgb[index].astype(int) - anchor.rgb[0]).max(-1) > 12
        assert (unseen & differs).sum() > 300
        assert np.median(share[unseen & differs]) > 240
        inside = np.isin(anchor.labels[index], (Label.MOUTH, Label.TEETH, Label.TONGUE))
        assert inside.sum() > 50
        assert np.median(share[inside]) > 240


def test_no_seam_is_seen_though_the_models_colours_ran_off(moved):
    scene, film, anchor = moved
    compositor = Compositor(scene, film)
    for index in (1, 2):
        truth = anchor.rgb[index]
        share = compositor.share(anchor, index)
        off = run_off(truth)
        pasted = truth + (share[..., None] / 255) * (off.astype(float) - truth)
        assert seam(compositor.frame(off, anchor, index), truth, share) < 0.35 * seam(pasted, truth, share)


def test_colours_of_holes_are_brought_to_those_around_them(moved):
    scene, film, anchor = moved
    compositor = Compositor(scene, film)
    truth, off = anchor.rgb[1].astype(float), run_off(anchor.rgb[1])
    hole = compositor.share(anchor, 1) > 200
    made = compositor.frame(off, anchor, 1)
    before, after = (
        np.abs((frame - truth)[hole].mean(axis=0)).max() for frame in (off.astype(float), made.astype(float))
    )
    assert before > 5
    assert after < 1.5


def test_light_that_falls_off_is_followed(moved):
    """Drift that no single colour map can undo: the light map does."""
    scene, film, anchor = moved
    compositor = Compositor(scene, film)
    x = np.linspace(-14, 14, SIZE)[None, :, None]
    off = np.clip(np.rint(anchor.rgb[1] + x), 0, 255).astype(np.uint8)
    hole = compositor.share(anchor, 1) > 200
    error = np.abs(compositor.frame(off, anchor, 1).astype(float) - anchor.rgb[1])[hole].mean()
    assert error < 0.35 * np.abs(off.astype(float) - anchor.rgb[1])[hole].mean()


def test_a_perfect_model_gives_the_anchor(moved):
    scene, film, anchor = moved
    compositor = Compositor(scene, film)
    for index in range(3):
        made = compositor.frame(anchor.rgb[index], anchor, index)
        assert np.abs(made.astype(int) - anchor.rgb[index]).max() <= 1


def test_the_border_moves_smoothly():
    """Motion that grows by an eighth of a pixel a frame must not switch pixels from photo to model at once."""
    scene = astronaut()
    film = replace(plan(24, 256), window=24)
    shifts = [(0.25 * k, 0.0) for k in range(24)]
    anchor = next(render(scene, [track(scene, [REST] * 24, shifts)], film))
    compositor = Compositor(scene, film)
    shares = np.stack([compositor.share(anchor, k) for k in range(24)]).astype(int)
    steps = np.abs(np.diff(shares, axis=0)).mean((1, 2))
    assert shares[-1].mean() > 2
    assert steps.max() < 0.4 * shares.mean((1, 2)).max()


def test_a_scene_without_anything_sure_is_the_models(moved):
    """Nothing to measure colours on: the model's frame is laid as it is."""
    scene, film, anchor = moved
    blank = replace(anchor, confidence=np.zeros_like(anchor.confidence), flow=np.full_like(anchor.flow, 9))
    made = run_off(anchor.rgb[1])
    assert (Compositor(scene, film).frame(made, blank, 1) == made).all()


def test_a_soft_model_is_as_sharp_as_the_photo_around_it_and_a_sharp_one_stays(moved):
    _, _, anchor = moved
    truth, everywhere = anchor.rgb[1], np.full((SIZE, SIZE), 255, np.uint8)
    tone = Tone(SIZE, SIZE)
    soft = cv2.GaussianBlur(truth, (0, 0), 0.8)
    sharper = tone.sharp(soft, truth, everywhere)
    error = [np.abs(cv2.GaussianBlur(frame.astype(float) - truth, (0, 0), 0.7)).mean() for frame in (soft, sharper)]
    assert error[1] < 0.6 * error[0]
    assert tone.sharp(truth, soft, everywhere) is truth
    # Paler, not softer: the colours will bring its detail back.
    assert tone.sharp(np.rint(truth * 0.6).astype(np.uint8), truth, everywhere, 1.75).max() <= truth.max() * 0.6 + 1


def test_what_is_repaired_in_a_video_takes_its_colours_and_leaves_the_rest_alone(moved):
    _, _, anchor = moved
    standing, off = anchor.rgb[1], run_off(anchor.rgb[1])
    make = np.zeros((SIZE, SIZE), np.uint8)
    make[120:250, 90:260] = 255
    made = Inlay(SIZE, SIZE).frame(off, standing, make)
    assert (made[make == 0] == standing[make == 0]).all()
    inner = cv2.erode(make, np.ones((9, 9), np.uint8)) > 0
    assert (made[inner] != standing[inner]).any(-1).mean() > 0.9
    before, after = (np.abs((frame.astype(float) - standing)[inner].mean(axis=0)).max() for frame in (off, made))
    assert before > 5
    assert after < 1
    assert seam(made, standing, cv2.blur(make, (5, 5))) < 0.35 * seam(
        np.where(make[..., None] > 0, off, standing), standing, cv2.blur(make, (5, 5))
    )


def test_a_video_without_anything_to_repair_is_itself(moved):
    standing = moved[2].rgb[1]
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    assert (Inlay(SIZE, SIZE).frame(run_off(standing), standing, nothing) == standing).all()
