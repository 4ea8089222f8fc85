from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from photoplay.topology import LEFT_EYE_UPPER, RIGHT_EYE_UPPER
from photoplay.training.augment import augmented, mirrored, recoloured
from photoplay.training.shards import Example
from tests.training import toys

SAME = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def assert_alike(a: Example, b: Example) -> None:
    np.testing.assert_array_equal(a.target, b.target)
    for field in fields(a.window):
        np.testing.assert_allclose(getattr(a.window, field.name), getattr(b.window, field.name), atol=1e-4)


@pytest.fixture(scope="module")
def example() -> Example:
    return toys.example(1)


def test_a_mirror_of_a_mirror_shows_the_example(example):
    assert_alike(mirrored(mirrored(example)), example)


def test_the_mirrored_right_eye_lies_where_the_left_one_was(example):
    seen, size = mirrored(example).window.landmarks, example.window.size
    expected = example.window.landmarks[:, list(LEFT_EYE_UPPER)]
    expected = np.stack([size - 1 - expected[..., 0], expected[..., 1], expected[..., 2]], axis=-1)
    np.testing.assert_allclose(seen[:, list(RIGHT_EYE_UPPER)], expected, atol=1e-4)


def test_pixels_keep_their_landmarks_in_the_mirror(example):
    x, y = np.rint(example.window.landmarks[0, 1, :2]).astype(int)
    there = mirrored(example)
    mx, my = np.rint(there.window.landmarks[0, 1, :2]).astype(int)
    np.testing.assert_array_equal(there.target[0, my, mx], example.target[0, y, x])
    assert there.window.confidence[0, my, mx] == example.window.confidence[0, y, x]


def test_straight_curves_and_full_saturation_change_nothing(example):
    assert_alike(recoloured(example, SAME, 1.0), example)


def test_anchor_truth_and_reference_change_alike(example):
    curves = np.stack([255 - SAME[:, 0], SAME[:, 1] // 2, SAME[:, 2]], axis=1)
    made = recoloured(example, curves, 1.0)
    for was, now in (
        (example.window.anchor, made.window.anchor),
        (example.target, made.target),
        (example.window.reference, made.window.reference),
    ):
        np.testing.assert_array_equal(now[..., 0], 255 - was[..., 0])
        np.testing.assert_array_equal(now[..., 1], was[..., 1] // 2)
    grey = recoloured(example, SAME, 0.0).target
    assert int(np.ptp(grey.astype(int), axis=-1).max()) <= 1


def test_the_same_seed_gives_the_same_view_and_others_differ(example):
    first, again = (augmented(example, np.random.default_rng(5)) for _ in range(2))
    assert_alike(first, again)
    views = {augmented(example, np.random.default_rng(seed)).target.tobytes() for seed in range(12)}
    assert len(views) > 6
