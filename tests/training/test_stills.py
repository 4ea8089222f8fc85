from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from photoplay.generation.mesh import face_height
from photoplay.training.follow import face_of
from photoplay.training.gap import gap
from photoplay.training.stills import frame_subject, round_trip, taken_again, warp
from photoplay.types import RenderPlan, Scene
from tests.generation.actors import astronaut

SIZE, FRAMES = 96, 3


@pytest.fixture(scope="module")
def scene() -> Scene:
    made = astronaut()
    person = made.subjects[0]
    return replace(made, subjects=(replace(person, face=face_of(person.face.landmarks, 512, 512)),))


@pytest.fixture(scope="module")
def examples(scene):
    return [round_trip(scene, 0, FRAMES, SIZE, np.random.default_rng(seed), {"seed": seed}) for seed in range(4)]


def test_an_example_is_whole_and_says_where_it_came_from(examples):
    for seed, example in enumerate(examples):
        assert example.target.shape == example.window.anchor.shape == (FRAMES, SIZE, SIZE, 3)
        assert example.window.labels.shape == example.window.confidence.shape == (FRAMES, SIZE, SIZE)
        assert example.facts == {"seed": seed, "source": "still"}


def test_what_was_warped_and_returned_lies_on_the_photo_where_the_anchor_is_sure(examples):
    figures = [gap(example) for example in examples]
    assert np.median([f["skin_error"] for f in figures]) < 4
    assert max(f["skin_shift"] for f in figures if "skin_shift" in f) < 0.5


def test_there_is_something_to_learn_and_the_truth_is_sharper(examples):
    assert min(gap(example)["psnr_face"] for example in examples) < 35

    def detail(frames) -> float:
        return float(np.abs(np.diff(frames.astype(np.float32), axis=2)).mean())

    assert np.mean([detail(e.target) for e in examples]) > np.mean([detail(e.window.anchor) for e in examples])


def test_the_same_seed_gives_the_same_example_and_another_seed_another(scene, examples):
    again = round_trip(scene, 0, FRAMES, SIZE, np.random.default_rng(0), {"seed": 0})
    np.testing.assert_array_equal(again.target, examples[0].target)
    for field in fields(again.window):
        np.testing.assert_array_equal(getattr(again.window, field.name), getattr(examples[0].window, field.name))
    assert not np.array_equal(examples[1].target, examples[0].target)


def test_the_head_stands_in_a_square_frame_as_fine_as_the_crop(scene):
    for seed in range(6):
        framed = frame_subject(scene, 0, SIZE, np.random.default_rng(seed))
        landmarks = framed.subjects[0].face.landmarks
        assert framed.photo.width == framed.photo.height == framed.matte.shape[0]
        assert 0.55 < face_height(landmarks) * 1.45 / SIZE < 1.4
        middle = landmarks[:468, :2].mean(0) / framed.photo.width
        assert np.abs(middle - 0.5).max() < 0.1
        inside = np.rint(landmarks[1, :2]).astype(int)
        assert framed.matte[inside[1], inside[0]] > 200


def test_a_warped_photo_is_less_sure_of_what_it_shows_and_its_matte_moves_along(scene):
    still = frame_subject(scene, 0, SIZE, np.random.default_rng(3))
    side = still.photo.width
    warped = warp(
        still, RenderPlan(side, side, (0.0, 0.0, float(side), float(side)), 24.0, 1), np.random.default_rng(4)
    )
    assert warped.confidence.mean() < 250
    landmarks = warped.scene.subjects[0].face.landmarks
    was = still.subjects[0].face.landmarks
    assert float(np.abs(landmarks - was).max()) > 3
    x, y = np.rint(landmarks[1, :2]).astype(int)
    assert warped.scene.matte[y, x] > 200
    share = warped.scene.matte.mean() / still.matte.mean()
    assert 0.7 < share < 1.4


def test_a_lesser_camera_changes_pixels_but_not_the_picture(scene):
    rgb = scene.photo.pixels[:200, :260]
    views = [taken_again(rgb, np.random.default_rng(seed)) for seed in range(12)]
    for view in views:
        assert view.shape == rgb.shape
        assert np.abs(view.astype(float) - rgb).mean() < 12
    assert sum(not np.array_equal(view, rgb) for view in views) > 6
