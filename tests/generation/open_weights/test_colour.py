from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from photoplay.generation.backends.open_weights.colour import cells, colour_map, lab


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rgb = cv2.resize(skimage.data.astronaut(), (200, 160), interpolation=cv2.INTER_AREA)
    return np.stack([rgb, np.roll(rgb, 5, axis=1)])


def changed(frames: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(frames @ matrix[:, :3].T + matrix[:, 3]), 0, 255).astype(np.uint8)


LOOK = np.array([[0.9, 0.05, 0.0, 8.0], [0.02, 0.92, 0.0, 4.0], [0.0, 0.06, 0.8, 16.0]])


def test_gain_offset_tint_and_saturation_are_found(pictures):
    found = colour_map(pictures, changed(pictures, LOOK))
    assert found is not None
    assert np.abs(found.matrix - LOOK)[:, :3].max() < 0.03
    there = changed(pictures, found.matrix).astype(int)
    assert np.abs(there - changed(pictures, LOOK)).mean() < 0.6


def test_another_content_does_not_change_the_map(pictures):
    other = changed(pictures, LOOK)
    other[:, 20:90, 30:110] = (30, 190, 60)
    found = colour_map(pictures, other)
    assert found is not None
    elsewhere = changed(pictures, found.matrix).astype(int)[:, 100:] - changed(pictures, LOOK)[:, 100:]
    assert np.abs(elsewhere.mean((0, 1, 2))).max() < 0.7
    assert found.weight[:, 8:27, 12:33].mean() < 0.1
    assert np.median(found.weight[:, :, 40:]) > 0.7


def test_only_the_pixels_asked_for_count(pictures):
    other = changed(pictures, LOOK)
    where = np.zeros(other.shape[:3], bool)
    where[:, :, :100] = True
    other[~where] = 255 - other[~where]
    found = colour_map(pictures, other, where)
    assert found is not None
    there = changed(pictures, found.matrix).astype(int)[where] - changed(pictures, LOOK)[where]
    assert np.abs(there).mean() < 1.5


def test_pictures_of_different_things_have_no_map(pictures):
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (160, 200, 3)), (0, 0), 8)
    other = np.stack([np.clip(128 + 900 * noise, 0, 255).astype(np.uint8)] * 2)
    assert colour_map(pictures, other) is None
    assert colour_map(np.zeros_like(pictures), np.zeros_like(pictures)) is None


def test_lab_of_known_colours():
    # CIE 1976 with D65: white, black, and sRGB red (L 53.24, a 80.09, b 67.20).
    found = lab(np.array([[255.0, 255, 255], [0, 0, 0], [255, 0, 0]]))
    assert np.allclose(found, [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]], atol=0.1)


def test_cells_are_means():
    frames = np.zeros((1, 128, 64, 3), np.uint8)
    frames[:, ::2] = 100
    assert cells(frames).shape == (1, 64, 32, 3)
    assert np.allclose(cells(frames), 50)
