from __future__ import annotations

import numpy as np
import pytest

from photoplay.generation.backends.pocket.conditioning import (
    COND_PLANES,
    REFERENCE_PLANES,
    CropWindow,
    cond_planes,
    reference_planes,
    to_frames,
    to_latents,
)
from photoplay.generation.backends.pocket.crops import HeadCrops, crop_points
from photoplay.types import Label
from tests.generation.actors import astronaut

SIZE = 64


@pytest.fixture(scope="module")
def window() -> CropWindow:
    rng = np.random.default_rng(0)
    rest = astronaut().subjects[0].face.landmarks
    points = crop_points(rest, HeadCrops.of(rest[None], rest, SIZE).rest)
    return CropWindow(
        rng.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8),
        rng.integers(0, 256, (2, SIZE, SIZE), np.uint8),
        rng.integers(0, 12, (2, SIZE, SIZE)).astype(np.uint8),
        np.stack([points, points + np.float32(3)]),
        rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8),
        points,
    )


def plane(planes, name):
    return planes[:, COND_PLANES.index(name)]


def test_planes_stand_where_their_names_say(window):
    planes = cond_planes(window)
    assert planes.shape == (2, len(COND_PLANES), SIZE, SIZE)
    assert planes.dtype == np.float32
    assert np.abs(planes).max() <= 1 + 1e-5
    assert np.allclose((plane(planes, "anchor_g") + 1) * 127.5, window.anchor[..., 1], atol=1e-3)
    assert np.allclose(plane(planes, "confidence") * 255, window.confidence, atol=1e-3)
    assert (plane(planes, "label_9") == (window.labels == Label.TEETH)).all()


def test_each_pixel_has_one_label_and_an_arm_is_body(window):
    planes = cond_planes(window)
    labels = planes[:, COND_PLANES.index("label_0") : COND_PLANES.index("label_10") + 1]
    assert (labels.sum(1) == 1).all()
    body = np.isin(window.labels, (Label.BODY, Label.ARM))
    assert (plane(planes, "label_1") == body).all()


def test_at_rest_both_normals_agree_and_the_face_moves_with_its_landmarks(window):
    planes = cond_planes(window)
    for axis in "xyz":
        assert (plane(planes, f"normal_{axis}")[0] == plane(planes, f"rest_normal_{axis}")[0]).all()
        face = plane(planes, f"face_{axis}")
        assert np.allclose(face[0, :-3, :-3], face[1, 3:, 3:], atol=1e-5)


def test_the_reference_shows_the_photo_and_its_geometry(window):
    planes = reference_planes(window)
    assert planes.shape == (len(REFERENCE_PLANES), SIZE, SIZE)
    assert np.allclose((planes[:3] + 1) * 127.5, window.reference.transpose(2, 0, 1), atol=1e-3)
    rest = cond_planes(window)[0]
    assert (planes[3:6] == rest[-9:-6]).all()
    assert (planes[6:] == rest[-3:]).all()


def test_latents_are_the_residual_and_come_back(window):
    frames = np.random.default_rng(1).integers(0, 256, window.anchor.shape, np.uint8)
    latents = to_latents(frames, window.anchor)
    assert (to_frames(latents, window.anchor) == frames).all()
    assert (to_latents(window.anchor, window.anchor) == 0).all()
